//! HLS playlists (RFC 8216): which variants a stream has, and which segments.
//!
//! Only what sound needs: pictures, subtitles, I-frame lists and partial segments are left out.

mod choice;
mod media;

use std::borrow::Cow;
use std::sync::Arc;

pub use choice::{Choice, choose};

use super::{MAX_BYTES, MAX_LOCATION};

/// A playlist.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// The variants of a stream.
    Master(Master),
    /// The segments of one variant.
    Media(Media),
}

/// The variants of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Master {
    /// In the order in which they stand there.
    pub variants: Vec<Variant>,
    /// Sound that stands beside the variants.
    pub renditions: Vec<Rendition>,
}

/// One variant of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variant {
    /// Its playlist, as it stands there.
    pub location: String,
    /// Peak bits per second.
    pub bandwidth: u64,
    /// The codecs, if they are told.
    pub codecs: Option<String>,
    /// Whether a picture size is told.
    pub has_resolution: bool,
    /// The group of renditions that its sound is in.
    pub audio: Option<String>,
}

/// Sound that stands beside the variants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rendition {
    /// Its group.
    pub group: String,
    /// Its playlist, as it stands there; none if it is within the variant.
    pub location: Option<String>,
    /// Whether it is to be played if nobody says otherwise.
    pub is_default: bool,
}

/// The segments of one variant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media {
    /// Longest duration of a segment, in milliseconds.
    pub target_ms: u64,
    /// Whether no segment will follow.
    pub ended: bool,
    /// In order; their numbers have no gaps.
    pub segments: Vec<Segment>,
}

/// One segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segment {
    /// Where it is, as it stands there.
    pub location: String,
    /// Its number within the stream.
    pub number: u64,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// Which bytes of the file it is; none for all.
    pub range: Option<Range>,
    /// How it is encrypted.
    pub key: Option<Arc<Key>>,
    /// What its decoder has to see first.
    pub map: Option<Arc<Map>>,
    /// Whether it has nothing to do with the one before.
    pub is_discontinuous: bool,
    /// Whether it is known to be missing.
    pub is_gap: bool,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// A key for AES-128 in CBC mode with PKCS #7 padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where its 16 bytes are, as it stands there.
    pub location: String,
    /// The initialisation vector; the segment's number if none is told.
    pub iv: Option<[u8; 16]>,
}

impl Key {
    /// Returns the initialisation vector for a segment.
    pub fn iv_for(&self, number: u64) -> [u8; 16] {
        self.iv.unwrap_or_else(|| u128::from(number).to_be_bytes())
    }
}

/// What comes before the segments of fragmented MP4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Where it is, as it stands there.
    pub location: String,
    /// Which bytes of the file it is; none for all.
    pub range: Option<Range>,
    /// How it is encrypted.
    pub key: Option<Arc<Key>>,
}

/// Why a playlist cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HlsError {
    /// No M3U at all.
    #[error("not an HLS playlist")]
    NotHls,
    /// Longer than [`MAX_BYTES`].
    #[error("the HLS playlist is too long")]
    TooLong,
    /// More than [`MAX_SEGMENTS`] or [`MAX_VARIANTS`].
    #[error("the HLS playlist has too many entries")]
    TooMany,
    /// A line that has to be right is not.
    #[error("the HLS playlist is damaged: {what}")]
    Malformed {
        /// Which.
        what: &'static str,
    },
    /// Digital rights management, or a method that nobody uses.
    #[error("the HLS stream is encrypted in a way that is not supported")]
    Encryption,
    /// No variant has sound in a codec that is known.
    #[error("the HLS stream has no sound that can be played")]
    NoSound,
}

/// Segments of a playlist: a day in pieces of two seconds.
pub const MAX_SEGMENTS: usize = 43_200;
/// Variants and renditions of a stream.
pub const MAX_VARIANTS: usize = 500;

/// Whether a text that begins like M3U is HLS.
pub fn is_hls(bytes: &[u8]) -> bool {
    [
        &b"#EXT-X-TARGETDURATION"[..],
        b"#EXT-X-STREAM-INF",
        b"#EXT-X-MEDIA",
    ]
    .iter()
    .any(|tag| memchr::memmem::find(bytes, tag).is_some())
}

/// Reads a playlist.
///
/// # Errors
/// See [`HlsError`].
pub fn parse(bytes: &[u8]) -> Result<Playlist, HlsError> {
    if bytes.len() > MAX_BYTES {
        return Err(HlsError::TooLong);
    }
    let text = super::decode(bytes);
    let text = text.trim_start();
    if !text.starts_with("#EXTM3U") || !is_hls(text.as_bytes()) {
        return Err(HlsError::NotHls);
    }
    if memchr::memmem::find(text.as_bytes(), b"#EXT-X-STREAM-INF").is_some() {
        master(text).map(Playlist::Master)
    } else {
        media::parse(text).map(Playlist::Media)
    }
}

fn master(text: &str) -> Result<Master, HlsError> {
    let mut master = Master::default();
    let mut next: Option<Variant> = None;
    for line in text.lines().map(str::trim) {
        if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            let mut variant = Variant::default();
            for (name, value) in attributes(list) {
                match name {
                    "BANDWIDTH" => variant.bandwidth = value.parse().unwrap_or(0),
                    "CODECS" => variant.codecs = Some(value.into_owned()),
                    "RESOLUTION" => variant.has_resolution = true,
                    "AUDIO" => variant.audio = Some(value.into_owned()),
                    _ => {}
                }
            }
            next = Some(variant);
        } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            let mut rendition = Rendition::default();
            let mut is_audio = false;
            for (name, value) in attributes(list) {
                match name {
                    "TYPE" => is_audio = value == "AUDIO",
                    "GROUP-ID" => rendition.group = value.into_owned(),
                    "URI" => rendition.location = Some(bounded(&value)?),
                    "DEFAULT" => rendition.is_default = value == "YES",
                    _ => {}
                }
            }
            if is_audio {
                master.renditions.push(rendition);
            }
        } else if !line.is_empty()
            && !line.starts_with('#')
            && let Some(mut variant) = next.take()
        {
            variant.location = bounded(line)?;
            master.variants.push(variant);
        }
        if master.variants.len().max(master.renditions.len()) > MAX_VARIANTS {
            return Err(HlsError::TooMany);
        }
    }
    Ok(master)
}

/// Returns the `NAME=value` pairs of an attribute list; quotes are taken off.
fn attributes(list: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let (inside, behind) = quoted.split_once('"')?;
            value = inside;
            rest = behind.strip_prefix(',').unwrap_or(behind);
        } else {
            (value, rest) = after.split_once(',').unwrap_or((after, ""));
        }
        Some((name.trim(), Cow::Borrowed(value.trim())))
    })
}

fn bounded(location: &str) -> Result<String, HlsError> {
    if location.is_empty() || location.len() > MAX_LOCATION {
        return Err(HlsError::Malformed { what: "an address" });
    }
    Ok(location.to_owned())
}

#[cfg(test)]
mod tests;
