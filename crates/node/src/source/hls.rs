//! HLS: streams in segments, live or with an end, each segment fetched in its turn.
//!
//! What comes out is one stream of bare AAC, MP3 or fragmented MP4 in a window, as if a server
//! had sent that. A stream with an end is also a track in pieces, which can be sought.

mod filler;
mod secret;

use std::io;

use backline_media::playlist::hls::{self, HlsError, Media, Playlist};
use backline_media::source::{Pieces, Source};
use backline_proto::lavalink::Exception;
use backline_runtime::metrics::node::NodeMetrics;
use url::Url;

use super::alarm::Alarm;
use super::failure::{self, chain};
use super::http::live::Pace;
use super::http::window::{Window, WindowReader};
use super::http::{FetchError, Http};
use super::reader::Reader;
use crate::engine::feed::Wake;
use filler::HlsFiller;

/// A stream whose first segment is being fetched.
pub struct Stream {
    /// Its bytes.
    pub reader: WindowReader,
    /// Its pieces, if it has an end.
    pub pieces: Option<Box<dyn Pieces>>,
}

/// Why a stream cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A playlist cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A playlist cannot be used.
    #[error(transparent)]
    Playlist(#[from] HlsError),
    /// An address in it is none.
    #[error("the HLS playlist leads nowhere")]
    Address,
    /// There is nothing in it.
    #[error("the HLS playlist is empty")]
    Empty,
}

impl StreamError {
    /// Returns what clients are told.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    pub fn exception(&self) -> Box<Exception> {
        match self {
            Self::Fetch(error) => failure::of_fetch(error),
            Self::Playlist(_) | Self::Address | Self::Empty => failure::of_format(chain(self)),
        }
    }
}

/// Opens the stream whose playlist, `text`, came from `url`.
///
/// # Errors
/// See [`StreamError`].
pub async fn open(
    http: &Http,
    metrics: &NodeMetrics,
    url: &Url,
    text: &[u8],
    wake: Wake,
) -> Result<Stream, StreamError> {
    let (url, media) = match hls::parse(text)? {
        Playlist::Media(media) => (url.clone(), media),
        Playlist::Master(master) => {
            let choice = hls::choose(&master)?;
            let url = url
                .join(&choice.location)
                .map_err(|_| StreamError::Address)?;
            load(http, &url).await?
        }
    };
    if media.segments.is_empty() && media.ended {
        return Err(StreamError::Empty);
    }
    let (window, reader) = if media.ended {
        Window::new(None, false, metrics.clone(), wake)
    } else {
        Window::live(Pace::Pulled, metrics.clone(), Alarm::new(wake))
    };
    let pieces = media.ended.then(|| -> Box<dyn Pieces> {
        Box::new(HlsTrack {
            reader: reader.again(),
            starts: starts(&media),
            opened: false,
        })
    });
    let filler = HlsFiller::new(http.clone(), url, media, window);
    tokio::spawn(filler.run());
    Ok(Stream { reader, pieces })
}

/// Fetches the playlist of one variant; returns where it is after redirects.
async fn load(http: &Http, url: &Url) -> Result<(Url, Media), StreamError> {
    let limit = backline_media::playlist::MAX_BYTES;
    let (url, text) = http.fetch(url, None, limit).await?;
    match hls::parse(&text)? {
        Playlist::Media(media) => Ok((url, media)),
        Playlist::Master(_) => Err(StreamError::Address),
    }
}

/// Returns where each segment begins, and at last where the track ends, in milliseconds.
fn starts(media: &Media) -> Vec<u64> {
    let mut at = 0;
    let mut starts = vec![0];
    for segment in &media.segments {
        at += segment.duration_ms;
        starts.push(at);
    }
    starts
}

/// A stream with an end.
struct HlsTrack {
    reader: WindowReader,
    /// One more than there are segments.
    starts: Vec<u64>,
    opened: bool,
}

impl Pieces for HlsTrack {
    fn duration_ms(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    fn open(&mut self, at_ms: u64) -> io::Result<(Box<dyn Source>, u64)> {
        let last = self.starts.len().saturating_sub(2);
        let behind = self.starts.partition_point(|start| *start <= at_ms);
        let index = behind.saturating_sub(1).min(last);
        if self.opened || index > 0 {
            self.reader.window().restart(index as u64);
        }
        self.opened = true;
        let reader = Reader::Http(self.reader.again());
        Ok((Box::new(reader), self.starts[index]))
    }
}
