//! One user's session with a voice server, which outlives its connections.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backline_proto::voice::{Close, ServerMessage};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;

use super::{SessionSpec, ear::Ear};

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Send this text frame.
    Send(String),
    /// Close with this code.
    Close(Close),
    /// Break off without a close frame.
    Drop,
}

/// A user's session: from VOICE_SERVER_UPDATE until it leaves or its ticket is replaced.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) spec: SessionSpec,
    pub(super) token: String,
    pub(super) ssrc: u32,
    /// What listens to its packets; locked for a few microseconds per packet.
    pub(super) ear: Mutex<Ear>,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Number of the last numbered message.
    sequence: Option<i64>,
    replay: VecDeque<(i64, String)>,
    connection: Option<Connection>,
    /// Set while a resume would be accepted.
    resumable: bool,
    lost_at: Option<Instant>,
    described: bool,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    version: u8,
    orders: mpsc::UnboundedSender<Order>,
}

impl Session {
    pub(super) fn new(spec: SessionSpec, token: String, ssrc: u32) -> Self {
        Self {
            spec,
            token,
            ssrc,
            ear: Mutex::default(),
            line: Mutex::default(),
        }
    }

    pub(super) fn token_matches(&self, token: &str) -> bool {
        bool::from(self.token.as_bytes().ct_eq(token.as_bytes()))
    }

    pub(super) fn ear(&self) -> MutexGuard<'_, Ear> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew on this connection (Identify); an older connection is closed.
    pub(super) fn attach(&self, id: u64, version: u8, orders: mpsc::UnboundedSender<Order>) {
        let mut line = self.line();
        line.hang_up(Close::SESSION_INVALID);
        *line = Line {
            connection: Some(Connection {
                id,
                version,
                orders,
            }),
            resumable: true,
            ..Line::default()
        };
        self.ear().forget();
    }

    /// Goes on with this connection (Resume). Returns what the client has missed.
    pub(super) fn resume(
        &self,
        id: u64,
        version: u8,
        orders: mpsc::UnboundedSender<Order>,
        acknowledged: Option<i64>,
        window: Duration,
    ) -> Result<Vec<String>, Close> {
        let mut line = self.line();
        let expired = line
            .lost_at
            .is_some_and(|lost_at| lost_at.elapsed() > window);
        if !line.resumable || expired {
            return Err(Close::SESSION_INVALID);
        }
        let last = line.sequence.unwrap_or(-1);
        let acknowledged = acknowledged.unwrap_or(last);
        let oldest = line.replay.front().map_or(last + 1, |(number, _)| *number);
        if acknowledged > last || acknowledged + 1 < oldest {
            return Err(Close::SESSION_INVALID);
        }
        line.hang_up(Close::SESSION_INVALID);
        line.connection = Some(Connection {
            id,
            version,
            orders,
        });
        line.lost_at = None;
        let missed = line
            .replay
            .iter()
            .filter(|(number, _)| *number > acknowledged);
        Ok(missed.map(|(_, text)| text.clone()).collect())
    }

    /// Notes that the connection has ended.
    pub(super) fn detach(&self, id: u64, resumable: bool) {
        let mut line = self.line();
        if line
            .connection
            .as_ref()
            .is_some_and(|connection| connection.id == id)
        {
            line.connection = None;
            line.lost_at = Some(Instant::now());
            line.resumable &= resumable;
        }
    }

    /// Notes that the key was handed out.
    pub(super) fn described(&self) {
        self.line().described = true;
    }

    /// Whether there is a connection, and a key.
    pub(super) fn is_connected(&self) -> bool {
        let line = self.line();
        line.described && line.connection.is_some()
    }

    /// Whether a client has identified, and may still be there or come back.
    pub(super) fn is_present(&self) -> bool {
        self.line().resumable
    }

    /// Sends a message that a resume sends again if it was lost.
    pub(super) fn send_numbered(&self, message: &ServerMessage) {
        let mut line = self.line();
        if !line.resumable {
            return;
        }
        let number = line.sequence.map_or(0, |last| last + 1);
        line.sequence = Some(number);
        let text = message.to_json(Some(number));
        if let Some(connection) = &line.connection {
            let text = if connection.version >= 8 {
                text.clone()
            } else {
                message.to_json(None)
            };
            // A connection that has just ended does not mind: the message is kept below.
            let _ = connection.orders.send(Order::Send(text));
        }
        line.replay.push_back((number, text));
        if line.replay.len() > REPLAYED_MESSAGES {
            line.replay.pop_front();
        }
    }

    /// Orders the connection to end. Returns whether there was one.
    pub(super) fn order(&self, order: Order) -> bool {
        let line = self.line();
        line.connection
            .as_ref()
            .is_some_and(|connection| connection.orders.send(order).is_ok())
    }

    /// Ends the session for good.
    pub(super) fn end(&self, close: Close) {
        let mut line = self.line();
        line.resumable = false;
        line.hang_up(close);
    }
}

impl Line {
    fn hang_up(&mut self, close: Close) {
        if let Some(connection) = self.connection.take() {
            // Fails only if the connection is gone, which is what is wanted.
            let _ = connection.orders.send(Order::Close(close));
        }
    }
}

/// Numbered messages kept for a resume.
const REPLAYED_MESSAGES: usize = 256;
