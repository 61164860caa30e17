//! What yields the packets of a player, as the pool runs it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use backline_proto::lavalink::Exception;

use super::feed::{Feed, Settings};
use super::packet::Packet;
use super::pool::Pool;

/// Something that yields the packets of one track, or of one after another; run by the pool.
///
/// Calls never wait for bytes that are not there: what has to wait (opening, probing, seeking)
/// happens before a source is handed to the pool.
pub trait PacketSource: Any + Send {
    /// Writes the next packet to `packet`.
    fn next(&mut self, packet: &mut Packet) -> Step;

    /// Takes over settings that hold from the next packet on. Called before the first packet, and
    /// at every change after [`PacketSource::rewind`].
    fn apply(&mut self, settings: &Settings);

    /// Goes back by up to `frames` packets among those that it yielded last, so that they can be
    /// made again, and returns by how many it did.
    fn rewind(&mut self, frames: usize) -> usize {
        let _ = frames;
        0
    }

    /// Whether packets cost next to nothing now, so that many may be made ahead.
    fn is_cheap(&self) -> bool {
        false
    }

    /// Whether a turn can be taken without waiting for bytes. When it cannot, the source
    /// arranges that its [`Wake`] is called once it can.
    fn ready(&mut self) -> bool;

    /// Whether its bytes may be late.
    fn waits(&self) -> bool;

    /// Goes to another place, in milliseconds. May wait for bytes: never called by the pool.
    ///
    /// # Errors
    /// When the place cannot be reached; the source is of no use any more then.
    fn seek(&mut self, position_ms: u64) -> Result<(), Box<Exception>>;

    /// Returns what the source calls when its bytes have come.
    fn wake(&self) -> Wake;
}

/// What a source yields.
#[derive(Debug)]
pub enum Step {
    /// The packet was written.
    Packet,
    /// Not enough bytes ahead; the waker will be called.
    Starved,
    /// The track is over. May be asked again after it was rewound, or after new settings.
    End,
    /// The track cannot go on.
    Failed(Box<Exception>),
}

/// Schedules the feed that a source belongs to; cheap to clone.
#[derive(Clone)]
pub struct Wake(Arc<WakeInner>);

struct WakeInner {
    pool: Pool,
    feed: Mutex<Weak<Feed>>,
}

impl Wake {
    /// Returns one that is aimed at nothing yet.
    pub fn new(pool: &Pool) -> Self {
        Self(Arc::new(WakeInner {
            pool: pool.clone(),
            feed: Mutex::default(),
        }))
    }

    /// Aims at `feed` from now on.
    pub fn aim(&self, feed: &Arc<Feed>) {
        *self.0.feed.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(feed);
    }

    /// Schedules the feed.
    pub fn call(&self) {
        let feed = self
            .0
            .feed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        if let Some(feed) = feed {
            self.0.pool.schedule_woken(&feed);
        }
    }
}

impl std::fmt::Debug for Wake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Wake").finish_non_exhaustive()
    }
}
