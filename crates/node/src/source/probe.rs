//! Finds out what a file is, and what it says about itself.

use std::collections::HashMap;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use backline_media::demux::DemuxError;
use backline_proto::lavalink::{Exception, Severity};

use super::failure;
use super::format::{Format, SNIFF, Sniffed, sniff};
use super::local::Local;
use super::opus_stream::{OpusError, OpusInfo, OpusStream};
use super::reader::Reader;
use crate::engine::feed::{PacketSource, Wake};
use crate::engine::pool::Pool;

/// A file that can be played, and what it says about itself.
pub struct Probed {
    /// What it is.
    pub format: Format,
    /// Its title.
    pub title: Option<String>,
    /// Its artist.
    pub artist: Option<String>,
    /// Its length in milliseconds.
    pub length_ms: Option<u64>,
    opened: Opened,
}

enum Opened {
    Opus(Box<OpusStream>),
}

/// Looks at a file from its first byte on and opens it. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn open(mut reader: Reader, content_type: Option<&str>) -> Result<Probed, Box<Exception>> {
    let unreadable = |error: std::io::Error| failure::of_stream(error.to_string());
    let mut first = vec![0; SNIFF];
    let read = reader.read_full(&mut first).map_err(unreadable)?;
    reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let format = match sniff(&first[..read]) {
        Sniffed::Format(format) => format,
        Sniffed::Page => return Err(web_page()),
        Sniffed::Unknown if content_type == Some("text/html") => return Err(web_page()),
        Sniffed::Unknown if read == 0 => {
            return Err(failure::of_format(
                reader
                    .failure()
                    .unwrap_or_else(|| "the file is empty".to_owned()),
            ));
        }
        Sniffed::Unknown => return Err(failure::of_format("no known container")),
    };
    let mut probed = open_as(reader, format)?;
    probed.settle();
    Ok(probed)
}

fn open_as(reader: Reader, format: Format) -> Result<Probed, Box<Exception>> {
    let opened = match format {
        Format::OggOpus => OpusStream::open_ogg(reader),
        Format::Matroska => OpusStream::open_webm(reader),
        _ => return Err(failure::of_format("this container cannot be decoded yet")),
    };
    match opened {
        Ok((stream, info)) => Ok(Probed::opus(format, stream, info)),
        Err(OpusError::Demux(error @ DemuxError::NoOpus { .. })) => {
            Err(failure::of_format(error.to_string()))
        }
        Err(error) => Err(failure::of_format(error.to_string())),
    }
}

impl Probed {
    fn opus(format: Format, stream: OpusStream, info: OpusInfo) -> Self {
        Self {
            format,
            title: info.tags.title,
            artist: info.tags.artist,
            length_ms: info.length_ms,
            opened: Opened::Opus(Box::new(stream)),
        }
    }

    /// Ends probing: from now on reads neither wait nor are counted.
    fn settle(&mut self) {
        match &mut self.opened {
            Opened::Opus(stream) => stream.settle(),
        }
    }

    /// Returns the track as a source for the pool.
    ///
    /// # Errors
    /// What clients are told.
    pub fn into_source(self, opus_complexity: u8) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let _ = opus_complexity;
        match self.opened {
            Opened::Opus(stream) => Ok(stream),
        }
    }
}

impl std::fmt::Debug for Probed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Probed")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

fn web_page() -> Box<Exception> {
    let message = "The URL leads to a web page, not to audio";
    failure::exception(Severity::Common, message, "the server answered with HTML")
}

/// Titles and artists of local files, kept until a file changes.
#[derive(Debug, Default)]
pub struct TagCache(Mutex<HashMap<PathBuf, (SystemTime, Option<Tags>)>>);

type Tags = (String, String);

/// Files whose tags are kept; more are searched by name only.
const MAX_TAGGED: usize = 5_000;

impl TagCache {
    /// Returns title and artist of a file. Blocks when they are not known yet.
    pub fn of(&self, path: &Path, local: &Local, pool: &Pool) -> Option<Tags> {
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
        let reader = Reader::File {
            file,
            length,
            wake: Wake::new(pool),
        };
        let tags = open(reader, None).ok().map(|probed| {
            (
                probed.title.unwrap_or_default(),
                probed.artist.unwrap_or_default(),
            )
        });
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(path.to_owned(), (changed, tags.clone()));
        tags
    }
}
