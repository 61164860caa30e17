//! What the ear heard: frames, and how well they came.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::broadcast;

/// One decrypted Opus frame.
#[derive(Debug, Clone)]
pub struct HeardFrame {
    /// Who spoke.
    pub user_id: u64,
    /// Synchronisation source of the RTP packet.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 48 kHz.
    pub timestamp: u32,
    /// When the packet came.
    pub arrival: Instant,
    /// The Opus packet.
    pub opus: Bytes,
}

/// Counts of what was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeardStats {
    /// Frames that were decrypted, silence included.
    pub heard: u64,
    /// Frames missing by their sequence numbers.
    pub lost: u64,
    /// Frames further behind their RTP time than 20 ms and the tolerance.
    pub late: u64,
    /// The furthest a frame was behind its RTP time.
    pub max_lateness: Duration,
    /// Opus silence frames among `heard`.
    pub silence: u64,
    /// Packets that carried Opus without encryption; never in `heard`.
    pub plaintext: u64,
    /// Packets that could not be decrypted, or were no RTP.
    pub garbage: u64,
    /// Packets whose nonce or sequence number was used before.
    pub replayed: u64,
    /// Packets with unknown ssrc, or from another address than the session's.
    pub strangers: u64,
    /// Frames whose timestamp did not advance by 960 a sequence number.
    pub off_grid: u64,
    /// Frames that came before the client had said Speaking.
    pub before_speaking: u64,
    /// Frames this listener was too slow to take.
    pub skipped: u64,
}

/// A stream of what is heard in one guild.
#[derive(Debug)]
pub struct Listener {
    frames: broadcast::Receiver<HeardFrame>,
    stats: Arc<Mutex<HeardStats>>,
    skipped: u64,
}

impl Listener {
    pub(super) fn new(
        frames: broadcast::Receiver<HeardFrame>,
        stats: Arc<Mutex<HeardStats>>,
    ) -> Self {
        Self {
            frames,
            stats,
            skipped: 0,
        }
    }

    /// Waits for the next frame; `None` when the voice server has stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<HeardFrame> {
        loop {
            match self.frames.recv().await {
                Ok(frame) => return Some(frame),
                Err(broadcast::error::RecvError::Lagged(count)) => self.skipped += count,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Returns a frame if one waits.
    pub fn try_next(&mut self) -> Option<HeardFrame> {
        loop {
            match self.frames.try_recv() {
                Ok(frame) => return Some(frame),
                Err(broadcast::error::TryRecvError::Lagged(count)) => self.skipped += count,
                Err(_) => return None,
            }
        }
    }

    /// Returns what was heard in the guild since it exists.
    pub fn stats(&self) -> HeardStats {
        let stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        HeardStats {
            skipped: self.skipped,
            ..stats
        }
    }
}
