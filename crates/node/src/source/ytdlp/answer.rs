//! Reads what yt-dlp prints: one JSON object, whose fields its manual describes under "Output
//! template". Any of them may be missing, null, or of another type.

use backline_proto::lavalink::encoded::{Details, Mirror};
use backline_proto::lavalink::{Object, Playlist, PlaylistInfo, Track, TrackInfo, UNKNOWN_LENGTH};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::links::{self, Site};
use crate::source::describe::{self, short};

/// What a link or a search led to.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "few are kept, behind a pointer")]
pub enum Answer {
    /// One track, and its stream if that is known already.
    Track(Track, Option<Stream>),
    /// A playlist with tracks.
    Playlist(Playlist),
    /// Several tracks that a search found.
    Search(Vec<Track>),
    /// A list of lists, such as a channel: the first of them.
    List(Url),
    /// Nothing.
    Empty,
}

/// Where the sound of a track is.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its address.
    pub url: Url,
    /// What its server wants to be told.
    pub headers: HeaderMap,
    /// When the address expires, in seconds since 1970, if it says so.
    pub expires_s: Option<u64>,
}

/// The longest address of a stream or a picture.
const MAX_URL: usize = 8 * 1024;
/// What of the headers is passed on: nothing secret.
const HEADERS: [&str; 5] = [
    "user-agent",
    "referer",
    "origin",
    "accept",
    "accept-language",
];
/// The longest value of a header.
const MAX_HEADER: usize = 1_024;

/// Returns what `printed` says. `asked` is the link that was asked about; without one it was a
/// search.
pub fn read(printed: &Value, asked: Option<&Url>, limit: usize) -> Answer {
    let Some(entries) = printed.get("entries").and_then(Value::as_array) else {
        return match track(printed) {
            Some(track) => Answer::Track(track, stream(printed)),
            None => Answer::Empty,
        };
    };
    let is_search = asked.is_none_or(|url| url.path() == "/search");
    let tracks: Vec<Track> = entries.iter().take(limit).filter_map(track).collect();
    if is_search {
        return if tracks.is_empty() {
            Answer::Empty
        } else {
            Answer::Search(tracks)
        };
    }
    if tracks.is_empty() {
        let lists = entries.iter().filter_map(|entry| url(entry, "url"));
        let other = |url: &Url| Some(url) != asked;
        return lists
            .into_iter()
            .find(other)
            .map_or(Answer::Empty, Answer::List);
    }
    let wanted = asked.and_then(|url| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(name, _)| name == "v")
            .map(|(_, id)| id.into_owned())
    });
    let selected =
        wanted.and_then(|id| tracks.iter().position(|track| track.info.identifier == id));
    Answer::Playlist(Playlist {
        info: PlaylistInfo {
            name: short(text(printed, "title").unwrap_or("Unknown playlist")),
            selected_track: selected
                .and_then(|index| i32::try_from(index).ok())
                .unwrap_or(-1),
        },
        plugin_info: Object::new(),
        tracks,
    })
}

/// Returns an entry as a track; nothing if it is a list, or has no page to open it from.
fn track(entry: &Value) -> Option<Track> {
    let key = text(entry, "ie_key").or_else(|| text(entry, "extractor_key"));
    let key = key.or_else(|| text(entry, "extractor")).unwrap_or_default();
    if entry.get("entries").is_some() || is_list(key) {
        return None;
    }
    let site = Site::of_extractor(key);
    let id = text(entry, "id").filter(|id| id.len() <= MAX_URL)?;
    let page = match site {
        Site::YouTube => links::video(id),
        _ => None,
    };
    let mut page = page
        .or_else(|| url(entry, "webpage_url"))
        .or_else(|| url(entry, "url"))?;
    let place = entry.get("playlist_index").and_then(Value::as_u64);
    if let (Site::Other, Some(place)) = (site, place) {
        // All items of a page may have no address but the page's.
        links::set_item(&mut page, place);
    }
    let identifier = match site {
        Site::YouTube | Site::SoundCloud => id.to_owned(),
        _ => page.to_string(),
    };
    let is_stream = entry.get("is_live").and_then(Value::as_bool) == Some(true)
        || text(entry, "live_status") == Some("is_live");
    let length = entry.get("duration").and_then(Value::as_f64);
    let length = length.filter(|seconds| (0.0..1e9).contains(seconds));
    let title = match site {
        Site::Bandcamp => text(entry, "track").or_else(|| text(entry, "title")),
        _ => text(entry, "title"),
    };
    let info = TrackInfo {
        identifier,
        is_seekable: !is_stream,
        author: short(author(entry, site).unwrap_or("Unknown artist")),
        length: match length {
            _ if is_stream => UNKNOWN_LENGTH,
            Some(seconds) => (seconds * 1e3) as i64,
            None => 0,
        },
        is_stream,
        position: 0,
        title: short(title.unwrap_or("Unknown title")),
        uri: Some(page.into()),
        source_name: site.source_name().to_owned(),
        artwork_url: artwork(entry),
        isrc: None,
    };
    let details = match site {
        Site::Other => Details::Mirror(Mirror::default()),
        _ => Details::None,
    };
    Some(describe::track(info, details))
}

/// Whether an extractor is for lists.
fn is_list(key: &str) -> bool {
    [
        "Tab",
        "Playlist",
        "Album",
        "User",
        "Channel",
        "Set",
        "Search",
        "SearchURL",
    ]
    .iter()
    .any(|kind| key.ends_with(kind))
}

fn author(entry: &Value, site: Site) -> Option<&str> {
    let order: &[&str] = match site {
        Site::Bandcamp => &["artist", "uploader", "creator"],
        Site::YouTube => &["channel", "uploader", "artist"],
        _ => &["uploader", "artist", "creator", "channel", "uploader_id"],
    };
    order.iter().find_map(|name| text(entry, name))
}

fn artwork(entry: &Value) -> Option<String> {
    let listed = || {
        let pictures = entry.get("thumbnails")?.as_array()?;
        // The last one is the best one.
        pictures
            .iter()
            .rev()
            .find_map(|picture| url(picture, "url"))
    };
    url(entry, "thumbnail").or_else(listed).map(Into::into)
}

/// Returns where the sound of an entry is.
pub fn stream(entry: &Value) -> Option<Stream> {
    // A single item that came as a list.
    let first = || entry.get("entries")?.as_array()?.first();
    let entry = first().unwrap_or(entry);
    let direct = |entry: &Value| url(entry, "url").filter(|_| text(entry, "protocol").is_some());
    let requested = || {
        let formats = entry.get("requested_downloads")?.as_array()?;
        formats.iter().find(|format| direct(format).is_some())
    };
    let chosen = match direct(entry) {
        Some(_) => entry,
        None => requested()?,
    };
    let protocol = text(chosen, "protocol")?;
    let plays = matches!(protocol, "http" | "https" | "m3u8" | "m3u8_native");
    let url = direct(chosen).filter(|_| plays)?;
    Some(Stream {
        headers: headers(chosen.get("http_headers")),
        expires_s: expiry(&url),
        url,
    })
}

fn headers(named: Option<&Value>) -> HeaderMap {
    let pairs = named.and_then(Value::as_object).into_iter().flatten();
    let pairs = pairs.filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let value = value.as_str().filter(|value| value.len() <= MAX_HEADER)?;
        if !HEADERS.contains(&name.as_str()) {
            return None;
        }
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    pairs.collect()
}

/// Returns when an address says that it expires: as a parameter or, in lists, in its path.
fn expiry(url: &Url) -> Option<u64> {
    let named = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "expire" | "expires");
    let in_query = url
        .query_pairs()
        .find(|(name, _)| named(name))
        .and_then(|(_, value)| value.parse().ok());
    let in_path = || {
        let mut parts = url.path_segments()?;
        parts.find(|part| named(part))?;
        parts.next()?.parse().ok()
    };
    in_query.or_else(in_path)
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    let text = entry.get(name)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

fn url(entry: &Value, name: &str) -> Option<Url> {
    let text = text(entry, name).filter(|text| text.len() <= MAX_URL)?;
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests;
