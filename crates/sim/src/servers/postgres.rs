//! PostgreSQL.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::child::{AsUser, Running, Signal, command, give};
use super::{FOLDERS, ServerError, find, free_port};

/// A PostgreSQL server with nothing in it. Its superuser `postgres` needs no password.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a server of its own, for tests that stop it.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start() -> Result<Self, ServerError> {
        let server = find("postgres", "postgresql", folders())?;
        let bin = server.parent().map(PathBuf::from).unwrap_or_default();
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder"))?;
        give(folder.path(), USER).map_err(ServerError::io("giving a folder away"))?;
        let data = folder.path().join("data");
        let made = command(&bin.join("initdb"), Some(USER))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "-N"])
            .stdin(Stdio::null())
            .output()
            .map_err(ServerError::io("starting initdb"))?;
        if !made.status.success() {
            return Err(ServerError::Down {
                program: "initdb",
                log: String::from_utf8_lossy(&made.stderr).into_owned(),
            });
        }
        let postgres = Self {
            bin,
            folder,
            port: free_port()?,
            running: Mutex::default(),
            databases: AtomicU32::new(0),
        };
        postgres.restart()?;
        Ok(postgres)
    }

    /// Returns the server that all tests of this process share, as long as one of them holds it.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the server does not take the statement.
    pub fn database(&self) -> Result<String, ServerError> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs SQL as superuser and returns what `psql` prints: columns by `|`, rows by line.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, ServerError> {
        let port = self.port.to_string();
        let done = command(&self.bin.join("psql"), None)
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-X", "-q"])
            .args([
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                database,
                "-c",
                sql,
            ])
            .stdin(Stdio::null())
            .output()
            .map_err(ServerError::io("starting psql"))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
        }
        Err(ServerError::Down {
            program: "psql",
            log: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// Returns the URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it as an administrator does: connections break off, the files are closed.
    pub fn stop(&self) {
        self.end(Signal::Int);
    }

    /// Stops it as a crash does.
    pub fn kill(&self) {
        self.end(Signal::Kill);
    }

    /// Starts it again, on the same port with the same data.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn restart(&self) -> Result<(), ServerError> {
        let port = self.port.to_string();
        let data = self.folder.path().join("data");
        // A killed server leaves it behind; its memory is gone already.
        let _none = std::fs::remove_file(data.join("postmaster.pid"));
        let arguments = [
            "-D".to_owned(),
            data.display().to_string(),
            "-p".to_owned(),
            port.clone(),
            "-c".to_owned(),
            "listen_addresses=127.0.0.1".to_owned(),
            "-c".to_owned(),
            "unix_socket_directories=".to_owned(),
            "-c".to_owned(),
            "fsync=off".to_owned(),
            "-c".to_owned(),
            "max_connections=200".to_owned(),
        ];
        let log = self.folder.path().join("log");
        let mut running = Running::start(
            "postgres",
            &self.bin.join("postgres"),
            &arguments,
            Some(USER),
            log,
        )?;
        running.until(|| {
            command(&self.bin.join("pg_isready"), None)
                .args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "postgres"])
                .stdin(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })?;
        *self.lock() = Some(running);
        Ok(())
    }

    fn end(&self, signal: Signal) {
        if let Some(mut running) = self.lock().take() {
            running.end(signal);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(Signal::Int);
    }
}

/// Debian keeps the server's programs in a folder a version; the newest first.
fn folders() -> Vec<PathBuf> {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    versions.reverse();
    versions.extend(FOLDERS.iter().map(PathBuf::from));
    versions
}

const USER: AsUser = AsUser("postgres");
