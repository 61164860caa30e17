//! Loads and opens files on web servers.

use std::sync::Arc;

use backline_media::playlist::Kind;
use backline_proto::lavalink::{Exception, LoadResult, Severity, Track};
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use url::Url;

use super::Http;
use super::found::{self, Found, Sound, Unfound};
use super::station::hear_title;
use crate::engine::feed::{PacketSource, Wake};
use crate::source::links::{self, Link};
use crate::source::shared::{self, Radio, Radios};
use crate::source::{Loaded, Opened, Shared, Source, Sources, describe, failure};

/// The source `http`; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpSource {
    http: Http,
    shared: Shared,
    radios: Arc<Radios>,
}

/// How often a list may lead to a list.
const LISTS: usize = 3;
/// Links of a list of mirrors that are tried.
const MIRRORS: usize = 3;

impl HttpSource {
    /// Returns the source over a fetcher.
    pub fn new(http: Http, shared: Shared) -> Self {
        Self {
            http,
            shared,
            radios: Arc::default(),
        }
    }

    /// Opens a stream that another source found, with headers its server wants.
    ///
    /// # Errors
    /// What clients are told.
    pub async fn open_stream(
        &self,
        url: &Url,
        headers: HeaderMap,
        wake: Wake,
    ) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let http = self.http.clone().with_headers(headers);
        let sound = self.find_sound(&http, url, wake.clone()).await?;
        Ok(sound.probed.into_source(wake))
    }

    /// Opens a live stream, or a place in it if somebody hears it already.
    async fn open_live(
        &self,
        url: &Url,
        wake: Wake,
    ) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let slot = self.radios.slot(url.as_str());
        // Held while it is opened: everybody else who wants it waits for that.
        let mut place = slot.lock().await;
        if let Some(radio) = place.radio() {
            return Ok(shared::source(&radio, self.shared.encoder, wake));
        }
        if let Some(failure) = place.failure() {
            return Err(failure);
        }
        if place.is_private() {
            drop(place);
            let sound = self.find_sound(&self.http, url, wake.clone()).await?;
            return Ok(sound.probed.into_source(wake));
        }
        let sound = match self.find_sound(&self.http, url, wake.clone()).await {
            Ok(sound) => sound,
            Err(failure) => {
                place.handle_opened(Err(&failure));
                return Err(failure);
            }
        };
        if !sound.is_shared {
            place.handle_opened(Ok(None));
            return Ok(sound.probed.into_source(wake));
        }
        let title = sound.station.map(|station| station.title);
        let metrics = self.shared.metrics.clone();
        let radio = Radio::new(sound.probed, title, metrics);
        place.handle_opened(Ok(Some(&radio)));
        Ok(shared::source(&radio, self.shared.encoder, wake))
    }

    /// Returns the sound behind a URL; that behind the first link that has any if it is a list.
    async fn find_sound(
        &self,
        http: &Http,
        url: &Url,
        wake: Wake,
    ) -> Result<Sound, Box<Exception>> {
        let mut url = url.clone();
        for _ in 0..=LISTS {
            match found::find(http, &self.shared, &url, wake.clone()).await {
                Ok(Found::Sound(sound)) => return Ok(sound),
                Ok(Found::Links(_, links)) => {
                    let first = links.into_iter().next().ok_or_else(no_links)?;
                    url = first.url;
                }
                Err(unfound) => return Err(unfound.exception()),
            }
        }
        Err(in_circles())
    }

    async fn ask(&self, identifier: &str) -> Loaded {
        let Some(url) = web_url(identifier) else {
            return Loaded::Foreign;
        };
        let wake = Wake::new(&self.shared.pool);
        match found::find(&self.http, &self.shared, &url, wake).await {
            Ok(Found::Sound(sound)) => {
                hear_title(sound.station.clone()).await;
                let track = describe::web(&sound, identifier, &url, None);
                Loaded::Found(LoadResult::Track(track))
            }
            Ok(Found::Links(kind, links)) => self.follow(kind, &url, links).await,
            // As the reference server does.
            Err(Unfound::Missing) => Loaded::Found(LoadResult::Empty),
            // A resolver of web pages may know more, if there is one.
            Err(Unfound::Failed(failure)) if failure::is_page(&failure) => {
                Loaded::Perhaps(LoadResult::Error(*failure))
            }
            Err(Unfound::Failed(failure)) => Loaded::Found(LoadResult::Error(*failure)),
        }
    }

    /// A list of songs is a playlist; a list of mirrors is the first of them that answers, or
    /// what another source knows behind the first.
    async fn follow(&self, kind: Kind, url: &Url, links: Vec<Link>) -> Loaded {
        if links::is_album(kind, &links) {
            let name = file_name(url);
            return Loaded::Found(LoadResult::Playlist(links::album(name.as_deref(), &links)));
        }
        let Some(first) = links.first() else {
            return Loaded::Found(LoadResult::Error(*no_links()));
        };
        for Link { url, entry } in links.iter().take(MIRRORS) {
            let wake = Wake::new(&self.shared.pool);
            if let Ok(Found::Sound(sound)) = found::find(&self.http, &self.shared, url, wake).await
            {
                hear_title(sound.station.clone()).await;
                let track = describe::web(&sound, url.as_str(), url, entry.title.as_deref());
                return Loaded::Found(LoadResult::Track(track));
            }
        }
        Loaded::Moved(first.url.to_string())
    }
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
fn no_links() -> Box<Exception> {
    failure::of_format("the playlist file contains no links")
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
fn in_circles() -> Box<Exception> {
    failure::of_format("playlists that lead to playlists")
}

impl Source for HttpSource {
    fn label(&self) -> LoadSource {
        LoadSource::Http
    }

    fn names(&self) -> &'static [&'static str] {
        &["http"]
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        self.ask(identifier).boxed()
    }

    fn open<'a>(
        &'a self,
        _: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        async move {
            let Some(url) = web_url(&track.info.identifier) else {
                let message = "That is not a URL";
                return Err(failure::exception(Severity::Common, message, "invalid URL"));
            };
            let source = if track.info.is_stream {
                self.open_live(&url, wake).await?
            } else {
                self.open_stream(&url, HeaderMap::new(), wake).await?
            };
            Ok(Opened::Packets(source))
        }
        .boxed()
    }
}

/// Returns the URL that an identifier is, if it leads into the web.
pub fn web_url(identifier: &str) -> Option<Url> {
    let radio = identifier.strip_prefix("icy://");
    let url = match radio {
        Some(rest) => Url::parse(&format!("http://{rest}")).ok()?,
        None => Url::parse(identifier).ok()?,
    };
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Returns what a URL calls its file.
pub fn file_name(url: &Url) -> Option<String> {
    let name = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(name);
    Some(name.decode_utf8_lossy().into_owned())
}
