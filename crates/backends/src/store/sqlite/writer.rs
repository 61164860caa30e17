//! The task that owns the one connection that writes.

use backline_runtime::metrics::store::StoreMetrics;
use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Connection, Row, SqliteConnection, Statement, StoreError, classify, run};

/// A handle on the task.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    task: Mutex<Option<JoinHandle<()>>>,
}

type Rows = Vec<Vec<Row>>;

enum Request {
    Write {
        statements: Vec<Statement>,
        reply: oneshot::Sender<Result<Rows, StoreError>>,
    },
    Close,
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection, metrics: StoreMetrics) -> Self {
        let (requests, incoming) = mpsc::channel(WAITING);
        Self {
            requests,
            task: Mutex::new(Some(tokio::spawn(serve(connection, incoming, metrics)))),
        }
    }

    pub(super) async fn write(&self, statements: Vec<Statement>) -> Result<Rows, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write { statements, reply };
        self.requests
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what was asked for before, and closes the connection.
    pub(super) async fn close(&self) {
        let mut task = self.task.lock().await;
        // An error means that the task has ended already.
        let _ = self.requests.send(Request::Close).await;
        if let Some(task) = task.take()
            && let Err(error) = task.await
        {
            tracing::error!(error = %error, "database writer died");
        }
    }
}

async fn serve(
    mut connection: SqliteConnection,
    mut incoming: mpsc::Receiver<Request>,
    metrics: StoreMetrics,
) {
    let mut closing = false;
    while !closing {
        let Some(first) = incoming.recv().await else {
            break;
        };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Write { statements, reply } => group.push((statements, reply)),
                Request::Close => {
                    incoming.close();
                    closing = true;
                }
            }
            next = if group.len() < GROUP {
                incoming.recv().now_or_never().flatten()
            } else {
                None
            };
        }
        commit(&mut connection, group, &metrics).await;
    }
    // What was handed over while closing.
    while let Some(request) = incoming.recv().await {
        if let Request::Write { statements, reply } = request {
            commit(&mut connection, vec![(statements, reply)], &metrics).await;
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(error = %error, "database was not closed cleanly");
    }
}

type Asked = (Vec<Statement>, oneshot::Sender<Result<Rows, StoreError>>);

/// Runs all requests in one transaction and answers each after the commit.
///
/// When one of them fails, all are undone and run again one by one: then only those that fail
/// by themselves fail.
async fn commit(connection: &mut SqliteConnection, group: Vec<Asked>, metrics: &StoreMetrics) {
    let asked = group.iter().map(|(statements, _)| statements);
    let done = transaction(connection, asked, metrics).await;
    match done {
        Ok(results) => {
            for ((_, reply), rows) in group.into_iter().zip(results) {
                // Nobody waits any more; the write has happened all the same.
                let _ = reply.send(Ok(rows));
            }
        }
        // What hinders one hinders all: waiting for it again, one by one, could take minutes.
        Err(error) if group.len() == 1 || error.is_transient() => {
            for (_, reply) in group {
                let _ = reply.send(Err(error.clone()));
            }
        }
        Err(_) => {
            for (statements, reply) in group {
                let result = transaction(connection, std::iter::once(&statements), metrics).await;
                let _ = reply.send(result.map(|mut rows| rows.pop().unwrap_or_default()));
            }
        }
    }
}

async fn transaction(
    connection: &mut SqliteConnection,
    group: impl Iterator<Item = &Vec<Statement>>,
    metrics: &StoreMetrics,
) -> Result<Vec<Rows>, StoreError> {
    // Takes the write lock at once: a deferred transaction could fail half-way.
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(classify)?;
    let mut results = Vec::new();
    for statements in group {
        let mut rows = Vec::with_capacity(statements.len());
        for statement in statements {
            rows.push(run(&mut transaction, statement, metrics).await?);
        }
        results.push(rows);
    }
    transaction.commit().await.map_err(classify)?;
    Ok(results)
}

/// Writes that wait; more make their callers wait.
const WAITING: usize = 4_096;

/// Writes committed together.
const GROUP: usize = 512;
