//! `[store]`: where state is kept.

use super::section::section;
use super::setting::DatabaseUrl;

section! {
    /// Where state is kept.
    pub struct Store {
        secrets {
            /// The password of the database user at a PostgreSQL server.
            ///
            /// Default: none. Reloadable: no.
            pub password;
            /// A file that holds the password.
            ///
            /// Default: none. Reloadable: no.
            pub password_file;
        }
        settings {
            /// The database: `sqlite:FILE`, made when it is missing, `sqlite::memory:`, or
            /// `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`, without a password.
            ///
            /// Default: `sqlite:backline.db`. Reloadable: no.
            pub url: DatabaseUrl = "sqlite:backline.db".into(), check database;
            /// Connections to PostgreSQL at most, for this process.
            ///
            /// Range: 1..=1000. Default: 25. Reloadable: no.
            pub connections: u32 = 25, in 1..=1_000;
            /// How long a statement may wait for a connection to PostgreSQL.
            ///
            /// Unit: milliseconds. Range: 100..=120000. Default: 20000. Reloadable: no.
            pub acquire_timeout_ms: u32 = 20_000, in 100..=120_000;
            /// Whether a pooler stands before PostgreSQL that hands each transaction to another
            /// connection, as PgBouncer does in transaction mode.
            ///
            /// Default: false. Reloadable: no.
            pub transaction_pooler: bool = false;
        }
    }
}

fn database(url: &DatabaseUrl) -> Result<(), String> {
    let url = url.as_str();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let password = url::Url::parse(url).is_ok_and(|url| url.password().is_some());
        return if password {
            Err("a URL without a password: set `store.password` or `store.password_file`".into())
        } else {
            Ok(())
        };
    }
    let file = url
        .strip_prefix("sqlite:")
        .map(|file| file.strip_prefix("//").unwrap_or(file));
    if file.is_some_and(|file| !file.is_empty()) {
        Ok(())
    } else {
        Err("`sqlite:FILE`, `sqlite::memory:` or `postgres://USER@HOST/DATABASE`".into())
    }
}
