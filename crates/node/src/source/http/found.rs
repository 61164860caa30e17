//! What is behind a URL: sound, a radio station, an HLS stream, or a list of links.

use backline_media::playlist::{self, Kind};
use backline_proto::lavalink::Exception;
use reqwest::StatusCode;
use url::Url;

use super::station::Station;
use super::{FetchError, Http};
use crate::engine::feed::Wake;
use crate::source::links::{self, Link};
use crate::source::probe::{self, Look, Probed};
use crate::source::reader::Reader;
use crate::source::threads::OPEN;
use crate::source::{Shared, failure, hls};

/// What is behind a URL.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is looked at once and taken apart"
)]
pub enum Found {
    /// Sound.
    Sound(Sound),
    /// Links.
    Links(Kind, Vec<Link>),
}

/// Sound behind a URL.
#[derive(Debug)]
pub struct Sound {
    /// The track.
    pub probed: Probed,
    /// Whether it has no end.
    pub live: bool,
    /// What the radio station says about itself, if it is one.
    pub station: Option<Station>,
    /// Whether everybody hears the same at the same time.
    pub is_shared: bool,
}

/// Why nothing is behind a URL.
#[derive(Debug)]
pub enum Unfound {
    /// The server knows no such file.
    Missing,
    /// Something else went wrong.
    Failed(Box<Exception>),
}

/// Bytes that have to be there before a thread starts to probe, if the file has as many.
const PREBUFFER: u64 = 48 * 1024;
/// The same of a live stream, which may send no faster than it sounds.
const LIVE_PREBUFFER: u64 = 8 * 1024;
/// Bytes that probing may read.
const PROBE_BUDGET: u64 = 16 << 20;

/// Looks at what is behind `url`.
///
/// # Errors
/// See [`Unfound`].
pub async fn find(http: &Http, shared: &Shared, url: &Url, wake: Wake) -> Result<Found, Unfound> {
    let opened = http.open(url, wake.clone()).await.map_err(unfound)?;
    let prebuffer = if opened.station.is_some() {
        LIVE_PREBUFFER
    } else {
        PREBUFFER
    };
    // No thread waits for a server that sends nothing: only when the first bytes have come, or
    // will never come, a thread looks at them.
    let buffered = opened.reader.window().buffered(prebuffer);
    let late = || unfound(FetchError::TimedOut);
    tokio::time::timeout(OPEN, buffered)
        .await
        .map_err(|_| late())?;
    let (reader, mime, encoder) = (opened.reader, opened.content_type, shared.encoder);
    reader.window().set_patience(Some(http.read_timeout()));
    reader.window().set_budget(Some(PROBE_BUDGET));
    let look = move || probe::look(Reader::Http(reader), mime, encoder);
    match shared.threads.server(look).await? {
        Look::Sound(probed) => {
            let is_shared = opened.station.is_some();
            Ok(Found::Sound(Sound {
                probed,
                live: opened.live,
                station: opened.station,
                is_shared,
            }))
        }
        Look::List(Kind::Hls, text) => find_hls(http, shared, &opened.url, &text, wake).await,
        Look::List(kind, text) => {
            let links = links::resolve(&opened.url, playlist::entries(kind, &text));
            Ok(Found::Links(kind, links))
        }
    }
}

async fn find_hls(
    http: &Http,
    shared: &Shared,
    url: &Url,
    text: &[u8],
    wake: Wake,
) -> Result<Found, Unfound> {
    let opening = hls::open(http, &shared.metrics, url, text, wake);
    let stream = tokio::time::timeout(OPEN, opening)
        .await
        .map_err(|_| unfound(FetchError::TimedOut))?;
    let hls::Stream { reader, pieces } = stream.map_err(|error| error.exception())?;
    let buffered = reader.window().buffered(LIVE_PREBUFFER);
    tokio::time::timeout(OPEN, buffered)
        .await
        .map_err(|_| unfound(FetchError::TimedOut))?;
    let window = reader.window();
    window.set_patience(Some(http.read_timeout()));
    window.set_budget(Some(PROBE_BUDGET));
    let (live, encoder) = (pieces.is_none(), shared.encoder);
    let reader = Reader::Http(reader);
    let look = move || match pieces {
        Some(pieces) => {
            let supply = reader.supply();
            probe::open_pieces(pieces, supply, encoder)
        }
        None => probe::open_segments(reader, encoder),
    };
    let probed = shared.threads.server(look).await?;
    Ok(Found::Sound(Sound {
        probed,
        live,
        station: None,
        is_shared: live,
    }))
}

impl Unfound {
    /// Returns what clients are told that wanted to hear it.
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    pub fn exception(self) -> Box<Exception> {
        match self {
            Self::Missing => failure::of_fetch(&FetchError::Status(StatusCode::NOT_FOUND)),
            Self::Failed(exception) => exception,
        }
    }
}

impl From<Box<Exception>> for Unfound {
    fn from(exception: Box<Exception>) -> Self {
        Self::Failed(exception)
    }
}

fn unfound(error: FetchError) -> Unfound {
    match error {
        FetchError::Status(StatusCode::NOT_FOUND) => Unfound::Missing,
        error => Unfound::Failed(failure::of_fetch(&error)),
    }
}
