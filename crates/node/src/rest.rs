//! The REST API: routes, password, version header, error bodies.

pub mod access;
pub mod answer;
pub mod info;
pub mod lavasrc;
pub mod lyrics;
pub mod metrics;
pub mod mix;
pub mod planner;
pub mod players;
pub mod search;
pub mod sponsorblock;
pub mod tracks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, patch, post};
use backline_proto::lavalink::{API_VERSION_HEADER, Plugin};

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
        .route(
            "/v4/sessions/{session}/players/{guild}/mix",
            get(mix::list).post(mix::add),
        )
        .route(
            "/v4/sessions/{session}/players/{guild}/mix/{id}",
            delete(mix::remove),
        )
        .route("/v4/routeplanner/status", get(planner::status))
        .route("/v4/routeplanner/free/address", post(planner::free))
        .route("/v4/routeplanner/free/all", post(planner::free))
        .merge(plugins(&node.app))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            node.clone(),
            access::check_session,
        ))
        .layer(middleware::from_fn(check_path))
        .layer(middleware::from_fn_with_state(
            node.clone(),
            access::check_password,
        ))
        .layer(middleware::map_response(name_version))
        .with_state(node)
}

/// Returns the routes of plugins that are on.
fn plugins(app: &App) -> Router<Node> {
    let mut routes = Router::new();
    if app.sources.can_search() {
        routes = routes.route("/v4/loadsearch", get(search::load));
    }
    if app.sources.catalogues().next().is_some() {
        routes = routes.route("/v4/lavasrc/config", patch(lavasrc::update));
    }
    if app.lyrics.is_some() {
        let live = post(lyrics::subscribe).delete(lyrics::unsubscribe);
        routes = routes
            .route("/v4/lyrics", get(lyrics::of_track))
            .route(
                "/v4/sessions/{session}/players/{guild}/track/lyrics",
                get(lyrics::of_player),
            )
            .route(
                "/v4/sessions/{session}/players/{guild}/lyrics/subscribe",
                live,
            );
    }
    if app.sponsorblock.is_some() {
        routes = routes.route(
            "/v4/sessions/{session}/players/{guild}/sponsorblock/categories",
            get(sponsorblock::categories)
                .put(sponsorblock::set)
                .delete(sponsorblock::clear),
        );
    }
    routes
}

/// Returns the plugins that clients look for to see what is on.
pub fn plugin_names(app: &App) -> Vec<Plugin> {
    let plugin = |(name, version): (&str, &str)| Plugin {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let mut plugins = app.sources.plugins();
    if app.sources.catalogues().next().is_some() {
        plugins.push(plugin(LAVASRC));
    }
    if app.sources.can_search() {
        plugins.push(plugin(LAVASEARCH));
    }
    if app.lyrics.is_some() {
        plugins.push(plugin(LAVALYRICS));
    }
    if app.sponsorblock.is_some() {
        plugins.push(plugin(SPONSORBLOCK));
    }
    plugins
}

/// Names of plugins, and the versions whose routes are there.
const LAVASRC: (&str, &str) = ("lavasrc-plugin", "4.8.3");
const LAVASEARCH: (&str, &str) = ("lavasearch-plugin", "1.0.0");
const LAVALYRICS: (&str, &str) = backline_proto::lavalink::lyrics::PLUGIN;
const SPONSORBLOCK: (&str, &str) = ("sponsorblock-plugin", "3.0.1");

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
