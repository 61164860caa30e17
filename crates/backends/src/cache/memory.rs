//! The cache of a single process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use moka::Expiry;

use super::{Cache, LoadError, Loader};

/// A cache in memory, bounded by the bytes of keys and values. What is used least goes first.
#[derive(Debug, Clone)]
pub struct MemoryCache {
    entries: moka::future::Cache<Arc<str>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Arc<[u8]>,
    time_to_live: Duration,
}

impl MemoryCache {
    /// Returns an empty cache of at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(bytes)
            .weigher(|key: &Arc<str>, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(TimeToLive)
            .build();
        Self { entries }
    }
}

impl Cache for MemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Arc<[u8]>>> {
        Box::pin(async move { self.entries.get(key).await.map(|entry| entry.value) })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Arc<[u8]>,
        time_to_live: Duration,
    ) -> BoxFuture<'a, ()> {
        let entry = Entry {
            value,
            time_to_live,
        };
        Box::pin(self.entries.insert(key.into(), entry))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.entries.invalidate(key))
    }

    fn get_or_load<'a>(
        &'a self,
        key: &'a str,
        time_to_live: Duration,
        load: Loader<'a>,
    ) -> BoxFuture<'a, Result<Arc<[u8]>, LoadError>> {
        Box::pin(async move {
            let load = async {
                load.await.map(|value| Entry {
                    value,
                    time_to_live,
                })
            };
            let entry = self.entries.try_get_with(key.into(), load).await;
            entry
                .map(|entry| entry.value)
                .map_err(|error| (*error).clone())
        })
    }
}

/// Each entry says itself how long it lives.
struct TimeToLive;

impl Expiry<Arc<str>, Entry> for TimeToLive {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.time_to_live)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.time_to_live)
    }
}

/// What an entry costs beside its bytes, roughly.
const OVERHEAD: usize = 128;
