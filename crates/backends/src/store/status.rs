//! How a database is, without changing it.

use super::{OpenStoreError, StoreOptions, postgres, sqlite};

/// How a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The file, or host, port and name.
    pub database: String,
    /// The program and its version.
    pub engine: String,
    /// The version of its schema; 0 when it has none.
    pub schema: i64,
    /// The latest version that this build knows.
    pub known: i64,
}

/// Looks at the database that `url` names.
///
/// # Errors
/// When it cannot be reached or read, or is not ours. A file that is missing is not made.
pub async fn status(url: &str, options: &StoreOptions) -> Result<Status, OpenStoreError> {
    match url.split_once(':') {
        Some(("sqlite", file)) => sqlite::Sqlite::status(file).await,
        Some(("postgres" | "postgresql", _)) => postgres::Postgres::status(url, options).await,
        other => Err(OpenStoreError::unknown(
            other.map_or("", |(scheme, _)| scheme),
        )),
    }
}
