//! SQLite behind the database port.
//!
//! One task owns the only connection that writes and commits what has come in together as one
//! transaction (group commit); a pool of connections reads. WAL with `synchronous=NORMAL`: a
//! commit survives the death of the process at once, and loss of power up to the last
//! checkpoint; about two hundred times faster than `FULL`.

mod migrate;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_runtime::metrics::store::StoreMetrics;
use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Row as _, SqliteConnection, SqlitePool,
    TypeInfo, ValueRef,
};

use super::database::{Argument, Database, Row, Statement, Value, watch};
use super::{OpenStoreError, Status, StoreError};
use writer::Writer;

/// A SQLite database, in a file or in memory.
#[derive(Debug)]
pub(super) struct Sqlite {
    metrics: StoreMetrics,
    writer: Writer,
    /// `None` in memory, where each connection would be a database of its own.
    readers: Option<SqlitePool>,
}

impl Sqlite {
    pub(super) async fn open(name: &str, metrics: &StoreMetrics) -> Result<Self, OpenStoreError> {
        let in_memory = name == ":memory:";
        // `sqlite://FILE` means the same; nobody should have to know which is right.
        let name = name.strip_prefix("//").unwrap_or(name);
        let file = PathBuf::from(if in_memory { ":memory:" } else { name });
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .in_memory(in_memory)
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        if !in_memory {
            check_path(&file)?;
        }

        let deadline = Instant::now() + BUSY_TIMEOUT;
        let connection = loop {
            match Self::prepare(&file, &options, in_memory).await {
                // SQLite does not wait by itself where two processes switch to WAL at once.
                Err(OpenStoreError::Busy { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY).await;
                }
                result => break result?,
            }
        };

        let readers = (!in_memory).then(|| {
            let options = options.read_only(true).create_if_missing(false);
            SqlitePoolOptions::new()
                .max_connections(READERS)
                .connect_lazy_with(options)
        });
        Ok(Self {
            metrics: metrics.clone(),
            writer: Writer::start(connection, metrics.clone()),
            readers,
        })
    }

    pub(super) async fn status(name: &str) -> Result<Status, OpenStoreError> {
        let file = PathBuf::from(name.strip_prefix("//").unwrap_or(name));
        check_path(&file)?;
        let mut connection = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|error| refused(&file, error))?;
        let schema = migrate::version(&file, &mut connection).await?;
        let engine: String = sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| refused(&file, error))?;
        Ok(Status {
            database: file.display().to_string(),
            engine: format!("SQLite {engine}"),
            schema,
            known: migrate::KNOWN,
        })
    }

    /// Opens the connection that writes and brings the schema up to date.
    async fn prepare(
        file: &Path,
        options: &SqliteConnectOptions,
        in_memory: bool,
    ) -> Result<SqliteConnection, OpenStoreError> {
        let mut connection = options
            .connect()
            .await
            .map_err(|error| refused(file, error))?;
        if !in_memory {
            check_content(file, &mut connection).await?;
        }
        migrate::migrate(file, &mut connection).await?;
        Ok(connection)
    }
}

impl Database for Sqlite {
    fn read(&self, statement: Statement) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let Some(readers) = &self.readers else {
                let mut rows = self.writer.write(vec![statement]).await?;
                return Ok(rows.pop().unwrap_or_default());
            };
            let mut connection = readers.acquire().await.map_err(classify)?;
            run(&mut connection, &statement, &self.metrics).await
        })
    }

    fn write(
        &self,
        statements: Vec<Statement>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Row>>, StoreError>> {
        Box::pin(self.writer.write(statements))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The writer last: the last connection folds the WAL back into the file.
            if let Some(readers) = &self.readers {
                readers.close().await;
            }
            self.writer.close().await;
        })
    }
}

/// Runs one statement and returns its rows.
async fn run(
    connection: &mut SqliteConnection,
    statement: &Statement,
    metrics: &StoreMetrics,
) -> Result<Vec<Row>, StoreError> {
    let started = Instant::now();
    let mut query = sqlx::query::<sqlx::Sqlite>(AssertSqlSafe(statement.sql.clone()));
    for argument in &statement.arguments {
        query = match argument {
            Argument::Int(value) => query.bind(*value),
            Argument::Text(value) => query.bind(value.clone()),
        };
    }
    let rows = query.fetch_all(connection).await.map_err(classify);
    watch(statement.name, started, metrics);
    rows?
        .iter()
        .map(|row| values(row).map(Row::new).map_err(classify))
        .collect()
}

fn values(row: &SqliteRow) -> Result<Vec<Value>, sqlx::Error> {
    row.columns()
        .iter()
        .map(|column| {
            let index = column.ordinal();
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            let is_int = raw.type_info().name() == "INTEGER";
            if is_int {
                row.try_get(index).map(Value::Int)
            } else {
                row.try_get(index).map(Value::Text)
            }
        })
        .collect()
}

/// Finds the usual mistakes in a path before SQLite says "unable to open database file".
fn check_path(file: &Path) -> Result<(), OpenStoreError> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(OpenStoreError::NoFolder {
            file: file.to_path_buf(),
        });
    }
    if file.is_dir() || file.as_os_str().is_empty() {
        return Err(OpenStoreError::Unwritable {
            file: file.to_path_buf(),
            source: Arc::from(Box::from("it is a folder")),
        });
    }
    Ok(())
}

/// Reads the file once, where that is quick: damage is better found now than under load.
async fn check_content(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), OpenStoreError> {
    let bytes = std::fs::metadata(file)
        .map(|metadata| metadata.len())
        .unwrap_or_default();
    if bytes > CHECKED_BYTES {
        return Ok(());
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| refused(file, error))?;
    if found == "ok" {
        Ok(())
    } else {
        Err(OpenStoreError::Damaged {
            file: file.to_path_buf(),
            detail: found,
        })
    }
}

/// Makes an error of opening clear.
fn refused(file: &Path, error: sqlx::Error) -> OpenStoreError {
    let file = file.to_path_buf();
    match code(&error) {
        Some(CANTOPEN | READONLY | PERM | AUTH) => OpenStoreError::Unwritable {
            file,
            source: Arc::new(error),
        },
        Some(BUSY | LOCKED) => OpenStoreError::Busy { file },
        Some(NOTADB | CORRUPT) => OpenStoreError::Damaged {
            file,
            detail: error
                .as_database_error()
                .map_or_else(String::new, |e| e.message().to_owned()),
        },
        _ => OpenStoreError::Failed {
            database: file.display().to_string(),
            source: Arc::new(error),
        },
    }
}

/// Makes an error of running clear.
fn classify(error: sqlx::Error) -> StoreError {
    match (code(&error), &error) {
        (Some(BUSY | LOCKED), _) => StoreError::Busy,
        (Some(FULL), _) => StoreError::Full,
        (Some(NOTADB | CORRUPT), _) => StoreError::Damaged,
        (_, sqlx::Error::PoolClosed) => StoreError::Closed,
        (_, sqlx::Error::PoolTimedOut) => StoreError::Busy,
        _ => StoreError::Failed {
            source: Arc::new(error),
        },
    }
}

/// Returns SQLite's primary result code.
fn code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const AUTH: u32 = 23;
const NOTADB: u32 = 26;

/// How long another process may hold the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before opening is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// Connections that read at the same time.
const READERS: u32 = 4;

/// Up to this size, a database is checked when it is opened.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;
