//! Both databases have the same tables: what moves from one to the other fits.

use std::collections::BTreeMap;

use backline_backends::store::Store;
use sqlx::Connection;

use crate::store::{Place, options};

/// Column by table: its type, whether it may be null, its place in the primary key.
type Tables = BTreeMap<String, Vec<(String, String, bool, i64)>>;

#[tokio::test]
async fn the_schemas_of_sqlite_and_postgresql_are_equal() {
    let place = Place::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite:{}/backline.db", folder.path().display());
    let database = place.database();
    for url in [&file, &database] {
        let store = Store::open(url, &options()).await.expect("opens");
        store.close().await;
    }
    let (sqlite, postgres) = (of_sqlite(&file).await, of_postgres(&database).await);
    assert!(sqlite.len() >= 6, "tables were found: {sqlite:?}");
    assert_eq!(sqlite, postgres);
    // All of them are copied, whole.
    for (table, copied) in backline_backends::store::copy::tables() {
        let mut columns: Vec<_> = sqlite[table].iter().map(|column| &*column.0).collect();
        columns.sort_by_key(|column| copied.iter().position(|other| other == column));
        assert_eq!(copied, columns, "{table}");
    }
    let known = backline_backends::store::copy::tables().len() + 1;
    assert_eq!(sqlite.len(), known, "and the one of the schema itself");
}

#[tokio::test]
async fn the_indexes_of_sqlite_and_postgresql_are_equal() {
    let place = Place::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite:{}/backline.db", folder.path().display());
    let database = place.database();
    for url in [&file, &database] {
        let store = Store::open(url, &options()).await.expect("opens");
        store.close().await;
    }
    let mut connection = sqlx::SqliteConnection::connect(&file).await.expect("opens");
    let sqlite: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    )
    .fetch_all(&mut connection)
    .await
    .expect("is read");
    let mut connection = sqlx::PgConnection::connect(&database).await.expect("opens");
    let postgres: Vec<String> = sqlx::query_scalar(
        "SELECT indexname::text FROM pg_indexes
         WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("is read");
    assert!(!sqlite.is_empty());
    assert_eq!(sqlite, postgres);
}

async fn of_sqlite(url: &str) -> Tables {
    let mut connection = sqlx::SqliteConnection::connect(url).await.expect("opens");
    let rows: Vec<(String, String, String, i64, i64)> = sqlx::query_as(
        "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk
         FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' ORDER BY t.name, c.cid",
    )
    .fetch_all(&mut connection)
    .await
    .expect("is read");
    gather(
        rows.into_iter()
            .map(|(table, column, kind, not_null, key)| {
                let kind = if kind == "INTEGER" { "int" } else { "text" };
                // A primary key of one number is never null, whatever SQLite says.
                (
                    table,
                    column,
                    kind.to_owned(),
                    not_null == 0 && key == 0,
                    key,
                )
            }),
    )
}

async fn of_postgres(url: &str) -> Tables {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("opens");
    let rows: Vec<(String, String, String, bool, i64)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text,
                c.is_nullable = 'YES', coalesce(k.ordinal_position, 0)::bigint
         FROM information_schema.columns c
         LEFT JOIN information_schema.table_constraints p
             ON p.table_schema = c.table_schema AND p.table_name = c.table_name
             AND p.constraint_type = 'PRIMARY KEY'
         LEFT JOIN information_schema.key_column_usage k
             ON k.constraint_name = p.constraint_name AND k.table_schema = p.table_schema
             AND k.column_name = c.column_name
         WHERE c.table_schema = 'public' ORDER BY c.table_name, c.ordinal_position",
    )
    .fetch_all(&mut connection)
    .await
    .expect("is read");
    gather(rows.into_iter().map(|(table, column, kind, null, key)| {
        let kind = if kind == "bigint" { "int" } else { "text" };
        (table, column, kind.to_owned(), null, key)
    }))
}

fn gather(rows: impl Iterator<Item = (String, String, String, bool, i64)>) -> Tables {
    let mut tables = Tables::new();
    for (table, column, kind, null, key) in rows {
        tables
            .entry(table)
            .or_default()
            .push((column, kind, null, key));
    }
    tables
}
