//! What a consumer and the task that works for it share: the messages that wait to be handed out.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backline_proto::bus::{PARTITIONS, Topic};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};

use super::super::{Consumer, Delivery, Limits, Partitions, Receipt, Settle};
use super::wire::{Entry, EntryId};

/// The messages of one consumer.
pub(super) struct Shared {
    pub(super) topic: Topic,
    pub(super) partitions: Partitions,
    limits: Limits,
    state: Mutex<State>,
    /// Something to hand out, or the end.
    ready: Notify,
    /// Something to do for the task.
    pub(super) work: Notify,
    settled: mpsc::UnboundedSender<Settled>,
    /// What was settled and is not told to Redis yet.
    untold: AtomicUsize,
    told: Notify,
}

/// What became of a delivery, for the task to tell Redis.
#[derive(Debug)]
pub(super) enum Settled {
    /// It was handled.
    Done(u16, EntryId),
    /// It will be tried again; this many tries were made.
    Again(u16, EntryId, u32),
    /// No further try.
    Dead(u16, EntryId, u32, String),
}

pub(super) struct State {
    pub(super) places: Vec<Place>,
    /// Partitions that have something new.
    pub(super) woken: Partitions,
    /// Partitions that may have no owner.
    pub(super) vacant: Partitions,
    /// The bus was closed.
    pub(super) closed: bool,
    /// Nothing more will be read.
    pub(super) drained: bool,
    /// The consumer was dropped.
    pub(super) dropped: bool,
}

/// A partition as its owner knows it.
#[derive(Default)]
pub(super) struct Place {
    pub(super) owned: bool,
    /// Counts how often it was owned: settling an older delivery changes nothing here.
    pub(super) term: u64,
    waiting: VecDeque<Waiting>,
    /// Deliveries in the hands of handlers.
    pub(super) held: usize,
    /// The stream may hold more than was read.
    pub(super) more: bool,
}

struct Waiting {
    id: EntryId,
    payload: Arc<[u8]>,
    attempts: u32,
}

/// Messages read ahead of a partition.
pub(super) const AHEAD: usize = 64;

impl Shared {
    pub(super) fn new(
        topic: Topic,
        partitions: Partitions,
        limits: Limits,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Settled>) {
        let (settled, receiver) = mpsc::unbounded_channel();
        let state = State {
            places: (0..PARTITIONS).map(|_| Place::default()).collect(),
            woken: Partitions::NONE,
            vacant: Partitions::NONE,
            closed: false,
            drained: false,
            dropped: false,
        };
        let shared = Self {
            topic,
            partitions,
            limits,
            state: Mutex::new(state),
            ready: Notify::new(),
            work: Notify::new(),
            settled,
            untold: AtomicUsize::new(0),
            told: Notify::new(),
        };
        (Arc::new(shared), receiver)
    }

    /// Notes that Redis knows of `count` more deliveries what became of them.
    pub(super) fn told(&self, count: usize) {
        self.untold.fetch_sub(count, Ordering::AcqRel);
        self.told.notify_waiters();
    }

    /// Waits until Redis knows what became of all deliveries settled so far. Cancel-safe.
    pub(super) async fn all_told(&self) {
        loop {
            let mut told = pin!(self.told.notified());
            told.as_mut().enable();
            if self.untold.load(Ordering::Acquire) == 0 {
                return;
            }
            told.await;
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock panics half-way, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self, partition: u16) {
        let mut state = self.state();
        state.woken = state.woken.with(partition);
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn vacant(&self, partition: u16) {
        let mut state = self.state();
        state.vacant = state.vacant.with(partition);
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
    }

    /// Says that nothing more will come.
    pub(super) fn drained(&self) {
        self.state().drained = true;
        self.ready.notify_waiters();
    }

    /// Takes a partition over with what its last owner had not finished, oldest first.
    pub(super) fn take_over(&self, partition: u16, unfinished: Vec<(Entry, u32)>) {
        let mut state = self.state();
        let place = &mut state.places[usize::from(partition)];
        place.owned = true;
        place.term += 1;
        place.held = 0;
        place.more = true;
        place.waiting = unfinished
            .into_iter()
            .map(|(Entry { id, payload }, attempts)| Waiting {
                id,
                payload,
                attempts,
            })
            .collect();
        state.woken = state.woken.with(partition);
        drop(state);
        self.ready.notify_waiters();
    }

    /// Forgets a partition that is not ours any more.
    pub(super) fn lose(&self, partition: u16) {
        let mut state = self.state();
        let place = &mut state.places[usize::from(partition)];
        place.owned = false;
        place.waiting.clear();
        place.held = 0;
    }

    /// Adds messages that were read; `more` says whether there may be further ones.
    pub(super) fn add(&self, partition: u16, entries: Vec<Entry>, more: bool) {
        let mut state = self.state();
        let place = &mut state.places[usize::from(partition)];
        place.more = more;
        let news = entries.into_iter().map(|Entry { id, payload }| Waiting {
            id,
            payload,
            attempts: 0,
        });
        place.waiting.extend(news);
        drop(state);
        self.ready.notify_waiters();
    }
}

impl Place {
    /// How many messages may be read now.
    pub(super) fn room(&self) -> usize {
        AHEAD.saturating_sub(self.waiting.len())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// The reader's end.
#[derive(Debug)]
pub(super) struct StreamConsumer {
    shared: Arc<Shared>,
    /// Where the next look begins, so that a busy partition does not starve the others.
    turn: u16,
}

/// What a consumer sees.
enum Look {
    Found(Box<Delivery>),
    Nothing,
    End,
}

impl StreamConsumer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, turn: 0 }
    }

    fn look(&mut self) -> Look {
        let mut state = self.shared.state();
        for step in 0..PARTITIONS {
            let number = (self.turn + step) % PARTITIONS;
            let place = &mut state.places[usize::from(number)];
            if !place.owned {
                continue;
            }
            let Some(mut waiting) = place.waiting.pop_front() else {
                continue;
            };
            waiting.attempts += 1;
            place.held += 1;
            let term = place.term;
            let hungry = place.more && place.waiting.len() < AHEAD / 2;
            self.turn = (number + 1) % PARTITIONS;
            if hungry {
                state.woken = state.woken.with(number);
                self.shared.work.notify_one();
            }
            return Look::Found(Box::new(Delivery {
                partition: number,
                payload: Arc::clone(&waiting.payload),
                attempt: waiting.attempts,
                receipt: Receipt::new(Held {
                    shared: Arc::clone(&self.shared),
                    partition: number,
                    term,
                    waiting,
                }),
            }));
        }
        let nothing_will_come = self.shared.partitions == Partitions::NONE;
        if state.drained || nothing_will_come {
            Look::End
        } else {
            Look::Nothing
        }
    }
}

impl Consumer for StreamConsumer {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.shared);
            loop {
                // Asked for before looking, so that nothing that comes in between is missed.
                let mut ready = pin!(shared.ready.notified());
                ready.as_mut().enable();
                match self.look() {
                    Look::Found(delivery) => return Some(*delivery),
                    Look::End => return None,
                    Look::Nothing => ready.await,
                }
            }
        })
    }
}

impl Drop for StreamConsumer {
    fn drop(&mut self) {
        self.shared.state().dropped = true;
        self.shared.work.notify_one();
    }
}

/// A message that a handler holds.
struct Held {
    shared: Arc<Shared>,
    partition: u16,
    term: u64,
    waiting: Waiting,
}

impl Held {
    /// Says what became of it; `back` puts it into the line again.
    fn settle(self, settled: Option<Settled>, back: bool) {
        let Self {
            shared,
            partition,
            term,
            waiting,
        } = self;
        let mut state = shared.state();
        if let Some(settled) = settled {
            shared.untold.fetch_add(1, Ordering::AcqRel);
            // Before the message stops counting as held: a lease is given back only then, and
            // after everything was told. Without the task nobody owns the partition, and the
            // message is handed out elsewhere.
            let _gone = shared.settled.send(settled);
        }
        let place = &mut state.places[usize::from(partition)];
        if place.term == term && place.owned {
            place.held = place.held.saturating_sub(1);
            if back {
                // Several may come back in any order: they keep the order of publishing.
                let index = place.waiting.partition_point(|other| other.id < waiting.id);
                place.waiting.insert(index, waiting);
            }
        }
        drop(state);
        shared.work.notify_one();
        shared.ready.notify_waiters();
    }
}

impl Settle for Held {
    fn ack(self: Box<Self>) {
        let settled = Settled::Done(self.partition, self.waiting.id);
        self.settle(Some(settled), false);
    }

    fn release(self: Box<Self>) {
        let (partition, id, attempts) = (self.partition, self.waiting.id, self.waiting.attempts);
        if attempts >= self.shared.limits.attempts {
            let reason = format!("{attempts} tries failed");
            self.settle(Some(Settled::Dead(partition, id, attempts, reason)), false);
        } else {
            self.settle(Some(Settled::Again(partition, id, attempts)), true);
        }
    }

    fn reject(self: Box<Self>, reason: String) {
        let settled = Settled::Dead(
            self.partition,
            self.waiting.id,
            self.waiting.attempts,
            reason,
        );
        self.settle(Some(settled), false);
    }
}
