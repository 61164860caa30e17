//! What clients are told of a file that was looked at.

use std::path::Path;

use backline_proto::lavalink::encoded::{self, Content, Details};
use backline_proto::lavalink::{Object, Track, TrackInfo, UNKNOWN_LENGTH};
use url::Url;

use super::http::found::Sound;
use super::http::loader::file_name;
use super::probe::Probed;

/// Returns a local file as a track.
pub fn file(probed: &Probed, path: &Path) -> Track {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    describe(
        probed,
        "local",
        &path.to_string_lossy(),
        stem.as_deref(),
        false,
    )
}

/// Returns sound on the web as a track; `named` is what a list calls it.
pub fn web(sound: &Sound, identifier: &str, url: &Url, named: Option<&str>) -> Track {
    let file = file_name(url);
    let named = named.or(file.as_deref());
    let Some(station) = &sound.station else {
        return describe(&sound.probed, "http", identifier, named, sound.live);
    };
    // What plays, or else what the reference server takes for a title.
    let title = station.title.now();
    let about = [&station.description, &station.page, &station.name];
    let mut about = about.into_iter().filter_map(|text| text.as_deref());
    let title = title.as_deref().or_else(|| about.next());
    let mut track = describe(&sound.probed, "http", identifier, named, sound.live);
    track.info.title = title.map_or(track.info.title, short);
    track.info.author = station.name.as_deref().map_or(track.info.author, short);
    self::track(
        track.info,
        Details::Probe(sound.probed.format.name().to_owned()),
    )
}

fn describe(
    probed: &Probed,
    source_name: &str,
    identifier: &str,
    named: Option<&str>,
    live: bool,
) -> Track {
    let named = named.filter(|name| !name.is_empty());
    let title = probed
        .info
        .title
        .as_deref()
        .or(named)
        .unwrap_or("Unknown title");
    let author = probed.info.artist.as_deref().unwrap_or("Unknown artist");
    let length = probed
        .info
        .duration_ms
        .and_then(|length| i64::try_from(length).ok());
    let info = TrackInfo {
        identifier: identifier.to_owned(),
        is_seekable: !live,
        author: short(author),
        length: length.filter(|_| !live).unwrap_or(UNKNOWN_LENGTH),
        is_stream: live,
        position: 0,
        title: short(title),
        uri: Some(identifier.to_owned()),
        source_name: source_name.to_owned(),
        artwork_url: None,
        isrc: None,
    };
    track(info, Details::Probe(probed.format.name().to_owned()))
}

/// Returns a track with its encoding. Texts must have been shortened.
pub fn track(info: TrackInfo, details: Details) -> Track {
    let content = Content::new(&info, details);
    let encoded = encoded::encode(&content).expect("texts were shortened to what fits");
    Track {
        encoded,
        info,
        plugin_info: content.plugin_info(),
        user_data: Object::new(),
    }
}

/// Returns the start of a text that came from outside.
pub fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Characters of a title or a name that are kept.
const LONGEST: usize = 500;
