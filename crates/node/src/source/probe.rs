//! Finds out what a file is, and what it says about itself.

use std::collections::HashMap;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use backline_media::decode::{Hint, OpenError};
use backline_media::opus::EncoderOptions;
use backline_media::pipeline::{Pipeline, TrackInfo};
use backline_proto::lavalink::{Exception, Severity};

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

/// Looks at a file from its first byte on and opens it. May wait for bytes.
///
/// # Errors
/// What clients are told.
pub fn open(
    mut reader: Reader,
    mime: Option<String>,
    options: EncoderOptions,
) -> Result<Probed, Box<Exception>> {
    let supply = reader.supply();
    let unreadable = |error: std::io::Error| {
        failure::of_stream(supply.failure().unwrap_or_else(|| chain(&error)))
    };
    let mut first = vec![0; SNIFF];
    let read = reader.read_full(&mut first).map_err(unreadable)?;
    reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let format = match sniff(&first[..read]) {
        Sniffed::Format(format) => format,
        Sniffed::Page => return Err(web_page()),
        Sniffed::Unknown if mime.as_deref() == Some("text/html") => return Err(web_page()),
        // Perhaps MPEG audio behind something strange; the decoders look further.
        Sniffed::Unknown => Format::Mp3,
    };
    let hint = Hint {
        extension: None,
        mime: mime.filter(|mime| mime.starts_with("audio/") || mime.starts_with("video/")),
    };
    let pipeline = Pipeline::open(Box::new(reader), &hint, options);
    let pipeline = pipeline.map_err(|error| match (&error, supply.failure()) {
        (OpenError::Html, _) => web_page(),
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
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
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
