//! A track on its way to a clock: the pool's side (`Feed`) and the clock's side (`Line`).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backline_media::pipeline::Effects;
use backline_proto::lavalink::{Exception, Severity};

use super::lane::{self, Eye, Lane, Pen};
use super::packet::Packet;
pub use super::source::{PacketSource, Step, Wake};

/// How far ahead of the clock a source is kept.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    /// Packets that are made at most.
    packets: u32,
    /// With this many left, the clock asks for more.
    low: u32,
}

/// Packets that are passed through cost hardly more than going there: many at a time.
const CHEAP: Ahead = Ahead {
    packets: 32,
    low: 10,
};
/// Packets that have to be encoded.
const DEAR: Ahead = Ahead {
    packets: 16,
    low: 7,
};
/// Bytes of a ring that are filled; the rest is for packets that are made again.
const AHEAD_BYTES: u32 = 10 * 1024;
/// Packets that have to be encoded which one turn makes at most, so that others get theirs.
const DEAR_TURN: u32 = 10;
/// Packets that are too close to be made again when settings change.
const TOO_CLOSE: u32 = 2;
/// New packets that must be ready before they replace old ones.
const ENOUGH: u32 = 4;

/// What a client may change while the track runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Volume and filters.
    pub effects: Arc<Effects>,
}

/// Where a feed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source is over.
    Finished,
    /// The source failed.
    Failed,
}

/// A stretch of packets without a jump, shared by pool, clock and control.
pub struct Feed {
    /// Whose track it is.
    pub player: u64,
    /// Which run of that player it begins with; events carry the run so that late ones can be
    /// told apart.
    pub generation: u64,
    lane: Arc<Lane>,
    /// Counts changes of the settings, and the one that the source has taken over.
    wished: AtomicU32,
    granted: AtomicU32,
    settings: Mutex<Settings>,
    work: Mutex<Work>,
}

struct Work {
    pen: Pen,
    source: Option<Box<dyn PacketSource>>,
    failure: Option<Box<Exception>>,
    /// Packets left of those that the source makes again.
    again: u32,
}

/// The clock's side of a feed.
pub struct Line {
    /// The shared side.
    pub feed: Arc<Feed>,
    /// Packets that are ready.
    pub eye: Eye,
    /// Whether any of it was heard, and the start of its run told.
    pub heard: bool,
}

/// What a turn of the pool found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Enough packets are ahead, or as many as a turn makes were made.
    Done,
    /// The source waits for bytes.
    Starved,
    /// The feed is over; it needs no more turns unless settings change.
    Over,
}

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const FAILED: u8 = 2;
/// No settings were taken over yet.
const NONE: u32 = u32::MAX;

impl Feed {
    /// Returns the two sides of a new feed that starts at `position_ms`.
    pub fn new(
        player: u64,
        generation: u64,
        position_ms: u64,
        settings: Settings,
        source: Box<dyn PacketSource>,
    ) -> (Arc<Self>, Line) {
        let (lane, pen, eye) = Lane::new(lane::pack(generation, position_ms));
        let feed = Arc::new(Self {
            player,
            generation,
            lane,
            wished: AtomicU32::new(0),
            granted: AtomicU32::new(NONE),
            settings: Mutex::new(settings),
            work: Mutex::new(Work {
                pen,
                source: Some(source),
                failure: None,
                again: 0,
            }),
        });
        let line = Line {
            feed: Arc::clone(&feed),
            eye,
            heard: false,
        };
        (feed, line)
    }

    /// Returns the run and the position in milliseconds of the packet that was sent last.
    pub fn place(&self) -> (u64, u64) {
        lane::unpack(self.lane.place.load(Ordering::Relaxed), self.generation)
    }

    /// Ends run `run` when a packet at or after `end_ms` is due; `None` plays to the end.
    pub fn set_end(&self, run: u64, end_ms: Option<u64>) {
        let end = end_ms.map_or(u64::MAX, |end_ms| lane::pack(run, end_ms));
        self.lane.end_at.store(end, Ordering::Relaxed);
    }

    /// Lets the clock tell [`Reached`](super::slot::EventKind::Reached), once, when a packet of run
    /// `run` at or after `at_ms` is due; `None` takes that back.
    pub fn set_alarm(&self, run: u64, at_ms: Option<u64>) {
        let alarm = at_ms.map_or(u64::MAX, |at_ms| lane::pack(run, at_ms));
        self.lane.alarm_at.store(alarm, Ordering::Relaxed);
    }

    /// Changes the settings from the next turn on; see [`Pool::apply`](super::pool::Pool::apply).
    pub fn set_settings(&self, settings: Settings) {
        *lock(&self.settings) = settings;
        self.wish();
    }

    /// Lets packets that are still to be heard be made again with the next turn.
    pub fn wish(&self) {
        self.wished.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether settings changed that no turn has taken over.
    pub fn has_wish(&self) -> bool {
        self.wished.load(Ordering::SeqCst) != self.granted.load(Ordering::SeqCst)
            && self.lane.ended.load(Ordering::Relaxed) != FAILED
            && !self.is_retired()
    }

    /// Marks that nobody wants more packets of this feed.
    pub fn retire(&self) {
        self.lane.retire();
    }

    /// Whether the feed was retired.
    pub fn is_retired(&self) -> bool {
        self.lane.is_retired()
    }

    /// Claims the one place in the pool's queues; false when it is already taken, or not wanted.
    pub fn claim(&self) -> bool {
        self.lane.claim()
    }

    /// Gives the claimed place back.
    pub fn unclaim(&self) {
        self.lane.scheduled.store(false, Ordering::SeqCst);
    }

    /// Claims the place for a source whose bytes have come.
    pub fn claim_woken(&self) -> bool {
        self.lane.starved.store(false, Ordering::Release);
        self.claim()
    }

    /// Claims the place for settings that have changed, even if no packets are wanted.
    pub fn claim_wish(&self) -> bool {
        self.has_wish() && !self.lane.scheduled.swap(true, Ordering::SeqCst)
    }

    /// Takes the source out; waits for a running turn.
    pub fn take_source(&self) -> Option<Box<dyn PacketSource>> {
        self.retire();
        lock(&self.work).source.take()
    }

    /// Takes out why the source failed.
    pub fn take_failure(&self) -> Option<Box<Exception>> {
        lock(&self.work).failure.take()
    }

    /// Ends the feed after its source panicked.
    pub fn fail_after_panic(&self) {
        let mut work = lock(&self.work);
        work.source = None;
        work.failure = Some(Box::new(Exception {
            message: Some("Something broke when decoding the track".to_owned()),
            severity: Severity::Fault,
            cause: "the decoder met data it cannot handle".to_owned(),
            cause_stack_trace: String::new(),
        }));
        work.pen.publish(0);
        self.lane.ended.store(FAILED, Ordering::Release);
        drop(work);
        self.unclaim();
    }

    /// Makes packets until enough are ahead, the turn is over or the source has none.
    pub fn take_turn(&self) -> Turn {
        let mut work = lock(&self.work);
        if self.is_retired() {
            // Files, sockets and codecs end here, on a thread that may take its time.
            work.source = None;
        }
        let turn = self.work(&mut work);
        drop(work);
        self.unclaim();
        turn
    }

    fn work(&self, work: &mut Work) -> Turn {
        let Work {
            pen,
            source,
            failure,
            again,
        } = work;
        let Some(running) = source else {
            return Turn::Over;
        };
        let wished = self.wished.load(Ordering::SeqCst);
        let granted = self.granted.load(Ordering::SeqCst);
        if granted != wished {
            // A source that was over may have more to say.
            self.lane.ended.store(RUNNING, Ordering::Release);
            if granted != NONE {
                let frames = pen.ahead().saturating_sub(TOO_CLOSE);
                let back = running.rewind(frames as usize).min(frames as usize) as u32;
                if back > 0 {
                    *again += back;
                    pen.go_back(back);
                }
            }
            let settings = lock(&self.settings).clone();
            running.apply(&settings);
            self.granted.store(wished, Ordering::SeqCst);
        }
        if self.lane.ended().is_some() {
            return Turn::Over;
        }
        let mut packet = Packet::empty(self.generation);
        let mut made = 0;
        let (turn, low) = loop {
            let (ahead, most) = if running.is_cheap() {
                (CHEAP, CHEAP.packets)
            } else {
                (DEAR, DEAR_TURN)
            };
            let enough = *again == 0 && (pen.ahead() >= ahead.packets || pen.used() >= AHEAD_BYTES);
            if made >= most || enough || !pen.has_room() {
                break (Turn::Done, ahead.low);
            }
            if *again == 0 && !running.ready() {
                // Set first, asked again afterwards: bytes that came in between are not lost.
                self.lane.starved.store(true, Ordering::Release);
                if !running.ready() {
                    break (Turn::Starved, ahead.low);
                }
                self.lane.starved.store(false, Ordering::Release);
            }
            packet.run = self.generation;
            match running.next(&mut packet) {
                Step::Packet => {
                    let written = pen.push(&packet);
                    debug_assert!(written, "there was room, and this is the only pen");
                    made += 1;
                    *again = again.saturating_sub(1);
                }
                Step::Starved => {
                    self.lane.starved.store(true, Ordering::Release);
                    if running.ready() {
                        self.lane.starved.store(false, Ordering::Release);
                    }
                    break (Turn::Starved, ahead.low);
                }
                Step::End => break (Turn::Over, 0),
                Step::Failed(exception) => {
                    *source = None;
                    *failure = Some(exception);
                    break (Turn::Over, 0);
                }
            }
        };
        pen.publish(low);
        if turn == Turn::Over {
            *again = 0;
            pen.join(0);
            let end = if source.is_some() { FINISHED } else { FAILED };
            self.lane.ended.store(end, Ordering::Release);
        } else if *again == 0 || !pen.has_room() {
            pen.join(1);
        } else {
            pen.join(ENOUGH);
        }
        turn
    }
}

impl Lane {
    /// Returns whether and how the source ended; packets made before may still be in the ring.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn ended(&self) -> Option<End> {
        match self.ended.load(Ordering::Acquire) {
            FINISHED => Some(End::Finished),
            FAILED => Some(End::Failed),
            _ => None,
        }
    }

    /// Marks that nobody wants more packets. Real-time: never allocates, locks or blocks.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether nobody wants more packets. Real-time: never allocates, locks or blocks.
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
        !self.scheduled.swap(true, Ordering::SeqCst)
    }

    /// Whether a packet ends its run early. Real-time: never allocates, locks or blocks.
    pub fn is_end(&self, run: u64, position_ms: u64) -> bool {
        let end = self.end_at.load(Ordering::Relaxed);
        let (ends, end_ms) = lane::unpack(end, run);
        ends == run && position_ms >= end_ms
    }

    /// Whether a packet comes to the alarm, which is spent then. Real-time: never allocates, locks
    /// or blocks.
    pub fn rings(&self, run: u64, position_ms: u64) -> bool {
        let alarm = self.alarm_at.load(Ordering::Relaxed);
        if alarm == u64::MAX {
            return false;
        }
        let (rings, at_ms) = lane::unpack(alarm, run);
        let spent = || {
            let (order, otherwise) = (Ordering::Relaxed, Ordering::Relaxed);
            let spent = self
                .alarm_at
                .compare_exchange(alarm, u64::MAX, order, otherwise);
            // Control has set another one this very moment: that one counts.
            spent.is_ok()
        };
        rings == run && position_ms >= at_ms && spent()
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Feed")
            .field("player", &self.player)
            .field("generation", &self.generation)
            .field("place", &self.place())
            .field("ended", &self.lane.ended())
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
