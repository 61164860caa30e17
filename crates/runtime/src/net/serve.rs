//! Serves HTTP/1.1, with the bounds that `axum::serve` lacks: slow clients are hung up on, and
//! there are only so many connections at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a request's head may take, and how long a kept connection may idle before it.
    pub head_timeout: Duration,
    /// How many connections there may be; more wait to be accepted.
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_mins(1),
            connections: 8_192,
        }
    }
}

/// Serves `router` until `shutdown`, then lets requests under way come to their end.
///
/// Upgraded connections (WebSockets) have left HTTP: their owners end them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    let service = TowerToHyperService::new(router);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout);
    let slots = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, accept(&listener).await)
        };
        let (slot, socket) = tokio::select! {
            next = next => next,
            () = shutdown.cancelled() => break,
        };
        let (builder, service) = (builder.clone(), service.clone());
        let (watcher, shutdown) = (graceful.watcher(), shutdown.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let mut first = [0];
            // The builder's own time-out begins with the first byte.
            tokio::select! {
                begun = timeout(bounds.head_timeout, socket.peek(&mut first)) => {
                    if !matches!(begun, Ok(Ok(1))) {
                        return;
                    }
                }
                () = shutdown.cancelled() => return,
            }
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(error = %error, "connection broke");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Accepts a connection; errors that pass, such as too many open files, are waited out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Small answers shall leave at once; a socket that refuses is only slower.
                let _slower = socket.set_nodelay(true);
                return socket;
            }
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the client was gone before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// How long accepting rests after an error that is not the client's.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn start(bounds: Bounds) -> (String, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let router = Router::new().route("/", get(async || "hello"));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, bounds, shutdown.clone()));
        (address, shutdown, task)
    }

    async fn rest(socket: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let read = timeout(PATIENCE, socket.read_to_end(&mut text)).await;
        // A reset is an end as well.
        let _ended = read.expect("the connection ends");
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_never_ends_its_request_is_hung_up_on() {
        let bounds = Bounds {
            head_timeout: Duration::from_millis(300),
            ..Bounds::default()
        };
        let (address, shutdown, task) = start(bounds).await;
        for begun in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let mut socket = TcpStream::connect(&address).await.expect("connects");
            socket.write_all(begun.as_bytes()).await.expect("is sent");
            let told = rest(&mut socket).await;
            assert!(!told.contains("hello"), "{begun:?}: {told}");
        }
        shutdown.cancel();
        timeout(PATIENCE, task)
            .await
            .expect("it ends")
            .expect("well");
    }

    #[tokio::test]
    async fn more_connections_than_allowed_wait_for_their_turn() {
        let bounds = Bounds {
            head_timeout: Duration::from_millis(300),
            connections: 2,
        };
        let (address, _shutdown, _task) = start(bounds).await;
        let mut idle = Vec::new();
        for _ in 0..6 {
            idle.push(TcpStream::connect(&address).await.expect("connects"));
        }
        let mut socket = TcpStream::connect(&address).await.expect("connects");
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        socket.write_all(request).await.expect("is sent");
        let told = rest(&mut socket).await;
        assert!(
            told.starts_with("HTTP/1.1 200") && told.ends_with("hello"),
            "{told}"
        );
    }
}
