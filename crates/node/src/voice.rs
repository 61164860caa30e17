//! Voice connections: the shell around `proto::voice::session`.

pub mod connection;
pub mod dave;
pub mod dial;
pub mod udp;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backline_proto::lavalink::VoiceState;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// One voice connection of a player; dropping it leaves the call.
#[derive(Debug)]
pub struct VoiceLink {
    credentials: VoiceState,
    status: watch::Receiver<Status>,
    pulse: Arc<Pulse>,
    _leave: DropGuard,
}

/// How far a voice connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is being made, for the first time or again.
    Connecting,
    /// The control connection stands and keys are agreed.
    Live,
    /// It ended for good.
    Over,
}

/// What the REST side reads of a connection.
#[derive(Debug)]
pub struct Pulse {
    connected: AtomicBool,
    ping_ms: AtomicU64,
}

impl VoiceLink {
    /// Returns a link and what its task needs: where to tell the status, and when to leave.
    pub fn new(credentials: VoiceState) -> (Self, watch::Sender<Status>, CancellationToken) {
        let (told, status) = watch::channel(Status::Connecting);
        let leave = CancellationToken::new();
        let pulse = Arc::new(Pulse {
            connected: AtomicBool::new(false),
            ping_ms: AtomicU64::new(UNKNOWN_PING),
        });
        let link = Self {
            credentials,
            status,
            pulse,
            _leave: leave.clone().drop_guard(),
        };
        (link, told, leave)
    }

    /// Whether `credentials` are those that this link was made with, and it has not ended.
    pub fn serves(&self, credentials: &VoiceState) -> bool {
        self.credentials == *credentials && *self.status.borrow() != Status::Over
    }

    /// Returns a receiver of the status.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Returns what the REST side reads.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }
}

impl Pulse {
    /// Whether the voice gateway is connected.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Returns the round trip of the last heartbeat in milliseconds.
    pub fn ping_ms(&self) -> Option<u64> {
        Some(self.ping_ms.load(Ordering::Relaxed)).filter(|ping| *ping != UNKNOWN_PING)
    }

    fn set(&self, connected: bool, ping: Option<Duration>) {
        self.connected.store(connected, Ordering::Relaxed);
        let ping = ping.map_or(UNKNOWN_PING, |ping| ping.as_millis() as u64);
        self.ping_ms.store(ping, Ordering::Relaxed);
    }
}

const UNKNOWN_PING: u64 = u64::MAX;
