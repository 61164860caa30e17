//! Where tracks come from: the sources, loading (identifier to tracks) and opening (track to
//! packets).

pub mod failure;
pub mod format;
pub mod http;
pub mod local;
pub mod piped;
pub mod probe;
pub mod reader;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backline_media::opus::EncoderOptions;
use backline_proto::lavalink::encoded::{self, Content, Details};
use backline_proto::lavalink::{
    Exception, LoadResult, Object, Severity, Track, TrackInfo, UNKNOWN_LENGTH,
};
use backline_runtime::config;
use backline_runtime::metrics::node::{LoadLabels, LoadResult as Result_, LoadSource, NodeMetrics};
use tokio::sync::Semaphore;
use url::Url;

use crate::engine::feed::{PacketSource, Wake};
use crate::engine::pool::Pool;
use http::Http;
use local::{Local, LocalError};
use probe::{Probed, TagCache};
use reader::Reader;

/// All sources of a node.
#[derive(Debug)]
pub struct Sources {
    http: Option<Http>,
    local: Option<Local>,
    tags: Arc<TagCache>,
    pool: Pool,
    metrics: NodeMetrics,
    /// Bounds the threads that open, probe and seek files.
    files: Arc<Semaphore>,
    /// The same for servers, which may be slow: they must not keep files waiting.
    servers: Arc<Semaphore>,
    encoder: EncoderOptions,
}

/// Why the sources could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourcesError {
    /// The HTTP client.
    #[error("setting up the HTTP client")]
    Http(#[source] reqwest::Error),
    /// The folder of local files.
    #[error("opening the folder of local files `{root}`")]
    Root {
        /// The folder.
        root: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How long one read of an opening or seeking thread waits for bytes.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long opening or seeking may take in all.
const OPEN: Duration = Duration::from_secs(30);
/// Bytes that have to be there before a thread starts to probe, if the file has as many.
const PREBUFFER: u64 = 48 * 1024;
/// Bytes that probing may read.
const PROBE_BUDGET: u64 = 16 << 20;
/// Threads that open, probe and seek files at a time.
const FILE_THREADS: usize = 8;
/// Threads that open, probe and seek on servers at a time.
const SERVER_THREADS: usize = 32;
/// The longest identifier that is looked at, in bytes.
const MAX_IDENTIFIER: usize = 8 * 1024;

impl Sources {
    /// Sets up what the configuration enables.
    ///
    /// # Errors
    /// See [`SourcesError`].
    pub fn new(
        config: &config::Node,
        pool: &Pool,
        metrics: &NodeMetrics,
    ) -> Result<Self, SourcesError> {
        let http = config
            .http
            .enabled
            .then(|| Http::new(&config.http, metrics))
            .transpose();
        let local = config.local.root.as_ref().map(|root| {
            Local::new(root).map_err(|source| SourcesError::Root {
                root: root.clone(),
                source,
            })
        });
        Ok(Self {
            http: http.map_err(SourcesError::Http)?,
            local: local.transpose()?,
            tags: Arc::default(),
            pool: pool.clone(),
            metrics: metrics.clone(),
            files: Arc::new(Semaphore::new(FILE_THREADS)),
            servers: Arc::new(Semaphore::new(SERVER_THREADS)),
            encoder: EncoderOptions {
                complexity: config.opus_complexity,
                ..EncoderOptions::default()
            },
        })
    }

    /// Returns the names of the sources that are on, in the order in which they are asked.
    pub fn names(&self) -> Vec<String> {
        let local = self.local.is_some().then(|| "local".to_owned());
        let http = self.http.is_some().then(|| "http".to_owned());
        local.into_iter().chain(http).collect()
    }

    /// Returns what an identifier leads to.
    pub async fn load(&self, identifier: &str) -> LoadResult {
        let (source, result) = self.ask(identifier.trim()).await;
        let counted = match &result {
            LoadResult::Track(_) => Result_::Track,
            LoadResult::Playlist(_) => Result_::Playlist,
            LoadResult::Search(_) => Result_::Search,
            LoadResult::Empty => Result_::Empty,
            LoadResult::Error(_) => Result_::Error,
        };
        self.metrics
            .loads
            .get_or_create(&LoadLabels {
                source,
                result: counted,
            })
            .inc();
        result
    }

    async fn ask(&self, identifier: &str) -> (LoadSource, LoadResult) {
        if identifier.is_empty() || identifier.len() > MAX_IDENTIFIER {
            return (LoadSource::None, LoadResult::Empty);
        }
        if let Some(local) = &self.local {
            if let Some(text) = identifier.strip_prefix("local:")
                && !text.starts_with("//")
            {
                return (LoadSource::Local, self.search(local, text).await);
            }
            if let Some(path) = local.path(identifier) {
                match self.probe_local(local, path).await {
                    // Not a file of ours; perhaps another source knows it.
                    Ok(None) => {}
                    Ok(Some(track)) => return (LoadSource::Local, LoadResult::Track(track)),
                    Err(failure) => return (LoadSource::Local, LoadResult::Error(*failure)),
                }
            }
        }
        if let Some(http) = &self.http
            && let Ok(url) = Url::parse(identifier)
            && matches!(url.scheme(), "http" | "https")
        {
            return match self.probe_http(http, &url, identifier).await {
                Ok(track) => (LoadSource::Http, LoadResult::Track(track)),
                Err(failure) => (LoadSource::Http, LoadResult::Error(*failure)),
            };
        }
        (LoadSource::None, LoadResult::Empty)
    }

    /// Opens a track at a position.
    ///
    /// # Errors
    /// What clients are told.
    pub async fn open(
        &self,
        track: &Track,
        position_ms: u64,
    ) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let info = &track.info;
        let wake = Wake::new(&self.pool);
        let opened = match (info.source_name.as_str(), &self.local, &self.http) {
            ("local", Some(local), _) => {
                let Some(path) = local.path(&info.identifier) else {
                    return Err(not_local(&LocalError::Missing));
                };
                let (local, encoder) = (local.clone(), self.encoder);
                let open = move || {
                    let (file, length, _) = local.open(&path).map_err(|error| not_local(&error))?;
                    probe::open(Reader::File { file, length }, None, encoder)
                };
                Self::block(&self.files, open).await?
            }
            ("http", _, Some(http)) => {
                let url = Url::parse(&info.identifier).map_err(|_| {
                    failure::exception(Severity::Common, "That is not a URL", "invalid URL")
                })?;
                self.open_http(http, &url, wake.clone()).await?.0
            }
            (name, _, _) => {
                let message = "This node cannot play tracks of that source";
                return Err(failure::exception(
                    Severity::Common,
                    message,
                    format!("the source {name} is not enabled"),
                ));
            }
        };
        let source = opened.into_source(wake);
        if position_ms == 0 {
            return Ok(source);
        }
        self.seek(source, position_ms).await
    }

    /// Takes an opened track to a position.
    ///
    /// # Errors
    /// What clients are told.
    pub async fn seek(
        &self,
        mut source: Box<dyn PacketSource>,
        position_ms: u64,
    ) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let threads = if source.waits() {
            &self.servers
        } else {
            &self.files
        };
        let seek = move || {
            source.seek(position_ms)?;
            Ok(source)
        };
        Self::block(threads, seek).await
    }

    async fn open_http(
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
        let late = || failure::of_fetch(&http::FetchError::TimedOut);
        tokio::time::timeout(OPEN, buffered)
            .await
            .map_err(|_| late())?;
        let (reader, mime, encoder) = (opened.reader, opened.content_type, self.encoder);
        reader.window().set_patience(Some(http.read_timeout()));
        reader.window().set_budget(Some(PROBE_BUDGET));
        let probe = move || probe::open(Reader::Http(reader), mime, encoder);
        Ok((Self::block(&self.servers, probe).await?, opened.live))
    }

    async fn probe_http(
        &self,
        http: &Http,
        url: &Url,
        identifier: &str,
    ) -> Result<Track, Box<Exception>> {
        let (probed, live) = self.open_http(http, url, Wake::new(&self.pool)).await?;
        let named = url
            .path_segments()
            .and_then(|mut parts| parts.next_back().map(str::to_owned));
        let named = named.map(|name| {
            percent_encoding::percent_decode_str(&name)
                .decode_utf8_lossy()
                .into_owned()
        });
        Ok(describe(
            &probed,
            "http",
            identifier,
            named.as_deref(),
            live,
        ))
    }

    async fn probe_local(
        &self,
        local: &Local,
        path: PathBuf,
    ) -> Result<Option<Track>, Box<Exception>> {
        let (local, encoder) = (local.clone(), self.encoder);
        let probe = move || match local.open(&path) {
            Ok((file, length, real)) => {
                let probed = probe::open(Reader::File { file, length }, None, encoder)?;
                Ok(Some(describe_file(&probed, &real)))
            }
            Err(LocalError::Missing) => Ok(None),
            Err(error) => Err(not_local(&error)),
        };
        Self::block(&self.files, probe).await
    }

    async fn search(&self, local: &Local, text: &str) -> LoadResult {
        let (local, text) = (local.clone(), text.to_owned());
        let (tags, encoder) = (Arc::clone(&self.tags), self.encoder);
        let search = move || {
            let named = local.search(&text, |path| tags.of(path, &local));
            let tracks = named.iter().filter_map(|path| {
                let (file, length, real) = local.open(path).ok()?;
                let probed = probe::open(Reader::File { file, length }, None, encoder).ok()?;
                Some(describe_file(&probed, &real))
            });
            Ok(tracks.collect::<Vec<_>>())
        };
        match Self::block(&self.files, search).await {
            Ok(tracks) if tracks.is_empty() => LoadResult::Empty,
            Ok(tracks) => LoadResult::Search(tracks),
            Err(failure) => LoadResult::Error(*failure),
        }
    }

    /// Runs what may wait for bytes on a thread that may wait.
    async fn block<T: Send + 'static>(
        threads: &Arc<Semaphore>,
        work: impl FnOnce() -> Result<T, Box<Exception>> + Send + 'static,
    ) -> Result<T, Box<Exception>> {
        let late = || failure::of_fetch(&http::FetchError::TimedOut);
        let run = async {
            let permit = Arc::clone(threads).acquire_owned().await;
            let permit = permit.expect("the semaphore is never closed");
            let done = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                work()
            });
            done.await
                .unwrap_or_else(|_| Err(failure::of_format("the file broke its reader")))
        };
        tokio::time::timeout(OPEN, run).await.map_err(|_| late())?
    }
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
fn not_local(error: &LocalError) -> Box<Exception> {
    let severity = match error {
        LocalError::Missing | LocalError::NotAFile => Severity::Common,
        LocalError::Unreadable(_) => Severity::Suspicious,
    };
    failure::exception(severity, "The file cannot be opened", error.to_string())
}

fn describe_file(probed: &Probed, path: &Path) -> Track {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    describe(
        probed,
        "local",
        &path.to_string_lossy(),
        stem.as_deref(),
        false,
    )
}

fn describe(
    probed: &Probed,
    source_name: &str,
    identifier: &str,
    named: Option<&str>,
    live: bool,
) -> Track {
    let short = |text: &str| text.chars().take(500).collect::<String>();
    let named = named.filter(|name| !name.is_empty());
    let title = probed
        .info
        .title
        .as_deref()
        .or(named)
        .unwrap_or("Unknown title");
    let author = probed.info.artist.as_deref().unwrap_or("Unknown artist");
    let length = probed
        .info
        .duration_ms
        .and_then(|length| i64::try_from(length).ok());
    let info = TrackInfo {
        identifier: identifier.to_owned(),
        is_seekable: !live,
        author: short(author),
        length: length.filter(|_| !live).unwrap_or(UNKNOWN_LENGTH),
        is_stream: live,
        position: 0,
        title: short(title),
        uri: Some(identifier.to_owned()),
        source_name: source_name.to_owned(),
        artwork_url: None,
        isrc: None,
    };
    let content = Content::new(&info, Details::Probe(probed.format.name().to_owned()));
    let encoded = encoded::encode(&content).expect("texts were shortened to what fits");
    Track {
        encoded,
        info,
        plugin_info: Object::new(),
        user_data: Object::new(),
    }
}
