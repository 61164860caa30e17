//! Brings the schema of a SQLite database up to date.

use std::path::Path;

use super::{Connection, OpenStoreError, SqliteConnection, refused};

/// All migrations, in order. One that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_music.sql"),
    include_str!("../../../migrations/sqlite/0002_shard_guilds.sql"),
];

/// The latest version that this build knows.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

pub(super) async fn migrate(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), OpenStoreError> {
    // Looked at first, so that a database that is refused stays as it is.
    version(file, connection).await?;

    // Both are kept in the file; neither can change within a transaction.
    sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut *connection)
        .await
        .map_err(|error| refused(file, error))?;

    // Exclusive: another process may be starting on the same file.
    let schema = |error: sqlx::Error| match refused(file, error) {
        OpenStoreError::Failed { database, source } => OpenStoreError::Schema { database, source },
        known => known,
    };
    let mut transaction = connection
        .begin_with("BEGIN EXCLUSIVE")
        .await
        .map_err(|error| refused(file, error))?;
    let found = version(file, &mut transaction).await?;
    if found == 0 {
        sqlx::raw_sql(MAKE)
            .execute(&mut *transaction)
            .await
            .map_err(schema)?;
    }
    let pending = (1..)
        .zip(MIGRATIONS)
        .skip_while(|(version, _)| *version <= found);
    for (version, sql) in pending {
        sqlx::raw_sql(*sql)
            .execute(&mut *transaction)
            .await
            .map_err(schema)?;
        sqlx::query(RECORD)
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(schema)?;
    }
    transaction.commit().await.map_err(schema)
}

/// Returns the version of the schema, 0 for an empty database.
pub(super) async fn version(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<i64, OpenStoreError> {
    let (ours, tables): (bool, i64) = sqlx::query_as(LOOK)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| refused(file, error))?;
    if !ours && tables > 0 {
        return Err(OpenStoreError::Foreign {
            database: file.display().to_string(),
        });
    }
    if !ours {
        return Ok(0);
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM backline_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| refused(file, error))?;
    if found > KNOWN {
        return Err(OpenStoreError::Newer {
            database: file.display().to_string(),
            found,
            known: KNOWN,
        });
    }
    Ok(found)
}

const LOOK: &str = "
    SELECT coalesce(sum(name = 'backline_schema'), 0) > 0, count(*)
    FROM sqlite_schema WHERE type = 'table'";

const MAKE: &str = "
    CREATE TABLE backline_schema (
        version    INTEGER PRIMARY KEY,
        applied_us INTEGER NOT NULL
    ) STRICT";

const RECORD: &str =
    "INSERT INTO backline_schema (version, applied_us) VALUES ($1, unixepoch() * 1000000)";
