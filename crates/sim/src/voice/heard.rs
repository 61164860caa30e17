//! What was heard: frames, and how well they came.

use std::{
    collections::VecDeque,
    ops::Add,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::broadcast;

/// One decrypted Opus frame: what a listener in the call hears.
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
    /// Frames among `heard` that their sender had encrypted for the members of the call (DAVE).
    pub encrypted: u64,
    /// Frames that members of the call should have been able to decrypt (DAVE), and could not;
    /// never in `heard`.
    pub undecryptable: u64,
    /// Frames encrypted for the members of a call without a simulated one; never in `heard`.
    pub unheard: u64,
    /// Frames that were not encrypted for the members of the call (DAVE) although they had to
    /// be, silence aside; never in `heard`.
    pub plaintext_frames: u64,
    /// Packets that could not be decrypted, or were no RTP.
    pub garbage: u64,
    /// Packets whose nonce or sequence number was used before.
    pub replayed: u64,
    /// Packets from another address than the session's.
    pub strangers: u64,
    /// Frames whose timestamp does not fit 960 a frame.
    pub off_grid: u64,
    /// Frames that came before the client had said Speaking.
    pub before_speaking: u64,
    /// Frames this listener was too slow to take; always 0 in a server's own numbers.
    pub skipped: u64,
}

impl Add for HeardStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            heard: self.heard + other.heard,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            max_lateness: self.max_lateness.max(other.max_lateness),
            silence: self.silence + other.silence,
            plaintext: self.plaintext + other.plaintext,
            encrypted: self.encrypted + other.encrypted,
            undecryptable: self.undecryptable + other.undecryptable,
            unheard: self.unheard + other.unheard,
            plaintext_frames: self.plaintext_frames + other.plaintext_frames,
            garbage: self.garbage + other.garbage,
            replayed: self.replayed + other.replayed,
            strangers: self.strangers + other.strangers,
            off_grid: self.off_grid + other.off_grid,
            before_speaking: self.before_speaking + other.before_speaking,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// A stream of what is heard in one guild.
#[derive(Debug)]
pub struct Listener {
    record: Arc<Mutex<Record>>,
    frames: broadcast::Receiver<HeardFrame>,
    skipped: u64,
}

impl Listener {
    pub(super) fn new(room: &Room) -> Self {
        let frames = room
            .frames
            .get_or_init(|| broadcast::channel(QUEUED_FRAMES).0)
            .subscribe();
        Self {
            record: Arc::clone(&room.record),
            frames,
            skipped: 0,
        }
    }

    /// Waits for the next frame; `None` when the voice servers are gone. Cancel-safe.
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

    /// Returns the newest frames of the guild, oldest first, heard by this listener or not.
    pub fn recent(&self) -> Vec<HeardFrame> {
        lock(&self.record).recorded.iter().cloned().collect()
    }

    /// Returns what was heard in the guild since it exists.
    pub fn stats(&self) -> HeardStats {
        HeardStats {
            skipped: self.skipped,
            ..lock(&self.record).stats
        }
    }
}

/// Everything heard in one guild.
#[derive(Debug)]
pub(super) struct Room {
    /// Made for the first listener: its slots are allocated at once.
    frames: OnceLock<broadcast::Sender<HeardFrame>>,
    record: Arc<Mutex<Record>>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Record {
    recorded: VecDeque<HeardFrame>,
    stats: HeardStats,
}

impl Room {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            frames: OnceLock::new(),
            record: Arc::default(),
            capacity,
        }
    }

    pub(super) fn stats(&self) -> HeardStats {
        lock(&self.record).stats
    }

    /// Lets `hear` judge a packet and keeps the frame it returns, if any.
    pub(super) fn hear(&self, hear: impl FnOnce(&mut HeardStats) -> Option<HeardFrame>) {
        let mut record = lock(&self.record);
        let Some(frame) = hear(&mut record.stats) else {
            return;
        };
        if self.capacity > 0 {
            if record.recorded.len() == self.capacity {
                record.recorded.pop_front();
            }
            record.recorded.push_back(frame.clone());
        }
        drop(record);
        if let Some(frames) = self.frames.get() {
            // Fails only if nobody listens any more.
            let _ = frames.send(frame);
        }
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frames that wait for a slow listener: about ten seconds. A power of two, as the channel
/// rounds up to one.
const QUEUED_FRAMES: usize = 512;
