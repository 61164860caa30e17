//! A track on its way to a clock: the pool's side (`Feed`) and the clock's side (`Line`).

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use backline_proto::lavalink::{Exception, Severity};
use rtrb::{Consumer, Producer, RingBuffer};

use super::packet::Packet;
use super::pool::Pool;

/// Packets a ring holds: how far the pool may run ahead of the clock.
pub const RING_PACKETS: usize = 16;
/// At or below this many packets the clock asks the pool for a turn.
pub const LOW_WATER: usize = 10;
/// Packets one turn of the pool makes at most.
pub const TURN_PACKETS: usize = 8;

/// Something that yields the packets of one track; run by the pool.
///
/// Calls never wait for bytes that are not there: what has to wait (opening, probing, seeking)
/// happens before a source is handed to the pool.
pub trait PacketSource: Send {
    /// Yields the next packet under `settings`.
    fn next(&mut self, settings: Settings) -> Step;

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

/// What a source yields.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "packets are inline so that nothing allocates per packet"
)]
pub enum Step {
    /// The next packet.
    Packet(Packet),
    /// Not enough bytes ahead; the waker will be called.
    Starved,
    /// The track is over.
    End,
    /// The track cannot go on.
    Failed(Box<Exception>),
}

/// What a client may change while the track runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Volume in percent times the filter `volume`; 1.0 is unchanged.
    pub gain: f32,
}

/// Where a feed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source is over.
    Finished,
    /// The source failed.
    Failed,
}

/// One run of a track (from its start or from a seek), shared by pool, clock and control.
pub struct Feed {
    /// Whose track it is.
    pub player: u64,
    /// Which load of that player; events carry it so that late ones can be told apart.
    pub generation: u64,
    position_ms: AtomicU64,
    end_at_ms: AtomicU64,
    ended: AtomicU8,
    gain: AtomicU32,
    /// In a queue of the pool, or being worked on.
    scheduled: AtomicBool,
    /// Waits for bytes: the clock need not ask.
    starved: AtomicBool,
    retired: AtomicBool,
    work: Mutex<Work>,
}

struct Work {
    packets: Producer<Packet>,
    source: Option<Box<dyn PacketSource>>,
    failure: Option<Box<Exception>>,
}

/// The clock's side of a feed.
pub struct Line {
    /// The shared side.
    pub feed: Arc<Feed>,
    /// Packets that are ready.
    pub packets: Consumer<Packet>,
}

/// What a turn of the pool found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The ring is filled, or as many packets as a turn makes were made.
    Done,
    /// The source waits for bytes.
    Starved,
    /// The feed is over; it needs no more turns.
    Over,
}

impl Feed {
    /// Returns the two sides of a new feed that starts at `position_ms`.
    pub fn new(
        player: u64,
        generation: u64,
        position_ms: u64,
        settings: Settings,
        source: Box<dyn PacketSource>,
    ) -> (Arc<Self>, Line) {
        let (producer, consumer) = RingBuffer::new(RING_PACKETS);
        let feed = Arc::new(Self {
            player,
            generation,
            position_ms: AtomicU64::new(position_ms),
            end_at_ms: AtomicU64::new(u64::MAX),
            ended: AtomicU8::new(RUNNING),
            gain: AtomicU32::new(settings.gain.to_bits()),
            scheduled: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            work: Mutex::new(Work {
                packets: producer,
                source: Some(source),
                failure: None,
            }),
        });
        let line = Line {
            feed: Arc::clone(&feed),
            packets: consumer,
        };
        (feed, line)
    }

    /// Returns the position of the packet that was sent last, in milliseconds.
    pub fn position_ms(&self) -> u64 {
        self.position_ms.load(Ordering::Relaxed)
    }

    /// Stores the position. Real-time: never allocates, locks or blocks.
    pub fn set_position_ms(&self, position_ms: u64) {
        self.position_ms.store(position_ms, Ordering::Relaxed);
    }

    /// Ends the track when a packet at or after `end_ms` is due; `None` plays to the end.
    pub fn set_end(&self, end_ms: Option<u64>) {
        self.end_at_ms
            .store(end_ms.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns where the track ends early, `u64::MAX` for nowhere.
    pub fn end_ms(&self) -> u64 {
        self.end_at_ms.load(Ordering::Relaxed)
    }

    /// Changes the settings of packets made from now on.
    pub fn set_settings(&self, settings: Settings) {
        self.gain.store(settings.gain.to_bits(), Ordering::Relaxed);
    }

    fn settings(&self) -> Settings {
        Settings {
            gain: f32::from_bits(self.gain.load(Ordering::Relaxed)),
        }
    }

    /// Returns whether and how the source ended; packets made before may still be in the ring.
    pub fn ended(&self) -> Option<End> {
        match self.ended.load(Ordering::Acquire) {
            FINISHED => Some(End::Finished),
            FAILED => Some(End::Failed),
            _ => None,
        }
    }

    /// Marks that nobody wants more packets of this feed.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether the feed was retired.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Claims the one place in the pool's queues; false when it is already taken, or not wanted.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn claim(&self) -> bool {
        if self.starved.load(Ordering::Relaxed)
            || self.ended.load(Ordering::Relaxed) != RUNNING
            || self.is_retired()
        {
            return false;
        }
        !self.scheduled.swap(true, Ordering::AcqRel)
    }

    /// Gives the claimed place back.
    pub fn unclaim(&self) {
        self.scheduled.store(false, Ordering::Release);
    }

    /// Claims the place for a source whose bytes have come.
    pub fn claim_woken(&self) -> bool {
        self.starved.store(false, Ordering::Release);
        self.claim()
    }

    /// Takes the source and a description of its failure out; waits for a running turn.
    pub fn take_source(&self) -> Option<Box<dyn PacketSource>> {
        self.retire();
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .source
            .take()
    }

    /// Takes out why the source failed.
    pub fn take_failure(&self) -> Option<Box<Exception>> {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failure
            .take()
    }

    /// Ends the feed after its source panicked.
    pub fn fail_after_panic(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.source = None;
        work.failure = Some(Box::new(Exception {
            message: Some("Something broke when decoding the track".to_owned()),
            severity: Severity::Fault,
            cause: "the decoder met data it cannot handle".to_owned(),
            cause_stack_trace: String::new(),
        }));
        self.ended.store(FAILED, Ordering::Release);
        self.unclaim();
    }

    /// Makes packets until the ring is full, the turn is over or the source has none.
    pub fn take_turn(&self) -> Turn {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Work {
            packets,
            source,
            failure,
        } = &mut *work;
        if self.is_retired() {
            // Files, sockets and codecs end here, on a thread that may take its time.
            *source = None;
        }
        let Some(running) = source else {
            self.unclaim();
            return Turn::Over;
        };
        let settings = self.settings();
        let room = packets.slots().min(TURN_PACKETS);
        for _ in 0..room {
            if !running.ready() {
                // Set first, asked again afterwards: bytes that came in between are not lost.
                self.starved.store(true, Ordering::Release);
                if running.ready() {
                    self.starved.store(false, Ordering::Release);
                } else {
                    self.unclaim();
                    return Turn::Starved;
                }
            }
            match running.next(settings) {
                Step::Packet(packet) => {
                    packets
                        .push(packet)
                        .expect("the ring had room, and this is its only producer");
                }
                Step::Starved => {
                    self.starved.store(true, Ordering::Release);
                    if running.ready() {
                        self.starved.store(false, Ordering::Release);
                    }
                    self.unclaim();
                    return Turn::Starved;
                }
                Step::End => {
                    *source = None;
                    self.ended.store(FINISHED, Ordering::Release);
                    self.unclaim();
                    return Turn::Over;
                }
                Step::Failed(exception) => {
                    *source = None;
                    *failure = Some(exception);
                    self.ended.store(FAILED, Ordering::Release);
                    self.unclaim();
                    return Turn::Over;
                }
            }
        }
        self.unclaim();
        Turn::Done
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Feed")
            .field("player", &self.player)
            .field("generation", &self.generation)
            .field("position_ms", &self.position_ms())
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Line")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const FAILED: u8 = 2;
