//! The links of a playlist: which are followed, and which become tracks.

use backline_media::playlist::{Entry, Kind};
use backline_proto::lavalink::encoded::Details;
use backline_proto::lavalink::{Object, Playlist, PlaylistInfo, Track, TrackInfo, UNKNOWN_LENGTH};
use url::Url;

use super::describe::{self, short};

/// A link of a playlist into the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: Url,
    /// What the list says about it.
    pub entry: Entry,
}

/// Longest link that becomes a track.
const MAX_URL: usize = 4_096;

/// Returns the links of a list that came from `base`; relative ones lead to its neighbours.
pub fn resolve(base: &Url, entries: Vec<Entry>) -> Vec<Link> {
    let resolve = |entry: Entry| {
        let location = entry.location.trim();
        let location = match location.get(..6) {
            // What some players call radio.
            Some(scheme) if scheme.eq_ignore_ascii_case("icy://") => {
                format!("http://{}", &location[6..])
            }
            _ => location.to_owned(),
        };
        let url = base.join(&location).ok()?;
        let fits = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_URL;
        fits.then_some(Link { url, entry })
    };
    entries.into_iter().filter_map(resolve).collect()
}

/// Whether a list is meant to be heard from the first link to the last, rather than to name one
/// stream and its mirrors: it knows how long each lasts, or is of a kind that has no other use.
pub fn is_album(kind: Kind, links: &[Link]) -> bool {
    let timed = links.iter().filter(|link| link.entry.duration_ms.is_some());
    links.len() > 1 && (kind == Kind::Xspf || timed.count() > 1)
}

/// Returns a list as tracks, without looking at what is behind the links.
pub fn album(name: Option<&str>, links: &[Link]) -> Playlist {
    Playlist {
        info: PlaylistInfo {
            name: short(name.unwrap_or("Playlist")),
            selected_track: -1,
        },
        plugin_info: Object::new(),
        tracks: links.iter().map(track).collect(),
    }
}

fn track(link: &Link) -> Track {
    let Link { url, entry } = link;
    let named = super::http::loader::file_name(url).filter(|name| !name.is_empty());
    let title = entry.title.clone().or(named);
    let length = entry
        .duration_ms
        .and_then(|length| i64::try_from(length).ok());
    let artwork = entry
        .artwork
        .as_deref()
        .and_then(|text| url.join(text).ok());
    let info = TrackInfo {
        identifier: url.to_string(),
        is_seekable: length.is_some(),
        author: short(entry.artist.as_deref().unwrap_or("Unknown artist")),
        length: length.unwrap_or(UNKNOWN_LENGTH),
        is_stream: length.is_none(),
        position: 0,
        title: short(title.as_deref().unwrap_or("Unknown title")),
        uri: Some(url.to_string()),
        source_name: "http".to_owned(),
        artwork_url: artwork
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .map(String::from),
        isrc: None,
    };
    describe::track(info, Details::Probe(guess(url).to_owned()))
}

/// Guesses the container from the name of a file; it is looked at again before it is played.
fn guess(url: &Url) -> &'static str {
    let ending = url.path().rsplit_once('.').map(|(_, ending)| ending);
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("ogg" | "oga" | "opus") => "ogg",
        Some("flac") => "flac",
        Some("wav" | "wave") => "wav",
        Some("m4a" | "mp4" | "m4b") => "mp4",
        Some("aac") => "adts",
        Some("webm" | "mka" | "mkv" | "weba") => "matroska/webm",
        Some("m3u8") => "m3u|hls-outer",
        _ => "mp3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(entries: &[(&str, Option<u64>)]) -> Vec<Link> {
        let base = "http://host/lists/radio.m3u".parse().expect("a URL");
        let entries = entries.iter().map(|(location, duration_ms)| Entry {
            location: (*location).to_owned(),
            duration_ms: *duration_ms,
            ..Entry::default()
        });
        resolve(&base, entries.collect())
    }

    #[test]
    fn links_lead_into_the_web_or_are_left_out() {
        let links = links(&[
            ("a.mp3", None),
            ("/b.mp3", None),
            ("icy://radio:8000/;", None),
            ("https://other/c", None),
            ("file:///etc/passwd", None),
            ("C:\\music\\d.mp3", None),
            ("http://", None),
        ]);
        let urls: Vec<_> = links.iter().map(|link| link.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "http://host/lists/a.mp3",
                "http://host/b.mp3",
                "http://radio:8000/;",
                "https://other/c",
            ]
        );
    }

    #[test]
    fn lists_of_mirrors_are_told_from_albums() {
        let (two, mirrors) = (
            links(&[("a", Some(1)), ("b", Some(2))]),
            links(&[("a", None), ("b", None)]),
        );
        assert!(is_album(Kind::M3u, &two));
        assert!(!is_album(Kind::M3u, &two[..1]));
        assert!(!is_album(Kind::Pls, &mirrors));
        assert!(is_album(Kind::Xspf, &mirrors));
        let album = album(Some("Songs"), &two);
        assert_eq!(album.tracks.len(), 2);
        assert_eq!(album.tracks[0].info.length, 1);
        assert_eq!(album.tracks[0].info.title, "a");
    }
}
