//! Threads for what may wait for bytes: opening, probing, seeking.

use std::sync::Arc;
use std::time::Duration;

use backline_proto::lavalink::Exception;
use tokio::sync::Semaphore;

use super::{failure, http::FetchError};

/// Bounds how many threads wait at a time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Threads {
    files: Arc<Semaphore>,
    /// Servers may be slow: they must not keep files waiting.
    servers: Arc<Semaphore>,
}

/// How long opening or seeking may take in all.
pub const OPEN: Duration = Duration::from_secs(30);
/// Threads that open, probe and seek files at a time.
const FILE_THREADS: usize = 8;
/// Threads that open, probe and seek on servers at a time.
const SERVER_THREADS: usize = 32;

impl Default for Threads {
    fn default() -> Self {
        Self {
            files: Arc::new(Semaphore::new(FILE_THREADS)),
            servers: Arc::new(Semaphore::new(SERVER_THREADS)),
        }
    }
}

impl Threads {
    /// Runs what only reads files.
    pub async fn file<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Box<Exception>> + Send + 'static,
    ) -> Result<T, Box<Exception>> {
        block(&self.files, work).await
    }

    /// Runs what waits for a server.
    pub async fn server<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Box<Exception>> + Send + 'static,
    ) -> Result<T, Box<Exception>> {
        block(&self.servers, work).await
    }

    /// Runs what waits for a server, or only reads a file.
    pub async fn run<T: Send + 'static>(
        &self,
        waits: bool,
        work: impl FnOnce() -> Result<T, Box<Exception>> + Send + 'static,
    ) -> Result<T, Box<Exception>> {
        block(if waits { &self.servers } else { &self.files }, work).await
    }
}

async fn block<T: Send + 'static>(
    threads: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Box<Exception>> + Send + 'static,
) -> Result<T, Box<Exception>> {
    let late = || failure::of_fetch(&FetchError::TimedOut);
    let run = async {
        let permit = Arc::clone(threads).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await
            .unwrap_or_else(|_| Err(failure::of_format("the file broke its reader")))
    };
    tokio::time::timeout(OPEN, run).await.map_err(|_| late())?
}
