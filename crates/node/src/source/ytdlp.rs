//! Links and searches that the program yt-dlp resolves: it tells what they are and where their
//! sound is; the sound itself is fetched like any other.

mod answer;
mod bandcamp;
pub mod links;
mod proxy;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use backline_proto::lavalink::{Exception, LoadResult, Plugin, Severity, Track};
use backline_runtime::config;
use backline_runtime::config::programs;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use moka::Expiry;
use moka::future::Cache;
use reqwest::Client;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::api::Api;
use super::http::guard::Reach;
use super::program::{Bounds, Program, ProgramError};
use super::{Loaded, Opened, Source, Sources, failure};
use crate::engine::feed::Wake;
use answer::{Answer, Stream};
use links::Wish;
use proxy::Proxy;

/// What yt-dlp resolves; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ytdlp(Arc<Inner>);

/// The same for links to sites that are not known by name, after the source `http` could make
/// nothing of them.
#[derive(Debug)]
pub struct OtherSites(Ytdlp);

#[derive(Debug)]
struct Inner {
    config: config::resolvers::Ytdlp,
    program: Program,
    proxy: Proxy,
    bandcamp: Api,
    version: OnceCell<String>,
    answers: Cache<String, Arc<Answer>>,
    streams: Cache<String, Arc<Stream>>,
}

/// Streams whose addresses are kept.
const STREAMS: u64 = 5_000;
/// How long the address of a stream is kept that does not say when it expires.
const UNSAID: Duration = Duration::from_mins(5);
/// How long it is kept at most.
const LONGEST: Duration = Duration::from_hours(6);
/// How long before it expires an address is given up.
const MARGIN_S: u64 = 60;
/// What is taken, best first: Opus that passes through, audio that can be sought, live lists.
const FORMAT: &str = "bestaudio[acodec=opus][ext=webm][protocol^=http][protocol!*=dash]\
    /bestaudio[protocol^=http][protocol!*=dash]/bestaudio[protocol*=m3u8]\
    /worst[acodec!=none][protocol^=http][protocol!*=dash]/worst[acodec!=none][protocol*=m3u8]\
    /best[protocol^=http][protocol!*=dash]/best";

impl Ytdlp {
    /// Sets it up and asks the program for its version. Has to be called within the async
    /// runtime.
    ///
    /// # Errors
    /// When no port for the proxy can be had.
    pub fn start(config: &config::Node, client: &Client) -> std::io::Result<Self> {
        let reach = if config.http.allow_private_networks {
            Reach::Everywhere
        } else {
            Reach::Public
        };
        let config = config.ytdlp.clone();
        let proxy = Proxy::start(reach)?;
        let named = config
            .path
            .clone()
            .unwrap_or_else(|| PathBuf::from("yt-dlp"));
        let path = programs::find(&named).unwrap_or(named);
        let bounds = Bounds {
            time: Duration::from_millis(config.timeout_ms.into()),
            processes: config.processes.into(),
            output: usize::from(config.max_output_mib) << 20,
        };
        let program = Program::new(&path, bounds).with_environment(&[
            ("http_proxy", proxy.url()),
            ("https_proxy", proxy.url()),
            ("no_proxy", String::new()),
        ]);
        let answers = Cache::builder()
            .max_capacity(config.cache_tracks.into())
            .weigher(|_, answer: &Arc<Answer>| match answer.as_ref() {
                Answer::Playlist(playlist) => playlist.tracks.len().max(1) as u32,
                Answer::Search(tracks) => tracks.len().max(1) as u32,
                Answer::Track(..) | Answer::List(_) | Answer::Empty => 1,
            })
            .time_to_live(Duration::from_secs(config.cache_ttl_s.into()))
            .build();
        let streams = Cache::builder()
            .max_capacity(STREAMS)
            .expire_after(UntilExpired)
            .build();
        let this = Self(Arc::new(Inner {
            bandcamp: Api::new(client, &config.bandcamp_url, config.timeout_ms),
            config,
            program,
            proxy,
            version: OnceCell::new(),
            answers,
            streams,
        }));
        tokio::spawn(this.clone().ask_version(path));
        Ok(this)
    }

    /// Returns the source for other sites.
    pub fn other_sites(&self) -> OtherSites {
        OtherSites(self.clone())
    }

    async fn ask_version(self, path: PathBuf) {
        let path = path.display();
        match self.0.program.run(&["--version".into()], None).await {
            Ok(printed) => {
                let text = String::from_utf8_lossy(&printed);
                let text: String = text.trim().chars().take(40).collect();
                let months = version::months(&text, now_s());
                if months.is_none_or(|months| months >= self.0.config.warn_after_months) {
                    tracing::warn!(%path, ytdlp.version = text, "yt-dlp is old; sites may not work");
                } else {
                    tracing::info!(%path, ytdlp.version = text, "yt-dlp found");
                }
                let _set = self.0.version.set(text);
            }
            Err(error) => {
                let error = failure::chain(&error);
                tracing::warn!(%path, error, "yt-dlp does not run; its links will fail");
            }
        }
    }

    /// Returns what is wished for, from the cache if it is there.
    async fn look_up(&self, wish: Wish) -> Result<Arc<Answer>, Box<Exception>> {
        let key = match &wish {
            Wish::Link(url) => url.to_string(),
            Wish::Search(text) => text.clone(),
            Wish::Bandcamp(text) => format!("bcsearch:{text}"),
        };
        let found = self.0.answers.try_get_with(key, async {
            let answer = match wish {
                Wish::Bandcamp(text) => {
                    let results = self.0.config.search_results.into();
                    bandcamp::search(&self.0.bandcamp, &text, results).await?
                }
                Wish::Link(url) => self.ask(url.as_str(), Some(&url)).await?,
                Wish::Search(text) => self.ask(&text, None).await?,
            };
            if let Answer::Track(track, Some(stream)) = &answer
                && let Some(page) = page(track)
            {
                let stream = Arc::new(stream.clone());
                self.0.streams.insert(page.into(), stream).await;
            }
            Ok::<_, Box<Exception>>(Arc::new(answer))
        });
        found.await.map_err(|failure| Box::new((**failure).clone()))
    }

    async fn ask(&self, argument: &str, asked: Option<&Url>) -> Result<Answer, Box<Exception>> {
        let config = &self.0.config;
        let limit = match asked {
            Some(url) if url.path() == "/search" => usize::from(config.search_results),
            _ => usize::from(config.playlist_load_limit) * 100,
        };
        let list = ["--flat-playlist", "--yes-playlist", "--playlist-end"];
        let mut arguments: Vec<OsString> = list.map(OsString::from).to_vec();
        arguments.push(limit.to_string().into());
        let printed = self.run(arguments, argument).await?;
        Ok(answer::read(&printed, asked, limit))
    }

    /// Returns where the sound of a page is, from the cache if `cached` and it is there.
    async fn stream(&self, page: &Url) -> Result<(Arc<Stream>, bool), Box<Exception>> {
        let entry = self.0.streams.entry(page.to_string());
        let found = entry.or_try_insert_with(async {
            let arguments: Vec<OsString> = match links::item(page) {
                Some(item) => {
                    let item = item.to_string().into();
                    vec!["--yes-playlist".into(), "--playlist-items".into(), item]
                }
                None => vec!["--no-playlist".into()],
            };
            let printed = self.run(arguments, page.as_str()).await?;
            let stream = answer::stream(&printed).ok_or_else(|| {
                let message = "There is no sound in a form that can be played";
                failure::exception(Severity::Common, message, "no stream of a known protocol")
            })?;
            Ok::<_, Box<Exception>>(Arc::new(stream))
        });
        let found = found
            .await
            .map_err(|failure| Box::new((**failure).clone()))?;
        let fresh = found.is_fresh();
        Ok((found.into_value(), fresh))
    }

    /// Runs the program about one link or search; the rest is the same for all.
    async fn run(&self, more: Vec<OsString>, about: &str) -> Result<Value, Box<Exception>> {
        let always = [
            "--ignore-config",
            "--no-warnings",
            "--no-progress",
            "--no-mark-watched",
            "--dump-single-json",
            "--retries",
            "2",
            "--extractor-retries",
            "1",
            "--socket-timeout",
            "15",
            "--format",
            FORMAT,
        ];
        let mut arguments: Vec<OsString> = always.map(OsString::from).to_vec();
        if let Some(cookies) = &self.0.config.cookies_file {
            arguments.extend(["--cookies".into(), cookies.into()]);
        }
        arguments.extend(more);
        // Whatever follows is no option.
        arguments.extend(["--".into(), about.into()]);
        let began = Instant::now();
        let printed = self.0.program.run(&arguments, None).await;
        let took_ms = began.elapsed().as_millis() as u64;
        tracing::debug!(took_ms, ok = printed.is_ok(), "yt-dlp ran");
        let printed = printed.map_err(|error| self.failed(&error))?;
        let read = tokio::task::spawn_blocking(move || serde_json::from_slice(&printed).ok());
        read.await.ok().flatten().ok_or_else(|| {
            let message = "The site could not be understood";
            failure::exception(Severity::Fault, message, "yt-dlp did not print JSON")
        })
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "errors are boxed everywhere here"
    )]
    fn failed(&self, error: &ProgramError) -> Box<Exception> {
        let cause = self.0.proxy.scrub(&failure::chain(error));
        let (severity, message) = match error {
            ProgramError::Missing | ProgramError::Broken(_) => (
                Severity::Fault,
                "This node lacks what loads such links".to_owned(),
            ),
            ProgramError::Busy => (
                Severity::Suspicious,
                "Too much is being loaded; try again later".to_owned(),
            ),
            ProgramError::TimedOut => (
                Severity::Suspicious,
                "The site did not answer in time".to_owned(),
            ),
            ProgramError::TooLong { .. } => {
                (Severity::Suspicious, "The site says too much".to_owned())
            }
            ProgramError::Failed { last_line } => {
                let said = last_line.strip_prefix("ERROR:").unwrap_or(last_line);
                (severity(said), self.0.proxy.scrub(said.trim()))
            }
        };
        failure::exception(severity, &message, cause)
    }

    async fn load_wish(&self, wish: Wish) -> Loaded {
        match self.look_up(wish).await {
            Ok(answer) => match answer.as_ref() {
                Answer::Track(track, _) => Loaded::Found(LoadResult::Track(track.clone())),
                Answer::Playlist(playlist) => Loaded::Found(LoadResult::Playlist(playlist.clone())),
                Answer::Search(tracks) => Loaded::Found(LoadResult::Search(tracks.clone())),
                Answer::List(url) => Loaded::Moved(url.to_string()),
                Answer::Empty => Loaded::Found(LoadResult::Empty),
            },
            Err(failure) => Loaded::Found(LoadResult::Error(*failure)),
        }
    }

    async fn open_track(
        &self,
        sources: &Sources,
        track: &Track,
        wake: Wake,
    ) -> Result<Opened, Box<Exception>> {
        let Some(page) = page(track) else {
            let message = "That track does not say where it is";
            return Err(failure::exception(Severity::Common, message, "no page"));
        };
        let (stream, fresh) = self.stream(&page).await?;
        let open = |stream: Arc<Stream>, wake: Wake| async move {
            let headers = stream.headers.clone();
            sources.web().open_stream(&stream.url, headers, wake).await
        };
        let first = open(stream, wake.clone()).await;
        if fresh || first.is_ok() {
            return Ok(Opened::Packets(first?));
        }
        // The address may have expired before its time.
        self.0.streams.invalidate(page.as_str()).await;
        let (stream, _) = self.stream(&page).await?;
        Ok(Opened::Packets(open(stream, wake).await?))
    }
}

impl Source for Ytdlp {
    fn label(&self) -> LoadSource {
        LoadSource::Ytdlp
    }

    fn names(&self) -> &'static [&'static str] {
        &["youtube", "soundcloud", "bandcamp", "twitch", "vimeo"]
    }

    fn plugin(&self) -> Option<Plugin> {
        Some(Plugin {
            name: "yt-dlp".into(),
            version: self.0.version.get()?.clone(),
        })
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        async move {
            match links::wish(identifier, self.0.config.search_results) {
                None => Loaded::Foreign,
                Some(wish) => self.load_wish(wish).await,
            }
        }
        .boxed()
    }

    fn open<'a>(
        &'a self,
        sources: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        self.open_track(sources, track, wake).boxed()
    }
}

impl Source for OtherSites {
    fn label(&self) -> LoadSource {
        LoadSource::Ytdlp
    }

    fn names(&self) -> &'static [&'static str] {
        &["ytdlp"]
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        async move {
            let Some(url) = links::link(identifier) else {
                return Loaded::Foreign;
            };
            match self.0.load_wish(Wish::Link(url)).await {
                // Then what the source before said is the better answer.
                Loaded::Found(LoadResult::Empty) => Loaded::Foreign,
                Loaded::Found(LoadResult::Error(failure))
                    if failure.cause.contains("Unsupported URL") =>
                {
                    Loaded::Foreign
                }
                answer => answer,
            }
        }
        .boxed()
    }

    fn open<'a>(
        &'a self,
        sources: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        self.0.open_track(sources, track, wake).boxed()
    }
}

fn page(track: &Track) -> Option<Url> {
    let info = &track.info;
    links::page(&info.source_name, &info.identifier, info.uri.as_deref())
}

/// What the site itself says is nobody's fault here.
fn severity(said: &str) -> Severity {
    let said = said.to_ascii_lowercase();
    let ordinary = [
        "unavailable",
        "not available",
        "private",
        "removed",
        "deleted",
        "sign in",
        "age",
        "members",
        "premium",
        "unsupported url",
        "not found",
        "404",
        "offline",
        "not live",
        "copyright",
        "country",
        "region",
        "drm",
    ];
    if ordinary.iter().any(|word| said.contains(word)) {
        Severity::Common
    } else {
        Severity::Suspicious
    }
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Keeps addresses of streams until they expire.
struct UntilExpired;

impl Expiry<String, Arc<Stream>> for UntilExpired {
    fn expire_after_create(
        &self,
        _: &String,
        stream: &Arc<Stream>,
        _: Instant,
    ) -> Option<Duration> {
        Some(keep(stream.expires_s, now_s()))
    }
}

fn keep(expires_s: Option<u64>, now_s: u64) -> Duration {
    let left = |expires: u64| expires.saturating_sub(now_s).saturating_sub(MARGIN_S);
    expires_s.map_or(UNSAID, |expires| {
        Duration::from_secs(left(expires)).min(LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_until_shortly_before_they_expire() {
        for (expires_s, expected) in [
            (None, UNSAID),
            (Some(1_000), Duration::ZERO),
            (Some(900), Duration::ZERO),
            (Some(1_060), Duration::ZERO),
            (Some(1_360), Duration::from_mins(5)),
            (Some(u64::MAX), LONGEST),
        ] {
            assert_eq!(keep(expires_s, 1_000), expected, "{expires_s:?}");
        }
    }

    #[test]
    fn what_a_site_says_is_no_fault_of_ours() {
        for (said, expected) in [
            ("[youtube] x: Video unavailable", Severity::Common),
            ("[youtube] x: Private video. Sign in", Severity::Common),
            ("Unsupported URL: https://a.example/", Severity::Common),
            (
                "[youtube] x: Unable to extract player",
                Severity::Suspicious,
            ),
        ] {
            assert_eq!(severity(said), expected, "{said}");
        }
    }
}
