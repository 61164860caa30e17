//! Finds out what a file is, and what it says about itself.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use backline_media::decode::{Hint, OpenError};
use backline_media::opus::EncoderOptions;
use backline_media::pipeline::{Pipeline, TrackInfo};
use backline_media::playlist::{self, Kind};
use backline_media::source::Pieces;
use backline_proto::lavalink::Exception;

use super::failure::{self, chain};
use super::format::{Format, SNIFF, Sniffed, sniff};
use super::local::Local;
use super::piped::Piped;
use super::reader::{Reader, Supply};
use crate::engine::feed::{PacketSource, Wake};

/// A file that can be played, and what it says about itself.
#[derive(Debug)]
pub struct Probed {
    /// What it is.
    pub format: Format,
    /// What it says about itself.
    pub info: TrackInfo,
    pipeline: Pipeline,
    supply: Supply,
}

/// What something turned out to be.
#[derive(Debug)]
pub enum Look {
    /// Sound.
    Sound(Probed),
    /// A list of links, or of segments.
    List(Kind, Vec<u8>),
}

/// Looks at a file from its first byte on and opens it. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn open(
    reader: Reader,
    mime: Option<String>,
    options: EncoderOptions,
) -> Result<Probed, Box<Exception>> {
    match look(reader, mime, options)? {
        Look::Sound(probed) => Ok(probed),
        Look::List(..) => Err(failure::of_format("a playlist, not audio")),
    }
}

/// Looks at a file from its first byte on and opens it if it is sound. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn look(
    mut reader: Reader,
    mime: Option<String>,
    options: EncoderOptions,
) -> Result<Look, Box<Exception>> {
    let supply = reader.supply();
    let unreadable = |error: std::io::Error| {
        failure::of_stream(supply.failure().unwrap_or_else(|| chain(&error)))
    };
    let mut first = vec![0; SNIFF];
    let read = reader.read_full(&mut first).map_err(unreadable)?;
    first.truncate(read);
    if let Some(kind) = playlist::sniff(&first) {
        let mut text = first;
        let rest = reader.take((playlist::MAX_BYTES - read) as u64);
        { rest }.read_to_end(&mut text).map_err(unreadable)?;
        // What it is may show only further down.
        let kind = playlist::sniff(&text).unwrap_or(kind);
        return Ok(Look::List(kind, text));
    }
    reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let format = match sniff(&first) {
        Sniffed::Format(format) => format,
        Sniffed::Page => return Err(failure::of_page()),
        Sniffed::Unknown if mime.as_deref() == Some("text/html") => return Err(failure::of_page()),
        // Perhaps MPEG audio behind something strange; the decoders look further.
        Sniffed::Unknown => Format::Mp3,
    };
    let pipeline = Pipeline::open(Box::new(reader), &hint(mime), options);
    opened(pipeline, format, supply).map(Look::Sound)
}

/// Opens a track in pieces, whose bytes come through `supply`. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn open_pieces(
    pieces: Box<dyn Pieces>,
    supply: Supply,
    options: EncoderOptions,
) -> Result<Probed, Box<Exception>> {
    let pipeline = Pipeline::open_pieces(pieces, &Hint::default(), options);
    opened(pipeline, Format::Hls, supply)
}

/// Opens what HLS segments were made into. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn open_segments(reader: Reader, options: EncoderOptions) -> Result<Probed, Box<Exception>> {
    let supply = reader.supply();
    let pipeline = Pipeline::open(Box::new(reader), &Hint::default(), options);
    opened(pipeline, Format::Hls, supply)
}

fn hint(mime: Option<String>) -> Hint {
    Hint {
        extension: None,
        mime: mime.filter(|mime| mime.starts_with("audio/") || mime.starts_with("video/")),
    }
}

fn opened(
    pipeline: Result<Pipeline, OpenError>,
    format: Format,
    supply: Supply,
) -> Result<Probed, Box<Exception>> {
    let pipeline = pipeline.map_err(|error| match (&error, supply.failure()) {
        (OpenError::Html, _) => failure::of_page(),
        (_, Some(why)) => failure::of_stream(why),
        (OpenError::Io(error), None) => failure::of_stream(chain(error)),
        (error, None) => failure::of_format(chain(error)),
    })?;
    supply.set_patience(None);
    supply.set_budget(None);
    Ok(Probed {
        format,
        info: pipeline.info(),
        pipeline,
        supply,
    })
}

impl Probed {
    /// Returns the track as a source for the pool.
    pub fn into_source(self, wake: Wake) -> Box<dyn PacketSource> {
        let stretch = self.format.stretch();
        Box::new(Piped::new(self.pipeline, self.supply, wake, stretch))
    }

    /// Returns the track for others to take packets from: its pipeline, where its bytes come
    /// from, and how many of them have to be there.
    pub fn into_parts(self) -> (Pipeline, Supply, u64) {
        let stretch = match self.format {
            // Live streams have no burst of bytes to spare, and these formats little to lose.
            Format::Mp3 | Format::Adts => 4 * 1024,
            format => format.stretch(),
        };
        (self.pipeline, self.supply, stretch)
    }
}

/// Titles and artists of local files, kept until a file changes.
#[derive(Debug, Default)]
pub struct TagCache(Mutex<HashMap<PathBuf, (SystemTime, Option<Tags>)>>);

type Tags = (String, String);

/// Files whose tags are kept; more are searched by name only.
const MAX_TAGGED: usize = 5_000;

impl TagCache {
    /// Returns title and artist of a file. Blocks when they are not known yet.
    pub fn of(&self, path: &Path, local: &Local) -> Option<Tags> {
        let changed = path.metadata().ok()?.modified().ok()?;
        let known = {
            let cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if cache.len() >= MAX_TAGGED && !cache.contains_key(path) {
                return None;
            }
            cache.get(path).filter(|(at, _)| *at == changed).cloned()
        };
        if let Some((_, tags)) = known {
            return tags;
        }
        let (file, length, _) = local.open(path).ok()?;
        let reader = Reader::File { file, length };
        let probed = open(reader, None, EncoderOptions::default()).ok();
        let tags = probed.map(|Probed { info, .. }| {
            (
                info.title.unwrap_or_default(),
                info.artist.unwrap_or_default(),
            )
        });
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(path.to_owned(), (changed, tags.clone()));
        tags
    }
}
