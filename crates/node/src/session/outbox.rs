//! Where a session's messages go: to its socket, or into a queue while there is none.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where a session's messages go.
#[derive(Debug)]
pub enum Outbox {
    /// To the task that owns the socket.
    Live {
        /// Its queue.
        messages: mpsc::Sender<Utf8Bytes>,
        /// Ends the task when its client reads too slowly.
        overrun: CancellationToken,
    },
    /// Into a queue, until a client resumes.
    Parked {
        /// Messages, oldest first.
        kept: VecDeque<Kept>,
        /// A client is about to take the session up.
        claimed: bool,
    },
    /// Nowhere: the session is over.
    Gone,
}

/// The socket's side.
#[derive(Debug)]
pub struct Inbox {
    /// Messages to send.
    pub messages: mpsc::Receiver<Utf8Bytes>,
    /// Cancelled when the client read too slowly; the socket has to go.
    pub overrun: CancellationToken,
}

/// A message of a parked session.
#[derive(Debug)]
pub struct Kept {
    text: Utf8Bytes,
    stats: bool,
}

/// Messages a slow client may be behind before its socket is closed.
const LIVE: usize = 4_096;
/// Messages a parked session keeps. When there are more, the oldest stats go first, then the
/// oldest message.
const PARKED: usize = 4_096;

impl Outbox {
    /// Returns both sides of a live session's queue.
    pub fn live() -> (Self, Inbox) {
        let (sender, messages) = mpsc::channel(LIVE);
        let overrun = CancellationToken::new();
        let inbox = Inbox {
            messages,
            overrun: overrun.clone(),
        };
        (
            Self::Live {
                messages: sender,
                overrun,
            },
            inbox,
        )
    }

    /// Returns a parked queue that begins with what `inbox` had not sent.
    pub fn parked(mut inbox: Inbox) -> Self {
        inbox.messages.close();
        let mut kept = VecDeque::new();
        while let Ok(text) = inbox.messages.try_recv() {
            kept.push_back(Kept { text, stats: false });
        }
        Self::Parked {
            kept,
            claimed: false,
        }
    }

    /// Whether there is a socket.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    /// Whether there is a socket that is not far behind.
    pub fn takes_updates(&self) -> bool {
        match self {
            Self::Live { messages, .. } => messages.capacity() > LIVE / 2,
            Self::Parked { .. } | Self::Gone => false,
        }
    }

    /// Sends or keeps a message.
    pub fn push(&mut self, text: Utf8Bytes) {
        self.put(Kept { text, stats: false });
    }

    /// Sends or keeps stats.
    pub fn push_stats(&mut self, text: Utf8Bytes) {
        self.put(Kept { text, stats: true });
    }

    fn put(&mut self, message: Kept) {
        match self {
            Self::Live { messages, overrun } => {
                if messages.try_send(message.text).is_err() {
                    overrun.cancel();
                }
            }
            Self::Parked { kept, .. } => {
                if kept.len() >= PARKED {
                    let oldest_stats = kept.iter().position(|kept| kept.stats);
                    kept.remove(oldest_stats.unwrap_or(0));
                }
                kept.push_back(message);
            }
            Self::Gone => {}
        }
    }

    /// Returns what was kept, oldest first.
    pub fn into_kept(self) -> Vec<Utf8Bytes> {
        match self {
            Self::Parked { kept, .. } => kept.into_iter().map(|kept| kept.text).collect(),
            Self::Live { .. } | Self::Gone => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_session_keeps_events_longer_than_stats_and_never_more_than_its_bound() {
        let (_, inbox) = Outbox::live();
        let mut outbox = Outbox::parked(inbox);
        outbox.push("first".into());
        outbox.push_stats("stats".into());
        for number in 0..PARKED {
            outbox.push(format!("{number}").into());
        }
        let kept = outbox.into_kept();
        assert_eq!(kept.len(), PARKED);
        assert_eq!(
            kept[0].as_str(),
            "0",
            "first the stats went, then the oldest"
        );
        assert_eq!(kept[PARKED - 1].as_str(), format!("{}", PARKED - 1));
    }

    #[test]
    fn what_a_broken_socket_had_not_sent_comes_first() {
        let (mut outbox, inbox) = Outbox::live();
        outbox.push("one".into());
        outbox = Outbox::parked(inbox);
        outbox.push("two".into());
        assert_eq!(outbox.into_kept(), ["one", "two"]);
    }

    #[test]
    fn positions_give_way_before_a_slow_client_is_given_up() {
        let (mut outbox, inbox) = Outbox::live();
        let mut sent = 0;
        // What tens of thousands of players have to tell within one second.
        for _ in 0..3 * LIVE {
            if outbox.takes_updates() {
                outbox.push("playerUpdate".into());
                sent += 1;
            }
        }
        assert_eq!(sent, LIVE / 2);
        outbox.push("event".into());
        assert!(!inbox.overrun.is_cancelled(), "events still have room");
        assert!(!Outbox::parked(inbox).takes_updates());
    }

    #[test]
    fn a_client_that_does_not_read_loses_its_socket() {
        let (mut outbox, inbox) = Outbox::live();
        for _ in 0..=LIVE {
            outbox.push("x".into());
        }
        assert!(inbox.overrun.is_cancelled());
    }
}
