//! What clients are told of a file that was looked at.

use std::path::Path;

use backline_proto::lavalink::encoded::{self, Content, Details};
use backline_proto::lavalink::{Object, Track, TrackInfo, UNKNOWN_LENGTH};

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

/// Returns something on the web as a track; `named` is what its URL calls it.
pub fn web(probed: &Probed, identifier: &str, named: Option<&str>, live: bool) -> Track {
    describe(probed, "http", identifier, named, live)
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
