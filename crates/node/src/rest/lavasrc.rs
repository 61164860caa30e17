//! Changing keys while the node runs, as LavaSrc has it.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::Node;
use super::answer::{Place, json_object};

/// What may be changed. Services that are off, and keys that mean nothing here, are passed over.
#[derive(Debug, Deserialize)]
struct Update {
    #[serde(default)]
    spotify: Option<SpotifyUpdate>,
    #[serde(default)]
    applemusic: Option<AppleMusicUpdate>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpotifyUpdate {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
struct AppleMusicUpdate {
    #[serde(default, rename = "mediaAPIToken")]
    token: Option<SecretString>,
}

/// `PATCH /v4/lavasrc/config`.
pub async fn update(
    State(node): State<Node>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let update: Update = match json_object(body) {
        Ok(update) => update,
        Err(refusal) => return refusal.at(&Place::of(&uri)),
    };
    let keyed = node.app.sources.keyed();
    if let (Some(spotify), Some(update)) = (&keyed.spotify, update.spotify)
        && let (Some(id), Some(secret)) = (update.client_id, update.client_secret)
    {
        spotify.set_application(id, secret).await;
        tracing::info!(track.source = "spotify", "keys replaced");
    }
    if let (Some(apple_music), Some(update)) = (&keyed.apple_music, update.applemusic)
        && let Some(token) = update.token
    {
        apple_music.set_token(token);
        tracing::info!(track.source = "applemusic", "keys replaced");
    }
    StatusCode::OK.into_response()
}
