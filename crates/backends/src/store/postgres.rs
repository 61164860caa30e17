//! PostgreSQL behind the database port.
//!
//! A pool of connections. A transaction that meets a deadlock or a conflict runs again, which
//! nobody notices; what a dead server may or may not have committed is told as
//! [`StoreError::Away`], and every write of the tables may be repeated.

mod migrate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_runtime::metrics::store::StoreMetrics;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, PgConnection, PgPool, Row as _, TypeInfo,
    ValueRef,
};
use url::Url;

use super::database::{Argument, Database, Row, Statement, Value, watch};
use super::{OpenStoreError, Status, StoreError, StoreOptions};

/// A PostgreSQL database.
#[derive(Debug, Clone)]
pub(super) struct Postgres {
    pool: PgPool,
    style: Style,
    metrics: StoreMetrics,
}

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Prepared once a connection.
    Prepared,
    /// Nothing is kept on a connection beyond a transaction, because a pooler hands the next one
    /// to another.
    Pooled,
}

type Rows = Vec<Vec<Row>>;

/// What is to be done, until it is done.
enum Job {
    Read(Statement),
    Write(Vec<Statement>),
}

impl Postgres {
    pub(super) async fn open(url: &str, options: &StoreOptions) -> Result<Self, OpenStoreError> {
        let (connect, style) = connection(url, options)?;
        let mut first = first(&connect, options).await?;
        migrate::migrate(&connect, &mut first).await?;
        // Closing is a courtesy to the server.
        let _ = first.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .idle_timeout(IDLE)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .connect_lazy_with(connect);
        Ok(Self {
            pool,
            style,
            metrics: options.metrics.clone(),
        })
    }

    pub(super) async fn status(
        url: &str,
        options: &StoreOptions,
    ) -> Result<Status, OpenStoreError> {
        let (connect, _) = connection(url, options)?;
        let mut first = first(&connect, options).await?;
        let schema = migrate::version(&connect, &mut first).await?;
        let engine: String = sqlx::query_scalar("SELECT current_setting('server_version')")
            .persistent(false)
            .fetch_one(&mut first)
            .await
            .map_err(|error| refused(&connect, error))?;
        let _ = first.close().await;
        Ok(Status {
            database: label(&connect),
            engine: format!("PostgreSQL {engine}"),
            schema,
            known: migrate::KNOWN,
        })
    }

    async fn acquire(&self) -> Result<PoolConnection<sqlx::Postgres>, StoreError> {
        let started = Instant::now();
        let acquired = self.pool.acquire().await;
        self.metrics
            .acquire_time
            .observe(started.elapsed().as_secs_f64());
        self.metrics.connections.set(self.pool.size().into());
        self.metrics
            .connections_idle
            .set(i64::try_from(self.pool.num_idle()).unwrap_or(i64::MAX));
        if matches!(acquired, Err(sqlx::Error::PoolTimedOut)) {
            self.metrics.acquire_timeouts.inc();
            // All are in use, or the server gives us none.
            let full = self.pool.size() >= self.pool.options().get_max_connections();
            return Err(if full {
                StoreError::Busy
            } else {
                StoreError::Away
            });
        }
        acquired.map_err(|error| classify(&error, error_source(&error)))
    }

    async fn read_once(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        let mut connection = self.acquire().await?;
        if self.style == Style::Prepared {
            return Ok(run(&mut connection, statement, self.style, &self.metrics).await?);
        }
        let mut transaction = connection.begin_with("BEGIN READ ONLY").await?;
        let rows = run(&mut transaction, statement, self.style, &self.metrics).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn write_once(&self, statements: &[Statement]) -> Result<Rows, Failure> {
        let mut connection = self.acquire().await?;
        if let ([statement], Style::Prepared) = (statements, self.style) {
            // A statement by itself is a transaction.
            let rows = run(&mut connection, statement, self.style, &self.metrics).await?;
            return Ok(vec![rows]);
        }
        let mut transaction = connection.begin().await?;
        let mut all = Vec::with_capacity(statements.len());
        for statement in statements {
            all.push(run(&mut transaction, statement, self.style, &self.metrics).await?);
        }
        transaction.commit().await?;
        Ok(all)
    }

    async fn once(&self, job: &Job) -> Result<Rows, Failure> {
        match job {
            Job::Read(statement) => Ok(vec![self.read_once(statement).await?]),
            Job::Write(statements) => self.write_once(statements).await,
        }
    }

    /// Runs until it succeeds, fails for good, or has been tried often enough.
    async fn persist(&self, job: &Job) -> Result<Rows, StoreError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.once(job).await {
                Ok(done) => return Ok(done),
                Err(Failure::Conflict) => {
                    self.metrics.retries.inc();
                }
                // The pool finds out which of its connections are dead by using them.
                Err(Failure::Severed) => {}
                Err(Failure::Final(error)) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.once(job).await.map_err(|failure| match failure {
            Failure::Conflict => StoreError::Busy,
            Failure::Severed => StoreError::Away,
            Failure::Final(error) => error,
        })
    }
}

/// Reads a URL.
fn connection(
    url: &str,
    options: &StoreOptions,
) -> Result<(PgConnectOptions, Style), OpenStoreError> {
    if Url::parse(url).is_ok_and(|url| url.password().is_some()) {
        return Err(OpenStoreError::Url {
            detail: "a password has no place in it, set it beside the URL".to_owned(),
        });
    }
    let connect: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| {
        let detail = why_unreadable(&error);
        OpenStoreError::Url { detail }
    })?;
    // No floats are stored, and a pooler refuses what it does not know at start-up.
    let mut connect = connect.disable_statement_logging().extra_float_digits(None);
    if let Some(password) = &options.password {
        connect = connect.password(password.expose_secret());
    }
    let style = if options.transaction_pooler {
        connect = connect.statement_cache_capacity(0);
        Style::Pooled
    } else {
        Style::Prepared
    };
    if connect.get_application_name().is_none() {
        connect = connect.application_name("backline");
    }
    Ok((connect, style))
}

/// Opens the first connection, which shows whether all is well.
async fn first(
    connect: &PgConnectOptions,
    options: &StoreOptions,
) -> Result<PgConnection, OpenStoreError> {
    tokio::time::timeout(options.acquire_timeout, connect.connect())
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
        .map_err(|error| refused(connect, error))
}

impl Database for Postgres {
    fn read(&self, statement: Statement) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let mut rows = self.persist(&Job::Read(statement)).await?;
            Ok(rows.pop().unwrap_or_default())
        })
    }

    fn write(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Rows, StoreError>> {
        let database = self.clone();
        // A task of its own: what was handed over happens, whoever still waits for it.
        let task = tokio::spawn(async move { database.persist(&Job::Write(statements)).await });
        Box::pin(async move { task.await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pool.close())
    }
}

/// Why one try did not succeed.
enum Failure {
    /// Others were in the way; the same again may succeed.
    Conflict,
    /// The connection broke. The statements may have been committed; all of ours may be repeated.
    Severed,
    /// No use to try again.
    Final(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match (code(&error).as_deref(), &error) {
            (Some(DEADLOCK | SERIALIZATION), _) => Self::Conflict,
            (Some(ADMIN_SHUTDOWN | CRASH_SHUTDOWN | CANNOT_CONNECT_NOW), _)
            | (None, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => Self::Severed,
            _ => Self::Final(classify(&error, error_source(&error))),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

/// Runs one statement and returns its rows.
async fn run(
    connection: &mut PgConnection,
    statement: &Statement,
    style: Style,
    metrics: &StoreMetrics,
) -> Result<Vec<Row>, sqlx::Error> {
    let started = Instant::now();
    let mut query = sqlx::query::<sqlx::Postgres>(AssertSqlSafe(statement.sql.clone()))
        .persistent(style == Style::Prepared);
    for argument in &statement.arguments {
        query = match argument {
            Argument::Int(value) => query.bind(*value),
            Argument::Text(value) => query.bind(value.as_deref().map(without_nul)),
        };
    }
    let rows = query.fetch_all(connection).await;
    watch(statement.name, started, metrics);
    rows?.iter().map(|row| values(row).map(Row::new)).collect()
}

/// PostgreSQL takes no NUL within a text; SQLite does, and nobody sees it.
fn without_nul(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "").into()
    } else {
        text.into()
    }
}

fn values(row: &PgRow) -> Result<Vec<Value>, sqlx::Error> {
    row.columns()
        .iter()
        .map(|column| {
            let index = column.ordinal();
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            let kind = raw.type_info();
            match kind.name() {
                "INT8" => row.try_get(index).map(Value::Int),
                "INT4" => row
                    .try_get::<i32, _>(index)
                    .map(|value| Value::Int(value.into())),
                _ => row.try_get(index).map(Value::Text),
            }
        })
        .collect()
}

/// Says what is wrong with a URL without repeating any of it: it may hold a password.
fn why_unreadable(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(source) if source.is::<url::ParseError>() => source.to_string(),
        _ => "a part or a parameter of it is not understood".to_owned(),
    }
}

/// Makes an error of opening clear.
fn refused(connect: &PgConnectOptions, error: sqlx::Error) -> OpenStoreError {
    let server = format!("{}:{}", connect.get_host(), connect.get_port());
    let detail = || {
        error
            .as_database_error()
            .map_or_else(String::new, |error| error.message().to_owned())
    };
    match (code(&error).as_deref(), &error) {
        (Some(BAD_PASSWORD | BAD_AUTHORIZATION | NO_PRIVILEGE), _) => OpenStoreError::Denied {
            server,
            user: connect.get_username().to_owned(),
            detail: detail(),
        },
        (Some(NO_DATABASE), _) => OpenStoreError::Missing {
            server,
            database: connect.get_database().unwrap_or_default().to_owned(),
        },
        (Some(CANNOT_CONNECT_NOW | TOO_MANY | ADMIN_SHUTDOWN), _)
        | (None, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut) => {
            OpenStoreError::Unreachable {
                server,
                source: Arc::new(error),
            }
        }
        _ => OpenStoreError::Failed {
            database: label(connect),
            source: Arc::new(error),
        },
    }
}

/// Names a database for people.
fn label(connect: &PgConnectOptions) -> String {
    let database = connect.get_database().unwrap_or_default();
    format!("{}:{}/{database}", connect.get_host(), connect.get_port())
}

/// Makes an error of running clear.
fn classify(error: &sqlx::Error, source: Arc<dyn std::error::Error + Send + Sync>) -> StoreError {
    match (code(error).as_deref(), error) {
        (Some(LOCK_NOT_AVAILABLE | TOO_MANY), _) => StoreError::Busy,
        (Some(DISK_FULL), _) => StoreError::Full,
        (Some(DATA_CORRUPTED | INDEX_CORRUPTED), _) => StoreError::Damaged,
        (_, sqlx::Error::PoolClosed) => StoreError::Closed,
        (Some(ADMIN_SHUTDOWN | CRASH_SHUTDOWN | CANNOT_CONNECT_NOW), _)
        | (_, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => StoreError::Away,
        _ => StoreError::Failed { source },
    }
}

/// Returns the cause as text: the error itself cannot be shared, and its text holds no values.
fn error_source(error: &sqlx::Error) -> Arc<dyn std::error::Error + Send + Sync> {
    Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(
        error.to_string(),
    ))
}

/// Returns PostgreSQL's `SQLSTATE`.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

const BAD_AUTHORIZATION: &str = "28000";
const BAD_PASSWORD: &str = "28P01";
const NO_DATABASE: &str = "3D000";
const SERIALIZATION: &str = "40001";
const DEADLOCK: &str = "40P01";
const NO_PRIVILEGE: &str = "42501";
const DISK_FULL: &str = "53100";
const TOO_MANY: &str = "53300";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const ADMIN_SHUTDOWN: &str = "57P01";
const CRASH_SHUTDOWN: &str = "57P02";
const CANNOT_CONNECT_NOW: &str = "57P03";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";

/// Connections that nobody used for this long are closed.
const IDLE: Duration = Duration::from_mins(10);
/// Connections live at most this long, so that a moved server is noticed.
const LIFETIME: Duration = Duration::from_mins(30);
/// How often a transaction is tried.
const ATTEMPTS: u32 = 6;
/// How long to wait before the second try; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(10);
