//! The gateway: one task per connection, sessions live in the world.

mod compress;
mod connection;
mod members;
mod payload;

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Query, State, WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use self::{compress::Compression, connection::Connection};
use super::Shared;

/// Upgrades to a gateway connection.
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    socket: WebSocketUpgrade,
) -> Response {
    let encoding = query.get("encoding").map_or("json", String::as_str);
    if encoding != "json" {
        return (StatusCode::BAD_REQUEST, "only encoding=json is simulated").into_response();
    }
    let compression = match query.get("compress").map(String::as_str) {
        None => Compression::None,
        Some("zlib-stream") => Compression::Zlib,
        Some("zstd-stream") => Compression::Zstd,
        Some(_) => return (StatusCode::BAD_REQUEST, "unknown compression").into_response(),
    };
    let version = query.get("v").map_or("10", String::as_str).to_owned();
    socket
        .max_message_size(MOST_SOCKET_BYTES)
        .max_frame_size(MOST_SOCKET_BYTES)
        .on_upgrade(move |socket| async move {
            match Connection::new(shared, socket, compression) {
                Ok(connection) => connection.run(&version).await,
                Err(error) => tracing::warn!(%error, "gateway compression could not be set up"),
            }
        })
}

/// Above what Discord takes, so that we see the payload and close with the right code.
const MOST_SOCKET_BYTES: usize = 64 * 1024;
