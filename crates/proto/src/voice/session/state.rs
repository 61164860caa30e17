//! The parts of a session's state.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::voice::Heartbeat;

/// The control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A pause before the next attempt.
    Waiting { until: Duration },
    /// The WebSocket is being opened.
    Opening { since: Duration },
    /// Open; Hello has to come.
    Greeting { since: Duration },
    /// Identify was sent; keys have to come.
    Identifying { since: Duration },
    /// Resume was sent.
    Resuming { since: Duration },
    /// Everything stands.
    Live { since: Duration },
    /// Ended for good.
    Over,
}

/// What is agreed about packets. Outlives a connection that can be resumed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Media {
    None,
    Discovering {
        address: SocketAddr,
        ssrc: u32,
        mode: String,
    },
    Selected {
        address: SocketAddr,
        ssrc: u32,
        mode: String,
    },
    Agreed {
        address: SocketAddr,
        ssrc: u32,
        mode: String,
        key: [u8; 32],
    },
}

impl Media {
    pub(super) fn ssrc(&self) -> Option<u32> {
        match self {
            Self::Agreed { ssrc, .. } => Some(*ssrc),
            _ => None,
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Discovering { .. } => "Discovering",
            Self::Selected { .. } => "Selected",
            Self::Agreed { .. } => "Agreed",
        })
    }
}

/// The heartbeat of one connection.
#[derive(Debug, Default)]
pub(super) struct Heart {
    jitter: f64,
    interval: Option<Duration>,
    next: Duration,
    /// The nonce and time of the heartbeat that is not answered yet.
    pending: Option<(u64, Duration)>,
    ping: Option<Duration>,
}

/// What is to be done about the heartbeat now.
pub(super) enum Beat {
    Early,
    Send(Heartbeat),
    Zombie,
}

impl Heart {
    pub(super) fn new(jitter: f64) -> Self {
        Self {
            jitter: jitter.clamp(0.0, 1.0),
            ..Self::default()
        }
    }

    /// Hello came. The first beat is somewhere within the first interval.
    pub(super) fn start(&mut self, interval: Duration, now: Duration) {
        self.interval = Some(interval);
        self.next = now + interval.mul_f64(self.jitter);
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.interval.map(|_| self.next)
    }

    pub(super) fn beat(&mut self, seq_ack: i64, now: Duration) -> Beat {
        let Some(interval) = self.interval else {
            return Beat::Early;
        };
        if now < self.next {
            return Beat::Early;
        }
        if self.pending.is_some() {
            return Beat::Zombie;
        }
        let t = now.as_millis() as u64;
        self.pending = Some((t, now));
        self.next = now + interval;
        Beat::Send(Heartbeat { t, seq_ack })
    }

    pub(super) fn acknowledge(&mut self, t: u64, now: Duration) {
        if let Some((_, sent)) = self.pending.take_if(|(nonce, _)| *nonce == t) {
            self.ping = Some(now.saturating_sub(sent));
        }
    }

    pub(super) fn ping(&self) -> Option<Duration> {
        self.ping
    }
}

/// Counts attempts in a row and spaces them.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
    jitter: f64,
}

impl Backoff {
    const MAX_ATTEMPTS: u32 = 3;
    const FIRST: Duration = Duration::from_millis(500);

    pub(super) fn attempt(&self) -> u32 {
        self.attempts
    }

    pub(super) fn jitter(&mut self, jitter: f64) {
        self.jitter = jitter.clamp(0.0, 1.0);
    }

    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Returns the pause before the next attempt, or `None` if there were enough.
    pub(super) fn next(&mut self) -> Option<Duration> {
        if self.attempts == Self::MAX_ATTEMPTS {
            return None;
        }
        let pause = Self::FIRST * (1 << self.attempts);
        self.attempts += 1;
        Some(pause.mul_f64(0.75 + 0.5 * self.jitter))
    }
}
