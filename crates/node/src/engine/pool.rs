//! The encode pool: threads that make packets ahead of the clocks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Instant;

use backline_media::dsp::flush_denormals;
use rtrb::Consumer;

use super::feed::{Feed, Line, Settings};
use super::priority::{Favour, Rank};

/// The encode pool; cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

/// Wakes one sleeping worker; for clocks.
#[derive(Clone)]
pub struct Waker(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    workers: Box<[Worker]>,
    stopped: AtomicBool,
}

/// Something to do for the pool.
#[derive(Debug)]
pub enum Errand {
    /// A claimed feed wants a turn.
    Turn(Arc<Feed>),
    /// A line is over: what it holds ends here, where it may take time.
    Bury(Line),
}

struct Queue {
    /// What was asked for by anybody but a clock.
    injected: VecDeque<Errand>,
    /// What clocks ask for.
    clocks: Vec<Consumer<Errand>>,
    /// The clock that is asked first, so that none is always last.
    turn: usize,
}

#[derive(Default)]
struct Worker {
    thread: OnceLock<Thread>,
    asleep: AtomicBool,
}

impl Pool {
    /// Starts `threads` workers that serve what `clocks` ask for.
    ///
    /// # Errors
    /// When a thread cannot be made.
    pub fn start(
        threads: usize,
        clocks: Vec<Consumer<Errand>>,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let pool = Self::new(threads, clocks);
        let mut handles = Vec::with_capacity(threads);
        for index in 0..threads {
            let shared = Arc::clone(&pool.0);
            let run = move || work(&shared, index);
            handles.push(
                std::thread::Builder::new()
                    .name(format!("encode-{index}"))
                    .spawn(run)?,
            );
        }
        Ok((pool, handles))
    }

    fn new(threads: usize, clocks: Vec<Consumer<Errand>>) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Queue {
                injected: VecDeque::new(),
                clocks,
                turn: 0,
            }),
            workers: (0..threads).map(|_| Worker::default()).collect(),
            stopped: AtomicBool::new(false),
        }))
    }

    /// Takes over the queue of one more clock.
    pub fn serve(&self, clock: Consumer<Errand>) {
        self.0
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clocks
            .push(clock);
    }

    /// Schedules a feed, unless it is scheduled already or needs nothing.
    pub fn schedule(&self, feed: &Arc<Feed>) {
        if feed.claim() {
            self.inject(feed);
        }
    }

    /// Schedules a feed whose source has got bytes.
    pub fn schedule_woken(&self, feed: &Arc<Feed>) {
        if feed.claim_woken() {
            self.inject(feed);
        }
    }

    /// Changes the settings of a feed; what is further ahead than a few packets is made again, so
    /// that the change is heard within 100 ms.
    pub fn apply(&self, feed: &Arc<Feed>, settings: Settings) {
        feed.set_settings(settings);
        if feed.claim_wish() {
            self.inject(feed);
        }
    }

    /// Lets a feed's packets be made again, because its source was told something: it is rewound,
    /// then [`PacketSource::apply`](super::source::PacketSource::apply) is called.
    pub fn remake(&self, feed: &Arc<Feed>) {
        feed.wish();
        if feed.claim_wish() {
            self.inject(feed);
        }
    }

    /// Retires a feed and drops its source, on a thread of the pool.
    pub fn dispose(&self, feed: &Arc<Feed>) {
        feed.retire();
        self.inject(feed);
    }

    fn inject(&self, feed: &Arc<Feed>) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.injected.push_back(Errand::Turn(Arc::clone(feed)));
        drop(queue);
        self.waker().wake();
    }

    /// Returns what a clock wakes workers with.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.0))
    }

    /// Tells all workers to end after their turn.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        for worker in &self.0.workers {
            if let Some(thread) = worker.thread.get() {
                thread.unpark();
            }
        }
    }
}

impl Waker {
    /// Wakes one sleeping worker, if any sleeps.
    ///
    /// Real-time: never allocates or locks; at most one non-blocking system call.
    pub fn wake(&self) {
        // Orders what was queued before the look at the sleepers; pairs with the fence in
        // `work`, which orders falling asleep before the last look at the queue.
        std::sync::atomic::fence(Ordering::SeqCst);
        for worker in &self.0.workers {
            if worker.asleep.load(Ordering::Relaxed)
                && worker.asleep.swap(false, Ordering::AcqRel)
                && let Some(thread) = worker.thread.get()
            {
                thread.unpark();
                return;
            }
        }
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Errand> {
        if let Some(errand) = self.injected.pop_front() {
            return Some(errand);
        }
        for _ in 0..self.clocks.len() {
            self.turn = (self.turn + 1) % self.clocks.len();
            if let Ok(errand) = self.clocks[self.turn].pop() {
                return Some(errand);
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        self.injected.is_empty() && self.clocks.iter().all(Consumer::is_empty)
    }
}

impl Shared {
    /// Returns what is to be done next, and whether there is more.
    fn pop(&self) -> Option<(Errand, bool)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let errand = queue.pop()?;
        Some((errand, !queue.is_empty()))
    }
}

fn work(shared: &Arc<Shared>, index: usize) {
    flush_denormals();
    let mut favour = Favour::new(Rank::Pool);
    let start = Instant::now();
    let now_ms = || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let own = &shared.workers[index];
    let _first = own.thread.set(std::thread::current());
    let pool = Pool(Arc::clone(shared));
    let waker = pool.waker();
    while !shared.stopped.load(Ordering::SeqCst) {
        let popped = shared.pop().or_else(|| {
            own.asleep.store(true, Ordering::Relaxed);
            std::sync::atomic::fence(Ordering::SeqCst);
            shared
                .pop()
                .inspect(|_| own.asleep.store(false, Ordering::Relaxed))
        });
        let Some((errand, more)) = popped else {
            if !shared.stopped.load(Ordering::SeqCst) {
                favour.handle_sleep(now_ms());
                std::thread::park();
            }
            own.asleep.store(false, Ordering::Relaxed);
            continue;
        };
        if more {
            // More is waiting than this worker alone should do.
            waker.wake();
        }
        let feed = match &errand {
            Errand::Turn(feed) => feed,
            Errand::Bury(line) => &line.feed,
        };
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| feed.take_turn()));
        if turn.is_err() {
            // A decoder met bytes that its author did not foresee: this track alone fails.
            tracing::error!(player = feed.player, "decoder panicked");
            feed.fail_after_panic();
        }
        if feed.claim_wish() {
            // Settings changed during the turn.
            pool.inject(feed);
        }
        favour.handle_busy(now_ms());
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool")
            .field("workers", &self.0.workers.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Waker").finish_non_exhaustive()
    }
}
