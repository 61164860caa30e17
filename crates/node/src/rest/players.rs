//! Sessions and players.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::{
    LoadResult, Object, Omissible, Player as View, Snowflake, Track, UpdatePlayer, UpdateSession,
};

use super::Node;
use super::answer::{Place, Refusal, flag, json_object};
use super::info::FILTERS;
use super::tracks::decode_track;
use crate::player::control::Play;
use crate::session::Session;

type Body = Result<Bytes, BytesRejection>;

/// `PATCH /v4/sessions/{session}`.
pub async fn update_session(
    State(node): State<Node>,
    Path(session): Path<String>,
    uri: Uri,
    body: Body,
) -> Response {
    let updated = json_object::<UpdateSession>(body)
        .and_then(|update| Ok(find(&node, &session)?.update(&update)));
    match updated {
        Ok(settings) => Json(settings).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `GET /v4/sessions/{session}/players`.
pub async fn list(State(node): State<Node>, Path(session): Path<String>, uri: Uri) -> Response {
    match find(&node, &session) {
        Ok(session) => {
            let players: Vec<View> = session
                .players()
                .iter()
                .map(|player| player.view())
                .collect();
            Json(players).into_response()
        }
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `GET /v4/sessions/{session}/players/{guild}`.
pub async fn get(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let found = guild_id(&guild).and_then(|guild_id| {
        find(&node, &session)?
            .player(guild_id)
            .ok_or_else(|| Refusal::missing("Player not found"))
    });
    match found {
        Ok(player) => Json(player.view()).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `DELETE /v4/sessions/{session}/players/{guild}`.
pub async fn delete(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let found = guild_id(&guild).and_then(|guild_id| Ok((find(&node, &session)?, guild_id)));
    match found {
        Ok((session, guild_id)) => {
            session.remove_player(guild_id);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `PATCH /v4/sessions/{session}/players/{guild}`.
pub async fn update(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
    body: Body,
) -> Response {
    match apply(&node, &session, &guild, &uri, body).await {
        Ok(view) => Json(view).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// What a request asks of the track.
enum Wish {
    /// Leave it.
    Keep,
    /// Stop it.
    Stop,
    /// Play another.
    Play(Box<Track>),
}

async fn apply(
    node: &Node,
    session: &str,
    guild: &str,
    uri: &Uri,
    body: Body,
) -> Result<View, Refusal> {
    // Everything is checked before anything is done: a refused request changes nothing.
    let guild_id = guild_id(guild)?;
    let no_replace = flag(uri, "noReplace")?;
    let update: UpdatePlayer = json_object(body)?;
    let session = find(node, session)?;
    check(&update)?;
    let kept = no_replace
        && session
            .player(guild_id)
            .is_some_and(|player| player.has_track());
    let user_data = update
        .track
        .as_ref()
        .and_then(|track| track.user_data.clone());
    let wish = wish(node, &update, user_data.clone(), kept).await?;

    let changes_track = names_track(&update);
    let player = session.player_or_new(&node.app, guild_id);
    if let Some(voice) = update.voice {
        player
            .connect(voice)
            .await
            .map_err(|failed| Refusal::broken(failed.to_string()))?;
    }
    if !changes_track {
        if let Some(paused) = update.paused {
            player.pause(paused);
        }
        if let Some(user_data) = user_data {
            player.set_user_data(user_data);
        }
    }
    if let Some(volume) = update.volume {
        player.set_volume(volume);
    }
    if !changes_track {
        if let Some(position) = update.position {
            player.seek(position);
        }
        match update.end_time {
            Omissible::Absent => {}
            Omissible::Null => player.set_end(None),
            Omissible::Value(end) => player.set_end(u64::try_from(end).ok()),
        }
    }
    if let Some(filters) = update.filters {
        player.set_filters(filters);
    }
    match wish {
        // Asked again, because a track may have begun while the voice connection was made.
        Wish::Play(_) | Wish::Stop if no_replace && player.has_track() => {}
        Wish::Keep => {}
        Wish::Stop => {
            player.pause(update.paused.unwrap_or(false));
            player.stop();
        }
        Wish::Play(track) => {
            let start = update.position.unwrap_or(track.info.position);
            player.play(Play {
                position_ms: u64::try_from(start).unwrap_or(0),
                end_ms: update
                    .end_time
                    .value()
                    .and_then(|end| u64::try_from(end).ok()),
                paused: update.paused.unwrap_or(false),
                track: *track,
            });
        }
    }
    Ok(player.view())
}

fn check(update: &UpdatePlayer) -> Result<(), Refusal> {
    if update.track.is_some() && (update.encoded_track.is_present() || update.identifier.is_some())
    {
        return Err(Refusal::bad(
            "Cannot specify both track and encodedTrack/identifier",
        ));
    }
    let both = |encoded: &Omissible<String>, identifier: &Option<String>| {
        encoded.is_present() && identifier.is_some()
    };
    let nested = update
        .track
        .as_ref()
        .map(|track| both(&track.encoded, &track.identifier));
    if both(&update.encoded_track, &update.identifier) || nested == Some(true) {
        return Err(Refusal::bad(
            "Cannot specify both encodedTrack and identifier",
        ));
    }
    if let Some(filters) = &update.filters {
        let disabled: Vec<_> = filters
            .names()
            .filter(|name| !FILTERS.contains(name))
            .collect();
        if !disabled.is_empty() {
            let names = disabled.join(", ");
            let message = format!("Following filters are disabled in the config: {names}");
            return Err(Refusal::bad(message));
        }
        if filters
            .volume
            .is_some_and(|volume| !(0.0..=5.0).contains(&volume))
        {
            return Err(Refusal::bad("Filter volume must be 0.0 to 5.0"));
        }
    }
    if update
        .voice
        .as_ref()
        .is_some_and(|voice| !voice.is_complete())
    {
        return Err(Refusal::bad(
            "token, endpoint, sessionId and channelId must be provided in voice state",
        ));
    }
    if matches!(update.end_time, Omissible::Value(end) if end <= 0) {
        return Err(Refusal::bad("End time must be greater than 0"));
    }
    Ok(())
}

fn names_track(update: &UpdatePlayer) -> bool {
    let nested = update.track.as_ref();
    update.encoded_track.is_present()
        || update.identifier.is_some()
        || nested.is_some_and(|track| track.encoded.is_present() || track.identifier.is_some())
}

async fn wish(
    node: &Node,
    update: &UpdatePlayer,
    user_data: Option<Object>,
    kept: bool,
) -> Result<Wish, Refusal> {
    let nested = update.track.as_ref();
    let encoded = match nested.map(|track| &track.encoded) {
        Some(encoded) if encoded.is_present() => encoded,
        _ => &update.encoded_track,
    };
    let identifier = nested
        .and_then(|track| track.identifier.as_ref())
        .or(update.identifier.as_ref());
    let mut track = match (encoded, identifier) {
        (Omissible::Absent, None) => return Ok(Wish::Keep),
        (Omissible::Null, _) => return Ok(Wish::Stop),
        (Omissible::Value(text), _) => decode_track(text)?,
        // Nothing needs to be loaded for a track that will not be played.
        (Omissible::Absent, Some(_)) if kept => return Ok(Wish::Keep),
        (Omissible::Absent, Some(identifier)) => match node.app.sources.load(identifier).await {
            LoadResult::Track(track) => track,
            LoadResult::Playlist(_) | LoadResult::Search(_) => {
                return Err(Refusal::bad("Cannot play a playlist or search result"));
            }
            LoadResult::Empty => {
                return Err(Refusal::bad("No matches found for identifier"));
            }
            LoadResult::Error(exception) => {
                let message = exception.message.unwrap_or(exception.cause);
                return Err(Refusal::bad(message));
            }
        },
    };
    if let Some(user_data) = user_data {
        track.user_data = user_data;
    }
    Ok(Wish::Play(Box::new(track)))
}

fn find(node: &Node, session: &str) -> Result<Arc<Session>, Refusal> {
    node.app
        .sessions
        .live(session)
        .ok_or_else(|| Refusal::missing("Session not found"))
}

/// The reference server reads a signed 64-bit number here.
fn guild_id(text: &str) -> Result<Snowflake, Refusal> {
    let number: i64 = text
        .parse()
        .map_err(|_| Refusal::bad("guildId must be a 64-bit integer"))?;
    Ok(Snowflake(number as u64))
}
