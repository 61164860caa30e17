//! The WebSocket `/v4/websocket`: handshake, then messages from the node to the client.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::{
    CLIENT_NAME_HEADER, Message, SESSION_ID_HEADER, SESSION_RESUMED_HEADER, USER_ID_HEADER,
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::rest::Node;
use crate::rest::access::refuse;
use crate::rest::answer::{Place, Refusal};
use crate::session::outbox::Inbox;
use crate::session::registry::Claim;
use crate::session::{Session, encode};
use crate::stats::session_stats;
use crate::tenants::{self, Caller};

/// How long one write may take before the client counts as gone.
const WRITE: Duration = Duration::from_secs(15);
/// How often an idle client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// A client that was silent this long, pongs included, is gone.
const SILENCE: Duration = Duration::from_secs(90);
/// The longest frame a client may send; all it says is ignored.
const MAX_FRAME: usize = 64 * 1024;

/// Answers the handshake. The password has been checked.
pub async fn handshake(
    State(node): State<Node>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let user_id = header(USER_ID_HEADER).and_then(|text| text.trim().parse::<u64>().ok());
    let Some(user_id) = user_id.filter(|user_id| *user_id != 0) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if header(CLIENT_NAME_HEADER).is_none_or(str::is_empty) {
        tracing::warn!(user.id = user_id, "client connected without a name");
    }
    let claim = header(SESSION_ID_HEADER).and_then(|id| node.app.sessions.claim(id));
    let resumed = claim.is_some();
    if !resumed && node.app.draining_ms().is_some() {
        return Refusal::draining().at(&Place::of(&uri));
    }
    let place = match (resumed, Caller::current().enter()) {
        (false, Err(error)) => return refuse(&error).at(&Place::of(&uri)),
        (false, Ok(place)) => Some(place),
        (true, _) => None,
    };
    let mut response = upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| {
            let tasks = node.app.tasks.clone();
            tasks.track_future(serve(node, socket, user_id, claim, place))
        });
    let resumed = HeaderValue::from_static(if resumed { "true" } else { "false" });
    response
        .headers_mut()
        .insert(SESSION_RESUMED_HEADER, resumed);
    response
}

async fn serve(
    node: Node,
    mut socket: WebSocket,
    user_id: u64,
    claim: Option<Claim>,
    place: Option<tenants::Place>,
) {
    let sessions = node.app.sessions.clone();
    let resumed = claim.is_some();
    let (session, mut inbox, first) = if let Some(claim) = claim {
        let (session, kept, inbox) = claim.revive();
        (session, inbox, kept)
    } else {
        let (session, inbox) = sessions.open(user_id);
        if let Some(place) = place {
            session.owner.set(place);
        }
        let stats = {
            let minutes = node.minutes.lock().unwrap_or_else(PoisonError::into_inner);
            session_stats(&node.app, &session, &minutes)
        };
        (session, inbox, vec![encode(&Message::Stats(stats))])
    };
    tracing::info!(
        session.id = session.id,
        user.id = user_id,
        resumed,
        "client connected"
    );
    let ready = Message::Ready {
        resumed,
        session_id: session.id.clone(),
    };
    let first = std::iter::once(encode(&ready)).chain(first);
    let told = write_all(&mut socket, first).await;
    if told.is_ok() {
        if resumed {
            for player in session.players() {
                player.tell_state();
            }
        }
        forward(&node, &mut socket, &session, &mut inbox).await;
    }
    tracing::info!(session.id = session.id, "client disconnected");
    if node.app.shutdown.is_cancelled() {
        sessions.end(&session);
    } else {
        sessions.release(&session, inbox);
    }
}

/// Sends what the session says until the socket ends.
async fn forward(node: &Node, socket: &mut WebSocket, session: &Session, inbox: &mut Inbox) {
    let mut heard = Instant::now();
    let mut ping = heard + PING;
    loop {
        tokio::select! {
            // Messages first: a client that goes away has still been told what was due.
            biased;
            () = node.app.shutdown.cancelled() => {
                let going_away = CloseFrame { code: 1001, reason: Utf8Bytes::from_static("") };
                let _gone = timeout(WRITE, socket.send(Frame::Close(Some(going_away)))).await;
                return;
            }
            () = inbox.overrun.cancelled() => {
                tracing::warn!(session.id = session.id, "client read too slowly");
                return;
            }
            message = inbox.messages.recv() => {
                let Some(text) = message else { return };
                if write_all(socket, [text]).await.is_err() {
                    return;
                }
            }
            frame = socket.recv() => {
                heard = Instant::now();
                match frame {
                    Some(Ok(Frame::Text(_) | Frame::Binary(_))) => {
                        tracing::debug!(session.id = session.id, "client message ignored");
                    }
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                }
            }
            () = sleep_until(ping) => {
                ping = Instant::now() + PING;
                let asked = timeout(WRITE, socket.send(Frame::Ping(bytes::Bytes::new()))).await;
                if heard.elapsed() >= SILENCE || !matches!(asked, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

async fn write_all(
    socket: &mut WebSocket,
    texts: impl IntoIterator<Item = Utf8Bytes>,
) -> Result<(), ()> {
    for text in texts {
        match timeout(WRITE, socket.send(Frame::Text(text))).await {
            Ok(Ok(())) => {}
            _ => return Err(()),
        }
    }
    Ok(())
}

/// Shared by the router and the sockets.
pub type Minutes = Arc<std::sync::Mutex<crate::stats::Minutes>>;
