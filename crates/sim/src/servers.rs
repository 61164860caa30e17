//! Real servers of others, started for one test run: what Backline stands on in production.
//!
//! Each is a direct child in a folder of its own on a free port of loopback, and is gone, folder
//! included, when its value is dropped; also when the test run is killed. The calls block.

mod child;
mod pgbouncer;
mod postgres;
mod redis;

use std::net::TcpListener;
use std::path::PathBuf;

pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use redis::Redis;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its program is not installed.
    #[error(
        "`{program}` was not found; on Debian: apt-get install {package} (scripts/setup.sh test does it)"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// A file or a child process could not be made.
    #[error("{doing} failed")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// It ended, or did not answer in time.
    #[error("`{program}` did not come up; the end of its log:\n{log}")]
    Down {
        /// The program.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
}

impl ServerError {
    fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// Returns a port of loopback that was free a moment ago.
fn free_port() -> Result<u16, ServerError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(ServerError::io("taking a port"))?;
    let address = listener
        .local_addr()
        .map_err(ServerError::io("taking a port"))?;
    Ok(address.port())
}

/// Returns the first of `folders` in which `program` is.
fn find(
    program: &'static str,
    package: &'static str,
    folders: impl IntoIterator<Item = PathBuf>,
) -> Result<PathBuf, ServerError> {
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or(ServerError::Missing { program, package })
}

/// Where programs usually are.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"];
