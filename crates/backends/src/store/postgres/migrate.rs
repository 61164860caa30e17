//! Brings the schema of a PostgreSQL database up to date.

use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use super::{OpenStoreError, label, refused};

/// All migrations, in order, beside those of SQLite. One that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_music.sql"),
    include_str!("../../../migrations/postgres/0002_shard_guilds.sql"),
];

/// The latest version that this build knows.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Everything happens in one transaction: a schema is whole or as it was.
pub(super) async fn migrate(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
) -> Result<(), OpenStoreError> {
    let failed = |error: sqlx::Error| match refused(connect, error) {
        OpenStoreError::Failed { database, source } => OpenStoreError::Schema { database, source },
        known => known,
    };
    let mut transaction = connection.begin().await.map_err(failed)?;
    // Another process may be starting at the same time. Held until the transaction ends, so it
    // works through a pooler as well.
    sqlx::raw_sql(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let found = version(connect, &mut transaction).await?;
    if found == KNOWN {
        return transaction.rollback().await.map_err(failed);
    }
    if found == 0 {
        sqlx::raw_sql(MAKE)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    let pending = (1_i64..)
        .zip(MIGRATIONS)
        .skip_while(|(version, _)| *version <= found);
    for (version, sql) in pending {
        sqlx::raw_sql(*sql)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query(RECORD)
            .persistent(false)
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// Returns the version of the schema, 0 for an empty database.
pub(super) async fn version(
    connect: &PgConnectOptions,
    connection: &mut PgConnection,
) -> Result<i64, OpenStoreError> {
    let (ours, tables): (bool, i64) = sqlx::query_as(LOOK)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| refused(connect, error))?;
    if !ours && tables > 0 {
        return Err(OpenStoreError::Foreign {
            database: label(connect),
        });
    }
    if !ours {
        return Ok(0);
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM backline_schema")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| refused(connect, error))?;
    if found > KNOWN {
        return Err(OpenStoreError::Newer {
            database: label(connect),
            found,
            known: KNOWN,
        });
    }
    Ok(found)
}

/// A number of our own: "back" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1650549611)";

const LOOK: &str = "
    SELECT coalesce(bool_or(table_name = 'backline_schema'), false), count(*)
    FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'";

const MAKE: &str = "
    CREATE TABLE backline_schema (
        version    BIGINT PRIMARY KEY,
        applied_us BIGINT NOT NULL
    )";

const RECORD: &str = "
    INSERT INTO backline_schema (version, applied_us)
    VALUES ($1, (extract(epoch FROM now()) * 1000000)::bigint)";
