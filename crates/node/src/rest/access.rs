//! Who may do what: the password, sessions that are somebody else's, and quotas.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::SESSION_ID_HEADER;

use super::Node;
use super::answer::{Place, Refusal};
use super::metrics;
use crate::tenants::{Caller, QuotaError};

/// Paths that change the node for everybody.
const FOR_ALL: [&str; 3] = [
    "/v4/lavasrc/config",
    "/v4/routeplanner/free/address",
    "/v4/routeplanner/free/all",
];

/// Refuses requests without a password, with an empty body: 401 without any, 403 with another; a
/// WebSocket handshake gets 401 for both.
pub async fn check_password(
    State(node): State<Node>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == metrics::PATH && node.app.config.lavalink_metrics {
        return next.run(request).await;
    }
    let Some(given) = request.headers().get(header::AUTHORIZATION) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(caller) = node.app.tenants.caller(given.as_bytes()) else {
        if request.uri().path() == "/v4/websocket" {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        return StatusCode::FORBIDDEN.into_response();
    };
    if FOR_ALL.contains(&request.uri().path()) && !caller.is_main() {
        let message = "Only the node's own password may change it for everybody";
        let refusal = Refusal::new(StatusCode::FORBIDDEN, message);
        return refusal.at(&Place::of(request.uri()));
    }
    hide_session(&node, &caller, request.headers_mut());
    caller.answer(next.run(request)).await
}

/// Takes away the id of a session that is somebody else's: to the client it does not exist.
fn hide_session(node: &Node, caller: &Caller, headers: &mut HeaderMap) {
    let id = headers
        .get(SESSION_ID_HEADER)
        .and_then(|id| id.to_str().ok());
    let session = id.and_then(|id| node.app.sessions.any(id));
    if session.is_some_and(|session| !session.owner.is(caller)) {
        headers.remove(SESSION_ID_HEADER);
    }
}

/// Refuses what is said about sessions of others, and players beyond the quota.
pub async fn check_session(
    State(node): State<Node>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let caller = Caller::current();
    let param = |wanted: &str| {
        let mut all = params.as_ref().ok()?.iter();
        let (_, value) = all.find(|(name, _)| *name == wanted)?;
        Some(value)
    };
    let Some(id) = param("session") else {
        return next.run(request).await;
    };
    let session = node.app.sessions.any(id);
    if session
        .as_ref()
        .is_some_and(|session| !session.owner.is(&caller))
    {
        return Refusal::missing("Session not found").at(&Place::of(request.uri()));
    }
    let makes = matches!(
        *request.method(),
        Method::PATCH | Method::PUT | Method::POST
    );
    let guild = param("guild").filter(|_| makes);
    let guild = guild.and_then(|guild| guild.parse::<i64>().ok());
    let _making = match (session, guild) {
        (Some(session), Some(guild)) if session.player(snowflake(guild)).is_none() => {
            let key = (id.to_owned(), guild.to_string());
            match caller.make_player(&node.app.sessions, key) {
                Ok(making) => making,
                Err(error) => return refuse(&error).at(&Place::of(request.uri())),
            }
        }
        _ => None,
    };
    next.run(request).await
}

fn snowflake(guild: i64) -> backline_proto::lavalink::Snowflake {
    backline_proto::lavalink::Snowflake(guild as u64)
}

/// Returns what a client is told who wants more than allowed.
pub fn refuse(error: &QuotaError) -> Refusal {
    let status = match error {
        QuotaError::Sessions | QuotaError::Players { .. } => StatusCode::TOO_MANY_REQUESTS,
        QuotaError::Source { .. } => StatusCode::FORBIDDEN,
    };
    Refusal::new(status, error.to_string())
}
