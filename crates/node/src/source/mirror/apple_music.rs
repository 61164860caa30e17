//! Apple Music, asked with a token of its media API.

use std::sync::{PoisonError, RwLock};

use backline_proto::lavalink::encoded::Mirror;
use backline_runtime::config;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::{
    Catalogue, Everything, Found, Item, Kind, List, Wish, is_id, list_at, search_text, text_at,
    url_at,
};
use crate::source::api::{Api, ApiError};

/// Apple Music.
#[derive(Debug)]
pub struct AppleMusic {
    api: Api,
    country: String,
    limit: usize,
    results: usize,
    token: RwLock<Option<SecretString>>,
}

/// Tracks of one page of a list.
const PAGE: usize = 100;
/// The most results that one search may ask for.
const MAX_RESULTS: usize = 25;
/// The side of pictures, where an address leaves it open.
const PICTURE: &str = "600";

impl AppleMusic {
    /// Returns the catalogue.
    pub fn new(config: &config::resolvers::Mirror, client: &Client) -> Self {
        let apple = &config.apple_music;
        Self {
            api: Api::new(client, &apple.api_url, config.timeout_ms),
            country: apple.country.to_ascii_lowercase(),
            limit: config.playlist_limit.into(),
            results: usize::from(config.search_results).min(MAX_RESULTS),
            token: RwLock::new(apple.token.clone()),
        }
    }

    /// Uses another token from now on.
    pub fn set_token(&self, token: SecretString) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ApiError> {
        let token = self.token.read();
        let token = token.unwrap_or_else(PoisonError::into_inner).clone();
        let token = token.ok_or(ApiError::Status(StatusCode::UNAUTHORIZED))?;
        let whole = ["v1", "catalog", &self.country];
        let whole: Vec<&str> = whole.into_iter().chain(path.iter().copied()).collect();
        let request = self
            .api
            .get(&whole, query)
            .bearer_auth(token.expose_secret());
        // The token is bound to the page that it is made for.
        self.api
            .send(request.header("origin", "https://music.apple.com"))
            .await
    }

    async fn list(&self, kind: Kind, id: &str) -> Result<Option<Found>, ApiError> {
        let folder = format!("{}s", kind.name());
        let answer = self.get(&[&folder, id], &[]).await?;
        let Some(head) = answer.pointer("/data/0") else {
            return Ok(None);
        };
        let mut items: Vec<Item> = Vec::new();
        if kind == Kind::Artist {
            let top = self.get(&["artists", id, "view", "top-songs"], &[]).await?;
            items.extend(list_at(&top, "/data").iter().filter_map(item));
        } else {
            // Counted, because songs that are gone have a place but nothing else.
            let mut seen = 0;
            loop {
                let (offset, size) = (seen.to_string(), PAGE.to_string());
                let query = [("limit", size.as_str()), ("offset", offset.as_str())];
                let page = match self.get(&[&folder, id, "tracks"], &query).await {
                    Err(error) if error.is_missing() => break,
                    page => page?,
                };
                let tracks = list_at(&page, "/data");
                seen += tracks.len();
                items.extend(tracks.iter().filter_map(item));
                let more = page.get("next").is_some_and(Value::is_string);
                if !more || tracks.is_empty() || items.len() >= self.limit {
                    break;
                }
            }
        }
        items.truncate(self.limit);
        Ok(list(kind, head).map(|list| Found::List(List { items, ..list })))
    }

    async fn ask(&self, wish: &Wish) -> Result<Option<Found>, ApiError> {
        let first = |answer: &Value| {
            let item = answer.pointer("/data/0").and_then(item);
            item.map(|item| Found::Item(Box::new(item)))
        };
        match wish {
            Wish::One(Kind::Track, id) => Ok(first(&self.get(&["songs", id], &[]).await?)),
            Wish::Isrc(code) => {
                let query = [("filter[isrc]", code.as_str())];
                Ok(first(&self.get(&["songs"], &query).await?))
            }
            Wish::One(kind, id) => self.list(*kind, id).await,
            Wish::Search(text) => {
                let everything = self.everything(text, &[Kind::Track]).await?;
                Ok(Some(Found::Items(everything.tracks)))
            }
        }
    }

    async fn everything(&self, text: &str, kinds: &[Kind]) -> Result<Everything, ApiError> {
        let names: Vec<&str> = kinds.iter().map(|kind| plural(*kind)).collect();
        let (names, limit) = (names.join(","), self.results.to_string());
        let query = [
            ("term", text),
            ("types", names.as_str()),
            ("limit", limit.as_str()),
        ];
        let answer = self.get(&["search"], &query).await?;
        let mut everything = Everything::default();
        for kind in kinds {
            let pointer = format!("/results/{}/data", plural(*kind));
            let found = list_at(&answer, &pointer).iter();
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

impl Catalogue for AppleMusic {
    fn names(&self) -> &'static [&'static str] {
        &["applemusic"]
    }

    fn label(&self) -> LoadSource {
        LoadSource::AppleMusic
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

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Track => "songs",
        Kind::Album => "albums",
        Kind::Playlist => "playlists",
        Kind::Artist => "artists",
    }
}

fn wish(identifier: &str) -> Option<Wish> {
    if let Some(text) = search_text(identifier, "amsearch:") {
        return Some(Wish::Search(text.to_owned()));
    }
    let url = Url::parse(identifier).ok()?;
    if !matches!(url.host_str()?, "music.apple.com" | "geo.music.apple.com") {
        return None;
    }
    let song = url.query_pairs().find(|(name, _)| name == "i");
    if let Some((_, id)) = song {
        return is_id(&id, &[]).then(|| Wish::One(Kind::Track, id.into_owned()));
    }
    // Country, kind, name, id; the country and the name may be missing.
    let parts: Vec<&str> = url
        .path_segments()?
        .filter(|part| !part.is_empty())
        .collect();
    let kind = parts.iter().take(2).find_map(|part| Kind::of(part))?;
    let id = parts.last().filter(|id| is_id(id, &['.', '-']))?;
    let id = id
        .strip_prefix("id")
        .filter(|_| kind == Kind::Artist)
        .unwrap_or(id);
    Kind::of(id)
        .is_none()
        .then(|| Wish::One(kind, id.to_owned()))
}

fn picture(value: &Value, pointer: &str) -> Option<String> {
    let url = url_at(value, pointer)?;
    Some(url.replace("{w}", PICTURE).replace("{h}", PICTURE))
}

fn item(song: &Value) -> Option<Item> {
    let length = song.pointer("/attributes/durationInMillis");
    let url = url_at(song, "/attributes/url");
    // The page of a song is that of its album, with the song behind it.
    let album_url = url
        .as_ref()
        .and_then(|url| url.split_once('?'))
        .map(|(album, _)| album);
    Some(Item {
        id: text_at(song, "/id")?,
        title: text_at(song, "/attributes/name")?,
        author: text_at(song, "/attributes/artistName").unwrap_or_default(),
        length_ms: length.and_then(Value::as_u64).unwrap_or(0),
        artwork_url: picture(song, "/attributes/artwork/url"),
        isrc: text_at(song, "/attributes/isrc"),
        more: Mirror {
            album_name: text_at(song, "/attributes/albumName"),
            album_url: album_url.map(str::to_owned),
            artist_url: url_at(song, "/attributes/artistUrl")
                .or_else(|| url_at(song, "/relationships/artists/data/0/attributes/url")),
            artist_artwork_url: picture(
                song,
                "/relationships/artists/data/0/attributes/artwork/url",
            ),
            preview_url: url_at(song, "/attributes/previews/0/url"),
            is_preview: false,
        },
        url,
    })
}

fn list(kind: Kind, head: &Value) -> Option<List> {
    let total = head
        .pointer("/attributes/trackCount")
        .and_then(Value::as_u64);
    Some(List {
        kind,
        name: text_at(head, "/attributes/name")?,
        url: url_at(head, "/attributes/url"),
        artwork_url: picture(head, "/attributes/artwork/url"),
        author: match kind {
            Kind::Artist => text_at(head, "/attributes/name"),
            Kind::Playlist => text_at(head, "/attributes/curatorName"),
            _ => text_at(head, "/attributes/artistName"),
        },
        total,
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
                "https://music.apple.com/us/album/a-name/1440?i=1441",
                one(Kind::Track, "1441"),
            ),
            (
                "https://music.apple.com/us/album/a-name/1440",
                one(Kind::Album, "1440"),
            ),
            (
                "https://music.apple.com/de/song/a-name/1441",
                one(Kind::Track, "1441"),
            ),
            (
                "https://music.apple.com/playlist/mix/pl.u-1aB",
                one(Kind::Playlist, "pl.u-1aB"),
            ),
            (
                "https://music.apple.com/us/artist/somebody/5",
                one(Kind::Artist, "5"),
            ),
            (
                "https://music.apple.com/us/artist/id5",
                one(Kind::Artist, "5"),
            ),
            ("amsearch:rain", Some(Wish::Search("rain".into()))),
            ("https://music.apple.com/us/album", None),
            ("https://music.apple.com/us/album/x?i=../5", None),
            ("https://music.apple.com.example/us/album/a/1", None),
            ("rain", None),
        ] {
            assert_eq!(wish(identifier), expected, "{identifier}");
        }
    }
}
