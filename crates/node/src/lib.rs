//! A Lavalink v4 server: sessions, sources, frame-clock engine, voice.
//!
//! Start it with [`start`]. It needs no database and knows nothing of the rest of Backline:
//! clients speak to it over its REST API and WebSocket, whoever they are.

mod app;
#[cfg(test)]
mod counting;
mod drain;
mod engine;
mod lyrics;
mod player;
mod rest;
mod session;
mod socket;
mod source;
mod sponsorblock;
mod stats;
mod tenants;
mod ticker;
mod voice;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_runtime::net::serve::{Bounds, serve};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use app::{App, Players};
use engine::{Engine, EngineOptions};
use rest::Node;
use session::registry::Registry;
use source::Sources;
use sponsorblock::SponsorBlock;
use stats::{Load, Minutes};
use tenants::Tenants;
use voice::dial::Dialer;

pub use source::SourcesError;
pub use voice::dial::DialerError;

/// What the benches of this crate drive without a server around it; no part of the interface.
#[doc(hidden)]
pub mod inside {
    pub use crate::engine::arena::prefer_huge_pages;
    pub use crate::engine::feed::{Feed, Settings};
    pub use crate::engine::slot::EventKind;
    pub use crate::engine::transport::Transport;
    pub use crate::engine::{Engine, EngineOptions, Seat};
    pub use crate::source::Sources;
    pub use crate::source::piped::Piped;
    pub use crate::voice::udp::for_sending;
}

/// A node that runs; it ends when the token it was started with is cancelled.
#[derive(Debug)]
pub struct RunningNode {
    local_addr: SocketAddr,
    ended: JoinHandle<()>,
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its address is taken or not ours.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its threads could not be made.
    #[error("starting the engine")]
    Engine(#[source] io::Error),
    /// A source could not be set up.
    #[error("setting up the sources")]
    Sources(#[from] SourcesError),
    /// Voice connections could not be set up.
    #[error("setting up voice connections")]
    Voice(#[from] DialerError),
}

/// How long open requests and sockets may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Starts a node that clients reach at `config.bind` with `password`.
///
/// # Errors
/// See [`StartError`].
pub async fn start(
    config: &config::Node,
    password: SecretString,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<RunningNode, StartError> {
    let address = config.bind;
    let unheard = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unheard)?;
    let local_addr = listener.local_addr().map_err(unheard)?;
    let dialer = Dialer::new(
        config.voice.extra_ca_file.as_deref(),
        config.voice.plaintext_loopback,
        Duration::from_millis(config.voice.connect_timeout_ms.into()),
    )?;
    let options = EngineOptions {
        clock_threads: config.clock_threads.into(),
        encode_threads: config.encode_threads.into(),
        stuck: Duration::from_millis(config.track_stuck_threshold_ms.into()),
    };
    let (engine, events) = Engine::start(options, &metrics.node).map_err(StartError::Engine)?;
    let sources = match Sources::new(config, engine.pool(), &metrics.node) {
        Ok(sources) => sources,
        Err(error) => {
            engine.stop();
            return Err(error.into());
        }
    };
    let client = sources.client();
    let finder = config.lyrics.enabled;
    let finder = finder.then(|| lyrics::Finder::new(&config.lyrics, client));
    let sponsorblock = SponsorBlock::new(&config.sponsorblock, client);
    let app = Arc::new(App {
        config: config.clone(),
        tenants: Tenants::new(&password, &config.tenants),
        engine,
        sessions: Registry::default(),
        players: Players::default(),
        sources,
        lyrics: finder,
        sponsorblock,
        dialer,
        metrics: metrics.node.clone(),
        load: Load::default(),
        started: Instant::now(),
        tasks: TaskTracker::new(),
        drain_until: OnceLock::new(),
        shutdown: CancellationToken::new(),
    });
    let ended = tokio::spawn(run(app, listener, events, shutdown));
    Ok(RunningNode { local_addr, ended })
}

impl RunningNode {
    /// Returns the address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until the node has ended: sockets closed, players gone, threads joined.
    pub async fn stopped(self) {
        if self.ended.await.is_err() {
            tracing::error!("node panicked while it ended");
        }
    }
}

async fn run(
    app: Arc<App>,
    listener: TcpListener,
    events: engine::Events,
    told_to_end: CancellationToken,
) {
    let minutes = Arc::new(Mutex::new(Minutes::default()));
    let router = rest::router(Node {
        app: Arc::clone(&app),
        minutes: Arc::clone(&minutes),
    });
    let events = tokio::spawn(ticker::hand_out_events(Arc::clone(&app), events));
    let ticks = tokio::spawn(ticker::tick(Arc::clone(&app), Arc::clone(&minutes)));
    tokio::spawn(drain::drain(Arc::clone(&app), minutes, told_to_end));
    let served = serve(listener, router, Bounds::default(), app.shutdown.clone());
    let overdue = async {
        app.shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = served => {}
        () = overdue => tracing::warn!("node did not drain in time"),
    }
    app.shutdown.cancel();
    for session in app.sessions.all() {
        app.sessions.end(&session);
    }
    app.tasks.close();
    if tokio::time::timeout(DRAIN, app.tasks.wait()).await.is_err() {
        tracing::warn!("connections did not close in time");
    }
    let _ended = events.await;
    let _ended = ticks.await;
    let engine = Arc::clone(&app.engine);
    if tokio::task::spawn_blocking(move || engine.stop())
        .await
        .is_err()
    {
        tracing::error!("engine panicked while it ended");
    }
}
