//! PgBouncer, a pooler before PostgreSQL.

use std::net::TcpStream;
use std::path::PathBuf;

use tempfile::TempDir;

use super::child::{AsUser, Running, give};
use super::{FOLDERS, Postgres, ServerError, find, free_port};

/// A PgBouncer in transaction mode before a PostgreSQL server.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _running: Running,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one that has `connections` connections to the server.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn start(server: &Postgres, connections: u32) -> Result<Self, ServerError> {
        let path = find("pgbouncer", "pgbouncer", FOLDERS.iter().map(PathBuf::from))?;
        let folder = tempfile::tempdir().map_err(ServerError::io("making a folder"))?;
        let port = free_port()?;
        let users = folder.path().join("users");
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 500\n",
            server.port(),
            users.display(),
        );
        std::fs::write(&users, "\"postgres\" \"\"\n").map_err(ServerError::io("writing a file"))?;
        std::fs::write(&config, text).map_err(ServerError::io("writing a file"))?;
        give(folder.path(), USER).map_err(ServerError::io("giving a folder away"))?;
        let log = folder.path().join("log");
        let arguments = [config.display().to_string()];
        let mut running = Running::start("pgbouncer", &path, &arguments, Some(USER), log)?;
        running.until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self {
            port,
            _running: running,
            _folder: folder,
        })
    }

    /// Returns the URL of a database behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

const USER: AsUser = AsUser("postgres");
