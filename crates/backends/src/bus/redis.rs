//! The bus between processes, on Redis streams.
//!
//! A partition of a topic is a stream with one consumer group. Who may read it is a lease: a key
//! that its owner renews and that ends by itself when the owner dies. The owner reads ahead a
//! little and hands out in order; a message leaves the stream when it is acknowledged. What an
//! owner had and did not acknowledge is claimed by the next one, oldest first.
//!
//! Nobody blocks on a stream: who publishes also says so on a channel, and owners read then.
//! They also look by themselves, because such words may be lost.
//!
//! All keys of a partition carry the same hash tag, `{PREFIX:NN}`, so that scripts work on a
//! Redis Cluster.

mod keys;
mod owner;
mod script;
mod shared;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use backline_proto::bus::{Broadcast, PARTITIONS, Topic};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, IntoConnectionInfo, RedisError};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::hub::Hub;
use super::{Bus, Consumer, DeadLetter, Limits, Partitions, PublishError, Subscriber};
use keys::Keys;
use owner::Owner;
use script::Scripts;
use shared::{Shared, StreamConsumer};

/// The bus between processes.
#[derive(Debug)]
pub struct RedisBus {
    inner: Arc<Inner>,
    listener: JoinHandle<()>,
    speaker: JoinHandle<()>,
    /// What is to be broadcast to other processes.
    outbox: mpsc::Sender<(u64, Arc<[u8]>)>,
}

/// Where a bus is.
#[derive(Debug)]
pub struct Address<'a> {
    /// `redis://HOST:PORT/NUMBER`.
    pub url: &'a str,
    /// The password at the server.
    pub password: Option<&'a SecretString>,
    /// What its keys and channels begin with.
    pub prefix: &'a str,
}

/// Why the bus could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the URL of the bus is not right: expected `redis://HOST:PORT/NUMBER`")]
pub struct OpenBusError {
    /// The cause; it does not repeat the URL.
    #[source]
    source: RedisError,
}

/// What the bus, its consumers and its tasks share.
pub(super) struct Inner {
    client: Client,
    link: ConnectionManager,
    keys: Keys,
    scripts: Scripts,
    limits: Limits,
    /// Names this process among those that broadcast.
    origin: Uuid,
    hub: Hub,
    consumers: Mutex<Vec<Weak<Shared>>>,
    closed: AtomicBool,
}

impl RedisBus {
    /// Returns a bus. It connects when it is used, and again
    /// whenever the connection breaks; must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(address: &Address<'_>, limits: Limits) -> Result<Self, OpenBusError> {
        let refused = |source| OpenBusError { source };
        let info = address.url.into_connection_info().map_err(refused)?;
        let info = match address.password {
            Some(password) => {
                let settings = info
                    .redis_settings()
                    .clone()
                    .set_password(password.expose_secret());
                info.set_redis_settings(settings)
            }
            None => info,
        };
        let client = Client::open(info).map_err(refused)?;
        let config = ConnectionManagerConfig::new()
            .set_min_delay(RECONNECT.0)
            .set_max_delay(RECONNECT.1)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let link =
            ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(refused)?;
        let inner = Arc::new(Inner {
            client,
            link,
            keys: Keys::new(address.prefix),
            scripts: Scripts::new(),
            limits,
            origin: Uuid::new_v4(),
            hub: Hub::default(),
            consumers: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let (outbox, outgoing) = mpsc::channel(OUTGOING);
        Ok(Self {
            listener: tokio::spawn(listen(Arc::clone(&inner))),
            speaker: tokio::spawn(speak(Arc::clone(&inner), outgoing)),
            inner,
            outbox,
        })
    }

    async fn append(
        &self,
        topic: Topic,
        partition: u16,
        payload: Arc<[u8]>,
    ) -> Result<(), PublishError> {
        if partition >= PARTITIONS {
            return Err(PublishError::Partition { partition });
        }
        let waited = self.inner.limits.publish_timeout;
        let deadline = Instant::now() + waited;
        let mut pause = ROOM.0;
        loop {
            if self.inner.is_closed() {
                return Err(PublishError::Closed);
            }
            let full = match self.inner.append(topic, partition, &payload).await {
                Ok(true) => {
                    self.inner.wake(topic, partition);
                    return Ok(());
                }
                Ok(false) => true,
                Err(error) if Instant::now() < deadline && is_passing(&error) => false,
                Err(error) => {
                    tracing::warn!(error = %error, "message was not published");
                    return Err(PublishError::Away);
                }
            };
            if full && Instant::now() >= deadline {
                return Err(PublishError::Full {
                    topic,
                    partition,
                    waited,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ROOM.1);
        }
    }
}

impl Bus for RedisBus {
    fn publish(
        &self,
        topic: Topic,
        partition: u16,
        payload: Arc<[u8]>,
    ) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(self.append(topic, partition, payload))
    }

    fn consume(&self, topic: Topic, partitions: Partitions) -> Box<dyn Consumer> {
        let (shared, settled) = Shared::new(topic, partitions, self.inner.limits);
        if self.inner.is_closed() {
            shared.close();
        }
        let mut consumers = self.inner.consumers();
        consumers.retain(|consumer| consumer.strong_count() > 0);
        consumers.push(Arc::downgrade(&shared));
        drop(consumers);
        tokio::spawn(Owner::new(Arc::clone(&self.inner), Arc::clone(&shared), settled).run());
        Box::new(StreamConsumer::new(shared))
    }

    fn broadcast(&self, broadcast: Broadcast, key: u64, payload: Arc<[u8]>) {
        let Broadcast::UiNow = broadcast;
        if self.inner.is_closed() {
            return;
        }
        self.inner.hub.send(key, &payload);
        // Lossy by nature: what has no room is not worth waiting for.
        let _dropped = self.outbox.try_send((key, payload));
    }

    fn subscribe(&self, broadcast: Broadcast) -> Box<dyn Subscriber> {
        let Broadcast::UiNow = broadcast;
        self.inner.hub.subscribe()
    }

    fn dead_letters(&self, topic: Topic) -> BoxFuture<'_, Vec<DeadLetter>> {
        Box::pin(async move {
            // Those that died just now are among them, unless Redis is away.
            let mine: Vec<_> = self
                .inner
                .consumers()
                .iter()
                .filter_map(Weak::upgrade)
                .collect();
            for consumer in mine.iter().filter(|consumer| consumer.topic == topic) {
                let _late = tokio::time::timeout(RESPONSE, consumer.all_told()).await;
            }
            self.inner.dead(topic).await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "dead letters were not read");
                Vec::new()
            })
        })
    }

    fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        for consumer in self.inner.consumers().iter().filter_map(Weak::upgrade) {
            consumer.close();
        }
        self.inner.hub.close();
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.listener.abort();
        self.speaker.abort();
    }
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn consumers(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Shared>>> {
        self.consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the consumers of this process that a partition has something new.
    fn wake(&self, topic: Topic, partition: u16) {
        for consumer in self.consumers().iter().filter_map(Weak::upgrade) {
            if consumer.topic == topic {
                consumer.wake(partition);
            }
        }
    }

    /// Tells the consumers of this process that a partition has no owner.
    fn vacant(&self, topic: Topic, partition: u16) {
        for consumer in self.consumers().iter().filter_map(Weak::upgrade) {
            if consumer.topic == topic {
                consumer.vacant(partition);
            }
        }
    }

    /// Appends a message; false when the partition is full.
    async fn append(
        &self,
        topic: Topic,
        partition: u16,
        payload: &[u8],
    ) -> Result<bool, RedisError> {
        let appended: i64 = self
            .scripts
            .append
            .key(self.keys.stream(topic, partition))
            .arg(self.limits.capacity)
            .arg(payload)
            .arg(self.keys.wake(topic))
            .arg(partition)
            .invoke_async(&mut self.link.clone())
            .await?;
        Ok(appended == 1)
    }

    async fn dead(&self, topic: Topic) -> Result<Vec<DeadLetter>, RedisError> {
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            let mut command = redis::cmd("XREVRANGE");
            command
                .arg(self.keys.dead(topic, partition))
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(self.limits.dead_letters);
            let entries: redis::Value = command.query_async(&mut self.link.clone()).await?;
            all.extend(wire::dead_letters(partition, &entries));
        }
        all.sort_by_key(|(id, _)| *id);
        let surplus = all.len().saturating_sub(self.limits.dead_letters);
        Ok(all
            .into_iter()
            .skip(surplus)
            .map(|(_, dead)| dead)
            .collect())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Whether the same command may succeed in a moment.
fn is_passing(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || matches!(
            error.code(),
            Some("LOADING" | "READONLY" | "MASTERDOWN" | "NOREPLICAS" | "TRYAGAIN" | "CLUSTERDOWN")
        )
}

/// Hears what other processes say: new messages, partitions without owner, broadcasts.
async fn listen(inner: Arc<Inner>) {
    let mut pause = RECONNECT.0;
    while !inner.is_closed() {
        match hear(&inner).await {
            Ok(()) => pause = RECONNECT.0,
            Err(error) => {
                tracing::debug!(error = %error, "bus is not heard");
                pause = (pause * 2).min(RECONNECT.1);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

async fn hear(inner: &Inner) -> Result<(), RedisError> {
    let mut channel = inner.client.get_async_pubsub().await?;
    for topic in Topic::ALL {
        channel.subscribe(inner.keys.wake(topic)).await?;
    }
    channel
        .subscribe(inner.keys.broadcast(Broadcast::UiNow))
        .await?;
    let mut messages = channel.on_message();
    while let Some(message) = messages.next().await {
        let name = message.get_channel_name();
        let payload = message.get_payload_bytes();
        if name == inner.keys.broadcast(Broadcast::UiNow) {
            if let Some((key, body)) = wire::broadcast(payload, inner.origin) {
                inner.hub.send(key, &body.into());
            }
            continue;
        }
        let Some(topic) = Topic::ALL
            .into_iter()
            .find(|topic| name == inner.keys.wake(*topic))
        else {
            continue;
        };
        match wire::word(payload) {
            Some(wire::Word::New(partition)) => inner.wake(topic, partition),
            Some(wire::Word::Vacant(partition)) => inner.vacant(topic, partition),
            None => {}
        }
    }
    Ok(())
}

/// Says what is broadcast to other processes.
async fn speak(inner: Arc<Inner>, mut outgoing: mpsc::Receiver<(u64, Arc<[u8]>)>) {
    let channel = inner.keys.broadcast(Broadcast::UiNow);
    while let Some((key, payload)) = outgoing.recv().await {
        let mut command = redis::cmd("PUBLISH");
        command
            .arg(&channel)
            .arg(wire::encode_broadcast(inner.origin, key, &payload));
        let said: Result<(), _> = command.query_async(&mut inner.link.clone()).await;
        if let Err(error) = said {
            tracing::debug!(error = %error, "broadcast was not sent");
        }
    }
}

/// How long to wait before connecting again: at first, at most.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take.
const RESPONSE: Duration = Duration::from_secs(2);
/// How long to wait before a full partition is tried again: at first, at most.
const ROOM: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// Broadcasts that wait to be sent.
const OUTGOING: usize = 1_024;
