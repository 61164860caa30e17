//! The bus between roles, as a port: streams that keep order, and lossy broadcasts.
//!
//! Streams are split into [`PARTITIONS`], by guild. What every
//! backend promises, and the contract suite checks:
//!
//! - Order: messages of a partition are handed out in the order they were published.
//! - One owner: a partition is consumed by at most one consumer at a time; others that asked for
//!   it stand by and take over when the owner is dropped.
//! - At least once: a delivery that is dropped without [`Receipt::ack`] comes again, before any
//!   later message that was not handed out yet, and with a higher attempt.
//! - An end: after [`Limits::attempts`] tries, or [`Receipt::reject`], a message becomes a dead
//!   letter and is not handed out any more.
//! - Bounds: a partition holds at most [`Limits::capacity`] messages, unacknowledged ones
//!   included. Publishing waits for room, at most [`Limits::publish_timeout`].
//! - Broadcasts: a subscriber that is slow sees only the latest message of each key, never a
//!   stale one after a newer one, and holds no publisher up.

mod hub;
pub mod memory;
pub mod redis;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backline_proto::bus::{Broadcast, PARTITIONS, Topic};
use futures_util::future::BoxFuture;

/// A bus. Cheap to share as `Arc<dyn Bus>`.
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Appends a message to a partition; waits while the partition is full.
    ///
    /// Cancel-safe: the message was appended only if the future completed with `Ok`.
    ///
    /// # Errors
    /// `Full` if there was no room in time, `Closed` after [`Bus::close`], `Partition` for a
    /// partition that does not exist.
    fn publish(
        &self,
        topic: Topic,
        partition: u16,
        payload: Arc<[u8]>,
    ) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Returns a consumer of `partitions`. Where another consumer owns some of them, this one
    /// stands by.
    fn consume(&self, topic: Topic, partitions: Partitions) -> Box<dyn Consumer>;

    /// Sends to all present subscribers. Never waits; nothing is kept for later ones.
    fn broadcast(&self, broadcast: Broadcast, key: u64, payload: Arc<[u8]>);

    /// Returns a subscriber that sees what is broadcast from now on.
    fn subscribe(&self, broadcast: Broadcast) -> Box<dyn Subscriber>;

    /// Returns the latest dead letters of a topic, oldest first.
    fn dead_letters(&self, topic: Topic) -> BoxFuture<'_, Vec<DeadLetter>>;

    /// Refuses further messages. Consumers get what is left, then `None`; subscribers likewise.
    fn close(&self);
}

/// One reader of a stream. Dropping it gives its partitions free.
pub trait Consumer: fmt::Debug + Send {
    /// Returns the next delivery, or `None` once the bus is closed and nothing is left.
    ///
    /// Several deliveries may be held at the same time. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>>;
}

/// One reader of a broadcast.
pub trait Subscriber: fmt::Debug + Send {
    /// Returns the latest message of some key, or `None` once the bus is closed. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<Arc<[u8]>>>;
}

/// A message in the hands of a consumer.
#[derive(Debug)]
pub struct Delivery {
    /// The partition it is from.
    pub partition: u16,
    /// What was published.
    pub payload: Arc<[u8]>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How to say what became of it.
    pub receipt: Receipt,
}

/// Says what became of a delivery. Dropped, the message comes again.
pub struct Receipt(Option<Box<dyn Settle>>);

/// What a backend does when a delivery ends.
pub trait Settle: Send + Sync {
    /// The effect of the message is saved: forget it.
    fn ack(self: Box<Self>);
    /// The effect did not happen: hand it out again, or make it a dead letter.
    fn release(self: Box<Self>);
    /// No try will ever succeed: make it a dead letter now.
    fn reject(self: Box<Self>, reason: String);
}

impl Receipt {
    /// Returns a receipt that settles by `settle`.
    pub fn new(settle: impl Settle + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Says that the effect of the message is saved.
    pub fn ack(mut self) {
        if let Some(settle) = self.0.take() {
            settle.ack();
        }
    }

    /// Says that no try will ever succeed, and why. The reason must not hold any of the message.
    pub fn reject(mut self, reason: impl Into<String>) {
        if let Some(settle) = self.0.take() {
            settle.reject(reason.into());
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle.release();
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
    }
}

/// A message that nobody could handle.
#[derive(Clone)]
pub struct DeadLetter {
    /// The partition it was in.
    pub partition: u16,
    /// What was published. May hold secrets.
    pub payload: Arc<[u8]>,
    /// How many tries were made.
    pub attempts: u32,
    /// Why it died.
    pub reason: String,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("partition", &self.partition)
            .field("bytes", &self.payload.len())
            .field("attempts", &self.attempts)
            .field("reason", &self.reason)
            .finish()
    }
}

/// A set of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions(u64);

const _: () = assert!(PARTITIONS == 64, "Partitions is a set of 64 bits");

impl Partitions {
    /// All of them.
    pub const ALL: Self = Self(u64::MAX);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Returns the set with `partition` added; without effect for one that does not exist.
    #[must_use]
    pub const fn with(self, partition: u16) -> Self {
        if partition < PARTITIONS {
            Self(self.0 | 1 << partition)
        } else {
            self
        }
    }

    /// Returns whether `partition` is in the set.
    pub const fn contains(self, partition: u16) -> bool {
        partition < PARTITIONS && self.0 & 1 << partition != 0
    }
}

/// How much a bus holds and how often it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages in a partition, unacknowledged ones included.
    pub capacity: usize,
    /// Tries before a message becomes a dead letter.
    pub attempts: u32,
    /// How long publishing waits for room.
    pub publish_timeout: Duration,
    /// Dead letters kept for a topic; the oldest are forgotten.
    pub dead_letters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            capacity: 1_024,
            attempts: 5,
            publish_timeout: Duration::from_secs(5),
            dead_letters: 256,
        }
    }
}

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Its consumers are too slow, or away.
    #[error("partition {partition} of `{topic}` was full for {waited:?}")]
    Full {
        /// The stream.
        topic: Topic,
        /// The partition.
        partition: u16,
        /// How long room was waited for.
        waited: Duration,
    },
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// The server of the bus cannot be reached. The message may have been published.
    #[error("the bus cannot be reached")]
    Away,
    /// There is no such partition.
    #[error("there is no partition {partition}")]
    Partition {
        /// Which.
        partition: u16,
    },
}

impl PublishError {
    /// Returns whether the same message may be published later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Away)
    }
}
