//! Lavalink v4 conformance: a black-box runner that takes a base URL and a password.
//!
//! Every case is data: an id that names its line in the protocol's checklist, what is asked, and
//! how the answer is judged. The runner brings what servers need to be judged by: a simulated
//! voice server, and a web server with audio files, both on loopback. So the same runner can be
//! pointed at a real Lavalink, and what that one answers is the truth that cases are written
//! from. Where an answer of another kind is as good or kinder to clients, the case accepts both
//! and notes which one it got.

mod answer;
mod case;
mod cases;
mod client;
mod report;
mod scene;
pub mod web;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_sim::voice::{VoiceOptions, VoiceServer, VoiceStartError};
use futures_util::StreamExt as _;
use futures_util::stream;

pub use case::{Case, Verdict};
pub use report::{Judged, Report, table};
use scene::{Scene, Shared};

/// What is judged, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's base URL, such as `http://127.0.0.1:2333`.
    pub url: url::Url,
    /// What clients send as `Authorization`.
    pub password: String,
    /// Only cases whose id starts with one of these; all when empty.
    pub only: Vec<String>,
    /// Whether cases that wait for a minute or longer are run too.
    pub slow: bool,
    /// Where the authority of the simulated voice servers is written, for a server that has to
    /// be told whom to trust.
    pub voice_ca_out: Option<PathBuf>,
    /// How long the server may take to answer at all, from the start.
    pub wait: Duration,
    /// Cases that run at the same time.
    pub parallel: usize,
}

/// Why nothing could be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The URL does not name an HTTP server.
    #[error("`{url}` is no base URL of an HTTP server")]
    Url {
        /// The URL.
        url: url::Url,
    },
    /// The server does not answer.
    #[error("no answer from {url} within {} s", wait.as_secs())]
    Silent {
        /// The URL.
        url: url::Url,
        /// How long was waited.
        wait: Duration,
    },
    /// It answers, but not to this password.
    #[error("{url} answers {status} to GET /v4/info: is the password right?")]
    Refused {
        /// The URL.
        url: url::Url,
        /// The status.
        status: u16,
    },
    /// The simulated voice servers did not start.
    #[error("starting the simulated voice servers")]
    Voice(#[from] VoiceStartError),
    /// The web server with audio files did not start.
    #[error("starting a web server on loopback")]
    Web(#[source] std::io::Error),
    /// The HTTP client could not be made.
    #[error("making an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Returns all cases, in the order of the checklist.
pub fn cases() -> Vec<Case> {
    cases::all()
}

/// Judges a server.
///
/// # Errors
/// See [`RunError`]; a case that fails is no error.
pub async fn run(options: &Options) -> Result<Report, RunError> {
    if options.url.host_str().is_none() || options.url.scheme() != "http" {
        return Err(RunError::Url {
            url: options.url.clone(),
        });
    }
    let voice = VoiceServer::start(VoiceOptions {
        ca_file: options.voice_ca_out.clone(),
        late_tolerance: Duration::from_secs(5),
        from_anywhere: true,
        ..VoiceOptions::default()
    })
    .await?;
    let web = web::Web::start(&[]).await.map_err(RunError::Web)?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(RunError::Client)?;
    let about = until_it_answers(&http, options).await?;
    let shared = Arc::new(Shared::new(options, http, voice, web, about));

    let started = Instant::now();
    let wanted = |case: &Case| {
        options.only.is_empty() || options.only.iter().any(|prefix| case.is_below(prefix))
    };
    let chosen: Vec<_> = cases().into_iter().filter(wanted).enumerate().collect();
    let mut judged: Vec<_> = stream::iter(chosen)
        .map(|(place, case)| {
            let scene = Scene::new(&shared, place as u64);
            async move { (place, judge(case, scene, options.slow).await) }
        })
        .buffer_unordered(options.parallel.max(1))
        .collect()
        .await;
    judged.sort_by_key(|(place, _)| *place);
    shared.stop();
    Ok(Report {
        server: shared.name(),
        seconds: started.elapsed().as_secs_f64(),
        cases: judged.into_iter().map(|(_, judged)| judged).collect(),
    })
}

async fn judge(case: Case, scene: Scene, slow: bool) -> Judged {
    let started = Instant::now();
    let notes = scene.notes();
    let verdict = if case.slow && !slow {
        Verdict::Skip {
            why: "takes a minute or longer; asked for with --slow".into(),
        }
    } else {
        let patience = if case.slow { PATIENCE_SLOW } else { PATIENCE };
        // A task of its own, so that a case that panics is a verdict and not the end.
        let running = tokio::spawn((case.run)(scene));
        match tokio::time::timeout(patience, running).await {
            Ok(Ok(Ok(()))) => Verdict::Pass,
            Ok(Ok(Err(case::Stop::Fault { expected, got }))) => Verdict::Fail { expected, got },
            Ok(Ok(Err(case::Stop::Skip { why }))) => Verdict::Skip { why },
            Ok(Err(_)) => Verdict::Fail {
                expected: "the case runs to its end".into(),
                got: "it panicked".into(),
            },
            Err(_) => Verdict::Fail {
                expected: format!("an end within {} s", patience.as_secs()),
                got: "still waiting".into(),
            },
        }
    };
    Judged {
        id: case.id,
        asks: case.asks,
        verdict,
        notes: notes.take(),
        milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Waits until the server answers, and returns what it says about itself.
async fn until_it_answers(
    http: &reqwest::Client,
    options: &Options,
) -> Result<serde_json::Value, RunError> {
    let url = options.url.clone();
    let info = url
        .join("/v4/info")
        .map_err(|_| RunError::Url { url: url.clone() })?;
    let until = Instant::now() + options.wait;
    loop {
        let asked = http
            .get(info.clone())
            .header("Authorization", &options.password)
            .send()
            .await;
        match asked {
            Ok(answer) if answer.status().is_success() => {
                return Ok(answer.json().await.unwrap_or_default());
            }
            Ok(answer) if Instant::now() >= until || answer.status().is_client_error() => {
                let status = answer.status().as_u16();
                return Err(RunError::Refused { url, status });
            }
            Err(_) if Instant::now() >= until => {
                let wait = options.wait;
                return Err(RunError::Silent { url, wait });
            }
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// How long a case may take, and any single answer.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a case may take that waits for a minute.
const PATIENCE_SLOW: Duration = Duration::from_mins(4);
