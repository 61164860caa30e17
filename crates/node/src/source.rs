//! Where tracks come from: the sources, loading (identifier to tracks) and opening (track to
//! packets).
//!
//! A source is asked in its turn whether it knows an identifier; what it does not know goes to
//! the next. The order is that of the reference server: sources with links and prefixes of their
//! own first, then files, then any link on the web.

pub mod alarm;
pub mod api;
pub mod describe;
pub mod failure;
pub mod format;
pub mod hls;
pub mod http;
pub mod links;
pub mod local;
pub mod mirror;
pub mod piped;
pub mod probe;
pub mod program;
pub mod reader;
pub mod shared;
pub mod speech;
pub mod threads;
pub mod ytdlp;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_media::opus::EncoderOptions;
use backline_proto::lavalink::{Exception, LoadResult, Lyrics, Plugin, Severity, Track};
use backline_runtime::config;
use backline_runtime::metrics::node::{
    LoadLabels, LoadResult as Counted, LoadSource, NodeMetrics, OpenLabels, OpenResult,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Client;

use crate::engine::feed::{PacketSource, Wake};
use crate::engine::pool::Pool;
use crate::tenants::Caller;
use http::Http;
use http::loader::HttpSource;
use local::Local;
use local::loader::LocalSource;
use mirror::apple_music::AppleMusic;
use mirror::deezer::Deezer;
use mirror::spotify::Spotify;
use mirror::{Catalogue, Mirrored};
use speech::Speech;
use threads::Threads;
use ytdlp::Ytdlp;

/// One place where tracks come from.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Returns what metrics call it.
    fn label(&self) -> LoadSource;

    /// Returns the `sourceName`s of its tracks; it opens what carries one of them.
    fn names(&self) -> &'static [&'static str];

    /// Returns the plugin that clients look for to see whether the source is there.
    fn plugin(&self) -> Option<Plugin> {
        None
    }

    /// Returns the lyrics of one of its tracks, if it knows them.
    fn lyrics<'a>(&'a self, _track: &'a Track) -> BoxFuture<'a, Option<Lyrics>> {
        std::future::ready(None).boxed()
    }

    /// Returns the catalogue behind it, if it only knows tracks.
    fn catalogue(&self) -> Option<&dyn Catalogue> {
        None
    }

    /// Returns what an identifier leads to, if it is one of this source.
    fn load<'a>(&'a self, sources: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded>;

    /// Opens one of its tracks, at its beginning. `wake` is what the packets' source calls when
    /// bytes have come.
    ///
    /// Fails with what clients are told.
    fn open<'a>(
        &'a self,
        sources: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>>;
}

/// What a source says to an identifier.
#[derive(Debug)]
pub enum Loaded {
    /// It is none of this source: the next one is asked.
    Foreign,
    /// It leads there.
    Found(LoadResult),
    /// It leads there unless a later source knows better.
    Perhaps(LoadResult),
    /// It leads to another identifier, about which all sources are asked.
    Moved(String),
}

/// What opening a track gives.
pub enum Opened {
    /// Its packets.
    Packets(Box<dyn PacketSource>),
    /// Another track that sounds in its place.
    Instead(Box<Track>),
}

/// What sources share; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Threads that may wait for bytes.
    pub threads: Threads,
    /// The pool that runs packet sources.
    pub pool: Pool,
    /// How transcoded tracks are encoded.
    pub encoder: EncoderOptions,
    /// What is counted.
    pub metrics: NodeMetrics,
}

/// All sources of a node.
#[derive(Debug)]
pub struct Sources {
    shared: Shared,
    /// In the order in which they are asked.
    list: Vec<Arc<dyn Source>>,
    /// Opens streams on the web for other sources, also where links of clients are not opened.
    web: HttpSource,
    /// Catalogues whose keys can be changed.
    keyed: Keyed,
    /// Asks APIs.
    client: Client,
}

/// Catalogues whose keys can be changed while the node runs.
#[derive(Debug, Clone, Default)]
pub struct Keyed {
    /// Spotify, if it is on.
    pub spotify: Option<Arc<Spotify>>,
    /// Apple Music, if it is on.
    pub apple_music: Option<Arc<AppleMusic>>,
}

/// Why the sources could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourcesError {
    /// The HTTP client.
    #[error("setting up the HTTP client")]
    Http(#[source] reqwest::Error),
    /// The proxy of yt-dlp.
    #[error("setting up the proxy of yt-dlp")]
    Proxy(#[source] std::io::Error),
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
/// The longest identifier that is looked at, in bytes.
const MAX_IDENTIFIER: usize = 8 * 1024;
/// How often one source may point at another.
const MOVES: usize = 5;

impl Sources {
    /// Sets up what the configuration enables. Has to be called within the async runtime if
    /// yt-dlp is on.
    ///
    /// # Errors
    /// See [`SourcesError`].
    pub fn new(
        config: &config::Node,
        pool: &Pool,
        metrics: &NodeMetrics,
    ) -> Result<Self, SourcesError> {
        let shared = Shared {
            threads: Threads::default(),
            pool: pool.clone(),
            encoder: EncoderOptions {
                complexity: config.opus_complexity,
                ..EncoderOptions::default()
            },
            metrics: metrics.clone(),
        };
        let http = Http::new(&config.http, metrics).map_err(SourcesError::Http)?;
        let web = HttpSource::new(http, shared.clone());
        let client = api::client().map_err(SourcesError::Http)?;
        let mut list: Vec<Arc<dyn Source>> = Vec::new();
        let ytdlp = config.ytdlp.enabled.then(|| Ytdlp::start(config, &client));
        let ytdlp = ytdlp.transpose().map_err(SourcesError::Proxy)?;
        if let Some(ytdlp) = &ytdlp {
            list.push(Arc::new(ytdlp.clone()));
        }
        let mirror = &config.mirror;
        let keyed = Keyed {
            spotify: mirror
                .spotify
                .enabled
                .then(|| Arc::new(Spotify::new(mirror, &client))),
            apple_music: mirror
                .apple_music
                .enabled
                .then(|| Arc::new(AppleMusic::new(mirror, &client))),
        };
        if let Some(spotify) = &keyed.spotify {
            let spotify = Arc::clone(spotify);
            list.push(Arc::new(Mirrored::new(spotify, mirror)));
        }
        if mirror.deezer.enabled {
            let deezer = Arc::new(Deezer::new(mirror, &client));
            list.push(Arc::new(Mirrored::new(deezer, mirror)));
        }
        if let Some(apple_music) = &keyed.apple_music {
            let apple_music = Arc::clone(apple_music);
            list.push(Arc::new(Mirrored::new(apple_music, mirror)));
        }
        if let Some(command) = &config.speech.command {
            let speech = Speech::new(command, &config.speech, shared.clone());
            list.push(Arc::new(speech));
        }
        if let Some(root) = &config.local.root {
            let local = Local::new(root).map_err(|source| SourcesError::Root {
                root: root.clone(),
                source,
            })?;
            list.push(Arc::new(LocalSource::new(local, shared.clone())));
        }
        if config.http.enabled {
            list.push(Arc::new(web.clone()));
        }
        if let Some(ytdlp) = ytdlp.filter(|_| config.ytdlp.other_sites) {
            list.push(Arc::new(ytdlp.other_sites()));
        }
        Ok(Self {
            shared,
            list,
            web,
            keyed,
            client,
        })
    }

    /// Returns the names of the sources that are on, in the order in which they are asked.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.list.iter().flat_map(|source| source.names()) {
            if !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
        names
    }

    /// Returns the plugins that sources stand for.
    pub fn plugins(&self) -> Vec<Plugin> {
        let mut plugins: Vec<Plugin> = Vec::new();
        for plugin in self.list.iter().filter_map(|source| source.plugin()) {
            if !plugins.contains(&plugin) {
                plugins.push(plugin);
            }
        }
        plugins
    }

    /// Whether there is anything to search in by a prefix of a service.
    pub fn can_search(&self) -> bool {
        self.list
            .iter()
            .any(|source| source.catalogue().is_some() || source.label() == LoadSource::Ytdlp)
    }

    /// Returns the lyrics of a track, if its source knows them.
    pub async fn lyrics(&self, track: &Track) -> Option<Lyrics> {
        let name = track.info.source_name.as_str();
        let plays = |source: &&Arc<dyn Source>| source.names().contains(&name);
        self.list.iter().find(plays)?.lyrics(track).await
    }

    /// Returns the catalogues that only know tracks.
    pub fn catalogues(&self) -> impl Iterator<Item = &dyn Catalogue> {
        self.list.iter().filter_map(|source| source.catalogue())
    }

    /// Returns what asks APIs.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the catalogues whose keys can be changed.
    pub fn keyed(&self) -> &Keyed {
        &self.keyed
    }

    /// Returns what opens streams on the web, for sources that only find them.
    pub fn web(&self) -> &HttpSource {
        &self.web
    }

    /// Returns what an identifier leads to, within what the caller may use.
    pub async fn load(&self, identifier: &str) -> LoadResult {
        let began = Instant::now();
        let (source, result) = self.ask(identifier.trim()).await;
        let counted = match &result {
            LoadResult::Track(_) => Counted::Track,
            LoadResult::Playlist(_) => Counted::Playlist,
            LoadResult::Search(_) => Counted::Search,
            LoadResult::Empty => Counted::Empty,
            LoadResult::Error(_) => Counted::Error,
        };
        let metrics = &self.shared.metrics;
        let labels = LoadLabels {
            source,
            result: counted,
        };
        metrics.loads.get_or_create(&labels).inc();
        metrics.load_time.observe(source, began.elapsed());
        result
    }

    async fn ask(&self, identifier: &str) -> (LoadSource, LoadResult) {
        let mut identifier = identifier.to_owned();
        let mut asked = LoadSource::None;
        for _ in 0..=MOVES {
            match self.ask_once(&identifier).await {
                Ok(answer) => return answer,
                Err((source, next)) => {
                    asked = source;
                    next.trim().clone_into(&mut identifier);
                }
            }
        }
        let failure = failure::exception(
            Severity::Suspicious,
            "That link points from one place to the next in circles",
            "too many redirects between sources",
        );
        (asked, LoadResult::Error(*failure))
    }

    /// Asks every source; an error is that one of them points elsewhere.
    async fn ask_once(
        &self,
        identifier: &str,
    ) -> Result<(LoadSource, LoadResult), (LoadSource, String)> {
        let mut answer = (LoadSource::None, LoadResult::Empty);
        if identifier.is_empty() || identifier.len() > MAX_IDENTIFIER {
            return Ok(answer);
        }
        let caller = Caller::current();
        for source in &self.list {
            if !source.names().iter().any(|name| caller.may_use(name)) {
                continue;
            }
            match source.load(self, identifier).await {
                Loaded::Foreign => {}
                Loaded::Found(result) if refused(&caller, &result) => {}
                Loaded::Found(result) => return Ok((source.label(), result)),
                Loaded::Perhaps(result) => answer = (source.label(), result),
                Loaded::Moved(next) => return Err((source.label(), next)),
            }
        }
        Ok(answer)
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
        let source = self.open_start(track).await?;
        if position_ms == 0 {
            return Ok(source);
        }
        self.seek(source, position_ms).await
    }

    async fn open_start(&self, track: &Track) -> Result<Box<dyn PacketSource>, Box<Exception>> {
        let mut track = track.clone();
        for _ in 0..=MOVES {
            match self.open_once(&track).await? {
                Opened::Packets(source) => return Ok(source),
                Opened::Instead(other) => track = *other,
            }
        }
        Err(failure::exception(
            Severity::Suspicious,
            "That track points from one place to the next in circles",
            "too many redirects between sources",
        ))
    }

    async fn open_once(&self, track: &Track) -> Result<Opened, Box<Exception>> {
        let name = track.info.source_name.as_str();
        let plays = |source: &&Arc<dyn Source>| source.names().contains(&name);
        let Some(source) = self.list.iter().find(plays) else {
            return Err(failure::exception(
                Severity::Common,
                "This node cannot play tracks of that source",
                format!("the source {name} is not enabled"),
            ));
        };
        let began = Instant::now();
        let opened = source.open(self, track, Wake::new(&self.shared.pool)).await;
        let result = match &opened {
            Ok(_) => OpenResult::Opened,
            Err(_) => OpenResult::Failed,
        };
        let (metrics, source) = (&self.shared.metrics, source.label());
        let labels = OpenLabels { source, result };
        metrics.opens.get_or_create(&labels).inc();
        metrics.open_time.observe(source, began.elapsed());
        opened
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
        let waits = source.waits();
        let seek = move || {
            source.seek(position_ms)?;
            Ok(source)
        };
        self.shared.threads.run(waits, seek).await
    }
}

/// Whether there is a track that the caller may not use: some sources have several names.
fn refused(caller: &Caller, result: &LoadResult) -> bool {
    let tracks = match result {
        LoadResult::Track(track) => std::slice::from_ref(track),
        LoadResult::Playlist(playlist) => &playlist.tracks,
        LoadResult::Search(tracks) => tracks,
        LoadResult::Empty | LoadResult::Error(_) => return false,
    };
    tracks.iter().any(|track| caller.check(track).is_err())
}

impl fmt::Debug for Opened {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packets(_) => out.debug_tuple("Packets").finish_non_exhaustive(),
            Self::Instead(track) => out.debug_tuple("Instead").field(track).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
