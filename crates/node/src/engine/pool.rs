//! The encode pool: threads that make packets ahead of the clocks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};

use rtrb::Consumer;

use super::feed::Feed;

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

struct Queue {
    /// Feeds that were scheduled by anybody but a clock.
    injected: VecDeque<Arc<Feed>>,
    /// Feeds that clocks ask for.
    clocks: Vec<Consumer<Arc<Feed>>>,
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
        clocks: Vec<Consumer<Arc<Feed>>>,
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

    fn new(threads: usize, clocks: Vec<Consumer<Arc<Feed>>>) -> Self {
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
    pub fn serve(&self, clock: Consumer<Arc<Feed>>) {
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

    /// Retires a feed and drops its source, on a thread of the pool.
    pub fn dispose(&self, feed: &Arc<Feed>) {
        feed.retire();
        self.inject(feed);
    }

    fn inject(&self, feed: &Arc<Feed>) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.injected.push_back(Arc::clone(feed));
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
    fn pop(&mut self) -> Option<Arc<Feed>> {
        if let Some(feed) = self.injected.pop_front() {
            return Some(feed);
        }
        for _ in 0..self.clocks.len() {
            self.turn = (self.turn + 1) % self.clocks.len();
            if let Ok(feed) = self.clocks[self.turn].pop() {
                return Some(feed);
            }
        }
        None
    }
}

fn work(shared: &Arc<Shared>, index: usize) {
    flush_denormals();
    let own = &shared.workers[index];
    let _first = own.thread.set(std::thread::current());
    let waker = Waker(Arc::clone(shared));
    let pop = || {
        shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    };
    while !shared.stopped.load(Ordering::SeqCst) {
        let feed = pop().or_else(|| {
            own.asleep.store(true, Ordering::Relaxed);
            std::sync::atomic::fence(Ordering::SeqCst);
            pop().inspect(|_| own.asleep.store(false, Ordering::Relaxed))
        });
        let Some(feed) = feed else {
            if !shared.stopped.load(Ordering::SeqCst) {
                std::thread::park();
            }
            own.asleep.store(false, Ordering::Relaxed);
            continue;
        };
        // More may be waiting than this worker alone should do.
        let more = {
            let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            !queue.injected.is_empty() || queue.clocks.iter().any(|clock| !clock.is_empty())
        };
        if more {
            waker.wake();
        }
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| feed.take_turn()));
        if turn.is_err() {
            // A decoder met bytes that its author did not foresee: this track alone fails.
            tracing::error!(player = feed.player, "decoder panicked");
            feed.fail_after_panic();
        }
    }
}

/// Makes this thread treat denormal numbers as zero: music that fades into silence would cost
/// fifty times as much otherwise.
fn flush_denormals() {
    #[cfg(target_arch = "x86_64")]
    {
        let mut control = 0_u32;
        // SAFETY: reads and writes this thread's MXCSR only; the two bits set (flush to zero,
        // denormals are zero) exist on every x86-64 processor, and Rust code does not rely on
        // denormals for memory safety.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack));
            control |= 0x8040;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let mut control: u64;
        // SAFETY: sets the flush-to-zero bit of this thread's FPCR and nothing else.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack));
            control |= 1 << 24;
            std::arch::asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack));
        }
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
