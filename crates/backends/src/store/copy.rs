//! Copies everything from one store to another, such as from SQLite to PostgreSQL.
//!
//! Each table goes into a table beside it first, batch by batch in the order of its key; a copy
//! that was broken off goes on where it was. What arrived is compared with the source by the
//! number of rows and a hash that does not depend on their order. Only then the rows move to
//! their place, in one transaction: a table is copied whole or not at all.

use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};

use super::database::{Argument, Row, Statement, Value};
use super::{Store, StoreError};

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// What happens to rows that are at the destination already.
    pub existing: Existing,
    /// Whether to look only, and change nothing.
    pub dry_run: bool,
    /// Rows of a batch.
    pub batch: usize,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            existing: Existing::Refuse,
            dry_run: false,
            batch: 1_000,
        }
    }
}

/// What happens to rows that are at the destination already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Nothing of their table is copied.
    Refuse,
    /// They stay as they are.
    Keep,
    /// They become those of the source.
    Replace,
}

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// Rows at the source.
    pub rows: u64,
    /// Those of them that are at the destination already.
    pub duplicates: u64,
    /// Rows that were at the destination before.
    pub before: u64,
    /// Rows that were put there.
    pub copied: u64,
    /// The hash of the rows at the source, in hexadecimal.
    pub hash: String,
}

/// How far a table is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// Rows that have arrived.
    pub done: u64,
    /// Rows at the source.
    pub total: u64,
}

/// Why a table was not copied. Those before it were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source could not be read.
    #[error("reading `{table}` from the source")]
    Source {
        /// The table.
        table: &'static str,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The destination could not be read or written.
    #[error("writing `{table}` to the destination")]
    Destination {
        /// The table.
        table: &'static str,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// Rows are at the destination already.
    #[error(
        "{duplicates} of {rows} rows of `{table}` are at the destination already; nothing of it was copied"
    )]
    Duplicates {
        /// The table.
        table: &'static str,
        /// Rows at the source.
        rows: u64,
        /// Those of them that are there.
        duplicates: u64,
    },
    /// What arrived is not what is at the source.
    #[error(
        "what arrived of `{table}` is not what is at the source: {arrived} rows for {rows}; does something still write to it?"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Rows at the source.
        rows: u64,
        /// Rows that arrived.
        arrived: u64,
    },
}

impl Store {
    /// Copies all tables to `to`, which has its schema already; nothing may write to either.
    ///
    /// # Errors
    /// The first table that could not be copied; run it again to go on.
    pub async fn copy_to(
        &self,
        to: &Self,
        options: CopyOptions,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Vec<TableReport>, CopyError> {
        let mut reports = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            let copy = Copy {
                table,
                from: self,
                to,
                options,
            };
            reports.push(copy.run(progress).await?);
        }
        Ok(reports)
    }
}

/// A table that is copied.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    rest: &'static [&'static str],
}

/// All tables with what is in them. A test compares this with the schema.
const TABLES: &[Table] = &[
    Table {
        name: "sessions",
        key: &["guild_id"],
        rest: &["snapshot", "saved_us", "position_ms", "position_us"],
    },
    Table {
        name: "history",
        key: &["guild_id", "item"],
        rest: &["title", "author", "uri", "words", "played_us"],
    },
    Table {
        name: "panels",
        key: &["guild_id"],
        rest: &["channel_id", "message_id", "saved_us"],
    },
    Table {
        name: "shard_sessions",
        key: &["shard"],
        rest: &["session_id", "sequence", "resume_url", "saved_us"],
    },
    Table {
        name: "shard_guilds",
        key: &["guild_id"],
        rest: &["shard", "shards", "body"],
    },
];

/// Returns the tables that are copied and their columns, for the test of the schema.
#[doc(hidden)]
pub fn tables() -> Vec<(&'static str, Vec<&'static str>)> {
    TABLES
        .iter()
        .map(|table| (table.name, table.columns().collect()))
        .collect()
}

impl Table {
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().chain(self.rest).copied()
    }

    fn column_list(&self) -> String {
        self.columns().collect::<Vec<_>>().join(", ")
    }

    /// Returns a statement for a batch from the first row, or behind a key.
    fn select(&self, place: &str, after: bool) -> String {
        let key = self.key.join(", ");
        let mut sql = format!("SELECT {} FROM {place}", self.column_list());
        if after {
            let marks: Vec<_> = (1..=self.key.len()).map(|n| format!("${n}")).collect();
            let _infallible = write!(sql, " WHERE ({key}) > ({})", marks.join(", "));
        }
        let limit = if after { self.key.len() + 1 } else { 1 };
        let _infallible = write!(sql, " ORDER BY {key} LIMIT ${limit}");
        sql
    }
}

/// The number of rows and a hash that does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hash: u128,
}

impl Sum {
    fn add(&mut self, row: &[Value]) {
        let mut hasher = Context::new(&SHA256);
        for value in row {
            // Tagged and with lengths, so that no two rows read the same.
            match value {
                Value::Null => hasher.update(&[0]),
                Value::Int(value) => {
                    hasher.update(&[1]);
                    hasher.update(&value.to_be_bytes());
                }
                Value::Text(text) => {
                    hasher.update(&[2]);
                    hasher.update(&(text.len() as u64).to_be_bytes());
                    hasher.update(text.as_bytes());
                }
            }
        }
        let digest = hasher.finish();
        let half = digest.as_ref().first_chunk().expect("32 bytes have 16");
        self.rows += 1;
        self.hash = self.hash.wrapping_add(u128::from_be_bytes(*half));
    }
}

/// One table on its way.
struct Copy<'a> {
    table: &'static Table,
    from: &'a Store,
    to: &'a Store,
    options: CopyOptions,
}

impl Copy<'_> {
    async fn run(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<TableReport, CopyError> {
        let table = self.table.name;
        let total = self.count(self.from, table).await.map_err(self.source())?;
        let before = self.count(self.to, table).await.map_err(self.there())?;
        let mut report = TableReport {
            table,
            rows: total,
            duplicates: 0,
            before,
            copied: 0,
            hash: String::new(),
        };
        if self.options.dry_run {
            let (sum, duplicates) = self.look(total, progress).await?;
            report.hash = format!("{:032x}", sum.hash);
            report.duplicates = duplicates;
            return Ok(report);
        }
        self.fetch(total, progress).await?;
        let sum = self.sum(self.from, table).await.map_err(self.source())?;
        let staged = self.staged();
        let arrived = self.sum(self.to, &staged).await.map_err(self.there())?;
        if sum != arrived {
            self.discard().await?;
            return Err(CopyError::Differs {
                table,
                rows: sum.rows,
                arrived: arrived.rows,
            });
        }
        report.hash = format!("{:032x}", sum.hash);
        report.duplicates = self.duplicates().await?;
        if report.duplicates > 0 && self.options.existing == Existing::Refuse {
            self.discard().await?;
            return Err(CopyError::Duplicates {
                table,
                rows: sum.rows,
                duplicates: report.duplicates,
            });
        }
        self.place().await?;
        report.copied = match self.options.existing {
            Existing::Keep => sum.rows - report.duplicates,
            Existing::Replace | Existing::Refuse => sum.rows,
        };
        Ok(report)
    }

    /// Reads everything and counts what is at the destination already.
    async fn look(
        &self,
        total: u64,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Sum, u64), CopyError> {
        let table = self.table.name;
        let (mut sum, mut duplicates) = (Sum::default(), 0);
        let mut last = None;
        loop {
            let rows = self.batch(self.from, table, last.as_deref()).await;
            let rows = rows.map_err(self.source())?;
            let Some(end) = rows.last() else {
                return Ok((sum, duplicates));
            };
            last = Some(end[..self.table.key.len()].to_vec());
            for row in &rows {
                sum.add(row);
            }
            let (sql, arguments) = self.matching(&rows);
            let statement = Statement::new("copy.look", sql, arguments);
            let found = self.to.read(statement).await.map_err(self.there())?;
            duplicates += single(found).map_err(self.there())?;
            progress(Progress {
                table,
                done: sum.rows,
                total,
            });
        }
    }

    /// Brings all rows beside their place; goes on where it was broken off.
    async fn fetch(
        &self,
        total: u64,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), CopyError> {
        let table = self.table.name;
        let staged = self.staged();
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {staged} AS
             SELECT CAST(0 AS BIGINT) AS copy_n, {} FROM {table} WHERE 1 = 0",
            self.table.column_list()
        );
        let make = Statement::new("copy.stage", make, []);
        self.to.write(make).await.map_err(self.there())?;
        let sql = format!(
            "SELECT copy_n, {} FROM {staged} ORDER BY copy_n DESC LIMIT 1",
            self.table.key.join(", ")
        );
        let found = self.to.read(Statement::new("copy.resume", sql, [])).await;
        let mut done = 0_i64;
        let mut last = None;
        if let Some(mut row) = found.map_err(self.there())?.into_iter().next() {
            done = row.int().map_err(self.there())?;
            last = Some(row.values());
        }
        loop {
            let rows = self.batch(self.from, table, last.as_deref()).await;
            let rows = rows.map_err(self.source())?;
            let Some(end) = rows.last() else {
                return Ok(());
            };
            last = Some(end[..self.table.key.len()].to_vec());
            let mut sql = format!(
                "INSERT INTO {staged} (copy_n, {}) VALUES ",
                self.table.column_list()
            );
            let mut arguments = Vec::new();
            for (index, row) in rows.into_iter().enumerate() {
                done += 1;
                let width = row.len() + 1;
                let marks: Vec<_> = (1..=width)
                    .map(|n| format!("${}", index * width + n))
                    .collect();
                let comma = if index == 0 { "" } else { ", " };
                let _infallible = write!(sql, "{comma}({})", marks.join(", "));
                arguments.push(Argument::from(done));
                arguments.extend(
                    row.into_iter()
                        .enumerate()
                        .map(|(column, value)| match value {
                            Value::Null => self.null(column),
                            value => value.into(),
                        }),
                );
            }
            let insert = Statement::new("copy.insert", sql, arguments);
            self.to.write(insert).await.map_err(self.there())?;
            progress(Progress {
                table,
                done: u64::try_from(done).unwrap_or_default(),
                total,
            });
        }
    }

    /// Moves all rows to their place and clears up, in one transaction.
    async fn place(&self) -> Result<(), CopyError> {
        let (table, staged) = (self.table.name, self.staged());
        let columns = self.table.column_list();
        let key = self.table.key.join(", ");
        let conflict = match self.options.existing {
            Existing::Refuse => String::new(),
            Existing::Keep => format!(" ON CONFLICT ({key}) DO NOTHING"),
            Existing::Replace => {
                let news: Vec<_> = self
                    .table
                    .rest
                    .iter()
                    .map(|column| format!("{column} = excluded.{column}"))
                    .collect();
                format!(" ON CONFLICT ({key}) DO UPDATE SET {}", news.join(", "))
            }
        };
        // SQLite takes ON CONFLICT for a join without a WHERE.
        let insert = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} WHERE 1 = 1{conflict}"
        );
        let statements = vec![
            Statement::new("copy.place", insert, []),
            Statement::new("copy.clear", format!("DROP TABLE {staged}"), []),
        ];
        self.to.write_all(statements).await.map_err(self.there())
    }

    async fn discard(&self) -> Result<(), CopyError> {
        let drop = format!("DROP TABLE IF EXISTS {}", self.staged());
        let statement = Statement::new("copy.clear", drop, []);
        self.to.write(statement).await.map_err(self.there())
    }

    async fn duplicates(&self) -> Result<u64, CopyError> {
        let same: Vec<_> = self
            .table
            .key
            .iter()
            .map(|column| format!("there.{column} = here.{column}"))
            .collect();
        let sql = format!(
            "SELECT count(*) FROM {} here JOIN {} there ON {}",
            self.staged(),
            self.table.name,
            same.join(" AND ")
        );
        let rows = self
            .to
            .read(Statement::new("copy.duplicates", sql, []))
            .await;
        rows.and_then(single).map_err(self.there())
    }

    /// Returns a statement that counts the keys of `rows` at the destination.
    fn matching(&self, rows: &[Vec<Value>]) -> (String, Vec<Argument>) {
        let width = self.table.key.len();
        let mut arguments = Vec::with_capacity(rows.len() * width);
        let mut keys = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            let marks: Vec<_> = (1..=width)
                .map(|n| format!("${}", index * width + n))
                .collect();
            keys.push(format!("({})", marks.join(", ")));
            arguments.extend(row[..width].iter().cloned().map(Argument::from));
        }
        let key = self.table.key.join(", ");
        // A list of rows in VALUES is what both databases understand.
        let sql = format!(
            "SELECT count(*) FROM {} WHERE ({key}) IN (VALUES {})",
            self.table.name,
            keys.join(", ")
        );
        (sql, arguments)
    }

    async fn sum(&self, store: &Store, place: &str) -> Result<Sum, StoreError> {
        let mut sum = Sum::default();
        let mut last: Option<Vec<Value>> = None;
        loop {
            let rows = self.batch(store, place, last.as_deref()).await?;
            let Some(end) = rows.last() else {
                return Ok(sum);
            };
            last = Some(end[..self.table.key.len()].to_vec());
            for row in &rows {
                sum.add(row);
            }
        }
    }

    async fn batch(
        &self,
        store: &Store,
        place: &str,
        after: Option<&[Value]>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let width = self.table.columns().count() + 1;
        let rows = self.options.batch.clamp(1, MAX_ARGUMENTS / width);
        let mut arguments: Vec<Argument> = after
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Argument::from)
            .collect();
        arguments.push(i64::try_from(rows).unwrap_or(i64::MAX).into());
        let sql = self.table.select(place, after.is_some());
        let rows = store
            .read(Statement::new("copy.read", sql, arguments))
            .await?;
        Ok(rows.into_iter().map(Row::values).collect())
    }

    async fn count(&self, store: &Store, table: &str) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {table}");
        single(store.read(Statement::new("copy.count", sql, [])).await?)
    }

    /// Where the rows are before they are in their place.
    fn staged(&self) -> String {
        format!("copy_{}", self.table.name)
    }

    /// Returns a null of the type of a column.
    fn null(&self, column: usize) -> Argument {
        let name = self.table.columns().nth(column).unwrap_or_default();
        let is_number = ["_us", "_ms", "_id"].iter().any(|end| name.ends_with(end));
        if is_number {
            Argument::Int(None)
        } else {
            Argument::Text(None)
        }
    }

    fn source(&self) -> impl FnOnce(StoreError) -> CopyError {
        let table = self.table.name;
        move |source| CopyError::Source { table, source }
    }

    fn there(&self) -> impl FnOnce(StoreError) -> CopyError {
        let table = self.table.name;
        move |source| CopyError::Destination { table, source }
    }
}

/// Returns the number in the only row.
fn single(rows: Vec<Row>) -> Result<u64, StoreError> {
    let row = rows.into_iter().next();
    let number = row.map_or(Ok(0), |mut row| row.int())?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// SQLite takes 32,766 arguments of a statement, PostgreSQL 65,535.
const MAX_ARGUMENTS: usize = 30_000;
