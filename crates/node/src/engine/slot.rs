//! One player inside a clock: what is due at its tick. Pure; the clock does the sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::feed::{End, Feed, Line};
use super::lane::{Front, pack};

/// Frames of one player, counted by its clock.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames that were sent.
    pub sent: AtomicU64,
    /// Ticks at which a frame was due but there was none.
    pub nulled: AtomicU64,
}

/// Something that happened to a track, told by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The player.
    pub player: u64,
    /// The run it belongs to.
    pub generation: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Its first packet is on its way.
    Started,
    /// It played to its end, or to its end marker.
    Finished,
    /// Its source failed and what was left of it has been played.
    Failed,
    /// It yielded nothing for the threshold although packets were due.
    Stuck,
    /// It came to its alarm.
    Reached,
}

/// What a tick sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The packet that [`Slot::opus`] returns; [`Slot::pass`] lets go of it.
    Packet,
    /// A silence frame, because the sound breaks off here.
    Silence,
    /// Nothing: the track has nothing, and silence has been sent.
    Nothing,
    /// Nothing, and the player needs no further ticks until something changes.
    Rest,
}

/// Where a slot turns to during a tick. None of it may allocate, lock or block.
pub trait Outlet {
    /// The pool is to make packets of this feed, which was claimed.
    fn want(&mut self, feed: &Arc<Feed>, haste: Haste);
    /// A line is over.
    fn bury(&mut self, line: Line);
    /// Something happened to a track; false if it cannot be told now.
    fn tell(&mut self, event: Event) -> bool;
}

/// How soon the pool has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Nothing is left.
    Now,
    /// Some packets are left.
    Soon,
}

/// Silence frames that end a stretch of sound, so that receivers do not interpolate.
const SILENCE_FRAMES: u8 = 5;

/// Events that wait while the queue has no room.
const PENDING: usize = 4;

/// One player inside a clock. What every tick looks at comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Slot {
    current: Option<Line>,
    /// What the current line has found to be due.
    front: Option<Front>,
    /// The run that is heard, as it was told; 0 for none.
    run: u64,
    sent: u64,
    counters: Arc<Counters>,
    paused: bool,
    audible: bool,
    silence_left: u8,
    /// Events in `pending`.
    waiting: u8,
    starved_ticks: u32,
    next: Option<Line>,
    player: u64,
    nulled: u64,
    stuck_ticks: u32,
    stuck_run: u64,
    /// Events not yet told, oldest first; kept when the queue has no room.
    pending: [Option<Event>; PENDING],
}

impl Slot {
    /// Returns an empty slot; `stuck_ticks` ticks without a packet make a track stuck.
    pub fn new(player: u64, counters: Arc<Counters>, stuck_ticks: u32) -> Self {
        Self {
            current: None,
            front: None,
            run: 0,
            sent: counters.sent.load(Ordering::Relaxed),
            nulled: counters.nulled.load(Ordering::Relaxed),
            counters,
            paused: false,
            audible: false,
            silence_left: 0,
            waiting: 0,
            starved_ticks: 0,
            next: None,
            player,
            stuck_ticks: stuck_ticks.max(1),
            stuck_run: 0,
            pending: [None; PENDING],
        }
    }

    /// Stages `line`: what is buffered of the present one plays until `line` yields.
    ///
    /// Returns a line that was staged and never heard.
    pub fn play(&mut self, line: Line) -> Option<Line> {
        self.starved_ticks = 0;
        self.next.replace(line)
    }

    /// Drops all lines.
    pub fn stop(&mut self) -> [Option<Line>; 2] {
        self.starved_ticks = 0;
        self.front = None;
        [self.current.take(), self.next.take()]
    }

    /// Pauses or goes on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.starved_ticks = 0;
    }

    /// Whether there is a connection to send on.
    pub fn set_audible(&mut self, audible: bool) {
        self.audible = audible;
        self.silence_left = 0;
        self.starved_ticks = 0;
    }

    /// Whether the slot needs ticks.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn is_active(&self) -> bool {
        self.audible
            && (self.silence_left > 0
                || self.waiting > 0
                || (!self.paused && (self.current.is_some() || self.next.is_some())))
    }

    /// Whether a frame is due at every tick.
    pub fn owes(&self) -> bool {
        self.audible && !self.paused && (self.current.is_some() || self.next.is_some())
    }

    /// Decides what is due now.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn tick(&mut self, out: &mut impl Outlet) -> Tick {
        if self.waiting > 0 {
            self.tell_pending(out);
        }
        if self.paused || !self.audible {
            return self.trail();
        }
        if self.next.is_some() {
            self.promote(out);
        }
        let Some(line) = self.current.as_mut() else {
            if self.next.is_some() {
                return self.starve(out);
            }
            return self.trail();
        };
        // Asked before the look: packets made before the end was told are all visible then.
        let ended = line.eye.lane().ended();
        let Some(front) = line.eye.find() else {
            if line.eye.lane().is_retired() {
                // The rest of a replaced track is over before the new one yields.
                self.leave(out);
                return if self.next.is_some() {
                    self.starve(out)
                } else {
                    self.trail()
                };
            }
            return match ended {
                Some(end) => {
                    let kind = match end {
                        End::Finished => EventKind::Finished,
                        End::Failed => EventKind::Failed,
                    };
                    self.end(kind, out);
                    self.trail()
                }
                None => self.starve(out),
            };
        };
        let lane = line.eye.lane();
        let retired = lane.is_retired();
        // Before anything is told: who hears of it looks here.
        lane.place
            .store(pack(front.run, front.position_ms), Ordering::Relaxed);
        let reached = !retired && lane.rings(front.run, front.position_ms);
        if front.run != self.run && !retired {
            // A line that goes on with another track; the line's own first run is just new.
            let passed = self.run;
            let goes_on = line.heard;
            line.heard = true;
            self.run = front.run;
            if goes_on {
                self.tell(passed, EventKind::Finished, out);
            }
            self.tell(front.run, EventKind::Started, out);
        }
        if reached {
            self.tell(front.run, EventKind::Reached, out);
        }
        let Some(line) = self.current.as_mut() else {
            return self.trail();
        };
        let lane = line.eye.lane();
        if !retired && lane.is_end(front.run, front.position_ms) {
            self.end(EventKind::Finished, out);
            return self.trail();
        }
        if line.eye.is_low() && lane.claim() {
            out.want(&line.feed, Haste::Soon);
        }
        self.front = Some(front);
        self.starved_ticks = 0;
        self.silence_left = SILENCE_FRAMES;
        self.sent += 1;
        // The only writer: no read-modify-write is needed.
        self.counters.sent.store(self.sent, Ordering::Relaxed);
        Tick::Packet
    }

    /// Returns the packet that the last tick announced.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn opus(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |line| line.eye.opus())
    }

    /// Lets go of the packet that the last tick announced.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn pass(&mut self) {
        if let (Some(line), Some(front)) = (self.current.as_mut(), self.front.take()) {
            line.eye.pass(&front);
        }
    }

    /// Fetches what the next tick will look at into the cache.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn prefetch(&self) {
        if let Some(line) = &self.current {
            line.eye.prefetch();
        }
    }

    /// Takes the staged line over once it yields, or once nothing else is left.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn promote(&mut self, out: &mut impl Outlet) {
        let Some(next) = &self.next else { return };
        let over = next.eye.lane().ended().is_some();
        if over || !next.eye.is_empty() || self.current.is_none() {
            self.leave(out);
            self.current = self.next.take();
        }
    }

    /// Ends the current line.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn end(&mut self, kind: EventKind, out: &mut impl Outlet) {
        let Some(line) = &self.current else { return };
        let run = if line.heard {
            self.run
        } else {
            line.feed.generation
        };
        self.tell(run, kind, out);
        self.leave(out);
    }

    /// Lets go of the current line.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn leave(&mut self, out: &mut impl Outlet) {
        self.front = None;
        if let Some(line) = self.current.take() {
            line.eye.lane().retire();
            out.bury(line);
        }
    }

    /// Tells an event, or keeps it for the next tick.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn tell(&mut self, run: u64, kind: EventKind, out: &mut impl Outlet) {
        let event = Event {
            player: self.player,
            generation: run,
            kind,
        };
        if self.waiting == 0 && out.tell(event) {
            return;
        }
        let place = usize::from(self.waiting).min(PENDING - 1);
        self.pending[place] = Some(event);
        self.waiting = place as u8 + 1;
    }

    /// Tells what could not be told before.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn tell_pending(&mut self, out: &mut impl Outlet) {
        while let Some(event) = self.pending[0] {
            if !out.tell(event) {
                return;
            }
            self.pending.rotate_left(1);
            self.pending[PENDING - 1] = None;
            self.waiting -= 1;
        }
    }

    /// Has nothing although something is due.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn starve(&mut self, out: &mut impl Outlet) -> Tick {
        self.nulled += 1;
        self.counters.nulled.store(self.nulled, Ordering::Relaxed);
        self.starved_ticks = self.starved_ticks.saturating_add(1);
        let waiting = self.current.as_ref().or(self.next.as_ref());
        if let Some(line) = waiting {
            let run = if line.heard {
                self.run
            } else {
                line.feed.generation
            };
            if line.eye.lane().claim() {
                out.want(&line.feed, Haste::Now);
            }
            if self.starved_ticks >= self.stuck_ticks && self.stuck_run != run {
                self.stuck_run = run;
                self.tell(run, EventKind::Stuck, out);
            }
        }
        if self.silence_left > 0 {
            self.silence_left -= 1;
            return Tick::Silence;
        }
        Tick::Nothing
    }

    /// Ends a stretch of sound.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn trail(&mut self) -> Tick {
        if self.silence_left > 0 {
            self.silence_left -= 1;
            return Tick::Silence;
        }
        if self.is_active() {
            Tick::Nothing
        } else {
            Tick::Rest
        }
    }
}
