//! Lyrics as LavaLyrics has them: of any track, of a player's track, and live.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::Track;

use super::Node;
use super::answer::{Place, Refusal, flag, query};
use super::players::{find, guild_id};
use super::tracks::decode_track;
use crate::lyrics::Prompter;
use crate::player::Player;

/// `GET /v4/lyrics`.
pub async fn of_track(State(node): State<Node>, uri: Uri) -> Response {
    let track = query(&uri, "track")
        .ok_or_else(|| Refusal::bad("Required parameter 'track' is not present."))
        .and_then(|text| decode_track(&text));
    answer(&node, &uri, track).await
}

/// `GET /v4/sessions/{session}/players/{guild}/track/lyrics`.
pub async fn of_player(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let track = player(&node, &session, &guild).and_then(|player| {
        let loaded = player.loaded();
        let (_, track) = loaded.ok_or_else(|| Refusal::missing("Player has no track"))?;
        Ok(track)
    });
    answer(&node, &uri, track).await
}

async fn answer(node: &Node, uri: &Uri, track: Result<Track, Refusal>) -> Response {
    let asked = track.and_then(|track| Ok((track, flag(uri, "skipTrackSource")?, finder(node)?)));
    let (track, skip_source, finder) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refusal.at(&Place::of(uri)),
    };
    match finder.find(&node.app.sources, &track, skip_source).await {
        Some(lyrics) => Json(&*lyrics).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// `POST /v4/sessions/{session}/players/{guild}/lyrics/subscribe`.
pub async fn subscribe(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let asked = player(&node, &session, &guild)
        .and_then(|player| Ok((player, flag(&uri, "skipTrackSource")?)));
    match asked {
        Ok((player, skip_source)) => {
            // Finding the lyrics of what plays may take long; the client is told by an event.
            tokio::spawn(async move {
                Prompter::subscribe(&node.app, &player, skip_source).await;
            });
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `DELETE /v4/sessions/{session}/players/{guild}/lyrics/subscribe`.
pub async fn unsubscribe(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match player(&node, &session, &guild) {
        Ok(player) => {
            Prompter::unsubscribe(&player);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

fn player(node: &Node, session: &str, guild: &str) -> Result<Arc<Player>, Refusal> {
    let guild = guild_id(guild)?;
    let player = find(node, session)?.player(guild);
    player.ok_or_else(|| Refusal::missing("Player not found"))
}

fn finder(node: &Node) -> Result<&crate::lyrics::Finder, Refusal> {
    let finder = node.app.lyrics.as_ref();
    finder.ok_or_else(|| Refusal::missing("Lyrics are disabled in the config"))
}
