//! The voice gateway: accepts connections, TLS or not, and talks to one client on each.

mod connection;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        handshake::server::{ErrorResponse, Request, Response},
        protocol::WebSocketConfig,
    },
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::registry::Registry;
use connection::Connection;

/// What every connection needs.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) registry: Arc<Registry>,
    /// Where clients send their packets.
    pub(super) udp_address: SocketAddr,
}

/// Accepts connections until `shutdown`.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    context: Context,
    shutdown: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: those in use have to end first.
                debug!(%error, "voice connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, context, shutdown) = (acceptor.clone(), context.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = welcome(stream, acceptor, context) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

/// Tells TLS from plaintext by the first byte; a TLS handshake begins with 0x16.
async fn welcome(stream: TcpStream, acceptor: TlsAcceptor, context: Context) {
    // Latency of a few bytes matters, throughput does not.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        _ => return,
    }
    if first[0] == TLS_HANDSHAKE {
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => upgrade(stream, context).await,
            Ok(Err(error)) => debug!(%error, "voice client refused TLS"),
            Err(_) => debug!("voice client did not finish TLS"),
        }
    } else {
        upgrade(stream, context).await;
    }
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S, context: Context) {
    let mut version = None;
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    let read_version = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        version = version_of(request.uri().query().unwrap_or_default());
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let accepted = accept_hdr_async_with_config(stream, read_version, Some(config));
    let socket: WebSocketStream<S> = match timeout(HANDSHAKE_TIMEOUT, accepted).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            debug!(%error, "voice client failed the WebSocket handshake");
            return;
        }
        Err(_) => return,
    };
    Connection::new(socket, context, version.unwrap_or(DEFAULT_VERSION))
        .run()
        .await;
}

/// Reads `v` from the query, as in `/?v=8&encoding=json`.
fn version_of(query: &str) -> Option<u8> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("v="))?
        .parse()
        .ok()
}

/// Version that clients get which do not ask for one.
const DEFAULT_VERSION: u8 = 4;
const TLS_HANDSHAKE: u8 = 0x16;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const MAX_MESSAGE: usize = 64 * 1024;
