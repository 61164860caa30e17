//! Short tracks over the present one; beyond Lavalink, with the paths and shapes of NodeLink.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::Omissible;
use backline_proto::lavalink::beyond::{AddMix, Mix, Mixes};

use super::Node;
use super::answer::{Place, Refusal, json_object};
use super::players::{find, guild_id, resolve};
use super::tracks::decode_track;
use crate::player::Player;

/// `POST /v4/sessions/{session}/players/{guild}/mix`.
pub async fn add(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match try_add(&node, &session, &guild, body).await {
        Ok(mix) => (StatusCode::CREATED, Json(mix)).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

async fn try_add(
    node: &Node,
    session: &str,
    guild: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<Mix, Refusal> {
    let add: AddMix = json_object(body)?;
    let player = player(node, session, guild)?;
    add.check()
        .map_err(|error| Refusal::bad(error.to_string()))?;
    let mut track = match (&add.track.encoded, &add.track.identifier) {
        (Omissible::Value(encoded), None) => decode_track(encoded)?,
        (Omissible::Absent | Omissible::Null, Some(identifier)) => {
            resolve(node, identifier).await?
        }
        (Omissible::Absent | Omissible::Null, None) => {
            return Err(Refusal::bad("No track to mix provided"));
        }
        (Omissible::Value(_), Some(_)) => {
            return Err(Refusal::bad(
                "Cannot specify both encodedTrack and identifier",
            ));
        }
    };
    if let Some(user_data) = add.track.user_data {
        track.user_data = user_data;
    }
    let (volume, ducking) = (add.volume.unwrap_or(1.0), add.ducking.unwrap_or_default());
    let added = player.add_mix(track, volume, ducking).await;
    added.map_err(|error| Refusal::bad(error.to_string()))
}

/// `GET /v4/sessions/{session}/players/{guild}/mix`.
pub async fn list(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match player(&node, &session, &guild) {
        Ok(player) => Json(Mixes {
            mixes: player.mixes(),
        })
        .into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `DELETE /v4/sessions/{session}/players/{guild}/mix/{id}`.
pub async fn remove(
    State(node): State<Node>,
    Path((session, guild, id)): Path<(String, String, String)>,
    uri: Uri,
) -> Response {
    let removed = player(&node, &session, &guild).and_then(|player| {
        let removed = player.remove_mix(&id);
        removed
            .then_some(StatusCode::NO_CONTENT)
            .ok_or_else(|| Refusal::missing("Mix not found"))
    });
    match removed {
        Ok(status) => status.into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

fn player(node: &Node, session: &str, guild: &str) -> Result<Arc<Player>, Refusal> {
    let guild_id = guild_id(guild)?;
    find(node, session)?
        .player(guild_id)
        .ok_or_else(|| Refusal::missing("Player not found"))
}
