//! What each gateway shard needs to resume, written behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backline_backends::store;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use backline_backends::store::ShardSession;

use crate::StoreError;
use crate::clock::now_ms;

/// What each gateway shard needs to resume; cheap to clone.
///
/// The sequence number changes with every event, so it is not written at once but within a
/// second, for all shards in one transaction. A process that dies resumes from there: Discord
/// replays what came since.
#[derive(Debug, Clone)]
pub struct Shards {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: store::Shards,
    /// What is not written yet; `None` means deleted.
    pending: Mutex<HashMap<u32, Option<ShardSession>>>,
    changed: Notify,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Shards {
    pub(crate) fn start(table: store::Shards) -> Self {
        let shared = Arc::new(Shared {
            table,
            pending: Mutex::default(),
            changed: Notify::new(),
            closing: CancellationToken::new(),
            task: Mutex::default(),
        });
        let task = tokio::spawn(write_behind(Arc::clone(&shared)));
        *shared.task() = Some(task);
        Self { shared }
    }

    /// Returns the session of a shard, as it was put last.
    pub async fn load(&self, shard: u32) -> Result<Option<ShardSession>, StoreError> {
        let pending = self.shared.pending().get(&shard).cloned();
        match pending {
            Some(session) => Ok(session),
            None => self.shared.table.load(shard).await,
        }
    }

    /// Keeps the session of a shard; written within a second.
    pub fn put(&self, shard: u32, session: ShardSession) {
        self.change(shard, Some(session));
    }

    /// Forgets the session of a shard.
    pub fn clear(&self, shard: u32) {
        self.change(shard, None);
    }

    /// Writes what is pending, and writes no more afterwards.
    pub(crate) async fn close(&self) {
        self.shared.closing.cancel();
        let task = self.shared.task().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(error = %error, "writer of shard sessions died");
        }
    }

    fn change(&self, shard: u32, session: Option<ShardSession>) {
        self.shared.pending().insert(shard, session);
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, HashMap<u32, Option<ShardSession>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self) {
        // Kept in `pending` until written, so that `load` never sees an older one.
        let batch = self.pending().clone();
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.table.save(batch.clone(), now_ms()).await {
            tracing::warn!(error = %error, "shard sessions were not saved");
            return;
        }
        self.pending()
            .retain(|shard, session| batch.get(shard) != Some(session));
    }
}

async fn write_behind(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.closing.cancelled() => break,
            () = shared.changed.notified() => {}
        }
        // What follows within this time is written together.
        tokio::select! {
            () = shared.closing.cancelled() => break,
            () = tokio::time::sleep(DELAY) => {}
        }
        shared.write().await;
        if !shared.pending().is_empty() {
            shared.changed.notify_one();
        }
    }
    shared.write().await;
}

const DELAY: Duration = Duration::from_millis(500);
