//! Sessions and players.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::beyond::{Crossfade, Fading, LoudnessNormalizer};
use backline_proto::lavalink::{
    LoadResult, Omissible, Player as View, Snowflake, Track, UpdatePlayer, UpdateSession,
    UpdateTrack,
};

use super::Node;
use super::access;
use super::answer::{Place, Refusal, flag, json_object};
use super::tracks::decode_track;
use crate::player::Player;
use crate::player::control::Play;
use crate::player::sound::filters_on;
use crate::session::Session;
use crate::tenants::Caller;

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
    let mut update: UpdatePlayer = json_object(body)?;
    let session = find(node, session)?;
    check(&update)?;
    check_filters(node, &update)?;
    let kept = no_replace
        && session
            .player(guild_id)
            .is_some_and(|player| player.has_track());
    let named = UpdateTrack {
        encoded: std::mem::take(&mut update.encoded_track),
        identifier: update.identifier.take(),
        user_data: None,
    };
    // The deprecated names cannot stand beside the present one.
    let named = update.track.take().unwrap_or(named);
    let wish = wished(node, &named, kept).await?;
    let next = match &update.next_track {
        Omissible::Value(next) => wished(node, next, false).await?,
        Omissible::Null => Wish::Stop,
        Omissible::Absent => Wish::Keep,
    };

    if node.app.draining_ms().is_some() && session.player(guild_id).is_none() {
        return Err(Refusal::draining());
    }
    let player = session.player_or_new(&node.app, guild_id);
    if let Some(voice) = update.voice.take() {
        player
            .connect(voice)
            .await
            .map_err(|failed| Refusal::broken(failed.to_string()))?;
    }
    let changes_track = named.encoded.is_present() || named.identifier.is_some();
    if !changes_track {
        if let Some(paused) = update.paused {
            player.pause(paused);
        }
        if let Some(user_data) = named.user_data {
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
        if let Some(end) = update.end_time.update() {
            player.set_end(end.and_then(|end| u64::try_from(end).ok()));
        }
    }
    if let Some(filters) = update.filters.take() {
        player.set_filters(filters);
    }
    apply_beyond(&player, &update);
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
    match (next, update.next_track) {
        (Wish::Play(track), _) => player.set_next(Some(*track)),
        (Wish::Stop, _) => player.set_next(None),
        (Wish::Keep, Omissible::Value(next)) => {
            if let Some(user_data) = next.user_data {
                player.set_next_user_data(user_data);
            }
        }
        (Wish::Keep, _) => {}
    }
    Ok(player.view())
}

/// Applies what Lavalink does not have, but for the track that follows.
fn apply_beyond(player: &Player, update: &UpdatePlayer) {
    if let Some(crossfade) = update.crossfade.update() {
        player.set_crossfade(crossfade);
    }
    if let Some(fading) = update.fading.update() {
        player.set_fading(fading);
    }
    if let Some(loudness) = update.loudness_normalizer.update() {
        player.set_loudness(loudness);
    }
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
    let tracks = update
        .track
        .iter()
        .chain(update.next_track.as_ref().value());
    let mut nested = tracks.map(|track| both(&track.encoded, &track.identifier));
    if both(&update.encoded_track, &update.identifier) || nested.any(|both| both) {
        return Err(Refusal::bad(
            "Cannot specify both encodedTrack and identifier",
        ));
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
    let beyond = || {
        update.crossfade.value().map_or(Ok(()), Crossfade::check)?;
        update.fading.value().map_or(Ok(()), Fading::check)?;
        let loudness = update.loudness_normalizer.value();
        loudness.map_or(Ok(()), LoudnessNormalizer::check)
    };
    beyond().map_err(|error| Refusal::bad(error.to_string()))
}

fn check_filters(node: &Node, update: &UpdatePlayer) -> Result<(), Refusal> {
    let Some(filters) = &update.filters else {
        return Ok(());
    };
    let on = filters_on(&node.app.config.filters);
    let off: Vec<_> = filters.names().filter(|name| !on.contains(name)).collect();
    if !off.is_empty() {
        let names = off.join(", ");
        let message = format!("Following filters are disabled in the config: {names}");
        return Err(Refusal::bad(message));
    }
    let checked = filters.check();
    checked.map_err(|error| Refusal::bad(error.to_string()))
}

async fn wished(node: &Node, named: &UpdateTrack, kept: bool) -> Result<Wish, Refusal> {
    let mut track = match (&named.encoded, &named.identifier) {
        (Omissible::Absent, None) => return Ok(Wish::Keep),
        (Omissible::Null, _) => return Ok(Wish::Stop),
        (Omissible::Value(text), _) => decode_track(text)?,
        // Nothing needs to be loaded for a track that will not be played.
        (Omissible::Absent, Some(_)) if kept => return Ok(Wish::Keep),
        (Omissible::Absent, Some(identifier)) => resolve(node, identifier).await?,
    };
    let allowed = Caller::current().check(&track);
    allowed.map_err(|error| access::refuse(&error))?;
    if let Some(user_data) = &named.user_data {
        track.user_data.clone_from(user_data);
    }
    Ok(Wish::Play(Box::new(track)))
}

/// Finds the one track that an identifier leads to.
pub async fn resolve(node: &Node, identifier: &str) -> Result<Track, Refusal> {
    match node.app.sources.load(identifier).await {
        LoadResult::Track(track) => Ok(track),
        LoadResult::Playlist(_) | LoadResult::Search(_) => {
            Err(Refusal::bad("Cannot play a playlist or search result"))
        }
        LoadResult::Empty => Err(Refusal::bad("No matches found for identifier")),
        LoadResult::Error(exception) => {
            let message = exception.message.unwrap_or(exception.cause);
            Err(Refusal::bad(message))
        }
    }
}

/// Returns a live session.
pub fn find(node: &Node, session: &str) -> Result<Arc<Session>, Refusal> {
    node.app
        .sessions
        .live(session)
        .ok_or_else(|| Refusal::missing("Session not found"))
}

/// Returns the guild of a path. The reference server reads a signed 64-bit number here.
pub fn guild_id(text: &str) -> Result<Snowflake, Refusal> {
    let number: i64 = text
        .parse()
        .map_err(|_| Refusal::bad("guildId must be a 64-bit integer"))?;
    Ok(Snowflake(number as u64))
}
