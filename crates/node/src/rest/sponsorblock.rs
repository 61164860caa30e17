//! Which segments a player skips, as the SponsorBlock plugin has it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::Node;
use super::answer::{Place, Refusal, json};
use super::players::{find, guild_id};
use crate::sponsorblock::{CATEGORIES, SponsorBlock};

/// `GET /v4/sessions/{session}/players/{guild}/sponsorblock/categories`.
pub async fn categories(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let categories = guild_id(&guild).and_then(|guild| {
        let player = find(&node, &session)?.player(guild);
        let player = player.ok_or_else(|| Refusal::missing("Player not found"))?;
        let categories = on(&node)?.categories(&player);
        categories.ok_or_else(|| Refusal::missing("No categories are set"))
    });
    match categories {
        Ok(categories) => Json(categories).into_response(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `PUT /v4/sessions/{session}/players/{guild}/sponsorblock/categories`.
pub async fn set(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = guild_id(&guild).and_then(|guild| {
        let session = find(&node, &session)?;
        let sponsorblock = Arc::clone(on(&node)?);
        let mut categories: Vec<String> = json(body)?;
        let unknown = categories
            .iter()
            .find(|name| !CATEGORIES.contains(&name.as_str()));
        if unknown.is_some() {
            let known = CATEGORIES.join(", ");
            return Err(Refusal::bad(format!("Categories are {known}")));
        }
        categories.sort();
        categories.dedup();
        if node.app.draining_ms().is_some() && session.player(guild).is_none() {
            return Err(Refusal::draining());
        }
        let player = session.player_or_new(&node.app, guild);
        Ok((sponsorblock, player, categories))
    });
    match asked {
        Ok((sponsorblock, player, categories)) => {
            // The server of what plays may be slow; the client is told by an event.
            tokio::spawn(async move { sponsorblock.set(&player, categories).await });
            StatusCode::OK.into_response()
        }
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

/// `DELETE /v4/sessions/{session}/players/{guild}/sponsorblock/categories`.
pub async fn clear(
    State(node): State<Node>,
    Path((session, guild)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let guild = match guild_id(&guild) {
        Ok(guild) => guild,
        Err(refusal) => return refusal.at(&Place::of(&uri)),
    };
    // As with the plugin, what is not there is not missed.
    let player = find(&node, &session)
        .ok()
        .and_then(|session| session.player(guild));
    if let (Some(player), Ok(sponsorblock)) = (player, on(&node)) {
        sponsorblock.clear(&player);
    }
    StatusCode::OK.into_response()
}

fn on(node: &Node) -> Result<&Arc<SponsorBlock>, Refusal> {
    let sponsorblock = node.app.sponsorblock.as_ref();
    sponsorblock.ok_or_else(|| Refusal::missing("SponsorBlock is disabled in the config"))
}
