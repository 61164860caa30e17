//! What each gateway shard needs to resume, written behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backline_backends::store::{self, ShardChanges, ShardGuild};
use backline_core::id::GuildId;
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
    /// What is not written yet.
    pending: Mutex<Pending>,
    changed: Notify,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What is not written yet; `None` means deleted.
#[derive(Debug, Clone, Default)]
struct Pending {
    /// Shards whose guilds are forgotten, and how often that was asked for.
    forgotten: HashMap<u32, u32>,
    sessions: HashMap<u32, Option<ShardSession>>,
    guilds: HashMap<GuildId, ShardGuild>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.forgotten.is_empty() && self.sessions.is_empty() && self.guilds.is_empty()
    }
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
        let pending = self.shared.pending().sessions.get(&shard).cloned();
        match pending {
            Some(session) => Ok(session),
            None => self.shared.table.load(shard).await,
        }
    }

    /// Keeps the session of a shard; written within a second.
    pub fn put(&self, shard: u32, session: ShardSession) {
        self.change(shard, Some(session));
    }

    /// Keeps the session of a shard together with what the shard knows of guilds that changed;
    /// a guild with `None` is forgotten. Written within a second, both at once: a resumed session
    /// does not tell again what came before its sequence number.
    pub fn put_with_guilds(
        &self,
        shard: u32,
        shards: u32,
        session: ShardSession,
        guilds: impl IntoIterator<Item = (GuildId, Option<String>)>,
    ) {
        let mut pending = self.shared.pending();
        pending.sessions.insert(shard, Some(session));
        let known = guilds.into_iter().map(|(guild, body)| {
            (
                guild,
                ShardGuild {
                    shard,
                    shards,
                    body,
                },
            )
        });
        pending.guilds.extend(known);
        drop(pending);
        self.shared.changed.notify_one();
    }

    /// Returns what a shard knew of its guilds when there were `shards` in all, as it was put last.
    pub async fn guilds(
        &self,
        shard: u32,
        shards: u32,
    ) -> Result<Vec<(GuildId, String)>, StoreError> {
        // Looked at before the table: what is written meanwhile is then seen twice, not never.
        let pending = self.shared.pending().clone();
        let mut guilds: HashMap<GuildId, String> = if pending.forgotten.contains_key(&shard) {
            HashMap::new()
        } else {
            let saved = self.shared.table.guilds(shard, shards).await?;
            saved.into_iter().collect()
        };
        for (guild, known) in pending.guilds {
            match known.body {
                Some(body) if (known.shard, known.shards) == (shard, shards) => {
                    guilds.insert(guild, body);
                }
                _ => {
                    guilds.remove(&guild);
                }
            }
        }
        Ok(guilds.into_iter().collect())
    }

    /// Forgets all that a shard knows of guilds: a new session tells it anew.
    pub fn clear_guilds(&self, shard: u32) {
        let mut pending = self.shared.pending();
        pending.guilds.retain(|_, known| known.shard != shard);
        *pending.forgotten.entry(shard).or_default() += 1;
        drop(pending);
        self.shared.changed.notify_one();
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
        self.shared.pending().sessions.insert(shard, session);
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
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
        let changes = ShardChanges {
            forgotten: batch.forgotten.keys().copied().collect(),
            sessions: batch.sessions.clone().into_iter().collect(),
            guilds: batch.guilds.clone().into_iter().collect(),
        };
        if let Err(error) = self.table.change(changes, now_ms()).await {
            tracing::warn!(error = %error, "shard sessions were not saved");
            return;
        }
        // What changed again meanwhile stays pending.
        let mut pending = self.pending();
        pending
            .forgotten
            .retain(|shard, times| batch.forgotten.get(shard) != Some(times));
        pending
            .sessions
            .retain(|shard, session| batch.sessions.get(shard) != Some(session));
        pending
            .guilds
            .retain(|guild, known| batch.guilds.get(guild) != Some(known));
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

#[cfg(test)]
mod tests {
    use backline_runtime::metrics::Metrics;

    use super::*;

    fn session(sequence: u64) -> ShardSession {
        ShardSession {
            session_id: "abc".into(),
            sequence,
            resume_url: "wss://gateway.example".into(),
        }
    }

    fn guild(number: u64) -> GuildId {
        GuildId::new(number).expect("not zero")
    }

    async fn open() -> (store::Store, Shards) {
        let store = store::Store::open(
            "sqlite::memory:",
            &store::StoreOptions::new(Metrics::new().store),
        )
        .await
        .expect("a store in memory");
        let shards = Shards::start(store.shards());
        (store, shards)
    }

    #[tokio::test]
    async fn a_session_is_kept_together_with_its_guilds() {
        let (store, shards) = open().await;
        let guilds = [
            (guild(1), Some("one".to_owned())),
            (guild(2), Some("two".to_owned())),
        ];
        shards.put_with_guilds(0, 2, session(7), guilds);
        shards.put_with_guilds(1, 2, session(9), [(guild(3), Some("three".to_owned()))]);
        shards.put_with_guilds(0, 2, session(8), [(guild(2), None)]);
        let unwritten = shards.guilds(0, 2).await.expect("readable");
        assert_eq!(unwritten, [(guild(1), "one".to_owned())]);
        shards.close().await;

        let shards = Shards::start(store.shards());
        let loaded = shards.load(0).await.expect("readable");
        assert_eq!(loaded, Some(session(8)));
        let known = shards.guilds(0, 2).await.expect("readable");
        assert_eq!(known, [(guild(1), "one".to_owned())]);
        let other_layout = shards.guilds(0, 4).await.expect("readable");
        assert_eq!(other_layout, [], "guilds of another number of shards");
    }

    #[tokio::test]
    async fn a_new_session_forgets_the_guilds_of_its_shard_only() {
        let (store, shards) = open().await;
        shards.put_with_guilds(0, 2, session(7), [(guild(1), Some("old".to_owned()))]);
        shards.put_with_guilds(1, 2, session(7), [(guild(2), Some("other".to_owned()))]);
        shards.close().await;

        let shards = Shards::start(store.shards());
        shards.clear_guilds(0);
        shards.put_with_guilds(0, 2, session(1), [(guild(3), Some("new".to_owned()))]);
        shards.close().await;

        let shards = Shards::start(store.shards());
        let first = shards.guilds(0, 2).await.expect("readable");
        assert_eq!(first, [(guild(3), "new".to_owned())]);
        let second = shards.guilds(1, 2).await.expect("readable");
        assert_eq!(second, [(guild(2), "other".to_owned())]);
    }
}
