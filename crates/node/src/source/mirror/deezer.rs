//! Deezer, which answers without a key.

use backline_proto::lavalink::encoded::Mirror;
use backline_runtime::config;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::{
    Catalogue, Everything, Found, Item, Kind, List, Wish, is_id, list_at, search_text, text_at,
    url_at,
};
use crate::source::api::{Api, ApiError};

/// Deezer.
#[derive(Debug)]
pub struct Deezer {
    api: Api,
    limit: usize,
    results: usize,
}

/// Tracks of one page of an answer.
const PAGE: usize = 100;

impl Deezer {
    /// Returns the catalogue.
    pub fn new(config: &config::resolvers::Mirror, client: &Client) -> Self {
        Self {
            api: Api::new(client, &config.deezer.api_url, config.timeout_ms),
            limit: config.playlist_limit.into(),
            results: config.search_results.into(),
        }
    }

    /// Asks; nothing means that there is no such thing, which comes as a success.
    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Option<Value>, ApiError> {
        let answer = self.api.send(self.api.get(path, query)).await?;
        match answer.pointer("/error/code").and_then(Value::as_u64) {
            None => Ok(Some(answer)),
            Some(NO_DATA) => Ok(None),
            Some(_) => Err(ApiError::Json),
        }
    }

    async fn list(&self, kind: Kind, id: &str) -> Result<Option<Found>, ApiError> {
        let Some(head) = self.get(&[kind.name(), id], &[]).await? else {
            return Ok(None);
        };
        let of_album = (kind == Kind::Album).then_some(&head);
        let mut items: Vec<Item> = Vec::new();
        let path = match kind {
            Kind::Artist => [kind.name(), id, "top"],
            _ => [kind.name(), id, "tracks"],
        };
        loop {
            let (offset, size) = (items.len().to_string(), PAGE.to_string());
            let query = [("limit", size.as_str()), ("index", offset.as_str())];
            let Some(page) = self.get(&path, &query).await? else {
                break;
            };
            let tracks = list_at(&page, "/data");
            items.extend(tracks.iter().filter_map(|track| item(track, of_album)));
            let more = page.get("next").is_some_and(Value::is_string);
            if !more || tracks.is_empty() || items.len() >= self.limit || kind == Kind::Artist {
                break;
            }
        }
        items.truncate(self.limit);
        Ok(list(kind, &head).map(|list| Found::List(List { items, ..list })))
    }

    async fn ask(&self, wish: &Wish) -> Result<Option<Found>, ApiError> {
        let track = |answer: Option<Value>| {
            let item = answer.as_ref().and_then(|track| item(track, None));
            item.map(|item| Found::Item(Box::new(item)))
        };
        match wish {
            Wish::One(Kind::Track, id) => Ok(track(self.get(&["track", id], &[]).await?)),
            Wish::Isrc(code) => {
                let id = format!("isrc:{code}");
                Ok(track(self.get(&["track", &id], &[]).await?))
            }
            Wish::One(kind, id) => self.list(*kind, id).await,
            Wish::Search(text) => {
                let everything = self.everything(text, &[Kind::Track]).await?;
                Ok(Some(Found::Items(everything.tracks)))
            }
        }
    }

    async fn everything(&self, text: &str, kinds: &[Kind]) -> Result<Everything, ApiError> {
        let mut everything = Everything::default();
        let limit = self.results.to_string();
        for kind in kinds {
            let query = [("q", text), ("limit", limit.as_str())];
            let Some(answer) = self.get(&["search", kind.name()], &query).await? else {
                continue;
            };
            let found = list_at(&answer, "/data").iter().take(self.results);
            if *kind == Kind::Track {
                everything.tracks = found.filter_map(|track| item(track, None)).collect();
            } else {
                everything
                    .lists
                    .extend(found.filter_map(|found| list(*kind, found)));
            }
        }
        Ok(everything)
    }
}

/// The code of the error that means that there is nothing.
const NO_DATA: u64 = 800;

impl Catalogue for Deezer {
    fn names(&self) -> &'static [&'static str] {
        &["deezer"]
    }

    fn label(&self) -> LoadSource {
        LoadSource::Deezer
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
    if let Some(text) = search_text(identifier, "dzsearch:") {
        return Some(Wish::Search(text.to_owned()));
    }
    if let Some(code) = search_text(identifier, "dzisrc:") {
        return is_id(code, &['-']).then(|| Wish::Isrc(code.to_owned()));
    }
    let url = Url::parse(identifier).ok()?;
    if !matches!(url.host_str()?, "deezer.com" | "www.deezer.com") {
        return None;
    }
    // Before the kind there may be a language.
    let parts: Vec<&str> = url.path_segments()?.collect();
    let pair = parts
        .windows(2)
        .take(2)
        .find_map(|pair| Some((Kind::of(pair[0])?, pair[1])));
    let (kind, id) = pair?;
    let digits = !id.is_empty() && id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Wish::One(kind, id.to_owned()))
}

fn item(track: &Value, of_album: Option<&Value>) -> Option<Item> {
    let album = of_album.or_else(|| track.get("album"));
    let of_album = |pointer: &str| album.and_then(|album| text_at(album, pointer));
    let seconds = track.get("duration").and_then(Value::as_u64).unwrap_or(0);
    let cover = |album: &Value| url_at(album, "/cover_xl").or_else(|| url_at(album, "/cover_big"));
    Some(Item {
        id: text_at(track, "/id")?,
        title: text_at(track, "/title")?,
        author: text_at(track, "/artist/name").unwrap_or_default(),
        length_ms: seconds.saturating_mul(1_000),
        url: url_at(track, "/link"),
        artwork_url: album.and_then(cover),
        isrc: text_at(track, "/isrc"),
        more: Mirror {
            album_name: of_album("/title"),
            album_url: album
                .and_then(|album| url_at(album, "/link"))
                .or_else(|| Some(format!("https://www.deezer.com/album/{}", of_album("/id")?))),
            artist_url: url_at(track, "/artist/link").or_else(|| {
                let id = text_at(track, "/artist/id")?;
                Some(format!("https://www.deezer.com/artist/{id}"))
            }),
            artist_artwork_url: url_at(track, "/artist/picture_xl"),
            preview_url: url_at(track, "/preview"),
            is_preview: false,
        },
    })
}

fn list(kind: Kind, head: &Value) -> Option<List> {
    let name = match kind {
        Kind::Artist => "/name",
        _ => "/title",
    };
    let (picture, author) = match kind {
        Kind::Album => ("/cover_xl", "/artist/name"),
        Kind::Artist => ("/picture_xl", "/name"),
        _ => ("/picture_xl", "/creator/name"),
    };
    let author = text_at(head, author).or_else(|| text_at(head, "/user/name"));
    Some(List {
        kind,
        name: text_at(head, name)?,
        url: url_at(head, "/link"),
        artwork_url: url_at(head, picture),
        author,
        total: head.get("nb_tracks").and_then(Value::as_u64),
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
                "https://www.deezer.com/track/3135556",
                one(Kind::Track, "3135556"),
            ),
            (
                "https://www.deezer.com/en/album/302127?x=y",
                one(Kind::Album, "302127"),
            ),
            ("https://deezer.com/fr/playlist/1", one(Kind::Playlist, "1")),
            (
                "https://www.deezer.com/us/artist/27",
                one(Kind::Artist, "27"),
            ),
            ("dzsearch: rain ", Some(Wish::Search("rain".into()))),
            (
                "dzisrc:GBDUW0000059",
                Some(Wish::Isrc("GBDUW0000059".into())),
            ),
            ("dzisrc:a/b", None),
            ("dzsearch:", None),
            ("https://www.deezer.com/track/x", None),
            ("https://www.deezer.com/a/b/c/track/1", None),
            ("https://deezer.com.example/track/1", None),
            ("https://www.deezer.com/", None),
            ("rain", None),
        ] {
            assert_eq!(wish(identifier), expected, "{identifier}");
        }
    }
}
