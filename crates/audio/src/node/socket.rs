//! The WebSocket half of a node: connects, resumes, and tells what happened.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_core::id::{GuildId, UserId};
use backline_proto::lavalink::{
    CLIENT_NAME_HEADER, Event, Message, PlayerState, SESSION_ID_HEADER, Snowflake, USER_ID_HEADER,
    UpdateSession,
};
use backline_runtime::metrics::audio::AudioMetrics;
use backline_runtime::net::backoff::Backoff;
use backline_runtime::net::client::USER_AGENT;
use backline_runtime::net::tls;
use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, HeaderValue, InvalidHeaderValue,
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Frame};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Node, NodeIndex};
use crate::clock::now_ms;

/// What happened at a node.
#[derive(Debug)]
pub(crate) enum NodeEvent {
    /// It is there.
    Up,
    /// It is gone, with all its players.
    Lost {
        node: NodeIndex,
        /// When it was last heard of.
        since: u64,
    },
    /// It goes away soon; until then its players play.
    Draining { node: NodeIndex },
    /// A player of it did something.
    Player {
        node: NodeIndex,
        guild: GuildId,
        news: PlayerNews,
    },
}

/// What a player did.
#[derive(Debug)]
pub(crate) enum PlayerNews {
    /// Where it is.
    State(PlayerState),
    /// Something happened.
    Event(Box<Event>),
}

/// Why there is no connection to a node.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the handshake failed")]
    Handshake(#[source] Box<SocketError>),
    #[error("the handshake took too long")]
    Slow,
    #[error("a header cannot be written")]
    Header(#[from] InvalidHeaderValue),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    #[error("the node did not say that it is ready")]
    NotReady,
    #[error("the session could not be made resumable")]
    Session(#[source] super::rest::RestError),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A session of ours that may still live on the node.
struct Parked {
    session: Arc<str>,
    last_seen: u64,
    give_up: Instant,
}

/// How long a session outlives its socket on the node, in seconds.
const RESUME_TIMEOUT_S: u64 = 60;
/// How long a node that is not reachable may be so before its players move elsewhere.
const GRACE: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PING: Duration = Duration::from_secs(10);
/// Without a sign of life for this long, a connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
const MAX_MESSAGE: usize = 4 << 20;

/// Keeps a node connected until shutdown, then ends its session there.
pub(super) async fn run(
    node: Arc<Node>,
    user: UserId,
    events: mpsc::Sender<NodeEvent>,
    metrics: AudioMetrics,
    shutdown: CancellationToken,
) {
    let mut parked: Option<Parked> = None;
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            opened = open(&node, user, parked.as_ref()) => opened,
            () = shutdown.cancelled() => return,
        };
        match opened {
            Ok(Opened {
                mut socket,
                session,
                resumed,
            }) => {
                failures = 0;
                if let Some(parked) = parked.take().filter(|_| !resumed) {
                    lost(&node, parked.last_seen, &events, &metrics).await;
                }
                info!(node = node.name, resumed, "node connected");
                node.connected(Arc::clone(&session));
                metrics.nodes_ready.inc();
                let _ = events.send(NodeEvent::Up).await;
                let last_seen = serve(&node, &mut socket, &events, &shutdown).await;
                node.disconnected();
                metrics.nodes_ready.dec();
                if shutdown.is_cancelled() {
                    end(&node, &mut socket, &session).await;
                    return;
                }
                parked = Some(Parked {
                    session,
                    last_seen,
                    give_up: Instant::now() + GRACE,
                });
                warn!(node = node.name, "node disconnected");
                // The first attempt follows at once: most drops are of the network only.
            }
            Err(error) => {
                let gone = is_refused(&error)
                    || parked
                        .as_ref()
                        .is_some_and(|parked| parked.give_up <= Instant::now());
                if failures == 0 {
                    warn!(node = node.name, error = %error, cause = ?std::error::Error::source(&error), "node could not be connected");
                } else {
                    debug!(node = node.name, error = %error, failures, "node could not be connected");
                }
                if let Some(parked) = parked.take_if(|_| gone) {
                    lost(&node, parked.last_seen, &events, &metrics).await;
                }
                let pause = BACKOFF.delay(failures, rand::random_range(0.0..=1.0));
                failures += 1;
                tokio::select! {
                    () = sleep(pause) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        }
    }
}

struct Opened {
    socket: Socket,
    session: Arc<str>,
    resumed: bool,
}

async fn open(node: &Node, user: UserId, parked: Option<&Parked>) -> Result<Opened, ConnectError> {
    let mut url = node.rest.base().clone();
    // Only these two schemes get through the configuration, and both may be swapped.
    let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
    let _ = url.set_scheme(scheme);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push("v4").push("websocket");
    }
    let handshake = |error| ConnectError::Handshake(Box::new(error));
    let mut request = url.as_str().into_client_request().map_err(handshake)?;
    let headers = request.headers_mut();
    let mut password = HeaderValue::from_str(node.rest.password().expose_secret())?;
    password.set_sensitive(true);
    headers.insert(AUTHORIZATION, password);
    headers.insert(USER_ID_HEADER, HeaderValue::from_str(&user.to_string())?);
    headers.insert(CLIENT_NAME_HEADER, HeaderValue::from_static(USER_AGENT));
    if let Some(parked) = parked {
        headers.insert(SESSION_ID_HEADER, HeaderValue::from_str(&parked.session)?);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let tls = Connector::Rustls(Arc::new(
        tls::client_config(&[]).map_err(ConnectError::Tls)?,
    ));
    let connect = connect_async_tls_with_config(request, Some(config), true, Some(tls));
    let (mut socket, _) = timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| ConnectError::Slow)?
        .map_err(handshake)?;
    let (session, resumed) = timeout(CONNECT_TIMEOUT, ready(&mut socket))
        .await
        .ok()
        .flatten()
        .ok_or(ConnectError::NotReady)?;
    let resumable = UpdateSession {
        resuming: Some(true),
        timeout: Some(RESUME_TIMEOUT_S),
    };
    node.rest
        .update_session(&session, &resumable)
        .await
        .map_err(ConnectError::Session)?;
    Ok(Opened {
        socket,
        session,
        resumed,
    })
}

/// Waits for the message that names the session. The stats of a real Lavalink may overtake it.
async fn ready(socket: &mut Socket) -> Option<(Arc<str>, bool)> {
    while let Some(Ok(frame)) = socket.next().await {
        let Frame::Text(text) = frame else { continue };
        let Ok(Message::Ready {
            resumed,
            session_id,
        }) = serde_json::from_str(&text)
        else {
            continue;
        };
        return Some((session_id.into(), resumed));
    }
    None
}

/// Passes on what the node says until the connection ends; returns when it was last heard of.
async fn serve(
    node: &Node,
    socket: &mut Socket,
    events: &mpsc::Sender<NodeEvent>,
    shutdown: &CancellationToken,
) -> u64 {
    let mut last_seen = now_ms();
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval(PING);
    loop {
        let frame = tokio::select! {
            frame = socket.next() => frame,
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || socket.send(Frame::Ping(Vec::new().into())).await.is_err() {
                    return last_seen;
                }
                continue;
            }
            () = shutdown.cancelled() => return last_seen,
        };
        let Some(Ok(frame)) = frame else {
            return last_seen;
        };
        (last_seen, heard) = (now_ms(), Instant::now());
        let Frame::Text(text) = frame else { continue };
        let event = match serde_json::from_str(&text) {
            Ok(Message::PlayerUpdate { guild_id, state }) => {
                player(node, Some(guild_id), PlayerNews::State(state))
            }
            Ok(Message::Event(event)) => {
                player(node, event.guild_id(), PlayerNews::Event(Box::new(event)))
            }
            Ok(Message::Stats(stats)) => {
                let draining = node.note_stats(stats);
                if draining {
                    info!(node = node.name, "node goes away");
                }
                draining.then_some(NodeEvent::Draining { node: node.index })
            }
            Ok(Message::Ready { .. } | Message::Unknown) => None,
            Err(error) => {
                // serde's text would echo what the message holds.
                warn!(
                    node = node.name,
                    line = error.line(),
                    column = error.column(),
                    "message could not be read"
                );
                None
            }
        };
        if let Some(event) = event {
            let _ = events.send(event).await;
        }
    }
}

fn player(node: &Node, guild: Option<Snowflake>, news: PlayerNews) -> Option<NodeEvent> {
    let guild = GuildId::new(guild?.0)?;
    Some(NodeEvent::Player {
        node: node.index,
        guild,
        news,
    })
}

async fn lost(node: &Node, since: u64, events: &mpsc::Sender<NodeEvent>, metrics: &AudioMetrics) {
    warn!(node = node.name, "node was lost");
    metrics.node_losses.inc();
    let _ = events
        .send(NodeEvent::Lost {
            node: node.index,
            since,
        })
        .await;
}

/// Ends our session on the node, and with it all its players, in one request.
async fn end(node: &Node, socket: &mut Socket, session: &str) {
    let ended = UpdateSession {
        resuming: Some(false),
        timeout: None,
    };
    let farewell = async {
        let _ = node.rest.update_session(session, &ended).await;
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _ = timeout(Duration::from_secs(2), farewell).await;
}

/// Whether nothing listens there: the process of the node is gone, and so are its players.
fn is_refused(error: &ConnectError) -> bool {
    let ConnectError::Handshake(error) = error else {
        return false;
    };
    matches!(&**error, SocketError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}
