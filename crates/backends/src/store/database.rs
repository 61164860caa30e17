//! What the tables need of a database: few types, statements with `$1` placeholders.
//!
//! SQLite and PostgreSQL understand the same statements as long as they keep to `$1`
//! placeholders, `ON CONFLICT … RETURNING` and these types. What differs (opening, migrations,
//! locking, how a transaction begins) stays inside the implementations of [`Database`].

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use backline_runtime::metrics::store::StoreMetrics;
use futures_util::future::BoxFuture;

use super::StoreError;

/// A database. Writes are atomic and durable (against the death of the process) once done.
pub(super) trait Database: fmt::Debug + Send + Sync {
    /// Returns the rows of one statement that changes nothing.
    fn read(&self, statement: Statement) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;

    /// Runs all statements in one transaction, in order. Returns the rows of each.
    ///
    /// Not cancelled with the future: a write that was handed over happens.
    fn write(&self, statements: Vec<Statement>)
    -> BoxFuture<'_, Result<Vec<Vec<Row>>, StoreError>>;

    /// Finishes the writes that were handed over, refuses further ones and lets go of the files.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A statement and what its placeholders stand for, in order.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// `table.verb`, for logs and metrics; the text of a statement is for nobody's eyes.
    pub(super) name: &'static str,
    pub(super) sql: Cow<'static, str>,
    pub(super) arguments: Vec<Argument>,
}

impl Statement {
    pub(super) fn new(
        name: &'static str,
        sql: impl Into<Cow<'static, str>>,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Self {
        Self {
            name,
            sql: sql.into(),
            arguments: arguments.into_iter().collect(),
        }
    }
}

/// A value for a placeholder. Absent ones keep their type: PostgreSQL asks for it.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Argument {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Value> for Argument {
    fn from(value: Value) -> Self {
        match value {
            // The type of a null does not matter where a column says it.
            Value::Null => Self::Text(None),
            Value::Int(value) => Self::Int(Some(value)),
            Value::Text(value) => Self::Text(Some(value)),
        }
    }
}

impl From<String> for Argument {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Argument {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
}

/// A row, read from left to right.
#[derive(Debug)]
pub(super) struct Row {
    table: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self {
            table: "",
            values: values.into_iter(),
        }
    }

    /// Returns all values that were not taken yet.
    pub(super) fn values(self) -> Vec<Value> {
        self.values.collect()
    }

    /// Names the table, for errors.
    pub(super) fn of(self, table: &'static str) -> Self {
        Self { table, ..self }
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        self.optional_int()?.ok_or_else(|| self.unreadable())
    }

    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.values.next() {
            Some(Value::Int(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_)) | None => Err(self.unreadable()),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| self.unreadable())
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.values.next() {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_)) | None => Err(self.unreadable()),
        }
    }

    pub(super) fn unreadable(&self) -> StoreError {
        StoreError::Unreadable { table: self.table }
    }
}

/// Counts a statement that was run since `started`, and names it when it was slow.
pub(super) fn watch(name: &'static str, started: Instant, metrics: &StoreMetrics) {
    let took = started.elapsed();
    metrics.statement_time.observe(took.as_secs_f64());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if took >= VERY_SLOW {
        metrics.very_slow_statements.inc();
        tracing::error!(statement = name, took_ms, "statement was very slow");
    } else if took >= SLOW {
        metrics.slow_statements.inc();
        tracing::warn!(statement = name, took_ms, "statement was slow");
    }
}

/// From here on a statement is worth a look.
const SLOW: Duration = Duration::from_millis(100);
/// From here on somebody waits for it.
const VERY_SLOW: Duration = Duration::from_millis(500);

/// Platforms hand out unsigned ids below 2⁶³; databases know signed numbers only.
pub(super) const fn id_to_int(id: u64) -> i64 {
    id.cast_signed()
}

pub(super) const fn int_to_id(value: i64) -> u64 {
    value.cast_unsigned()
}

/// Milliseconds from outside as the microseconds that are stored.
pub(super) fn ms_to_us(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

pub(super) fn us_to_ms(us: i64) -> u64 {
    u64::try_from(us).unwrap_or_default() / 1_000
}
