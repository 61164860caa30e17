//! The store: what must survive the death of a process.
//!
//! The tables are written once, against a small database port; SQLite and PostgreSQL are behind
//! it. Ids are `i64`, times are microseconds since 1970 UTC, JSON is text.

pub mod copy;
mod database;
pub mod history;
pub mod panels;
mod postgres;
pub mod sessions;
pub mod shards;
mod sqlite;
mod status;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backline_runtime::metrics::store::StoreMetrics;
use database::{Database, Row, Statement};
pub use history::{History, PlayedItem};
pub use panels::Panels;
use secrecy::SecretString;
pub use sessions::{SavedPosition, SavedSession, Sessions};
pub use shards::{ShardChanges, ShardGuild, ShardSession, Shards};
pub use status::{Status, status};

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<dyn Database>,
}

impl Store {
    /// Opens the database that `url` names and brings its schema up to date.
    ///
    /// `sqlite:FILE` is made when it is missing, `sqlite::memory:` dies with the process.
    /// `postgres://USER@HOST:PORT/DATABASE` takes parameters as libpq does (`sslmode`,
    /// `sslrootcert`, …); the password comes with the options, because URLs end up in logs.
    ///
    /// # Errors
    /// See [`OpenStoreError`]. Nothing of a database that is refused was changed.
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Self, OpenStoreError> {
        let database: Arc<dyn Database> = match url.split_once(':') {
            Some(("sqlite", file)) => Arc::new(sqlite::Sqlite::open(file, &options.metrics).await?),
            Some(("postgres" | "postgresql", _)) => {
                Arc::new(postgres::Postgres::open(url, options).await?)
            }
            // The rest may hold a password.
            other => {
                let scheme = other.map_or("", |(scheme, _)| scheme);
                return Err(OpenStoreError::unknown(scheme));
            }
        };
        Ok(Self { database })
    }

    /// Returns the table of music sessions.
    pub fn sessions(&self) -> Sessions {
        Sessions(self.clone())
    }

    /// Returns the table of Now Playing messages.
    pub fn panels(&self) -> Panels {
        Panels(self.clone())
    }

    /// Returns the table of what was played.
    pub fn history(&self) -> History {
        History(self.clone())
    }

    /// Returns the table of what gateway shards need to resume.
    pub fn shards(&self) -> Shards {
        Shards(self.clone())
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// Whatever would also fail a load.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.read(Statement::new("store.check", "SELECT 1", []))
            .await
            .map(drop)
    }

    /// Finishes what is being written and closes the database, for all clones.
    pub async fn close(&self) {
        self.database.close().await;
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.database.read(statement).await
    }

    async fn write(&self, statement: Statement) -> Result<(), StoreError> {
        self.write_all(vec![statement]).await
    }

    async fn write_all(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.database.write(statements).await.map(drop)
    }
}

/// How a database is used.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The password of the user at the server.
    pub password: Option<SecretString>,
    /// Connections to PostgreSQL at most.
    pub connections: u32,
    /// How long a statement may wait for one of them.
    pub acquire_timeout: Duration,
    /// Whether a pooler hands each transaction to another connection of the server, as PgBouncer
    /// does in transaction mode. Costs two round trips a read.
    pub transaction_pooler: bool,
    /// What is counted.
    pub metrics: StoreMetrics,
}

impl StoreOptions {
    /// Returns what is usual: 25 connections, 20 seconds, no pooler.
    pub fn new(metrics: StoreMetrics) -> Self {
        Self {
            password: None,
            connections: 25,
            acquire_timeout: Duration::from_secs(20),
            transaction_pooler: false,
            metrics,
        }
    }
}

/// Why the store could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// [`Store::close`] was called.
    #[error("the store is closed")]
    Closed,
    /// Another process holds the write lock for too long, or all connections are in use.
    #[error("the database is busy")]
    Busy,
    /// Its server does not answer, or is starting or stopping. A write may have happened.
    #[error("the database cannot be reached")]
    Away,
    /// No space is left.
    #[error("the disk of the database is full")]
    Full,
    /// The file is damaged.
    #[error("the database is damaged")]
    Damaged,
    /// A row is not what this version writes.
    #[error("a row of `{table}` cannot be read by this version")]
    Unreadable {
        /// The table.
        table: &'static str,
    },
    /// Anything else.
    #[error("the database failed")]
    Failed {
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Returns whether trying again may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Away | Self::Full)
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The URL names no database we know.
    #[error(
        "`{scheme}` is not a database: expected `sqlite:FILE` or `postgres://USER@HOST/DATABASE`"
    )]
    Unknown {
        /// What stands before the colon.
        scheme: String,
    },
    /// The folder of the database file is missing.
    #[error("the folder of the database `{}` does not exist", file.display())]
    NoFolder {
        /// The database file.
        file: PathBuf,
    },
    /// The file cannot be opened for writing.
    #[error("the database `{}` cannot be opened for writing", file.display())]
    Unwritable {
        /// The database file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Another process holds the file for too long.
    #[error("the database `{}` is locked by another process", file.display())]
    Busy {
        /// The database file.
        file: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error("`{}` is no database, or a damaged one: {detail}", file.display())]
    Damaged {
        /// The database file.
        file: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The URL of a server cannot be read.
    #[error(
        "the database URL is not right: {detail}; expected `postgres://USER@HOST:PORT/DATABASE`"
    )]
    Url {
        /// What is wrong; nothing of the URL is in it.
        detail: String,
    },
    /// The server does not answer.
    #[error("the database server at {server} cannot be reached")]
    Unreachable {
        /// Host and port.
        server: String,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The server refuses the user or the password, or the right to change the schema.
    #[error("the database server at {server} refuses the user `{user}`: {detail}")]
    Denied {
        /// Host and port.
        server: String,
        /// The user.
        user: String,
        /// What the server said.
        detail: String,
    },
    /// The server has no such database.
    #[error(
        "the database server at {server} has no database `{database}`: make it first, as in `createdb {database}`"
    )]
    Missing {
        /// Host and port.
        server: String,
        /// The database.
        database: String,
    },
    /// The database belongs to another program.
    #[error("the database `{database}` belongs to another program")]
    Foreign {
        /// The file, or host, port and name.
        database: String,
    },
    /// A newer version of Backline has used the database.
    #[error(
        "the database `{database}` was written by a newer version (its schema is {found}, this version knows {known})"
    )]
    Newer {
        /// The file, or host, port and name.
        database: String,
        /// The version of its schema.
        found: i64,
        /// The latest version this build knows.
        known: i64,
    },
    /// Its schema could not be brought up to date.
    #[error("the schema of the database `{database}` cannot be brought up to date")]
    Schema {
        /// The file, or host, port and name.
        database: String,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Anything else.
    #[error("the database `{database}` cannot be opened")]
    Failed {
        /// The file, or host, port and name.
        database: String,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl OpenStoreError {
    fn unknown(scheme: &str) -> Self {
        Self::Unknown {
            scheme: scheme.chars().take(32).collect(),
        }
    }
}
