//! A frame-clock thread: a table of players walked in slots of 1 ms, each player every 20 ms.
//!
//! Nothing on the way from `walk` down allocates, locks or blocks. Commands and what they drop
//! are handled between walks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_media::frame::SILENCE;
use backline_runtime::metrics::node::NodeMetrics;
use crossbeam_channel::{Receiver, TryRecvError};
use rtrb::Producer;

use super::bell::Bell;
use super::feed::{Feed, Line};
use super::pool::Waker;
use super::slot::{Counters, Event, Slot, Tick};
use super::transport::{Scratch, Transport};

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
    /// Lines that are over, dropped between walks.
    graveyard: Vec<Line>,
    /// The next millisecond to walk, since `start`.
    cursor_ms: u64,
}

/// Where a clock tells what it found.
pub struct Outlets {
    /// Events of tracks.
    pub events: Producer<Event>,
    /// Rung when events were told.
    pub bell: Bell,
    /// Feeds that have run low.
    pub wanted: Producer<Arc<Feed>>,
    /// Rung when feeds were told.
    pub pool: Waker,
    /// What is counted.
    pub metrics: NodeMetrics,
    /// Ticks without a packet that make a track stuck.
    pub stuck_ticks: u32,
}

impl std::fmt::Debug for Outlets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Outlets").finish_non_exhaustive()
    }
}

struct Entry {
    slot: Slot,
    transport: Option<Box<Transport>>,
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
/// Lines that may end within one walk.
const GRAVES: usize = 256;
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
            graveyard: Vec::with_capacity(GRAVES),
            cursor_ms: 0,
        }
    }

    /// Runs until told to exit, or until nobody can tell it anything any more.
    pub fn run(mut self, commands: &Receiver<Command>) {
        let start = Instant::now();
        loop {
            if self.active == 0 {
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
                self.outlets.metrics.clock_resyncs.inc();
                self.cursor_ms = now_ms;
            }
            while self.cursor_ms <= now_ms {
                let due = Duration::from_millis(self.cursor_ms);
                self.walk(self.cursor_ms, || start.elapsed().saturating_sub(due));
                self.cursor_ms += 1;
            }
            self.graveyard.clear();
            if let Some(next_ms) = self.next_due() {
                let due = Duration::from_millis(next_ms);
                let now = start.elapsed();
                self.cursor_ms = next_ms;
                if let Some(left) = due.checked_sub(now) {
                    std::thread::sleep(left);
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
                if self.table.len() <= index {
                    self.table.resize_with(index + 1, || None);
                }
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
                    entry.transport = transport;
                }
                place
            }
            Command::Play { place, line } => {
                if let Some(entry) = self.entry(place) {
                    drop(entry.slot.play(*line));
                }
                place
            }
            Command::Stop { place } => {
                if let Some(entry) = self.entry(place) {
                    drop(entry.slot.stop());
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
    /// Real-time: never allocates, locks or blocks. (Waking a sleeping pool worker or the event
    /// task is one non-blocking system call.)
    pub fn walk(&mut self, at_ms: u64, late: impl Fn() -> Duration) {
        let phase = (at_ms % PHASES as u64) as usize;
        let frame = at_ms / PHASES as u64;
        let mut told = false;
        let mut asked = false;
        let mut index = 0;
        while let Some(place) = self.phases[phase].get(index).copied() {
            let Some(entry) = self.table[place as usize].as_mut() else {
                self.phases[phase].swap_remove(index);
                continue;
            };
            let wanted = &mut self.outlets.wanted;
            let tick = entry.slot.tick(&mut |feed| {
                asked = true;
                if wanted.push(Arc::clone(feed)).is_err() {
                    // The pool is far behind; asked again at the next tick.
                    feed.unclaim();
                }
            });
            let opus = match &tick {
                Tick::Packet(packet) => Some(packet.opus.as_bytes()),
                Tick::Silence => Some(&SILENCE[..]),
                Tick::Nothing | Tick::Rest => None,
            };
            if let (Some(opus), Some(transport)) = (opus, entry.transport.as_mut()) {
                let late = late();
                let sent = transport.send(frame, opus, &mut self.scratch);
                let metrics = &self.outlets.metrics;
                if sent.is_ok() {
                    metrics.frames_sent.inc();
                } else {
                    metrics.frames_unsent.inc();
                }
                metrics.frame_lateness.observe(late);
                if late > LATE {
                    metrics.frames_late.inc();
                }
            } else if matches!(tick, Tick::Nothing) {
                self.outlets.metrics.frames_nulled.inc();
            }
            while let Some(event) = entry.slot.pending[0] {
                if self.outlets.events.push(event).is_err() {
                    break;
                }
                told = true;
                entry.slot.pending.swap(0, 1);
                entry.slot.pending[1] = None;
            }
            for spent in &mut entry.slot.spent {
                if let Some(line) = spent.take() {
                    if self.graveyard.len() == GRAVES {
                        // More tracks ended in this millisecond than ever should: better one
                        // free on the tick than memory without bound.
                        drop(line);
                    } else {
                        self.graveyard.push(line);
                    }
                }
            }
            if matches!(tick, Tick::Rest) && !entry.slot.is_active() {
                entry.phase = None;
                self.active -= 1;
                self.phases[phase].swap_remove(index);
            } else {
                index += 1;
            }
        }
        if asked {
            self.outlets.pool.wake();
        }
        if told {
            self.outlets.bell.ring();
        }
    }

    /// Returns the first millisecond from the cursor on at which somebody is due.
    fn next_due(&self) -> Option<u64> {
        (self.cursor_ms..self.cursor_ms + PHASES as u64)
            .find(|at_ms| !self.phases[(at_ms % PHASES as u64) as usize].is_empty())
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
