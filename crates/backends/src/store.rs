//! The store: what must survive the death of a process.
//!
//! The tables are written once, against a small database port; SQLite is behind it, PostgreSQL
//! fits there. Ids are `i64`, times are microseconds since 1970 UTC, JSON is text.

mod database;
pub mod history;
pub mod panels;
pub mod sessions;
pub mod shards;
mod sqlite;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use database::{Database, Row, Statement};
pub use history::{History, PlayedItem};
pub use panels::Panels;
pub use sessions::{SavedPosition, SavedSession, Sessions};
pub use shards::{ShardChanges, ShardGuild, ShardSession, Shards};

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<dyn Database>,
}

impl Store {
    /// Opens the database that `url` names, makes it when it is missing and brings its schema up
    /// to date: `sqlite:FILE`, or `sqlite::memory:` for one that dies with the process.
    ///
    /// # Errors
    /// See [`OpenStoreError`]. Nothing of a database that is refused was changed.
    pub async fn open(url: &str) -> Result<Self, OpenStoreError> {
        let Some(file) = url.strip_prefix("sqlite:") else {
            // The rest may hold a password.
            let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
            return Err(OpenStoreError::Unknown {
                scheme: scheme.chars().take(32).collect(),
            });
        };
        let database = sqlite::Sqlite::open(file).await?;
        Ok(Self {
            database: Arc::new(database),
        })
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
        self.read(Statement::new("SELECT 1", [])).await.map(drop)
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

/// Why the store could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// [`Store::close`] was called.
    #[error("the store is closed")]
    Closed,
    /// Another process holds the write lock for too long.
    #[error("the database is locked by another process")]
    Busy,
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
        matches!(self, Self::Busy | Self::Full)
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The URL names no database we know.
    #[error("`{scheme}` is not a database: expected `sqlite:FILE` or `sqlite::memory:`")]
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
    /// The database belongs to another program.
    #[error("the database `{}` belongs to another program", file.display())]
    Foreign {
        /// The database file.
        file: PathBuf,
    },
    /// A newer version of Backline has used the database.
    #[error(
        "the database `{}` was written by a newer version (its schema is {found}, this version knows {known})",
        file.display()
    )]
    Newer {
        /// The database file.
        file: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The latest version this build knows.
        known: i64,
    },
    /// Its schema could not be brought up to date.
    #[error("the schema of the database `{}` cannot be brought up to date", file.display())]
    Schema {
        /// The database file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Anything else.
    #[error("the database `{}` cannot be opened", file.display())]
    Failed {
        /// The database file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}
