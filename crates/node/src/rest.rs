//! The REST API: routes, password, version header, error bodies.

pub mod answer;
pub mod info;
pub mod metrics;
pub mod planner;
pub mod players;
pub mod tracks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use backline_proto::lavalink::API_VERSION_HEADER;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::socket;

/// What handlers work with; cheap to clone.
#[derive(Debug, Clone)]
pub struct Node {
    /// What all parts share.
    pub app: Arc<App>,
    /// Frame counts of the last minute.
    pub minutes: socket::Minutes,
}

/// The longest request body, in bytes: a thousand encoded tracks fit.
const MAX_BODY: usize = 4 << 20;

/// Returns the whole HTTP side of a node.
pub fn router(node: Node) -> Router {
    Router::new()
        .route("/", get(old_client))
        .route("/v3/websocket", get(old_client))
        .route("/version", get(info::version))
        .route(metrics::PATH, get(metrics::metrics))
        .route("/v4/websocket", get(socket::handshake))
        .route("/v4/info", get(info::info))
        .route("/v4/stats", get(info::stats))
        .route("/v4/loadtracks", get(tracks::load))
        .route("/v4/decodetrack", get(tracks::decode))
        .route("/v4/decodetracks", post(tracks::decode_all))
        .route("/v4/sessions/{session}", patch(players::update_session))
        .route("/v4/sessions/{session}/players", get(players::list))
        .route(
            "/v4/sessions/{session}/players/{guild}",
            get(players::get)
                .patch(players::update)
                .delete(players::delete),
        )
        .route("/v4/routeplanner/status", get(planner::status))
        .route("/v4/routeplanner/free/address", post(planner::free))
        .route("/v4/routeplanner/free/all", post(planner::free))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(check_path))
        .layer(middleware::from_fn_with_state(node.clone(), check_password))
        .layer(middleware::map_response(name_version))
        .with_state(node)
}

/// Refuses requests without the password, with an empty body: 401 without any, 403 with another;
/// a WebSocket handshake gets 401 for both.
async fn check_password(State(node): State<Node>, request: Request, next: Next) -> Response {
    if request.uri().path() == metrics::PATH && node.app.config.lavalink_metrics {
        return next.run(request).await;
    }
    let given = request.headers().get(header::AUTHORIZATION);
    let Some(given) = given else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let expected = node.app.password.expose_secret().as_bytes();
    if bool::from(given.as_bytes().ct_eq(expected)) {
        return next.run(request).await;
    }
    if request.uri().path() == "/v4/websocket" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    StatusCode::FORBIDDEN.into_response()
}

/// Refuses a path that is no text, so that every handler's refusal has its body.
async fn check_path(request: Request, next: Next) -> Response {
    let path = percent_encoding::percent_decode_str(request.uri().path());
    if path.decode_utf8().is_err() {
        let refusal = answer::Refusal::bad("The path is not UTF-8");
        return refusal.at(&answer::Place::of(request.uri()));
    }
    next.run(request).await
}

async fn name_version(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(API_VERSION_HEADER, HeaderValue::from_static("4"));
    response
}

/// Answers what clients of older versions ask first.
async fn old_client() -> StatusCode {
    tracing::warn!("client of an older protocol version turned away");
    StatusCode::OK
}
