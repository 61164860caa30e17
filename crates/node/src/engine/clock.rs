//! A frame-clock thread: a table of players walked in slots of 1 ms, each player every 20 ms.
//!
//! Nothing on the way from `walk` down allocates, locks or blocks. Commands and what they drop
//! are handled between walks.

use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_media::frame::SILENCE;
use backline_media::voice::EndToEnd;
use backline_runtime::metrics::node::NodeMetrics;
use crossbeam_channel::{Receiver, TryRecvError};
use rtrb::Producer;

use super::arena::prefer_huge_pages;
use super::bell::Bell;
use super::feed::{Feed, Line};
use super::lane::prefetch;
use super::pool::{Errand, Waker};
use super::priority::{Favour, Rank};
use super::slot::{Counters, Event, Haste, Outlet, Slot, Tick};
use super::transport::{Scratch, Sent, Transport};

/// What a clock is told.
#[derive(Debug)]
pub enum Command {
    /// A player is new.
    Add {
        /// Its place in the clock's table; free until now.
        place: u32,
        /// The player.
        player: u64,
        /// Where its frames are counted.
        counters: Arc<Counters>,
    },
    /// A player is gone.
    Remove {
        /// Its place.
        place: u32,
    },
    /// A player has another voice connection, or none.
    Connect {
        /// Its place.
        place: u32,
        /// Where its packets go.
        transport: Option<Box<Transport>>,
    },
    /// A player's packets are protected otherwise from now on; its voice connection stays.
    Protect {
        /// Its place.
        place: u32,
        /// How.
        end_to_end: Box<EndToEnd>,
    },
    /// A player starts another run of packets.
    Play {
        /// Its place.
        place: u32,
        /// The packets.
        line: Box<Line>,
    },
    /// A player falls silent.
    Stop {
        /// Its place.
        place: u32,
    },
    /// A player is paused or goes on.
    Pause {
        /// Its place.
        place: u32,
        /// Which of both.
        paused: bool,
    },
    /// The thread ends.
    Exit,
}

/// The state of a frame-clock thread.
pub struct Clock {
    table: Vec<Option<Entry>>,
    phases: [Vec<u32>; PHASES],
    active: usize,
    outlets: Outlets,
    scratch: Scratch,
    /// The next millisecond to walk, since `start`.
    cursor_ms: u64,
}

/// Where a clock tells what it found.
pub struct Outlets {
    events: Producer<Event>,
    bell: Bell,
    errands: Producer<Errand>,
    pool: Waker,
    metrics: NodeMetrics,
    stuck_ticks: u32,
    /// Events were told since the bell was rung.
    told: bool,
    /// Errands were given since the pool was woken, and how soon it has to come.
    asked: Option<Haste>,
    /// When the pool was woken last.
    woken_ms: u64,
    /// Lines that are over and that the pool had no room for; dropped between walks.
    graveyard: Vec<Line>,
}

impl Outlets {
    /// Returns outlets to the given ends; `stuck_ticks` ticks without a packet make a track
    /// stuck.
    pub fn new(
        (events, bell): (Producer<Event>, Bell),
        (errands, pool): (Producer<Errand>, Waker),
        metrics: NodeMetrics,
        stuck_ticks: u32,
    ) -> Self {
        Self {
            events,
            bell,
            errands,
            pool,
            metrics,
            stuck_ticks,
            told: false,
            asked: None,
            woken_ms: 0,
            graveyard: Vec::with_capacity(GRAVES),
        }
    }

    /// Rings and wakes after a walk.
    ///
    /// Real-time: never allocates or locks; at most two non-blocking system calls.
    fn ring(&mut self, at_ms: u64) {
        let due = match self.asked {
            Some(Haste::Now) => true,
            // Waking a thread costs as much as ten frames: many players' errands at once.
            Some(Haste::Soon) => at_ms.wrapping_sub(self.woken_ms) >= WAKE_MS,
            None => false,
        };
        if due {
            self.asked = None;
            self.woken_ms = at_ms;
            self.pool.wake();
        }
        if self.told {
            self.told = false;
            self.bell.ring();
        }
    }
}

// Real-time: none of these allocates, locks or blocks.
impl Outlet for Outlets {
    fn want(&mut self, feed: &Arc<Feed>, haste: Haste) {
        if self.errands.push(Errand::Turn(Arc::clone(feed))).is_err() {
            // The pool is far behind; asked again at the next tick.
            feed.unclaim();
        }
        if self.asked != Some(Haste::Now) {
            self.asked = Some(haste);
        }
    }

    fn bury(&mut self, line: Line) {
        self.asked.get_or_insert(Haste::Soon);
        let Err(rtrb::PushError::Full(Errand::Bury(line))) = self.errands.push(Errand::Bury(line))
        else {
            return;
        };
        if self.graveyard.len() < GRAVES {
            self.graveyard.push(line);
        }
        // Beyond that, more tracks ended in this millisecond than ever should: better a free on
        // the tick than memory without bound.
    }

    fn tell(&mut self, event: Event) -> bool {
        let told = self.events.push(event).is_ok();
        self.told |= told;
        told
    }
}

impl std::fmt::Debug for Outlets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Outlets").finish_non_exhaustive()
    }
}

/// A player; what every tick looks at comes first.
#[repr(C)]
struct Entry {
    transport: Option<Transport>,
    slot: Slot,
    phase: Option<usize>,
}

/// Slots of 1 ms in which players are walked.
const PHASES: usize = 20;
/// With fewer active players than this, only every fifth slot is used: fewer wakes.
const FINE_SLOTS_FROM: usize = 64;
/// Behind this much, a clock moves its timeline instead of bursting.
const RESYNC_MS: u64 = 500;
/// Later than this counts as late.
const LATE: Duration = Duration::from_millis(10);
/// Lines that may end within one walk while the pool is far behind.
const GRAVES: usize = 256;
/// How long errands that are not urgent are gathered before the pool is woken.
const WAKE_MS: u64 = 5;
/// Cache lines at the beginning of an entry that a tick looks at.
const ENTRY_LINES: usize = 5;
/// Places that the table has at least, once there is a player.
const PLACES: usize = 4_096;
/// Frames that are sent between two looks at the time.
const FRAMES_PER_LOOK: u32 = 8;
/// Commands handled between two walks.
const COMMANDS_PER_WALK: usize = 256;

impl Clock {
    /// Returns a clock without players.
    pub fn new(outlets: Outlets) -> Self {
        Self {
            table: Vec::new(),
            phases: std::array::from_fn(|_| Vec::new()),
            active: 0,
            outlets,
            scratch: Scratch::new(),
            cursor_ms: 0,
        }
    }

    /// Runs until told to exit, or until nobody can tell it anything any more.
    pub fn run(mut self, commands: &Receiver<Command>) {
        let start = Instant::now();
        let mut favour = Favour::new(Rank::Clock);
        loop {
            if self.active == 0 {
                favour.handle_sleep(elapsed_ms(start));
                // Nobody plays: the thread costs nothing until it is told something.
                let Ok(command) = commands.recv() else { return };
                if self.handle(command).is_break() {
                    return;
                }
                self.cursor_ms = elapsed_ms(start) + 1;
            }
            for _ in 0..COMMANDS_PER_WALK {
                match commands.try_recv() {
                    Ok(command) => {
                        if self.handle(command).is_break() {
                            return;
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let now_ms = elapsed_ms(start);
            if now_ms > self.cursor_ms + RESYNC_MS {
                self.resync(now_ms);
            }
            while self.cursor_ms <= now_ms {
                let due = Duration::from_millis(self.cursor_ms);
                self.walk(self.cursor_ms, || start.elapsed().saturating_sub(due));
                self.cursor_ms += 1;
            }
            self.outlets.graveyard.clear();
            if let Some(next_ms) = self.next_due() {
                let due = Duration::from_millis(next_ms);
                let now = start.elapsed();
                self.cursor_ms = next_ms;
                match due.checked_sub(now) {
                    Some(left) => {
                        favour.handle_sleep(now_ms);
                        std::thread::sleep(left);
                    }
                    None => favour.handle_busy(now_ms),
                }
            }
        }
    }

    /// Handles one command; breaks when the thread shall end.
    pub fn handle(&mut self, command: Command) -> std::ops::ControlFlow<()> {
        let place = match command {
            Command::Exit => return std::ops::ControlFlow::Break(()),
            Command::Add {
                place,
                player,
                counters,
            } => {
                let index = place as usize;
                self.make_room(index);
                let slot = Slot::new(player, counters, self.outlets.stuck_ticks);
                self.table[index] = Some(Entry {
                    slot,
                    transport: None,
                    phase: None,
                });
                place
            }
            Command::Remove { place } => {
                self.leave(place);
                if let Some(entry) = self.table.get_mut(place as usize) {
                    *entry = None;
                }
                place
            }
            Command::Connect { place, transport } => {
                if let Some(entry) = self.entry(place) {
                    entry.slot.set_audible(transport.is_some());
                    entry.transport = transport.map(|transport| *transport);
                }
                place
            }
            Command::Protect { place, end_to_end } => {
                if let Some(transport) = self.entry(place).and_then(|e| e.transport.as_mut()) {
                    transport.protect(*end_to_end);
                }
                place
            }
            Command::Play { place, line } => {
                let unheard = self.entry(place).and_then(|entry| entry.slot.play(*line));
                if let Some(line) = unheard {
                    self.outlets.bury(line);
                }
                place
            }
            Command::Stop { place } => {
                let lines = self.entry(place).map(|entry| entry.slot.stop());
                for line in lines.into_iter().flatten().flatten() {
                    self.outlets.bury(line);
                }
                place
            }
            Command::Pause { place, paused } => {
                if let Some(entry) = self.entry(place) {
                    entry.slot.pause(paused);
                }
                place
            }
        };
        self.enter(place);
        std::ops::ControlFlow::Continue(())
    }

    /// Serves every player of the slot that `at_ms` falls into; `late` tells the lateness.
    ///
    /// Real-time: never allocates, locks or blocks. (Sending is one non-blocking system call a
    /// frame; waking a sleeping pool worker or the event task is another.)
    pub fn walk(&mut self, at_ms: u64, late: impl Fn() -> Duration) {
        let phase = (at_ms % PHASES as u64) as usize;
        let frame = at_ms / PHASES as u64;
        let mut tally = Tally::default();
        let mut index = 0;
        while let Some(place) = self.phases[phase].get(index).copied() {
            self.prefetch(phase, index);
            let Some(entry) = self.table[place as usize].as_mut() else {
                self.phases[phase].swap_remove(index);
                continue;
            };
            if entry.transport.as_mut().is_some_and(Transport::waits) {
                index += 1;
                continue;
            }
            let tick = entry.slot.tick(&mut self.outlets);
            let opus = match tick {
                Tick::Packet => entry.slot.opus(),
                Tick::Silence => &SILENCE[..],
                Tick::Nothing | Tick::Rest => &[],
            };
            match (tick, entry.transport.as_mut()) {
                (Tick::Packet | Tick::Silence, Some(transport)) => {
                    let sent = transport.send(frame, opus, &mut self.scratch);
                    tally.frames += 1;
                    tally.unsent += u64::from(sent.is_err());
                    tally.muted += u64::from(matches!(sent, Ok(Sent::Muted)));
                    if tally.frames == FRAMES_PER_LOOK {
                        tally.observe(&self.outlets.metrics, late());
                    }
                }
                (Tick::Nothing, _) => tally.nulled += 1,
                _ => {}
            }
            if tick == Tick::Packet {
                entry.slot.pass();
            }
            if tick == Tick::Rest && !entry.slot.is_active() {
                entry.phase = None;
                self.active -= 1;
                self.phases[phase].swap_remove(index);
            } else {
                index += 1;
            }
        }
        if tally.frames > 0 {
            tally.observe(&self.outlets.metrics, late());
        }
        tally.publish(&self.outlets.metrics);
        self.outlets.ring(at_ms);
    }

    /// Fetches into the cache what the next players of the slot need.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn prefetch(&self, phase: usize, index: usize) {
        let entry = |ahead| {
            let place = self.phases[phase].get(index + ahead)?;
            self.table.get(*place as usize)
        };
        // The next but one: only where its state is, which leads to its packet a step later.
        if let Some(entry) = entry(2) {
            let start = (&raw const *entry).cast::<u8>();
            for line in 0..ENTRY_LINES {
                prefetch(start.wrapping_add(line * 64));
            }
        }
        if let Some(Some(entry)) = entry(1) {
            entry.slot.prefetch();
        }
    }

    /// Moves the timeline to `now_ms`; what was due in between is missed, and counted.
    fn resync(&mut self, now_ms: u64) {
        let mut missed = 0;
        for (phase, places) in self.phases.iter().enumerate() {
            let turns = (self.cursor_ms..now_ms)
                .filter(|at_ms| at_ms % PHASES as u64 == phase as u64)
                .count() as u64;
            let owing = places
                .iter()
                .filter_map(|place| self.table.get(*place as usize)?.as_ref())
                .filter(|entry| entry.slot.owes());
            missed += turns * owing.count() as u64;
        }
        self.outlets.metrics.clock_resyncs.inc();
        self.outlets.metrics.frames_missed.inc_by(missed);
        self.cursor_ms = now_ms;
    }

    /// Returns the first millisecond from the cursor on at which somebody is due.
    fn next_due(&self) -> Option<u64> {
        (self.cursor_ms..self.cursor_ms + PHASES as u64)
            .find(|at_ms| !self.phases[(at_ms % PHASES as u64) as usize].is_empty())
    }

    /// Lets the table reach to `index`; it grows seldom, in big steps, on huge pages.
    fn make_room(&mut self, index: usize) {
        if self.table.capacity() <= index {
            let more = self.table.len().max(PLACES);
            self.table
                .reserve_exact(more.max(index + 1 - self.table.len()));
            if let Some(start) = NonNull::new(self.table.as_mut_ptr()) {
                let length = self.table.capacity() * size_of::<Option<Entry>>();
                prefer_huge_pages(start.cast(), length);
            }
        }
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
    }

    fn entry(&mut self, place: u32) -> Option<&mut Entry> {
        self.table.get_mut(place as usize)?.as_mut()
    }

    /// Puts a player that needs ticks into the emptiest slot.
    fn enter(&mut self, place: u32) {
        let fine = self.active >= FINE_SLOTS_FROM;
        let Some(entry) = self.table.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        if entry.phase.is_some() || !entry.slot.is_active() {
            return;
        }
        let step = if fine { 1 } else { 5 };
        let phase = (0..PHASES)
            .step_by(step)
            .min_by_key(|phase| self.phases[*phase].len())
            .expect("there are slots");
        entry.phase = Some(phase);
        self.phases[phase].push(place);
        self.active += 1;
    }

    /// Takes a player out of its slot.
    fn leave(&mut self, place: u32) {
        let Some(phase) = self.entry(place).and_then(|entry| entry.phase.take()) else {
            return;
        };
        let players = &mut self.phases[phase];
        if let Some(index) = players.iter().position(|other| *other == place) {
            players.swap_remove(index);
            self.active -= 1;
        }
    }
}

/// What happened during one walk, told to the metrics at its end.
#[derive(Default)]
struct Tally {
    /// Frames whose lateness is not counted yet.
    frames: u32,
    sent: u64,
    /// Of those, the ones that were replaced by silence for want of keys.
    muted: u64,
    unsent: u64,
    nulled: u64,
    late: u64,
}

impl Tally {
    /// Counts the frames since the last look at the time as late as the last of them.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn observe(&mut self, metrics: &NodeMetrics, late: Duration) {
        let frames = u64::from(std::mem::take(&mut self.frames));
        self.sent += frames;
        if late > LATE {
            self.late += frames;
        }
        metrics.frame_lateness.observe_many(late, frames);
    }

    /// Adds up.
    ///
    /// Real-time: never allocates, locks or blocks.
    fn publish(&self, metrics: &NodeMetrics) {
        let counts = [
            (&metrics.frames_sent, self.sent - self.unsent),
            (&metrics.frames_unsent, self.unsent),
            (&metrics.voice.frames_muted, self.muted),
            (&metrics.frames_nulled, self.nulled),
            (&metrics.frames_late, self.late),
        ];
        for (counter, count) in counts {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Clock")
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
