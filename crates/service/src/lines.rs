//! The lines between roles: typed streams and broadcasts over the bus.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use backline_backends::bus::{self, Bus, Partitions, PublishError};
use backline_core::id::GuildId;
use backline_proto::bus::{Broadcast, Envelope, EnvelopeError, Topic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use backline_backends::bus::Receipt;

use crate::clock::now_ms;
use crate::message::{CommandMessage, ToAudio, ToDiscord, UiNow};

/// The lines between roles; cheap to clone.
#[derive(Debug, Clone)]
pub struct Lines {
    bus: Arc<dyn Bus>,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The bus did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It cannot be written down, such as one that is too long.
    #[error(transparent)]
    Message(#[from] EnvelopeError),
}

impl BusError {
    /// Returns whether sending the same message again may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Publish(error) if error.is_transient())
    }
}

impl Lines {
    /// Returns lines over `bus`.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus }
    }

    /// Sends gateway → audio: what a person asked for.
    ///
    /// Waits while the partition of the guild is full, at most some seconds. Messages of one
    /// guild arrive in the order in which these calls completed.
    pub async fn send_command(&self, message: CommandMessage) -> Result<(), BusError> {
        let guild = message.guild;
        self.send(Topic::Commands, guild, message).await
    }

    /// Sends gateway → audio: what the platform said about voice. Waits like
    /// [`Lines::send_command`].
    pub async fn send_to_audio(&self, message: ToAudio) -> Result<(), BusError> {
        let guild = message.guild();
        self.send(Topic::ToAudio, guild, message).await
    }

    /// Sends audio → gateway: what to do on the platform. Waits like [`Lines::send_command`].
    pub async fn send_to_discord(&self, message: ToDiscord) -> Result<(), BusError> {
        let guild = message.guild();
        self.send(Topic::ToDiscord, guild, message).await
    }

    /// Tells everybody who listens how a session looks now. Never waits and never fails: it is
    /// lossy by nature, the next one says it all again.
    pub fn publish_now(&self, message: UiNow) {
        let guild = message.guild;
        match envelope(guild, message).encode() {
            Ok(bytes) => self
                .bus
                .broadcast(Broadcast::UiNow, guild.as_u64(), bytes.into()),
            Err(error) => {
                tracing::error!(guild.id = %guild, error = %error, "view was not published");
            }
        }
    }

    /// Returns a consumer of all commands. A second one stands by until the first is dropped.
    pub fn commands(&self) -> Consumer<CommandMessage> {
        self.consumer(Topic::Commands)
    }

    /// Returns a consumer of all that the platform says about voice.
    pub fn to_audio(&self) -> Consumer<ToAudio> {
        self.consumer(Topic::ToAudio)
    }

    /// Returns a consumer of all that is to be done on the platform.
    pub fn to_discord(&self) -> Consumer<ToDiscord> {
        self.consumer(Topic::ToDiscord)
    }

    /// Returns a listener to how sessions look, from now on.
    pub fn now(&self) -> Now {
        Now {
            subscriber: self.bus.subscribe(Broadcast::UiNow),
        }
    }

    /// Refuses further messages; consumers get what is left, then `None`.
    pub fn close(&self) {
        self.bus.close();
    }

    fn consumer<T>(&self, topic: Topic) -> Consumer<T> {
        Consumer {
            topic,
            source: self.bus.consume(topic, Partitions::ALL),
            body: PhantomData,
        }
    }

    async fn send<T: Serialize>(
        &self,
        topic: Topic,
        guild: GuildId,
        body: T,
    ) -> Result<(), BusError> {
        let envelope = envelope(guild, body);
        let bytes = envelope.encode()?;
        Ok(self
            .bus
            .publish(topic, envelope.partition, bytes.into())
            .await?)
    }
}

fn envelope<T>(guild: GuildId, body: T) -> Envelope<T> {
    Envelope::new(Uuid::now_v7(), guild.as_u64(), now_ms(), body)
}

/// The reading end of a line that keeps order and is acknowledged.
pub struct Consumer<T> {
    topic: Topic,
    source: Box<dyn bus::Consumer>,
    body: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Consumer<T> {
    /// Returns the next message, or `None` once the bus is closed and nothing is left.
    ///
    /// Several deliveries may be held at the same time; those of one guild come in order.
    /// Cancel-safe. A message that cannot be read becomes a dead letter and is passed over.
    pub async fn next(&mut self) -> Option<Delivery<T>> {
        loop {
            let delivery = self.source.next().await?;
            match Envelope::decode(&delivery.payload) {
                Ok(envelope) => {
                    return Some(Delivery {
                        envelope,
                        attempt: delivery.attempt,
                        receipt: delivery.receipt,
                    });
                }
                Err(error) => delivery.receipt.reject(error.to_string()),
            }
        }
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// A message in the hands of a role. Dropped without [`Delivery::ack`], it comes again, and
/// after five tries becomes a dead letter.
#[derive(Debug)]
pub struct Delivery<T> {
    envelope: Envelope<T>,
    attempt: u32,
    receipt: Receipt,
}

impl<T> Delivery<T> {
    /// Returns what names the message; the same over all its deliveries.
    pub fn id(&self) -> Uuid {
        self.envelope.id
    }

    /// Returns which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns when it was sent, in milliseconds since 1970 UTC.
    pub fn published_ms(&self) -> u64 {
        self.envelope.published_ms
    }

    /// Says that the effect of the message is saved: it does not come again.
    pub fn ack(self) {
        self.receipt.ack();
    }

    /// Acknowledges at once and returns the message: for effects that are better lost than
    /// done twice.
    pub fn into_body(self) -> T {
        self.receipt.ack();
        self.envelope.body
    }

    /// Returns the message, and separately how to acknowledge it.
    pub fn into_parts(self) -> (T, Receipt) {
        (self.envelope.body, self.receipt)
    }
}

impl<T> Deref for Delivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.envelope.body
    }
}

/// A listener to how sessions look. One that is slow sees only the latest of each guild.
#[derive(Debug)]
pub struct Now {
    subscriber: Box<dyn bus::Subscriber>,
}

impl Now {
    /// Returns the latest view of some guild, or `None` once the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<UiNow> {
        loop {
            let payload = self.subscriber.next().await?;
            match Envelope::decode(&payload) {
                Ok(envelope) => return Some(envelope.body),
                Err(error) => tracing::warn!(error = %error, "view could not be read"),
            }
        }
    }
}
