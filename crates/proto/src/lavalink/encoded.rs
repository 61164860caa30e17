//! The opaque text of a track, as every Lavalink since version 1 reads and writes it.
//!
//! Base64 over a big-endian message; three versions are read, the newest is written. Bytes that a
//! source adds are known for the sources of Lavalink and LavaSrc, and kept as they are for others.

mod modified_utf8;
mod reader;
mod writer;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Object, TrackInfo};
use reader::Reader;
use writer::Writer;

/// What an encoded track holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Title.
    pub title: String,
    /// Artist or channel.
    pub author: String,
    /// Milliseconds; [`super::UNKNOWN_LENGTH`] for streams.
    pub length: i64,
    /// What the source calls it.
    pub identifier: String,
    /// Whether it is live.
    pub is_stream: bool,
    /// A page about it; since version 2.
    pub uri: Option<String>,
    /// A picture; since version 3.
    pub artwork_url: Option<String>,
    /// International Standard Recording Code; since version 3.
    pub isrc: Option<String>,
    /// The source's name.
    pub source_name: String,
    /// What the source added.
    pub details: Details,
    /// Milliseconds from the start.
    pub position: i64,
}

/// What a source adds to an encoded track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// Nothing: YouTube, SoundCloud and most others.
    None,
    /// `http` and `local`: the container's name, perhaps followed by `|` and parameters.
    Probe(String),
    /// Sources of LavaSrc.
    Mirror(Mirror),
    /// A source unknown here: its bytes as they are.
    Opaque(Vec<u8>),
}

/// What sources of LavaSrc add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Album.
    pub album_name: Option<String>,
    /// Its page.
    pub album_url: Option<String>,
    /// The artist's page.
    pub artist_url: Option<String>,
    /// The artist's picture.
    pub artist_artwork_url: Option<String>,
    /// A short preview.
    pub preview_url: Option<String>,
    /// Whether only the preview plays.
    pub is_preview: bool,
}

/// Why a text is not an encoded track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than any track.
    #[error("the text has {length} characters, more than {MAX_ENCODED}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not base64.
    #[error("the text is not base64")]
    Base64,
    /// A version that nobody has written yet.
    #[error("version {version} is not known")]
    Version {
        /// Which.
        version: u8,
    },
    /// It ends before `field` does.
    #[error("it ends within {field}")]
    Truncated {
        /// What was being read.
        field: &'static str,
    },
    /// `field` is no modified UTF-8.
    #[error("{field} is not modified UTF-8")]
    Text {
        /// What was being read.
        field: &'static str,
    },
}

/// Why a track cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A text has more than 65,535 bytes as modified UTF-8.
    #[error("{field} has {length} bytes, more than 65535")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
    },
}

/// The longest text that [`decode`] looks at.
pub const MAX_ENCODED: usize = 1 << 20;

/// The version that [`encode`] writes.
pub const VERSION: u8 = 3;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const VERSIONED: u32 = 1;
const LENGTH_BITS: u32 = 30;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;

/// Returns the text of a track, in the newest version.
///
/// # Errors
/// [`EncodeError::TooLong`] if a text does not fit its field.
pub fn encode(content: &Content) -> Result<String, EncodeError> {
    let mut out = Writer::new();
    out.byte(VERSION);
    out.text("title", &content.title)?;
    out.text("author", &content.author)?;
    out.long(content.length);
    out.text("identifier", &content.identifier)?;
    out.byte(u8::from(content.is_stream));
    out.optional("uri", content.uri.as_deref())?;
    out.optional("artworkUrl", content.artwork_url.as_deref())?;
    out.optional("isrc", content.isrc.as_deref())?;
    out.text("sourceName", &content.source_name)?;
    match &content.details {
        Details::None => {}
        Details::Probe(probe) => out.text("probe info", probe)?,
        Details::Mirror(mirror) => {
            out.optional("albumName", mirror.album_name.as_deref())?;
            out.optional("albumUrl", mirror.album_url.as_deref())?;
            out.optional("artistUrl", mirror.artist_url.as_deref())?;
            out.optional("artistArtworkUrl", mirror.artist_artwork_url.as_deref())?;
            out.optional("previewUrl", mirror.preview_url.as_deref())?;
            out.byte(u8::from(mirror.is_preview));
        }
        Details::Opaque(bytes) => out.bytes(bytes),
    }
    out.long(content.position);
    Ok(BASE64.encode(out.finish()))
}

/// Returns what the text of a track holds, in any version.
///
/// # Errors
/// [`DecodeError`] if it is none.
pub fn decode(text: &str) -> Result<Content, DecodeError> {
    if text.len() > MAX_ENCODED {
        return Err(DecodeError::TooLong { length: text.len() });
    }
    let bytes = BASE64.decode(text).map_err(|_| DecodeError::Base64)?;
    let mut whole = Reader::new(&bytes);
    let header = whole.int("the header")?;
    let length = (header & LENGTH_MASK) as usize;
    let mut input = Reader::new(whole.take("the message", length)?);
    let version = if (header >> LENGTH_BITS) & VERSIONED == 0 {
        1
    } else {
        input.byte("version")?
    };
    if !(1..=VERSION).contains(&version) {
        return Err(DecodeError::Version { version });
    }

    let title = input.text("title")?;
    let author = input.text("author")?;
    let length = input.long("length")?;
    let identifier = input.text("identifier")?;
    let is_stream = input.flag("isStream")?;
    let uri = if version >= 2 {
        input.optional("uri")?
    } else {
        None
    };
    let artwork_url = if version >= 3 {
        input.optional("artworkUrl")?
    } else {
        None
    };
    let isrc = if version >= 3 {
        input.optional("isrc")?
    } else {
        None
    };
    let source_name = input.text("sourceName")?;
    let details = match kind(&source_name) {
        Kind::Plain => Details::None,
        Kind::Probed => Details::Probe(input.text("probe info")?),
        Kind::Mirrored => Details::Mirror(Mirror {
            album_name: input.optional("albumName")?,
            album_url: input.optional("albumUrl")?,
            artist_url: input.optional("artistUrl")?,
            artist_artwork_url: input.optional("artistArtworkUrl")?,
            preview_url: input.optional("previewUrl")?,
            is_preview: input.flag("isPreview")?,
        }),
        Kind::Unknown => {
            let left = input
                .left()
                .checked_sub(size_of::<i64>())
                .ok_or(DecodeError::Truncated { field: "position" })?;
            Details::Opaque(input.take("source bytes", left)?.to_vec())
        }
    };
    let position = input.long("position")?;
    Ok(Content {
        title,
        author,
        length,
        identifier,
        is_stream,
        uri,
        artwork_url,
        isrc,
        source_name,
        details,
        position,
    })
}

impl Content {
    /// Returns the content for what is known about a track.
    pub fn new(info: &TrackInfo, details: Details) -> Self {
        Self {
            title: info.title.clone(),
            author: info.author.clone(),
            length: info.length,
            identifier: info.identifier.clone(),
            is_stream: info.is_stream,
            uri: info.uri.clone(),
            artwork_url: info.artwork_url.clone(),
            isrc: info.isrc.clone(),
            source_name: info.source_name.clone(),
            details,
            position: info.position,
        }
    }

    /// Returns what is known about the track. Whether it can be sought is derived: streams cannot.
    pub fn info(&self) -> TrackInfo {
        TrackInfo {
            identifier: self.identifier.clone(),
            is_seekable: !self.is_stream,
            author: self.author.clone(),
            length: self.length,
            is_stream: self.is_stream,
            position: self.position,
            title: self.title.clone(),
            uri: self.uri.clone(),
            source_name: self.source_name.clone(),
            artwork_url: self.artwork_url.clone(),
            isrc: self.isrc.clone(),
        }
    }

    /// Returns `pluginInfo`, which is not stored but follows from the details.
    pub fn plugin_info(&self) -> Object {
        let mut info = Object::new();
        if let Details::Probe(probe) = &self.details {
            info.insert("probeInfo".into(), probe.clone().into());
        }
        if let Details::Mirror(mirror) = &self.details {
            info.insert("albumName".into(), mirror.album_name.clone().into());
            info.insert("albumUrl".into(), mirror.album_url.clone().into());
            info.insert("artistUrl".into(), mirror.artist_url.clone().into());
            info.insert(
                "artistArtworkUrl".into(),
                mirror.artist_artwork_url.clone().into(),
            );
            info.insert("previewUrl".into(), mirror.preview_url.clone().into());
            info.insert("isPreview".into(), mirror.is_preview.into());
        }
        info
    }
}

enum Kind {
    Plain,
    Probed,
    Mirrored,
    Unknown,
}

fn kind(source_name: &str) -> Kind {
    match source_name {
        "youtube" | "soundcloud" | "bandcamp" | "twitch" | "vimeo" | "niconico" | "getyarn.io"
        | "flowery-tts" => Kind::Plain,
        "http" | "local" => Kind::Probed,
        "spotify" | "applemusic" | "deezer" | "yandexmusic" | "vkmusic" | "tidal" | "qobuz"
        | "jiosaavn" | "ytdlp" => Kind::Mirrored,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests;
