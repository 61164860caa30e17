//! The engine: clock threads that send, and pool threads that make what is sent.
//!
//! Neither count depends on the number of players. A player has a place in one clock's table; a
//! track has a ring that the pool fills and the clock empties.

pub mod arena;
pub mod bell;
pub mod clock;
pub mod feed;
pub mod lane;
pub mod packet;
pub mod pool;
pub mod priority;
pub mod slot;
pub mod source;
pub mod transport;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use backline_media::voice::EndToEnd;
use backline_runtime::metrics::node::NodeMetrics;
use crossbeam_channel::Sender;
use rtrb::{Consumer, RingBuffer};
use slab::Slab;

use bell::{Bell, Ear};
use clock::{Clock, Command, Outlets};
use feed::Line;
use pool::Pool;
use slot::{Counters, Event};
use transport::Transport;

/// The engine's threads and the way to talk to them.
#[derive(Debug)]
pub struct Engine {
    clocks: Vec<ClockHandle>,
    pool: Pool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct ClockHandle {
    commands: Sender<Command>,
    places: Mutex<Slab<()>>,
}

/// A player's place in the engine; dropping it silences and forgets the player.
#[derive(Debug)]
pub struct Seat {
    engine: Arc<Engine>,
    clock: usize,
    place: u32,
    counters: Arc<Counters>,
}

/// What happens to tracks, in order per player.
#[derive(Debug)]
pub struct Events {
    ears: Vec<Ear>,
    rings: Vec<Consumer<Event>>,
}

/// How the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Frame-clock threads; 0 for one a core.
    pub clock_threads: usize,
    /// Encode threads; 0 for one a core.
    pub encode_threads: usize,
    /// How long a track may yield nothing before it is stuck.
    pub stuck: Duration,
}

/// Events one clock may tell before they are heard.
const EVENTS: usize = 4_096;
/// Errands one clock may give before the pool answers.
const ERRANDS: usize = 16_384;
/// Commands one clock may be behind.
const COMMANDS: usize = 8_192;

impl Engine {
    /// Starts the threads; they sleep until there is a player that plays.
    ///
    /// # Errors
    /// When a thread or its wake-up channel cannot be made.
    pub fn start(options: EngineOptions, metrics: &NodeMetrics) -> io::Result<(Arc<Self>, Events)> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let or_cores = |count: usize| if count == 0 { cores } else { count };
        let (pool, mut threads) = Pool::start(or_cores(options.encode_threads), Vec::new())?;
        let (bells, ears) = Bell::pairs(or_cores(options.clock_threads))?;
        let mut clocks = Vec::with_capacity(bells.len());
        let mut rings = Vec::with_capacity(bells.len());
        for (index, bell) in bells.into_iter().enumerate() {
            let (events, heard) = RingBuffer::new(EVENTS);
            let (errands, asked) = RingBuffer::new(ERRANDS);
            let (commands, orders) = crossbeam_channel::bounded(COMMANDS);
            pool.serve(asked);
            rings.push(heard);
            let outlets = Outlets::new(
                (events, bell),
                (errands, pool.waker()),
                metrics.clone(),
                (options.stuck.as_millis() / 20) as u32,
            );
            let run = move || Clock::new(outlets).run(&orders);
            threads.push(
                std::thread::Builder::new()
                    .name(format!("clock-{index}"))
                    .spawn(run)?,
            );
            clocks.push(ClockHandle {
                commands,
                places: Mutex::new(Slab::new()),
            });
        }
        let engine = Arc::new(Self {
            clocks,
            pool,
            threads: Mutex::new(threads),
        });
        Ok((engine, Events { ears, rings }))
    }

    /// Gives a player a place in the clock that has the fewest.
    pub fn seat(self: &Arc<Self>, player: u64) -> Seat {
        let sizes = self.clocks.iter().map(|clock| lock(&clock.places).len());
        let clock = sizes
            .enumerate()
            .min_by_key(|(_, len)| *len)
            .map_or(0, |(index, _)| index);
        let counters = Arc::new(Counters::default());
        let mut places = lock(&self.clocks[clock].places);
        let place = places.insert(()) as u32;
        // Told under the lock: the place may have been freed by a command just before.
        self.tell(
            clock,
            Command::Add {
                place,
                player,
                counters: Arc::clone(&counters),
            },
        );
        drop(places);
        Seat {
            engine: Arc::clone(self),
            clock,
            place,
            counters,
        }
    }

    /// Returns the pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Ends all threads and waits for them; blocks for a few milliseconds.
    pub fn stop(&self) {
        for clock in 0..self.clocks.len() {
            self.tell(clock, Command::Exit);
        }
        self.pool.stop();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("engine thread panicked");
            }
        }
    }

    fn tell(&self, clock: usize, command: Command) {
        // A full queue empties within a tick; a clock that is gone needs no orders.
        let _gone = self.clocks[clock].commands.send(command);
    }
}

impl Seat {
    /// Returns the player's frame counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Starts `line` and schedules its feed.
    pub fn play(&self, line: Line) {
        let feed = Arc::clone(&line.feed);
        self.tell(Command::Play {
            place: self.place,
            line: Box::new(line),
        });
        self.engine.pool.schedule(&feed);
    }

    /// Falls silent.
    pub fn stop(&self) {
        self.tell(Command::Stop { place: self.place });
    }

    /// Pauses or goes on.
    pub fn pause(&self, paused: bool) {
        self.tell(Command::Pause {
            place: self.place,
            paused,
        });
    }

    /// Sends to another voice connection, or to none.
    pub fn connect(&self, transport: Option<Box<Transport>>) {
        self.tell(Command::Connect {
            place: self.place,
            transport,
        });
    }

    /// Protects the packets of the present voice connection with other keys from now on.
    pub fn protect(&self, end_to_end: EndToEnd) {
        self.tell(Command::Protect {
            place: self.place,
            end_to_end: Box::new(end_to_end),
        });
    }

    fn tell(&self, command: Command) {
        self.engine.tell(self.clock, command);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = lock(&self.engine.clocks[self.clock].places);
        self.tell(Command::Remove { place: self.place });
        places.remove(self.place as usize);
    }
}

impl Events {
    /// Waits for the next events and appends them to `events`; false when the engine has ended.
    /// Cancel-safe.
    pub async fn next(&mut self, events: &mut Vec<Event>) -> bool {
        let waits = self.ears.iter_mut().map(|ear| Box::pin(ear.hear()));
        let (heard, _, _) = futures_util::future::select_all(waits).await;
        for ring in &mut self.rings {
            while let Ok(event) = ring.pop() {
                events.push(event);
            }
        }
        heard
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
