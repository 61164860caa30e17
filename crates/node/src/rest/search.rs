//! Searching for more than tracks, as LavaSearch has it.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::{LoadResult, Playlist, Track};
use serde_json::json;

use super::Node;
use super::answer::{Place, Refusal, query};
use crate::source::mirror::{Everything, Kind, Wish};
use crate::tenants::Caller;

/// `GET /v4/loadsearch`.
pub async fn load(State(node): State<Node>, uri: Uri) -> Response {
    match search(&node, &uri).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(found)) => found.answer(),
        Err(refusal) => refusal.at(&Place::of(&uri)),
    }
}

#[derive(Default)]
struct Found {
    tracks: Vec<Track>,
    albums: Vec<Playlist>,
    artists: Vec<Playlist>,
    playlists: Vec<Playlist>,
}

async fn search(node: &Node, uri: &Uri) -> Result<Option<Found>, Refusal> {
    let text = query(uri, "query")
        .ok_or_else(|| Refusal::bad("Required parameter 'query' is not present."))?;
    let types = query(uri, "types").unwrap_or_default();
    let mut kinds: Vec<Kind> = Vec::new();
    for name in types.split(',').map(str::trim) {
        match Kind::of(name) {
            Some(kind) if !kinds.contains(&kind) => kinds.push(kind),
            // Nobody completes texts here.
            _ if name.is_empty() || name == "text" || Kind::of(name).is_some() => {}
            _ => {
                let message = "types are track, album, artist, playlist and text";
                return Err(Refusal::bad(message));
            }
        }
    }
    if types.trim().is_empty() {
        kinds = vec![Kind::Track, Kind::Album, Kind::Artist, Kind::Playlist];
    }
    if kinds.is_empty() {
        return Ok(None);
    }
    let caller = Caller::current();
    for catalogue in node.app.sources.catalogues() {
        let name = catalogue.names()[0];
        if !caller.may_use(name) {
            continue;
        }
        if let Some(Wish::Search(text)) = catalogue.wish(&text) {
            let everything = catalogue.search(&text, &kinds).await.map_err(|error| {
                tracing::warn!(source = name, %error, "search failed");
                Refusal::broken("The service could not be searched")
            })?;
            return Ok(Found::new(everything, name).some());
        }
    }
    // Other searches only know tracks.
    let is_search = text
        .split_once(':')
        .is_some_and(|(prefix, _)| prefix.ends_with("search"));
    if !is_search || !kinds.contains(&Kind::Track) {
        return Ok(None);
    }
    match node.app.sources.load(&text).await {
        LoadResult::Search(tracks) => Ok(Found {
            tracks,
            ..Found::default()
        }
        .some()),
        LoadResult::Error(failure) => {
            Err(Refusal::broken(failure.message.unwrap_or(failure.cause)))
        }
        LoadResult::Track(_) | LoadResult::Playlist(_) | LoadResult::Empty => Ok(None),
    }
}

impl Found {
    fn new(everything: Everything, name: &str) -> Self {
        let mut found = Self::default();
        let tracks = everything.tracks.into_iter();
        found.tracks = tracks.map(|item| item.into_track(name)).collect();
        for list in everything.lists {
            let kept = match list.kind {
                Kind::Track => continue,
                Kind::Album => &mut found.albums,
                Kind::Artist => &mut found.artists,
                Kind::Playlist => &mut found.playlists,
            };
            kept.push(list.into_playlist(name));
        }
        found
    }

    fn some(self) -> Option<Self> {
        let lists = self.albums.len() + self.artists.len() + self.playlists.len();
        (self.tracks.len() + lists > 0).then_some(self)
    }

    fn answer(self) -> Response {
        Json(json!({
            "tracks": self.tracks, "albums": self.albums, "artists": self.artists,
            "playlists": self.playlists, "texts": [], "plugin": {}
        }))
        .into_response()
    }
}
