//! The bus of a single process. Messages live as long as the process.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backline_proto::bus::{Broadcast, PARTITIONS, Topic};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::hub::Hub;
use super::{
    Bus, Consumer, DeadLetter, Delivery, Limits, Partitions, PublishError, Receipt, Settle,
    Subscriber,
};

/// A bus in memory.
#[derive(Debug)]
pub struct MemoryBus {
    streams: [Arc<Stream>; Topic::ALL.len()],
    hub: Arc<Hub>,
}

impl MemoryBus {
    /// Returns an empty bus.
    pub fn new(limits: Limits) -> Self {
        Self {
            streams: Topic::ALL.map(|topic| Arc::new(Stream::new(topic, limits))),
            hub: Arc::default(),
        }
    }
}

impl Bus for MemoryBus {
    fn publish(
        &self,
        topic: Topic,
        partition: u16,
        payload: Arc<[u8]>,
    ) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(self.streams[topic.index()].publish(partition, payload))
    }

    fn consume(&self, topic: Topic, partitions: Partitions) -> Box<dyn Consumer> {
        let stream = Arc::clone(&self.streams[topic.index()]);
        let id = {
            let mut state = stream.state();
            state.consumers += 1;
            state.consumers
        };
        Box::new(StreamConsumer {
            stream,
            id,
            partitions,
            turn: 0,
        })
    }

    fn broadcast(&self, broadcast: Broadcast, key: u64, payload: Arc<[u8]>) {
        let Broadcast::UiNow = broadcast;
        self.hub.send(key, &payload);
    }

    fn subscribe(&self, broadcast: Broadcast) -> Box<dyn Subscriber> {
        let Broadcast::UiNow = broadcast;
        self.hub.subscribe()
    }

    fn dead_letters(&self, topic: Topic) -> BoxFuture<'_, Vec<DeadLetter>> {
        let dead = self.streams[topic.index()]
            .state()
            .dead
            .iter()
            .cloned()
            .collect();
        Box::pin(std::future::ready(dead))
    }

    fn close(&self) {
        for stream in &self.streams {
            stream.state().closed = true;
            stream.changed();
        }
        self.hub.close();
    }
}

/// One topic.
struct Stream {
    topic: Topic,
    limits: Limits,
    state: Mutex<StreamState>,
    /// Something to hand out, a partition without owner, or closed.
    ready: Notify,
    /// Room in some partition, or closed.
    room: Notify,
}

struct StreamState {
    partitions: Vec<Partition>,
    dead: VecDeque<DeadLetter>,
    consumers: u64,
    sequence: u64,
    closed: bool,
}

#[derive(Default)]
struct Partition {
    owner: Option<u64>,
    waiting: VecDeque<Queued>,
    unacknowledged: usize,
}

struct Queued {
    sequence: u64,
    payload: Arc<[u8]>,
    attempts: u32,
}

impl Stream {
    fn new(topic: Topic, limits: Limits) -> Self {
        let state = StreamState {
            partitions: (0..PARTITIONS).map(|_| Partition::default()).collect(),
            dead: VecDeque::new(),
            consumers: 0,
            sequence: 0,
            closed: false,
        };
        Self {
            topic,
            limits,
            state: Mutex::new(state),
            ready: Notify::new(),
            room: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        // No code that holds the lock panics half-way, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.ready.notify_waiters();
        self.room.notify_waiters();
    }

    async fn publish(&self, partition: u16, payload: Arc<[u8]>) -> Result<(), PublishError> {
        if partition >= PARTITIONS {
            return Err(PublishError::Partition { partition });
        }
        let appended = async {
            loop {
                // Asked for before looking, so that room made in between is not missed.
                let mut room = pin!(self.room.notified());
                room.as_mut().enable();
                if self.try_append(partition, &payload)? {
                    return Ok(());
                }
                room.await;
            }
        };
        let waited = self.limits.publish_timeout;
        match tokio::time::timeout(waited, appended).await {
            Ok(result) => result,
            Err(_) => Err(PublishError::Full {
                topic: self.topic,
                partition,
                waited,
            }),
        }
    }

    fn try_append(&self, partition: u16, payload: &Arc<[u8]>) -> Result<bool, PublishError> {
        let mut state = self.state();
        if state.closed {
            return Err(PublishError::Closed);
        }
        let sequence = state.sequence + 1;
        let place = &mut state.partitions[usize::from(partition)];
        if place.waiting.len() + place.unacknowledged >= self.limits.capacity {
            return Ok(false);
        }
        place.waiting.push_back(Queued {
            sequence,
            payload: Arc::clone(payload),
            attempts: 0,
        });
        state.sequence = sequence;
        drop(state);
        self.ready.notify_waiters();
        Ok(true)
    }

    fn bury(&self, state: &mut StreamState, partition: u16, queued: Queued, reason: String) {
        if state.dead.len() >= self.limits.dead_letters {
            state.dead.pop_front();
        }
        tracing::error!(
            bus.topic = self.topic.name(),
            bus.partition = partition,
            attempts = queued.attempts,
            reason,
            "message became a dead letter"
        );
        state.dead.push_back(DeadLetter {
            partition,
            payload: queued.payload,
            attempts: queued.attempts,
            reason,
        });
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct StreamConsumer {
    stream: Arc<Stream>,
    id: u64,
    partitions: Partitions,
    /// Where the next look begins, so that a busy partition does not starve the others.
    turn: u16,
}

enum Look {
    Found(Box<Delivery>),
    Nothing,
    End,
}

impl StreamConsumer {
    fn look(&mut self) -> Look {
        let mut state = self.stream.state();
        let mut mine = 0_u16;
        let mut standing_by = 0_u16;
        for step in 0..PARTITIONS {
            let number = (self.turn + step) % PARTITIONS;
            if !self.partitions.contains(number) {
                continue;
            }
            let partition = &mut state.partitions[usize::from(number)];
            if *partition.owner.get_or_insert(self.id) != self.id {
                standing_by += 1;
                continue;
            }
            mine += 1;
            if let Some(mut queued) = partition.waiting.pop_front() {
                partition.unacknowledged += 1;
                queued.attempts += 1;
                self.turn = (number + 1) % PARTITIONS;
                return Look::Found(Box::new(Delivery {
                    partition: number,
                    payload: Arc::clone(&queued.payload),
                    attempt: queued.attempts,
                    receipt: Receipt::new(Held {
                        stream: Arc::clone(&self.stream),
                        partition: number,
                        queued,
                    }),
                }));
            }
        }
        let nothing_will_come = mine == 0 && standing_by == 0;
        if state.closed || nothing_will_come {
            Look::End
        } else {
            Look::Nothing
        }
    }
}

impl Consumer for StreamConsumer {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async move {
            let stream = Arc::clone(&self.stream);
            loop {
                let mut ready = pin!(stream.ready.notified());
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
        for partition in &mut self.stream.state().partitions {
            if partition.owner == Some(self.id) {
                partition.owner = None;
            }
        }
        self.stream.ready.notify_waiters();
    }
}

/// A message that a consumer holds.
struct Held {
    stream: Arc<Stream>,
    partition: u16,
    queued: Queued,
}

impl Settle for Held {
    fn ack(self: Box<Self>) {
        self.stream.state().partitions[usize::from(self.partition)].unacknowledged -= 1;
        self.stream.room.notify_waiters();
    }

    fn release(self: Box<Self>) {
        let Self {
            stream,
            partition,
            queued,
        } = *self;
        let mut state = stream.state();
        let place = &mut state.partitions[usize::from(partition)];
        place.unacknowledged -= 1;
        if queued.attempts >= stream.limits.attempts {
            let reason = format!("{} tries failed", queued.attempts);
            stream.bury(&mut state, partition, queued, reason);
        } else {
            // Several may come back in any order: they keep the order of publishing.
            let index = place
                .waiting
                .partition_point(|other| other.sequence < queued.sequence);
            place.waiting.insert(index, queued);
        }
        drop(state);
        stream.changed();
    }

    fn reject(self: Box<Self>, reason: String) {
        let Self {
            stream,
            partition,
            queued,
        } = *self;
        let mut state = stream.state();
        state.partitions[usize::from(partition)].unacknowledged -= 1;
        stream.bury(&mut state, partition, queued, reason);
        drop(state);
        stream.changed();
    }
}
