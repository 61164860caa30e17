//! Loads and opens files on web servers.

use backline_proto::lavalink::{Exception, LoadResult, Severity, Track};
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use url::Url;

use super::{FetchError, Http};
use crate::engine::feed::{PacketSource, Wake};
use crate::source::probe::{self, Probed};
use crate::source::reader::Reader;
use crate::source::threads::OPEN;
use crate::source::{Loaded, Opened, Shared, Source, Sources, describe, failure};

/// The source `http`; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpSource {
    http: Http,
    shared: Shared,
}

/// Bytes that have to be there before a thread starts to probe, if the file has as many.
const PREBUFFER: u64 = 48 * 1024;
/// Bytes that probing may read.
const PROBE_BUDGET: u64 = 16 << 20;

impl HttpSource {
    /// Returns the source over a fetcher.
    pub fn new(http: Http, shared: Shared) -> Self {
        Self { http, shared }
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
        let (probed, _) = self.probe(&http, url, wake.clone()).await?;
        Ok(probed.into_source(wake))
    }

    async fn ask(&self, identifier: &str) -> Loaded {
        let Some(url) = web_url(identifier) else {
            return Loaded::Foreign;
        };
        match self
            .probe(&self.http, &url, Wake::new(&self.shared.pool))
            .await
        {
            Ok((probed, live)) => {
                let named = file_name(&url);
                let track = describe::web(&probed, identifier, named.as_deref(), live);
                Loaded::Found(LoadResult::Track(track))
            }
            // A resolver of web pages may know more, if there is one.
            Err(failure) => Loaded::Perhaps(LoadResult::Error(*failure)),
        }
    }

    async fn probe(
        &self,
        http: &Http,
        url: &Url,
        wake: Wake,
    ) -> Result<(Probed, bool), Box<Exception>> {
        let opened = http
            .open(url, wake)
            .await
            .map_err(|error| failure::of_fetch(&error))?;
        // No thread waits for a server that sends nothing: only when the first bytes have come,
        // or will never come, a thread looks at them.
        let buffered = opened.reader.window().buffered(PREBUFFER);
        let late = || failure::of_fetch(&FetchError::TimedOut);
        tokio::time::timeout(OPEN, buffered)
            .await
            .map_err(|_| late())?;
        let (reader, mime, encoder) = (opened.reader, opened.content_type, self.shared.encoder);
        reader.window().set_patience(Some(http.read_timeout()));
        reader.window().set_budget(Some(PROBE_BUDGET));
        let probe = move || probe::open(Reader::Http(reader), mime, encoder);
        Ok((self.shared.threads.server(probe).await?, opened.live))
    }
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
            let Ok(url) = Url::parse(&track.info.identifier) else {
                let message = "That is not a URL";
                return Err(failure::exception(Severity::Common, message, "invalid URL"));
            };
            let source = self.open_stream(&url, HeaderMap::new(), wake).await?;
            Ok(Opened::Packets(source))
        }
        .boxed()
    }
}

/// Returns the URL that an identifier is, if it leads into the web.
pub fn web_url(identifier: &str) -> Option<Url> {
    let url = Url::parse(identifier).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// Returns what a URL calls its file.
fn file_name(url: &Url) -> Option<String> {
    let name = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(name);
    Some(name.decode_utf8_lossy().into_owned())
}
