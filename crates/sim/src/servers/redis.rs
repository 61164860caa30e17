//! Redis.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

use super::child::{Running, Signal};
use super::{FOLDERS, ServerError, find, free_port};

/// A Redis server that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    path: PathBuf,
    folder: TempDir,
    port: u16,
    running: Mutex<Option<Running>>,
}

impl Redis {
    /// Starts a server of its own, for tests that stop it.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start() -> Result<Self, ServerError> {
        let path = find(
            "redis-server",
            "redis-server",
            FOLDERS.iter().map(PathBuf::from),
        )?;
        let redis = Self {
            path,
            folder: tempfile::tempdir().map_err(ServerError::io("making a folder"))?,
            port: free_port()?,
            running: Mutex::default(),
        };
        redis.restart()?;
        Ok(redis)
    }

    /// Returns the server that all tests of this process share, as long as one of them holds it.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Mutex<Weak<Redis>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Stops it as a crash does: what it held is gone.
    pub fn kill(&self) {
        if let Some(mut running) = self.lock().take() {
            running.end(Signal::Kill);
        }
    }

    /// Holds it for a while, as an overloaded machine does: it keeps what it has.
    pub fn freeze(&self, frozen: bool) {
        if let Some(running) = self.lock().as_ref() {
            running.freeze(frozen);
        }
    }

    /// Starts it again, on the same port.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn restart(&self) -> Result<(), ServerError> {
        let arguments: Vec<String> = [
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            &self.folder.path().display().to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        let log = self.folder.path().join("log");
        let mut running = Running::start("redis-server", &self.path, &arguments, None, log)?;
        running.until(|| is_up(self.port))?;
        *self.lock() = Some(running);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a server answers PING.
fn is_up(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = [0; 7];
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .is_ok()
        && socket.write_all(b"PING\r\n").is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && &answer == b"+PONG\r\n"
}
