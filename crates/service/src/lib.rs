//! Use cases of Backline: load → decide (`core`) → save → publish.
//!
//! Roles reach shared state and one another only through this crate.

pub mod bot;
mod clock;
pub mod history;
pub mod lines;
pub mod message;
pub mod panels;
pub mod sessions;
pub mod shards;

use std::sync::Arc;
use std::time::Duration;

use backline_backends::bus::memory::MemoryBus;
use backline_backends::bus::redis::{Address, OpenBusError, RedisBus};
use backline_backends::bus::{Bus, Limits};
use backline_backends::store::{Store, StoreOptions};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;

pub use backline_backends::store::{OpenStoreError, StoreError};
pub use bot::Bot;
pub use history::{History, Suggestion};
pub use lines::{BusError, Consumer, Delivery, Lines, Now};
pub use panels::Panels;
pub use sessions::{Sessions, Snapshot};
pub use shards::{ShardSession, Shards};

/// Everything a role needs of the outside that is not its own wire. Cheap to clone; all clones
/// share the same state.
#[derive(Debug, Clone)]
pub struct Services {
    /// How roles talk to one another.
    pub lines: Lines,
    /// The music session of each guild.
    pub sessions: Sessions,
    /// What each gateway shard needs to resume.
    pub shards: Shards,
    /// Where the Now Playing message of each guild is.
    pub panels: Panels,
    /// What each guild played.
    pub history: History,
    /// Who the bot is.
    pub bot: Bot,
    store: Store,
}

/// Why [`Services::open`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    /// The bus did not open.
    #[error(transparent)]
    Bus(#[from] OpenBusError),
}

impl Services {
    /// Opens the store that the configuration names, and a bus within this process.
    ///
    /// # Errors
    /// When the store is refused: see [`OpenStoreError`]; or the URL of the bus.
    pub async fn open(
        store: &config::Store,
        redis: &config::Redis,
        metrics: &Metrics,
    ) -> Result<Self, OpenError> {
        let store = Store::open(store.url.as_str(), &store_options(store, metrics)).await?;
        let bus: Arc<dyn Bus> = match &redis.url {
            None => Arc::new(MemoryBus::new(Limits::default())),
            Some(url) => {
                let address = Address {
                    url: url.as_str(),
                    password: redis.password.as_ref(),
                    prefix: &redis.prefix,
                };
                Arc::new(RedisBus::new(&address, Limits::default())?)
            }
        };
        Ok(Self {
            lines: Lines::new(bus),
            sessions: Sessions::new(store.sessions()),
            shards: Shards::start(store.shards()),
            panels: Panels::new(store.panels()),
            history: History::new(store.history()),
            bot: Bot::default(),
            store,
        })
    }

    /// Asks what the process depends on for a sign of life, for its readiness.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    /// Saves what is still to be saved and closes everything, for all clones.
    ///
    /// Consumers get what is left on the bus, then `None`. Roles should have stopped before.
    pub async fn close(self) {
        self.lines.close();
        self.shards.close().await;
        self.store.close().await;
    }
}

/// Returns how the configuration wants the store to be used.
pub fn store_options(store: &config::Store, metrics: &Metrics) -> StoreOptions {
    StoreOptions {
        password: store.password.clone(),
        connections: store.connections,
        acquire_timeout: Duration::from_millis(store.acquire_timeout_ms.into()),
        transaction_pooler: store.transaction_pooler,
        metrics: metrics.store.clone(),
    }
}
