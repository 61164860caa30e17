//! One player inside a clock: what is due at its tick. Pure; the clock does the sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::feed::{End, Feed, LOW_WATER, Line};
use super::packet::Packet;

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
    /// The load it belongs to.
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
}

/// What a tick sends.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "packets are inline so that nothing allocates on a tick"
)]
pub enum Tick {
    /// A packet of the track.
    Packet(Packet),
    /// A silence frame, because the sound breaks off here.
    Silence,
    /// Nothing: the track has nothing, and silence has been sent.
    Nothing,
    /// Nothing, and the player needs no further ticks until something changes.
    Rest,
}

/// Silence frames that end a stretch of sound, so that receivers do not interpolate.
const SILENCE_FRAMES: u8 = 5;

/// One player inside a clock.
#[derive(Debug)]
pub struct Slot {
    /// The player.
    pub player: u64,
    /// Where its frames are counted.
    pub counters: Arc<Counters>,
    /// Events not yet told, oldest first; kept when the queue has no room.
    pub pending: [Option<Event>; 2],
    /// Lines that are over, to be dropped outside the tick.
    pub spent: [Option<Line>; 2],
    current: Option<Line>,
    next: Option<Line>,
    paused: bool,
    audible: bool,
    silence_left: u8,
    starved_ticks: u32,
    stuck_ticks: u32,
    stuck_generation: u64,
    started_generation: u64,
}

impl Slot {
    /// Returns an empty slot; `stuck_ticks` ticks without a packet make a track stuck.
    pub fn new(player: u64, counters: Arc<Counters>, stuck_ticks: u32) -> Self {
        Self {
            player,
            counters,
            pending: [None, None],
            spent: [None, None],
            current: None,
            next: None,
            paused: false,
            audible: false,
            silence_left: 0,
            starved_ticks: 0,
            stuck_ticks: stuck_ticks.max(1),
            stuck_generation: 0,
            started_generation: 0,
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
    pub fn is_active(&self) -> bool {
        self.audible
            && (self.silence_left > 0
                || self.pending[0].is_some()
                || (!self.paused && (self.current.is_some() || self.next.is_some())))
    }

    /// Decides what is due now; `wanted` is handed the feed that has run low.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn tick(&mut self, wanted: &mut impl FnMut(&Arc<Feed>)) -> Tick {
        if self.paused || !self.audible {
            return self.trail();
        }
        self.promote();
        let Some(line) = self.current.as_mut() else {
            if self.next.is_some() {
                return self.starve(wanted);
            }
            return self.trail();
        };
        // Asked before the pop: packets made before the end was told are all visible then.
        let ended = line.feed.ended();
        let Ok(packet) = line.packets.pop() else {
            if line.feed.is_retired() {
                // The rest of a replaced track is over before the new one yields.
                let line = self.current.take();
                self.spend(line);
                return if self.next.is_some() {
                    self.starve(wanted)
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
                    self.end(kind);
                    self.trail()
                }
                None => self.starve(wanted),
            };
        };
        if line.packets.slots() <= LOW_WATER && line.feed.claim() {
            wanted(&line.feed);
        }
        line.feed.set_position_ms(packet.position_ms);
        if packet.position_ms >= line.feed.end_ms() && !line.feed.is_retired() {
            line.feed.retire();
            self.end(EventKind::Finished);
            return self.trail();
        }
        let generation = line.feed.generation;
        if self.started_generation != generation && !line.feed.is_retired() {
            self.started_generation = generation;
            self.tell(generation, EventKind::Started);
        }
        self.starved_ticks = 0;
        self.silence_left = SILENCE_FRAMES;
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        Tick::Packet(packet)
    }

    /// Takes the staged line over once it yields, or once nothing else is left.
    fn promote(&mut self) {
        let Some(next) = &self.next else { return };
        let over = next.feed.ended().is_some();
        if over || !next.packets.is_empty() || self.current.is_none() {
            let old = self.current.take();
            self.current = self.next.take();
            self.spend(old);
        }
    }

    fn end(&mut self, kind: EventKind) {
        if let Some(line) = self.current.take() {
            self.tell(line.feed.generation, kind);
            self.spend(Some(line));
        }
    }

    fn tell(&mut self, generation: u64, kind: EventKind) {
        let place = usize::from(self.pending[0].is_some());
        self.pending[place] = Some(Event {
            player: self.player,
            generation,
            kind,
        });
    }

    fn spend(&mut self, line: Option<Line>) {
        if let Some(line) = line {
            let place = usize::from(self.spent[0].is_some());
            self.spent[place] = Some(line);
        }
    }

    fn starve(&mut self, wanted: &mut impl FnMut(&Arc<Feed>)) -> Tick {
        self.counters.nulled.fetch_add(1, Ordering::Relaxed);
        self.starved_ticks = self.starved_ticks.saturating_add(1);
        let waiting = self.current.as_ref().or(self.next.as_ref());
        if let Some(line) = waiting {
            let generation = line.feed.generation;
            if line.feed.claim() {
                wanted(&line.feed);
            }
            if self.starved_ticks >= self.stuck_ticks && self.stuck_generation != generation {
                self.stuck_generation = generation;
                self.tell(generation, EventKind::Stuck);
            }
        }
        if self.silence_left > 0 {
            self.silence_left -= 1;
            return Tick::Silence;
        }
        Tick::Nothing
    }

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
