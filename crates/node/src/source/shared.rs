//! Live streams that many players hear: one fetch, one decoder, one encoder.
//!
//! Packets of 20 ms are kept for a few seconds. Each player copies them at its own pace; whoever
//! finds nothing new drives the producer, on the thread of the pool that it is on, while others
//! go on with what there is. Players with effects decode the packets for themselves.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use backline_media::frame::{FRAME_SAMPLES, OpusFrame};
use backline_media::opus::EncoderOptions;
use backline_media::pipeline::{Next, Pipeline};
use backline_media::source::Packets;
use backline_proto::lavalink::Exception;
use backline_runtime::metrics::node::NodeMetrics;
use tokio::sync::watch;

use super::failure::chain;
use super::http::station::Title;
use super::piped::Piped;
use super::probe::Probed;
use super::reader::Supply;
use crate::engine::feed::{PacketSource, Wake};

/// A live stream that any number of players hear. The last one to leave ends it.
pub struct Radio {
    ring: Mutex<Ring>,
    producer: Mutex<Producer>,
    /// How many packets are wanted, from the first one on.
    wanted: AtomicU64,
    /// Somebody found too few since the producer last looked.
    asked: AtomicBool,
    title: Option<Title>,
    metrics: NodeMetrics,
}

struct Ring {
    frames: Box<[OpusFrame]>,
    /// The number of the next packet; the ring holds as many before it as fit.
    head: u64,
    over: Option<Over>,
    /// Players that wait for the next packet.
    waiting: Vec<Wake>,
}

#[derive(Clone)]
enum Over {
    Ended,
    Failed(String),
}

struct Producer {
    pipeline: Pipeline,
    supply: Supply,
    stretch: u64,
}

/// One player's place in a stream.
#[derive(Debug)]
pub struct Listener {
    radio: Arc<Radio>,
    /// The number of the packet that is copied next.
    next: AtomicU64,
    wake: Wake,
}

/// What a pipeline reads a listener's packets through.
#[derive(Debug)]
pub struct Copies {
    listener: Arc<Listener>,
    /// Packets copied so far: a player's position begins at its own start.
    heard: i64,
}

/// Packets that are kept: about five seconds.
const KEPT: usize = 256;
/// How far behind the newest packet a player begins, so that it has something at once.
const BEHIND: u64 = 25;
/// Packets that the producer makes at a time.
const BATCH: u64 = 8;

/// Returns one player's packets of a stream.
pub fn source(radio: &Arc<Radio>, options: EncoderOptions, wake: Wake) -> Box<dyn PacketSource> {
    let listener = radio.join(wake.clone());
    let copies = Box::new(listener.copies());
    let pipeline = Pipeline::of_packets(copies, options);
    Box::new(Piped::new(pipeline, Supply::Shared(listener), wake, 0))
}

impl Radio {
    /// Returns a stream that yields what was found.
    pub fn new(probed: Probed, title: Option<Title>, metrics: NodeMetrics) -> Arc<Self> {
        let (pipeline, supply, stretch) = probed.into_parts();
        metrics.shared_streams.inc();
        let alarm = supply.alarm().cloned();
        let radio = Arc::new(Self {
            ring: Mutex::new(Ring {
                frames: vec![OpusFrame::empty(); KEPT].into(),
                head: 0,
                over: None,
                waiting: Vec::new(),
            }),
            producer: Mutex::new(Producer {
                pipeline,
                supply,
                stretch,
            }),
            wanted: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            title,
            metrics,
        });
        if let Some(alarm) = alarm {
            let woken = Arc::downgrade(&radio);
            alarm.divert(move || {
                if let Some(radio) = woken.upgrade() {
                    radio.wake_all();
                }
            });
        }
        radio
    }

    /// Returns a place for one more player, a little behind the newest packet.
    pub fn join(self: &Arc<Self>, wake: Wake) -> Arc<Listener> {
        let next = self.lock().head.saturating_sub(BEHIND);
        Arc::new(Listener {
            radio: Arc::clone(self),
            next: AtomicU64::new(next),
            wake,
        })
    }

    /// Whether no more packets will come.
    pub fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    /// Makes a few packets if number `next` is not there, unless somebody else is at it.
    fn drive(&self, next: u64) {
        self.wanted.fetch_max(next + 1, Ordering::SeqCst);
        self.asked.store(true, Ordering::SeqCst);
        while self.asked.load(Ordering::SeqCst) {
            let mut producer = match self.producer.try_lock() {
                Ok(producer) => producer,
                // Whoever has it looks once more, after letting it go, whether somebody asked.
                Err(TryLockError::WouldBlock) => return,
                Err(TryLockError::Poisoned(_)) => {
                    let why = "the decoder met data it cannot handle".to_owned();
                    self.lock().over.get_or_insert(Over::Failed(why));
                    break;
                }
            };
            self.asked.store(false, Ordering::SeqCst);
            let made = self.produce(&mut producer);
            drop(producer);
            if made {
                self.wake_all();
            }
        }
    }

    /// Says whether there is anything new.
    fn produce(&self, producer: &mut Producer) -> bool {
        let (mut head, is_over) = {
            let ring = self.lock();
            (ring.head, ring.over.is_some())
        };
        if is_over || head >= self.wanted.load(Ordering::SeqCst) {
            return false;
        }
        let (first, until) = (head, head + BATCH);
        let mut frame = OpusFrame::empty();
        while head < until && producer.supply.ready(producer.stretch) {
            let over = match producer.pipeline.next_frame(&mut frame) {
                Next::Frame { .. } => None,
                Next::NotReady if producer.stretch < MAX_STRETCH => {
                    // This stream needs more at once than its format lets expect.
                    producer.stretch *= 2;
                    continue;
                }
                Next::NotReady => Some(Over::Failed("the stream has no end of a frame".to_owned())),
                Next::End => Some(match producer.supply.failure() {
                    Some(why) => Over::Failed(why),
                    None => Over::Ended,
                }),
                Next::Failed(error) => {
                    let why = producer.supply.failure();
                    Some(Over::Failed(why.unwrap_or_else(|| chain(&error))))
                }
            };
            let mut ring = self.lock();
            if over.is_some() {
                ring.over = over;
                return true;
            }
            let place = Ring::place(head);
            let copied = ring.frames[place].set(frame.as_bytes());
            copied.expect("a frame fits into a frame");
            head += 1;
            ring.head = head;
        }
        head > first
    }

    fn wake_all(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        for wake in waiting {
            wake.call();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn place(number: u64) -> usize {
        (number % KEPT as u64) as usize
    }

    /// Whether a player that is at `number` has something to hear, if only the end.
    fn has(&self, number: u64) -> bool {
        self.head > number || self.over.is_some()
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        self.metrics.shared_streams.dec();
    }
}

impl Listener {
    /// Whether there is a packet; if not, the player's feed is woken when there is.
    pub fn ready(&self) -> bool {
        let next = self.next.load(Ordering::Relaxed);
        if self.radio.lock().has(next) {
            return true;
        }
        self.radio.drive(next);
        {
            let mut ring = self.radio.lock();
            if ring.has(next) {
                return true;
            }
            ring.waiting.push(self.wake.clone());
        }
        // Bytes may have come before it was known that somebody waits for them.
        self.radio.drive(next);
        self.radio.lock().has(next)
    }

    /// Returns why the stream broke off, if it did.
    pub fn failure(&self) -> Option<String> {
        match &self.radio.lock().over {
            Some(Over::Failed(why)) => Some(why.clone()),
            Some(Over::Ended) | None => None,
        }
    }

    /// Returns what a radio station plays.
    pub fn titles(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        self.radio.title.as_ref().map(Title::subscribe)
    }

    /// Returns what its packets are read through.
    pub fn copies(self: &Arc<Self>) -> Copies {
        Copies {
            listener: Arc::clone(self),
            heard: 0,
        }
    }
}

impl Packets for Copies {
    fn next(&mut self, packet: &mut Vec<u8>) -> io::Result<Option<i64>> {
        let (listener, radio) = (&self.listener, &self.listener.radio);
        let mut next = listener.next.load(Ordering::Relaxed);
        let ring = radio.lock();
        if next >= ring.head {
            return match &ring.over {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(Over::Ended) => Ok(None),
                Some(Over::Failed(why)) => Err(io::Error::other(why.clone())),
            };
        }
        if next + (KEPT as u64) < ring.head {
            // Too slow, or paused: what was missed is gone.
            radio.metrics.shared_jumps.inc();
            next = ring.head.saturating_sub(BEHIND);
        }
        packet.clear();
        packet.extend_from_slice(ring.frames[Ring::place(next)].as_bytes());
        drop(ring);
        listener.next.store(next + 1, Ordering::Relaxed);
        let position = self.heard;
        self.heard += FRAME_SAMPLES as i64;
        Ok(Some(position))
    }
}

/// The live streams that are heard now, by URL.
#[derive(Debug, Default)]
pub struct Radios(Mutex<HashMap<String, Slot>>);

/// A stream, or the place where one is about to be; locked while it is being opened.
pub type Slot = Arc<tokio::sync::Mutex<Place>>;

/// What is known about the stream at a URL.
#[derive(Debug, Default)]
pub struct Place {
    radio: Weak<Radio>,
    /// Why it could not be opened, and when.
    failed: Option<(Instant, Box<Exception>)>,
    /// It is none that everybody hears at the same time.
    is_private: bool,
}

impl Place {
    /// Returns the stream, if it is there.
    pub fn radio(&self) -> Option<Arc<Radio>> {
        self.radio.upgrade().filter(|radio| !radio.is_over())
    }

    /// Returns why it could not be opened a moment ago: a thousand players that wait for a dead
    /// station do not try one after the other.
    pub fn failure(&self) -> Option<Box<Exception>> {
        let (at, failure) = self.failed.as_ref()?;
        (at.elapsed() < FAILED).then(|| failure.clone())
    }

    /// Whether players open it each for itself.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// Notes what came of opening it.
    pub fn handle_opened(&mut self, opened: Result<Option<&Arc<Radio>>, &Exception>) {
        self.failed = None;
        match opened {
            Ok(Some(radio)) => self.radio = Arc::downgrade(radio),
            Ok(None) => self.is_private = true,
            Err(failure) => self.failed = Some((Instant::now(), Box::new(failure.clone()))),
        }
    }
}

/// How long a station that could not be opened is left alone.
const FAILED: Duration = Duration::from_secs(3);

impl Radios {
    /// Returns the place of the stream at a URL.
    pub fn slot(&self, url: &str) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= PRUNE {
            // Those that nobody opens and nobody hears.
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot.try_lock().is_ok_and(|place| place.radio().is_some())
            });
        }
        Arc::clone(slots.entry(url.to_owned()).or_default())
    }
}

/// Places beyond which those of streams that nobody hears are given up.
const PRUNE: usize = 64;
/// Most bytes that are waited for.
const MAX_STRETCH: u64 = 128 * 1024;

impl fmt::Debug for Radio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Radio")
            .field("head", &self.lock().head)
            .finish_non_exhaustive()
    }
}
