//! The source `http`: audio files on web servers.

pub mod fetch;
pub mod found;
pub mod guard;
pub mod live;
pub mod loader;
pub mod station;
pub mod window;

use std::sync::Arc;
use std::time::Duration;

use backline_runtime::config;
use backline_runtime::metrics::node::NodeMetrics;
use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::engine::feed::Wake;
use crate::source::alarm::Alarm;
use fetch::Filler;
use guard::{Reach, Resolver, UrlRefused, is_refusal};
use live::Pace;
use station::{LiveFiller, Station};
use window::{Failure, Window, WindowReader};

/// Fetches from web servers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    reach: Reach,
    read_timeout: Duration,
    max_bytes: u64,
    metrics: NodeMetrics,
    /// What a server wants to be told besides.
    headers: HeaderMap,
}

/// A stream that a server has begun to send.
#[derive(Debug)]
pub struct Opened {
    /// Its bytes.
    pub reader: WindowReader,
    /// What the server says it is, in lower case, without parameters.
    pub content_type: Option<String>,
    /// Whether it is a live stream, as far as the server tells.
    pub live: bool,
    /// What a radio server says about itself.
    pub station: Option<Station>,
    /// Where it is, after redirects.
    pub url: Url,
}

/// Why a URL cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It must not be fetched.
    #[error(transparent)]
    Refused(#[from] UrlRefused),
    /// The server could not be reached.
    #[error("the server could not be reached")]
    Connect,
    /// The name does not exist, or could not be resolved.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The server refused.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// Redirected too often, or to nowhere.
    #[error("the server redirected too often, or to nowhere")]
    Redirect,
    /// The server ignored where to begin.
    #[error("the server cannot begin within the file")]
    Range,
    /// The file is another than before.
    #[error("the file has changed on the server")]
    Changed,
    /// Larger than is allowed.
    #[error("the file is too large")]
    TooLarge,
    /// The server began to send and did not end.
    #[error("{0}")]
    Broken(String),
}

/// Redirects followed at most.
const REDIRECTS: usize = 5;

impl Http {
    /// Returns a fetcher.
    ///
    /// # Errors
    /// When no HTTP client can be made, which means that TLS is not set up.
    pub fn new(config: &config::node::HttpSource, metrics: &NodeMetrics) -> reqwest::Result<Self> {
        let reach = if config.allow_private_networks {
            Reach::Everywhere
        } else {
            Reach::Public
        };
        Self::within(reach, Resolver::new(reach), config, metrics)
    }

    fn within(
        reach: Reach,
        resolver: Resolver,
        config: &config::node::HttpSource,
        metrics: &NodeMetrics,
    ) -> reqwest::Result<Self> {
        let read_timeout = Duration::from_millis(config.read_timeout_ms.into());
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver)
            // A proxy would resolve names by itself, past our checks.
            .no_proxy()
            // Followed by hand, because each hop has to be checked.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Streams are long and few: a kept connection is only one that may just be closing.
            .pool_max_idle_per_host(0)
            .http1_only()
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms.into()))
            .user_agent(concat!("Backline/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            reach,
            read_timeout,
            max_bytes: u64::from(config.max_size_mib) << 20,
            metrics: metrics.clone(),
            headers: HeaderMap::new(),
        })
    }

    /// Returns a fetcher that sends these headers, too, also after redirects: nothing secret.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Opens a URL and starts filling its window.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn open(&self, url: &Url, wake: Wake) -> Result<Opened, FetchError> {
        let asked = url;
        let (url, response) = self.get(asked, 0, None).await?;
        let headers = response.headers();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| {
            let text = value.to_str().ok()?.split(';').next()?;
            Some(text.trim().to_ascii_lowercase())
        });
        if let Some(station) = Station::of(headers) {
            let alarm = Alarm::new(wake);
            let (window, reader) = Window::live(Pace::Pushed, self.metrics.clone(), alarm);
            let filler = LiveFiller {
                http: self.clone(),
                // Redirects of radio servers may lead to another of them next time.
                url: asked.clone(),
                content_type: content_type.clone(),
                title: station.title.clone(),
                window,
            };
            tokio::spawn(filler.run(response));
            return Ok(Opened {
                reader,
                content_type,
                live: true,
                station: Some(station),
                url,
            });
        }
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let total = if partial {
            range_total(headers)
        } else {
            response.content_length()
        };
        if total.is_some_and(|total| total > self.max_bytes) {
            return Err(FetchError::TooLarge);
        }
        let accepts = headers
            .get(header::ACCEPT_RANGES)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"bytes"));
        let live = total.is_none() && !partial;
        let seekable = total.is_some() && (partial || accepts);
        let (window, reader) = Window::new(total, seekable, self.metrics.clone(), wake);
        let filler = Filler {
            http: self.clone(),
            url: url.clone(),
            tag: strong_tag(headers),
            total,
            seekable,
            window,
        };
        tokio::spawn(filler.run(response));
        Ok(Opened {
            reader,
            content_type,
            live,
            station: None,
            url,
        })
    }

    /// Sends a GET for the bytes from `offset` on, following redirects within reach.
    async fn get(
        &self,
        url: &Url,
        offset: u64,
        tag: Option<&str>,
    ) -> Result<(Url, Response), FetchError> {
        let mut headers = HeaderMap::new();
        let range = HeaderValue::try_from(format!("bytes={offset}-"));
        headers.insert(header::RANGE, range.expect("digits are allowed"));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
            headers.insert(header::IF_RANGE, tag);
        }
        if offset == 0 {
            headers.insert(station::WANTS_TITLES, HeaderValue::from_static("1"));
        }
        self.send(url, headers).await
    }

    /// Sends a GET with these headers, following redirects within reach.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn send(&self, url: &Url, headers: HeaderMap) -> Result<(Url, Response), FetchError> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            self.reach.check(&url)?;
            let request = self
                .client
                .get(url.clone())
                .headers(self.headers.clone())
                .headers(headers.clone())
                // Compressed bytes would make offsets meaningless.
                .header(header::ACCEPT_ENCODING, "identity");
            let sent = tokio::time::timeout(self.read_timeout, request.send());
            let response = match sent.await {
                Err(_) => return Err(FetchError::TimedOut),
                Ok(Err(error)) if is_refusal(&error) => return Err(UrlRefused::Private.into()),
                Ok(Err(error)) if error.is_timeout() => return Err(FetchError::TimedOut),
                Ok(Err(_)) => return Err(FetchError::Connect),
                Ok(Ok(response)) => response,
            };
            let status = response.status();
            if status.is_redirection() {
                let location = response.headers().get(header::LOCATION);
                let location = location.and_then(|value| value.to_str().ok());
                let next = location.and_then(|location| url.join(location).ok());
                url = next.ok_or(FetchError::Redirect)?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status));
            }
            return Ok((url, response));
        }
        Err(FetchError::Redirect)
    }

    /// Fetches something small, as a whole.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(
        &self,
        url: &Url,
        range: Option<(u64, u64)>,
        limit: usize,
    ) -> Result<(Url, Vec<u8>), FetchError> {
        let mut body = self.body(url, range).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            if bytes.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((body.url, bytes))
    }

    /// Fetches a file, or the part of it that begins at an offset and has a length.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn body(&self, url: &Url, range: Option<(u64, u64)>) -> Result<Body, FetchError> {
        let mut headers = HeaderMap::new();
        if let Some((offset, length)) = range {
            let last = offset.saturating_add(length).saturating_sub(1);
            let range = HeaderValue::try_from(format!("bytes={offset}-{last}"));
            headers.insert(header::RANGE, range.expect("digits are allowed"));
        }
        let (url, response) = self.send(url, headers).await?;
        // A server that does not know ranges sends everything.
        let first = range_start(response.headers()).unwrap_or(0);
        let (skip, left) = match range {
            Some((offset, length)) => {
                let skip = offset.checked_sub(first).ok_or(FetchError::Range)?;
                (skip, length)
            }
            None => (0, u64::MAX),
        };
        Ok(Body {
            http: self.clone(),
            url,
            response,
            skip,
            left,
        })
    }

    /// Goes on at `offset` with the same file.
    async fn resume(
        &self,
        url: &Url,
        offset: u64,
        tag: Option<&str>,
        total: Option<u64>,
    ) -> Result<Response, FetchError> {
        let (_, response) = self.get(url, offset, tag).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            // With a tag, the whole file means that it is another one now.
            return Err(if tag.is_some() {
                FetchError::Changed
            } else {
                FetchError::Range
            });
        }
        let headers = response.headers();
        if range_start(headers) != Some(offset) {
            return Err(FetchError::Range);
        }
        if total.is_some() && range_total(headers) != total {
            return Err(FetchError::Changed);
        }
        Ok(response)
    }

    /// Returns the next bytes of a body; `None` at its end.
    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        match tokio::time::timeout(self.read_timeout, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(_)) => Err(Failure("the connection to the server broke".to_owned())),
            Err(_) => Err(Failure("the server stopped sending".to_owned())),
        }
    }

    /// Returns how long a server may send nothing.
    pub fn read_timeout(&self) -> Duration {
        self.read_timeout
    }
}

/// A file, or a part of one, that a server has begun to send.
#[derive(Debug)]
pub struct Body {
    http: Http,
    /// Where it is, after redirects.
    pub url: Url,
    response: Response,
    skip: u64,
    left: u64,
}

impl Body {
    /// Returns the next bytes; `None` at the end.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        while self.left > 0 {
            let chunk = self.http.chunk(&mut self.response).await;
            let Some(mut chunk) = chunk.map_err(|Failure(why)| FetchError::Broken(why))? else {
                return Ok(None);
            };
            let skipped = self.skip.min(chunk.len() as u64);
            self.skip -= skipped;
            let mut chunk = chunk.split_off(skipped as usize);
            chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

/// Reads `first` and `total` of `bytes first-last/total`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

fn range_start(headers: &HeaderMap) -> Option<u64> {
    content_range(headers).map(|(first, _)| first)
}

fn range_total(headers: &HeaderMap) -> Option<u64> {
    content_range(headers).and_then(|(_, total)| total)
}

/// A weak tag says nothing about bytes.
fn strong_tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(header::ETAG)?.to_str().ok()?;
    (!tag.starts_with("W/")).then(|| tag.to_owned())
}

/// Used by the filler, which lives in its own file.
pub(crate) type SharedWindow = Arc<Window>;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::engine::pool::Pool;

    /// Answers one request at a loopback address.
    async fn server(address: Ipv4Addr, answer: String) -> u16 {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 4_096];
            let _length = stream.read(&mut request).await.expect("a request");
            stream.write_all(answer.as_bytes()).await.expect("sent");
        });
        port
    }

    #[tokio::test]
    async fn a_redirect_from_an_allowed_address_to_a_refused_one_is_refused() {
        let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (here, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
        let secret = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret".to_owned();
        let hidden = server(there, secret.clone()).await;
        let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
        let config = config::node::HttpSource::default();
        for (reach, refused) in [
            (Reach::Only(IpAddr::V4(here)), true),
            (Reach::Everywhere, false),
        ] {
            let http = Http::within(
                reach,
                Resolver::new(reach),
                &config,
                &NodeMetrics::default(),
            );
            let http = http.expect("a client");
            let moved = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{there}:{hidden}/\r\nContent-Length: 0\r\n\r\n"
            );
            let port = server(here, moved).await;
            let url = format!("http://{here}:{port}/").parse().expect("a URL");
            let opened = http.open(&url, Wake::new(&pool)).await;
            match opened {
                Err(FetchError::Refused(UrlRefused::Private)) => assert!(refused),
                Ok(_) => assert!(!refused),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_elsewhere_the_next_time_gains_nothing() {
        let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (here, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
        let (allowed, refused) = (IpAddr::V4(here), IpAddr::V4(there));
        let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
        let reach = Reach::Only(allowed);
        // One look per connection: the address that was checked is the one connected to.
        let answers = vec![vec![allowed], vec![refused], vec![allowed, refused]];
        let resolver = Resolver::answering(reach, answers);
        let config = config::node::HttpSource::default();
        let http = Http::within(reach, resolver, &config, &NodeMetrics::default());
        let http = http.expect("a client");
        let port = server(
            here,
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nopen".to_owned(),
        )
        .await;
        let url = format!("http://rebind.example:{port}/")
            .parse()
            .expect("a URL");
        http.open(&url, Wake::new(&pool)).await.expect("allowed");
        for what in ["elsewhere", "here and elsewhere"] {
            let refused = http.open(&url, Wake::new(&pool)).await;
            assert!(
                matches!(refused, Err(FetchError::Refused(UrlRefused::Private))),
                "{what}"
            );
        }
    }

    #[test]
    fn ranges_are_read_as_servers_write_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(text));
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(read("bytes 5-9/*"), Some((5, None)));
        for broken in [
            "",
            "bytes */10",
            "5-9/10",
            "bytes x-9/10",
            "bytes 5/10",
            "bytes",
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
