//! One user's session with a voice server, which outlives its connections.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backline_media::voice::{RtpHeader, Sealer};
use backline_proto::voice::{
    Close, SPEAKING_MICROPHONE, ServerMessage, Snowflake, Speaking, binary,
};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{SessionSpec, dave::Frame, ear::Ear};

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Send this frame.
    Send(Message),
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
    mouth: Mutex<Mouth>,
    line: Mutex<Line>,
}

/// What a session needs to hear the others.
#[derive(Debug, Default)]
struct Mouth {
    sealer: Option<Sealer>,
    speaks_dave: bool,
}

#[derive(Debug, Default)]
struct Line {
    /// Number of the last numbered message.
    sequence: Option<i64>,
    replay: VecDeque<(i64, Message)>,
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
            mouth: Mutex::default(),
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
    ) -> Result<Vec<Message>, Close> {
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
        Ok(missed.map(|(_, message)| message.clone()).collect())
    }

    /// Notes that the connection has ended.
    /// Notes that the connection has ended. Returns whether it was the present one.
    pub(super) fn detach(&self, id: u64, resumable: bool) -> bool {
        let mut line = self.line();
        if line
            .connection
            .as_ref()
            .is_some_and(|connection| connection.id == id)
        {
            line.connection = None;
            line.lost_at = Some(Instant::now());
            line.resumable &= resumable;
            return true;
        }
        false
    }

    /// Whether it was lost this long ago, and nobody came back.
    pub(super) fn is_lost_for(&self, window: Duration) -> bool {
        let line = self.line();
        line.connection.is_none() && line.lost_at.is_some_and(|lost| lost.elapsed() >= window)
    }

    /// Notes that the key was handed out.
    pub(super) fn described(&self) {
        self.line().described = true;
    }

    /// What newcomers are told of a client that speaks.
    pub(super) fn speaking(&self) -> Option<Speaking> {
        self.ear().is_announced().then(|| Speaking {
            user_id: Snowflake::new(self.spec.user_id),
            ssrc: self.ssrc,
            speaking: SPEAKING_MICROPHONE,
        })
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
        self.send_with(|number| Message::text(message.to_json(number)));
    }

    /// Sends a message of the delivery service, numbered too.
    pub(super) fn send_dave(&self, frame: &Frame) {
        self.send_with(|number| match frame {
            Frame::Text { op, body } => {
                let (op, body) = (*op, body.clone());
                Message::text(ServerMessage::Dave { op, body }.to_json(number))
            }
            Frame::Binary { op, payload } => {
                let frame = binary::ServerFrame {
                    // WIRE: one row of numbers with those of text frames, sixteen bits of it here.
                    seq: number.unwrap_or_default() as u16,
                    op: *op,
                    payload,
                };
                Message::binary(frame.to_bytes())
            }
        });
    }

    fn send_with(&self, write: impl Fn(Option<i64>) -> Message) {
        let mut line = self.line();
        if !line.resumable {
            return;
        }
        let number = line.sequence.map_or(0, |last| last + 1);
        line.sequence = Some(number);
        let message = write(Some(number));
        if let Some(connection) = &line.connection {
            let message = if connection.version >= 8 {
                message.clone()
            } else {
                write(None)
            };
            // A connection that has just ended does not mind: the message is kept below.
            let _ = connection.orders.send(Order::Send(message));
        }
        line.replay.push_back((number, message));
        if line.replay.len() > REPLAYED_MESSAGES {
            line.replay.pop_front();
        }
    }

    fn mouth(&self) -> MutexGuard<'_, Mouth> {
        self.mouth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the key with which others' packets are sealed for this session.
    pub(super) fn listens_with(&self, sealer: Sealer) {
        self.mouth().sealer = Some(sealer);
    }

    /// Notes whether the client can make sense of frames that members encrypt.
    pub(super) fn speaks_dave(&self, speaks: bool) {
        self.mouth().speaks_dave = speaks;
    }

    /// Seals another member's packet for this session, if it takes it.
    pub(super) fn relay(&self, header: &RtpHeader, media: &[u8], packet: &mut Vec<u8>) -> bool {
        let mut mouth = self.mouth();
        if media.ends_with(&[0xFA, 0xFA]) && !mouth.speaks_dave {
            return false;
        }
        let sealer = mouth.sealer.as_mut();
        sealer.is_some_and(|sealer| sealer.seal(header, media, packet).is_ok())
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
