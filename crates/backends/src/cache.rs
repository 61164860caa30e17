//! The cache, as a port: values that may be forgotten at any time.
//!
//! What every backend promises, and the contract suite checks: a value is served until its
//! time to live is over or it is removed; [`Cache::get_or_load`] runs one loader a key at a time
//! within a process and keeps nothing of one that failed.

pub mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// What loads a value that is missing. Its error is shared by all who wait for it.
pub type Loader<'a> = BoxFuture<'a, Result<Arc<[u8]>, LoadError>>;

/// A cache. Cheap to share as `Arc<dyn Cache>`.
pub trait Cache: fmt::Debug + Send + Sync + 'static {
    /// Returns the value of a key, if it is there.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Arc<[u8]>>>;

    /// Puts a value, for at most `time_to_live`.
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Arc<[u8]>,
        time_to_live: Duration,
    ) -> BoxFuture<'a, ()>;

    /// Removes a value.
    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, ()>;

    /// Returns the value of a key, or what `load` returns, which is then put.
    ///
    /// Of several callers at the same time, one runs its loader and the others wait for it.
    ///
    /// # Errors
    /// What the loader returned; nothing is put then.
    fn get_or_load<'a>(
        &'a self,
        key: &'a str,
        time_to_live: Duration,
        load: Loader<'a>,
    ) -> BoxFuture<'a, Result<Arc<[u8]>, LoadError>>;
}

/// Why a value could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a value for the cache was not loaded")]
pub struct LoadError {
    /// The cause.
    #[source]
    pub source: Arc<dyn std::error::Error + Send + Sync>,
}

impl LoadError {
    /// Returns an error with this cause.
    pub fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
        }
    }
}
