//! Loading and decoding tracks.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::encoded;
use backline_proto::lavalink::{Object, Track};

use super::Node;
use super::answer::{Place, Refusal, json, query};

/// `GET /v4/loadtracks`.
pub async fn load(State(node): State<Node>, uri: Uri) -> Response {
    let Some(identifier) = query(&uri, "identifier") else {
        return Refusal::bad("Required parameter 'identifier' is not present.")
            .at(&Place::of(&uri));
    };
    Json(node.app.sources.load(&identifier).await).into_response()
}

/// `GET /v4/decodetrack`.
pub async fn decode(uri: Uri) -> Response {
    let text = query(&uri, "encodedTrack").or_else(|| query(&uri, "track"));
    let decoded = text
        .ok_or_else(|| Refusal::bad("No track to decode provided"))
        .and_then(|text| decode_track(&text));
    match decoded {
        Ok(track) => Json(track).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `POST /v4/decodetracks`.
pub async fn decode_all(uri: Uri, body: Result<Bytes, BytesRejection>) -> Response {
    match json::<Vec<String>>(body).and_then(|texts| decode_tracks(&texts)) {
        Ok(tracks) => Json(tracks).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

fn decode_tracks(texts: &[String]) -> Result<Vec<Track>, Refusal> {
    if texts.is_empty() {
        return Err(Refusal::bad("No tracks to decode provided"));
    }
    texts.iter().map(|text| decode_track(text)).collect()
}

/// Returns the track that an encoded text stands for.
///
/// A text that cannot be decoded is the client's mistake: 400, where the reference server says
/// 500.
pub fn decode_track(text: &str) -> Result<Track, Refusal> {
    // In a query, a plus that was not escaped has become a space; base64 has no spaces.
    let text = text.replace(' ', "+");
    let content = encoded::decode(&text)
        .map_err(|error| Refusal::bad(format!("Failed to decode track: {error}")))?;
    Ok(Track {
        info: content.info(),
        plugin_info: content.plugin_info(),
        user_data: Object::new(),
        encoded: text,
    })
}
