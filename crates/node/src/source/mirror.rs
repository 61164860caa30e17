//! Sources that know tracks but do not give their sound: what they know is shown, and the sound
//! is looked for elsewhere, by the recording's code or by title and artist.

pub mod apple_music;
pub mod deezer;
pub mod spotify;

use std::sync::Arc;
use std::time::Duration;

use backline_proto::lavalink::encoded::{self, Details, Mirror};
use backline_proto::lavalink::{
    Exception, LoadResult, Object, Playlist, PlaylistInfo, Severity, Track, TrackInfo,
};
use backline_runtime::config;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use moka::future::Cache;
use serde_json::Value;

use super::api::ApiError;
use super::describe::{self, short};
use super::{Loaded, Opened, Source, Sources, failure};
use crate::engine::feed::Wake;

/// A catalogue of music: the port behind which each service stands.
pub trait Catalogue: std::fmt::Debug + Send + Sync + 'static {
    /// Returns the `sourceName` of its tracks, as the only one of a list.
    fn names(&self) -> &'static [&'static str];

    /// Returns what metrics call it.
    fn label(&self) -> LoadSource;

    /// Returns what an identifier asks for, if it is one of this service.
    fn wish(&self, identifier: &str) -> Option<Wish>;

    /// Asks the service; nothing means that it has no such thing.
    fn fetch<'a>(&'a self, wish: &'a Wish) -> BoxFuture<'a, Result<Option<Found>, ApiError>>;

    /// Searches for everything that `kinds` names.
    fn search<'a>(
        &'a self,
        text: &'a str,
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Everything, ApiError>>;
}

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// One thing, by its id.
    One(Kind, String),
    /// A recording, by its code.
    Isrc(String),
    /// Tracks that a text finds.
    Search(String),
}

/// What a service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A track.
    Track,
    /// An album.
    Album,
    /// A playlist.
    Playlist,
    /// An artist, with the best known tracks.
    Artist,
}

/// What a service gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A track.
    Item(Box<Item>),
    /// Tracks that belong together.
    List(List),
    /// Tracks that a text found.
    Items(Vec<Item>),
}

/// What a search for everything gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Everything {
    /// Tracks.
    pub tracks: Vec<Item>,
    /// Albums, playlists, artists: without tracks.
    pub lists: Vec<List>,
}

/// A track, as a service knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Artist or artists.
    pub author: String,
    /// Milliseconds.
    pub length_ms: u64,
    /// Its page.
    pub url: Option<String>,
    /// A picture.
    pub artwork_url: Option<String>,
    /// The recording's code.
    pub isrc: Option<String>,
    /// What LavaSrc tells besides.
    pub more: Mirror,
}

/// Tracks that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: Option<String>,
    /// A picture.
    pub artwork_url: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// How many tracks it has; there may be fewer here.
    pub total: Option<u64>,
    /// The tracks.
    pub items: Vec<Item>,
}

/// A catalogue as a source.
#[derive(Debug)]
pub struct Mirrored {
    catalogue: Arc<dyn Catalogue>,
    providers: Vec<String>,
    /// Where the sound of a track was found.
    found: Cache<String, Arc<Track>>,
}

/// Tracks whose sound was found that are kept.
const KEPT: u64 = 2_000;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// Results of a provider that are looked at.
const CANDIDATES: usize = 5;
/// How far the length of the sound may be from the length of the track.
const LENGTH_MS: i64 = 5_000;
/// The longest text of a search, in characters.
const MAX_TEXT: usize = 300;

impl Mirrored {
    /// Returns the source.
    pub fn new(catalogue: Arc<dyn Catalogue>, config: &config::resolvers::Mirror) -> Self {
        let providers = config.providers.split_whitespace().map(str::to_owned);
        Self {
            catalogue,
            providers: providers.collect(),
            found: Cache::builder()
                .max_capacity(KEPT)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    fn name(&self) -> &'static str {
        self.catalogue.names()[0]
    }

    async fn ask(&self, identifier: &str) -> Loaded {
        let Some(wish) = self.catalogue.wish(identifier) else {
            return Loaded::Foreign;
        };
        Loaded::Found(match self.catalogue.fetch(&wish).await {
            Ok(None) => LoadResult::Empty,
            Ok(Some(Found::Item(item))) => LoadResult::Track(item.into_track(self.name())),
            Ok(Some(Found::List(list))) => LoadResult::Playlist(list.into_playlist(self.name())),
            Ok(Some(Found::Items(items))) if items.is_empty() => LoadResult::Empty,
            Ok(Some(Found::Items(items))) => {
                let tracks = items.into_iter().map(|item| item.into_track(self.name()));
                LoadResult::Search(tracks.collect())
            }
            Err(error) if error.is_missing() => LoadResult::Empty,
            Err(error) => LoadResult::Error(*self.failed(&error)),
        })
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    fn failed(&self, error: &ApiError) -> Box<Exception> {
        let message = "The service that knows this track could not be asked";
        let cause = format!("{}: {}", self.name(), failure::chain(error));
        failure::exception(Severity::Suspicious, message, cause)
    }

    /// Returns the track whose sound stands for `track`.
    async fn mirror(&self, sources: &Sources, track: &Track) -> Result<Track, Box<Exception>> {
        let found = self.found.try_get_with(track.encoded.clone(), async {
            let mut isrc = track.info.isrc.clone();
            if isrc.is_none() && self.providers.iter().any(|text| text.contains("%ISRC%")) {
                // Not every list tells the code; the track itself does.
                let wish = Wish::One(Kind::Track, track.info.identifier.clone());
                if let Ok(Some(Found::Item(item))) = self.catalogue.fetch(&wish).await {
                    isrc = item.isrc;
                }
            }
            let mut last = None;
            for provider in &self.providers {
                let Some(identifier) = fill(provider, &track.info, isrc.as_deref()) else {
                    continue;
                };
                match sources.load(&identifier).await {
                    LoadResult::Track(other) => {
                        if let Some(best) = best(&track.info, vec![other]) {
                            return Ok(Arc::new(best));
                        }
                    }
                    LoadResult::Search(tracks) => {
                        if let Some(best) = best(&track.info, tracks) {
                            return Ok(Arc::new(best));
                        }
                    }
                    LoadResult::Playlist(list) => {
                        if let Some(best) = best(&track.info, list.tracks) {
                            return Ok(Arc::new(best));
                        }
                    }
                    LoadResult::Empty => {}
                    LoadResult::Error(failure) => last = Some(Box::new(failure)),
                }
            }
            Err(last.unwrap_or_else(|| {
                let message = "No source has the sound of this track";
                failure::exception(Severity::Common, message, "no provider found anything")
            }))
        });
        match found.await {
            Ok(track) => Ok((*track).clone()),
            Err(failure) => Err(Box::new((**failure).clone())),
        }
    }
}

impl Source for Mirrored {
    fn label(&self) -> LoadSource {
        self.catalogue.label()
    }

    fn names(&self) -> &'static [&'static str] {
        self.catalogue.names()
    }

    fn catalogue(&self) -> Option<&dyn Catalogue> {
        Some(self.catalogue.as_ref())
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        self.ask(identifier).boxed()
    }

    fn open<'a>(
        &'a self,
        sources: &'a Sources,
        track: &'a Track,
        _: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        async move {
            let other = self.mirror(sources, track).await?;
            Ok(Opened::Instead(Box::new(other)))
        }
        .boxed()
    }
}

impl Item {
    /// Returns it as a track of the source `name`.
    pub fn into_track(self, name: &str) -> Track {
        let info = TrackInfo {
            identifier: self.id,
            is_seekable: true,
            author: short(&self.author),
            length: i64::try_from(self.length_ms).unwrap_or(0),
            is_stream: false,
            position: 0,
            title: short(&self.title),
            uri: self.url,
            source_name: name.to_owned(),
            artwork_url: self.artwork_url,
            isrc: self.isrc,
        };
        describe::track(info, Details::Mirror(self.more))
    }
}

impl List {
    /// Returns it as a playlist of the source `name`.
    pub fn into_playlist(self, name: &str) -> Playlist {
        let mut plugin_info = Object::new();
        plugin_info.insert("type".into(), self.kind.name().into());
        plugin_info.insert("url".into(), self.url.into());
        plugin_info.insert("artworkUrl".into(), self.artwork_url.into());
        plugin_info.insert("author".into(), self.author.into());
        plugin_info.insert("totalTracks".into(), self.total.into());
        let tracks = self.items.into_iter().map(|item| item.into_track(name));
        Playlist {
            info: PlaylistInfo {
                name: short(&self.name),
                selected_track: -1,
            },
            plugin_info,
            tracks: tracks.collect(),
        }
    }
}

impl Kind {
    /// Returns its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Album => "album",
            Self::Playlist => "playlist",
            Self::Artist => "artist",
        }
    }

    /// Returns the kind of a name, also of one that links use.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "track" | "song" => Some(Self::Track),
            "album" => Some(Self::Album),
            "playlist" => Some(Self::Playlist),
            "artist" => Some(Self::Artist),
            _ => None,
        }
    }
}

/// Returns the identifier for a provider; nothing if it needs a code that is not known.
fn fill(provider: &str, info: &TrackInfo, isrc: Option<&str>) -> Option<String> {
    let mut identifier = provider.to_owned();
    if identifier.contains("%ISRC%") {
        identifier = identifier.replace("%ISRC%", isrc?);
    }
    let query = match info.author.as_str() {
        "" | "Unknown artist" => info.title.clone(),
        author => format!("{} {author}", info.title),
    };
    let query: String = query.chars().take(MAX_TEXT).collect();
    Some(identifier.replace("%QUERY%", &query))
}

/// Returns the track that stands best for another: the first whose length fits, or the first.
fn best(wanted: &TrackInfo, found: Vec<Track>) -> Option<Track> {
    // What has no sound itself would only lead on.
    let sounds = |track: &Track| match encoded::decode(&track.encoded) {
        Ok(content) => {
            !matches!(content.details, Details::Mirror(_)) || content.source_name == "ytdlp"
        }
        Err(_) => false,
    };
    let mut sounding: Vec<Track> = found.into_iter().filter(sounds).take(CANDIDATES).collect();
    let fits =
        |track: &Track| wanted.length > 0 && (track.info.length - wanted.length).abs() <= LENGTH_MS;
    let index = sounding.iter().position(fits).unwrap_or(0);
    (index < sounding.len()).then(|| sounding.swap_remove(index))
}

/// Returns the text of a search with one of the prefixes.
fn search_text<'a>(identifier: &'a str, prefix: &str) -> Option<&'a str> {
    let text = identifier.strip_prefix(prefix)?.trim();
    (!text.is_empty() && text.chars().count() <= MAX_TEXT).then_some(text)
}

/// Whether an id of a service is one: letters, digits, and what else `more` allows.
fn is_id(text: &str, more: &[char]) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || more.contains(&letter);
    (1..=100).contains(&text.len()) && text.chars().all(fits)
}

/// Reads a text of an answer, by a JSON pointer.
fn text_at(value: &Value, pointer: &str) -> Option<String> {
    let text = match value.pointer(pointer)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= LONGEST).then_some(text)
}

/// Reads an address of an answer, by a JSON pointer.
fn url_at(value: &Value, pointer: &str) -> Option<String> {
    text_at(value, pointer)
        .filter(|text| text.starts_with("https://") || text.starts_with("http://"))
}

/// Reads a list of an answer, by a JSON pointer.
fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The longest text of an answer that is taken.
const LONGEST: usize = 4 * 1024;

#[cfg(test)]
mod tests;
