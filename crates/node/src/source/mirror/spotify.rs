//! Spotify, asked as an application: with its id and secret.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use backline_proto::lavalink::encoded::Mirror;
use backline_runtime::config;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{
    Catalogue, Everything, Found, Item, Kind, List, Wish, is_id, list_at, search_text, text_at,
    url_at,
};
use crate::source::api::{Api, ApiError};

/// Spotify.
#[derive(Debug)]
pub struct Spotify {
    api: Api,
    tokens: Api,
    country: String,
    limit: usize,
    results: usize,
    application: RwLock<Option<Application>>,
    token: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
struct Application {
    id: String,
    secret: SecretString,
}

#[derive(Debug)]
struct Token {
    text: SecretString,
    until: Instant,
}

/// How long before its end a token is given up.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a token may last at most.
const LONGEST: Duration = Duration::from_hours(1);
/// Tracks of one page of an album; of a playlist there may be twice as many.
const PAGE: usize = 50;

impl Spotify {
    /// Returns the catalogue.
    pub fn new(config: &config::resolvers::Mirror, client: &Client) -> Self {
        let spotify = &config.spotify;
        let id = spotify.client_id.clone();
        let application = id.zip(spotify.client_secret.clone());
        Self {
            api: Api::new(client, &spotify.api_url, config.timeout_ms),
            tokens: Api::new(client, &spotify.token_url, config.timeout_ms),
            country: spotify.country.to_ascii_uppercase(),
            limit: config.playlist_limit.into(),
            results: config.search_results.into(),
            application: RwLock::new(application.map(|(id, secret)| Application { id, secret })),
            token: Mutex::default(),
        }
    }

    /// Uses another application from now on.
    pub async fn set_application(&self, id: String, secret: SecretString) {
        *self
            .application
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Application { id, secret });
        *self.token.lock().await = None;
    }

    async fn token(&self) -> Result<SecretString, ApiError> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.text.clone());
        }
        let application = self.application.read();
        let application = application.unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Application { id, secret }) = application else {
            return Err(ApiError::Status(StatusCode::UNAUTHORIZED));
        };
        let request = self
            .tokens
            .post(&["api", "token"])
            .basic_auth(id, Some(secret.expose_secret()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = self.tokens.send(request).await?;
        let text: SecretString = text_at(&answer, "/access_token")
            .ok_or(ApiError::Json)?
            .into();
        let seconds = answer
            .get("expires_in")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let lasts = Duration::from_secs(seconds).min(LONGEST);
        *kept = Some(Token {
            text: text.clone(),
            until: Instant::now() + lasts.saturating_sub(MARGIN),
        });
        Ok(text)
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ApiError> {
        let whole: Vec<&str> = std::iter::once("v1").chain(path.iter().copied()).collect();
        let mut again = true;
        loop {
            let token = self.token().await?;
            let request = self
                .api
                .get(&whole, query)
                .bearer_auth(token.expose_secret());
            match self.api.send(request).await {
                // The token ended before its time.
                Err(ApiError::Status(StatusCode::UNAUTHORIZED)) if again => {
                    *self.token.lock().await = None;
                    again = false;
                }
                answer => return answer,
            }
        }
    }

    /// Asks for a list until it is over or long enough; `pointer` is where a page's items are.
    async fn pages(&self, path: &[&str], inner: &str) -> Result<Vec<Value>, ApiError> {
        let mut all = Vec::new();
        loop {
            let (offset, size) = (all.len().to_string(), PAGE.to_string());
            let query = [
                ("limit", size.as_str()),
                ("offset", offset.as_str()),
                ("market", self.country.as_str()),
            ];
            let page = self.get(path, &query).await?;
            let entries = list_at(&page, "/items");
            all.extend(entries.iter().map(|entry| {
                let within = entry.pointer(inner);
                within.unwrap_or(entry).clone()
            }));
            let more = page.get("next").is_some_and(Value::is_string);
            if !more || entries.is_empty() || all.len() >= self.limit {
                all.truncate(self.limit);
                return Ok(all);
            }
        }
    }

    async fn list(&self, kind: Kind, id: &str) -> Result<Option<Found>, ApiError> {
        let market = [("market", self.country.as_str())];
        let folder = format!("{}s", kind.name());
        let head = self.get(&[&folder, id], &market).await?;
        let items: Vec<Item> = match kind {
            Kind::Artist => {
                let top = self.get(&["artists", id, "top-tracks"], &market).await?;
                list_at(&top, "/tracks").iter().filter_map(item).collect()
            }
            Kind::Album => {
                let tracks = self.pages(&["albums", id, "tracks"], "").await?;
                self.in_full(&tracks, &head).await
            }
            _ => {
                let tracks = self.pages(&["playlists", id, "tracks"], "/track").await?;
                tracks.iter().filter_map(item).collect()
            }
        };
        Ok(list(kind, &head).map(|list| Found::List(List { items, ..list })))
    }

    /// Returns the tracks of an album, which themselves say neither code nor album.
    async fn in_full(&self, tracks: &[Value], album: &Value) -> Vec<Item> {
        let mut items = Vec::new();
        for part in tracks.chunks(PAGE) {
            let ids: Vec<String> = part
                .iter()
                .filter_map(|track| text_at(track, "/id"))
                .collect();
            let query = [
                ("ids", &ids.join(",")[..]),
                ("market", self.country.as_str()),
            ];
            let full = self.get(&["tracks"], &query).await.ok();
            let full = full.as_ref().map(|full| list_at(full, "/tracks"));
            match full.filter(|full| full.len() == part.len()) {
                Some(full) => items.extend(full.iter().filter_map(item)),
                // Some applications may not ask for many at once.
                None => items.extend(part.iter().filter_map(|track| {
                    let mut track = track.clone();
                    track.as_object_mut()?.insert("album".into(), album.clone());
                    item(&track)
                })),
            }
        }
        items
    }

    async fn ask(&self, wish: &Wish) -> Result<Option<Found>, ApiError> {
        match wish {
            Wish::One(Kind::Track, id) => {
                let market = [("market", self.country.as_str())];
                let track = self.get(&["tracks", id], &market).await?;
                Ok(item(&track).map(|item| Found::Item(Box::new(item))))
            }
            Wish::One(kind, id) => self.list(*kind, id).await,
            Wish::Isrc(code) => {
                let everything = self
                    .everything(&format!("isrc:{code}"), &[Kind::Track])
                    .await?;
                let first = everything.tracks.into_iter().next();
                Ok(first.map(|item| Found::Item(Box::new(item))))
            }
            Wish::Search(text) => {
                let everything = self.everything(text, &[Kind::Track]).await?;
                Ok(Some(Found::Items(everything.tracks)))
            }
        }
    }

    async fn everything(&self, text: &str, kinds: &[Kind]) -> Result<Everything, ApiError> {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let (names, limit) = (names.join(","), self.results.to_string());
        let query = [
            ("q", text),
            ("type", names.as_str()),
            ("limit", limit.as_str()),
            ("market", self.country.as_str()),
        ];
        let answer = self.get(&["search"], &query).await?;
        let mut everything = Everything::default();
        for kind in kinds {
            let found = list_at(&answer, &format!("/{}s/items", kind.name())).iter();
            if *kind == Kind::Track {
                everything.tracks = found.filter_map(item).collect();
            } else {
                everything
                    .lists
                    .extend(found.filter_map(|found| list(*kind, found)));
            }
        }
        Ok(everything)
    }
}

impl Catalogue for Spotify {
    fn names(&self) -> &'static [&'static str] {
        &["spotify"]
    }

    fn label(&self) -> LoadSource {
        LoadSource::Spotify
    }

    fn wish(&self, identifier: &str) -> Option<Wish> {
        wish(identifier)
    }

    fn fetch<'a>(&'a self, wish: &'a Wish) -> BoxFuture<'a, Result<Option<Found>, ApiError>> {
        self.ask(wish).boxed()
    }

    fn search<'a>(
        &'a self,
        text: &'a str,
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Everything, ApiError>> {
        self.everything(text, kinds).boxed()
    }
}

fn wish(identifier: &str) -> Option<Wish> {
    if let Some(text) = search_text(identifier, "spsearch:") {
        return Some(Wish::Search(text.to_owned()));
    }
    let one = |kind: &str, id: &str| {
        let kind = Kind::of(kind)?;
        is_id(id, &[]).then(|| Wish::One(kind, id.to_owned()))
    };
    if let Some(rest) = identifier.strip_prefix("spotify:") {
        let parts: Vec<&str> = rest.split(':').collect();
        let [.., kind, id] = parts[..] else {
            return None;
        };
        return one(kind, id);
    }
    let url = Url::parse(identifier).ok()?;
    if !matches!(url.host_str()?, "open.spotify.com" | "www.spotify.com") {
        return None;
    }
    // Before the kind there may be a language, a user, or the word for embedded players.
    let parts: Vec<&str> = url.path_segments()?.collect();
    let mut pairs = parts.windows(2).take(3);
    pairs.find_map(|pair| one(pair[0], pair[1]))
}

fn item(track: &Value) -> Option<Item> {
    let artists = list_at(track, "/artists");
    let names: Vec<String> = artists
        .iter()
        .filter_map(|artist| text_at(artist, "/name"))
        .collect();
    Some(Item {
        // Files of a user's own machine have none.
        id: text_at(track, "/id")?,
        title: text_at(track, "/name")?,
        author: names.join(", "),
        length_ms: track
            .get("duration_ms")
            .and_then(Value::as_u64)
            .unwrap_or(0),
        url: url_at(track, "/external_urls/spotify"),
        artwork_url: url_at(track, "/album/images/0/url"),
        isrc: text_at(track, "/external_ids/isrc"),
        more: Mirror {
            album_name: text_at(track, "/album/name"),
            album_url: url_at(track, "/album/external_urls/spotify"),
            artist_url: url_at(track, "/artists/0/external_urls/spotify"),
            artist_artwork_url: url_at(track, "/artists/0/images/0/url"),
            preview_url: url_at(track, "/preview_url"),
            is_preview: false,
        },
    })
}

fn list(kind: Kind, head: &Value) -> Option<List> {
    let total = head.pointer("/tracks/total").and_then(Value::as_u64);
    Some(List {
        kind,
        name: text_at(head, "/name")?,
        url: url_at(head, "/external_urls/spotify"),
        artwork_url: url_at(head, "/images/0/url"),
        author: match kind {
            Kind::Album => text_at(head, "/artists/0/name"),
            Kind::Artist => text_at(head, "/name"),
            _ => text_at(head, "/owner/display_name"),
        },
        total: total.or_else(|| head.get("total_tracks").and_then(Value::as_u64)),
        items: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_prefixes_are_recognised() {
        let one = |kind, id: &str| Some(Wish::One(kind, id.to_owned()));
        for (identifier, expected) in [
            (
                "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC?si=x",
                one(Kind::Track, "4uLU6hMCjMI75M1A2tKUQC"),
            ),
            (
                "https://open.spotify.com/intl-de/album/1A2",
                one(Kind::Album, "1A2"),
            ),
            (
                "https://open.spotify.com/user/somebody/playlist/37i",
                one(Kind::Playlist, "37i"),
            ),
            (
                "https://open.spotify.com/embed/artist/0gx",
                one(Kind::Artist, "0gx"),
            ),
            ("spotify:track:4uL", one(Kind::Track, "4uL")),
            ("spotify:user:me:playlist:37i", one(Kind::Playlist, "37i")),
            ("spsearch:rain", Some(Wish::Search("rain".into()))),
            ("https://open.spotify.com/track/", None),
            ("https://open.spotify.com/track/..%2f", None),
            ("https://open.spotify.com.example/track/1", None),
            ("spotify:track", None),
            ("spotify:show:1", None),
            ("rain", None),
        ] {
            assert_eq!(wish(identifier), expected, "{identifier}");
        }
    }
}
