//! The engine with its players, and what they send to.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_media::pipeline::Effects;
use backline_media::voice::{EndToEnd, Mode, Sealer};
use backline_node::inside::{
    Engine, EngineOptions, Feed, Seat, Settings, Sources, Transport, for_sending,
};
use backline_proto::lavalink::{LoadResult, Track as Described};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use tokio::runtime::Runtime;

use crate::meter;

/// A file of the repository, in memory for the bare loops and by name for the node.
#[derive(Clone)]
pub struct Track {
    name: &'static str,
    pub bytes: Arc<[u8]>,
}

/// Sockets that take packets and never read them, as voice servers many players share.
pub struct Sinks(Vec<UdpSocket>);

/// An engine with one clock and one pool thread, and its players.
pub struct Stage {
    engine: Arc<Engine>,
    sources: Sources,
    metrics: Metrics,
    sinks: Sinks,
    players: Vec<Player>,
    /// Players that have had their turn; paused for good.
    shelf: Vec<Player>,
    threads: [u32; 2],
    /// Memory before any of the present kind of players came.
    empty: u64,
    runtime: Runtime,
}

struct Player {
    seat: Seat,
    _feed: Arc<Feed>,
}

/// What the players cost by being there.
pub struct Grown {
    /// Memory of each, in bytes.
    pub each: f64,
    /// Threads of the engine.
    pub engine_threads: usize,
    /// Threads of the process.
    pub threads: usize,
}

/// What happened while players played.
pub struct Window {
    /// How long they did.
    pub duration: Duration,
    /// CPU time of the clock thread.
    pub clock: Duration,
    /// CPU time of the pool thread.
    pub pool: Duration,
    /// Frames that went out.
    pub sent: u64,
    /// Frames later than 10 ms.
    pub late: u64,
    /// Frames that were due and not there, or refused by the network.
    pub missing: u64,
    /// Frames by the upper bound of their lateness in microseconds; `u64::MAX` for the rest.
    pub lateness: BTreeMap<u64, u64>,
}

/// From resuming or pausing until everything is as it always is.
const SETTLE: Duration = Duration::from_millis(300);
/// Players begin at different places of the file, within this stretch.
const SPREAD_MS: u64 = 10_000;

impl Track {
    /// Reads a file of `assets/music`.
    pub fn load(name: &'static str) -> io::Result<Self> {
        let bytes = std::fs::read(music().join(name))?.into();
        Ok(Self { name, bytes })
    }
}

impl Sinks {
    pub fn open() -> io::Result<Self> {
        let open = |_| {
            let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            // Full at once, and the same for everybody from then on.
            for_sending(&sink)
        };
        (0..16).map(open).collect::<io::Result<_>>().map(Self)
    }

    /// Returns a socket for sending to one of them.
    pub fn connect(&self, index: usize) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
        socket.connect(self.0[index % self.0.len()].local_addr()?)?;
        for_sending(&socket)
    }
}

impl Stage {
    pub fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::from_millis(50))
            .enable_all()
            .build()?;
        let mut config = config::Node::default();
        config.local.root = Some(music());
        config.http.enabled = false;
        let metrics = Metrics::new();
        let options = EngineOptions {
            clock_threads: 1,
            encode_threads: 1,
            stuck: Duration::from_secs(10),
        };
        let inside = runtime.enter();
        let (engine, mut events) = Engine::start(options, &metrics.node)?;
        drop(inside);
        runtime.spawn(async move {
            let mut heard = Vec::new();
            while events.next(&mut heard).await {
                heard.clear();
            }
        });
        let sources =
            Sources::new(&config, engine.pool(), &metrics.node).map_err(io::Error::other)?;
        let threads = [thread("clock-0")?, thread("encode-0")?];
        Ok(Self {
            engine,
            sources,
            metrics,
            sinks: Sinks::open()?,
            players: Vec::new(),
            shelf: Vec::new(),
            threads,
            empty: meter::resident()?,
            runtime,
        })
    }

    /// Brings players until there are `players`, and lets them play until their memory is in use.
    pub fn grow(&mut self, players: usize, track: &Track, gain: f32) -> io::Result<Grown> {
        self.add(players.saturating_sub(self.players.len()), track, gain)?;
        self.play_for(SETTLE);
        let threads = meter::threads()?;
        let engine_threads = threads
            .iter()
            .filter(|(_, name)| name.starts_with("clock-") || name.starts_with("encode-"))
            .count();
        let used = meter::resident()?.saturating_sub(self.empty);
        Ok(Grown {
            each: used as f64 / self.players.len() as f64,
            engine_threads,
            threads: threads.len(),
        })
    }

    /// Adds players that are paused.
    pub fn add(&mut self, count: usize, track: &Track, gain: f32) -> io::Result<()> {
        let loaded = self.runtime.block_on(self.sources.load(track.name));
        let LoadResult::Track(described) = loaded else {
            return Err(io::Error::other(format!("{} did not load", track.name)));
        };
        for _ in 0..count {
            let player = self.player(&described, gain)?;
            self.players.push(player);
        }
        Ok(())
    }

    fn player(&self, track: &Described, gain: f32) -> io::Result<Player> {
        let id = self.players.len() + self.shelf.len();
        let position_ms = id as u64 * 977 % SPREAD_MS;
        let source = self
            .runtime
            .block_on(self.sources.open(track, position_ms))
            .map_err(|failure| io::Error::other(failure.cause))?;
        let seat = self.engine.seat(id as u64);
        let sealer = Sealer::new(Mode::Aes256GcmRtpsize, &[7; 32]);
        let socket = self.sinks.connect(id)?;
        let transport = Transport::new(socket, sealer, EndToEnd::Off, id as u32, (0, 0));
        seat.pause(true);
        seat.connect(Some(Box::new(transport)));
        let wake = source.wake();
        let effects = Effects {
            gain,
            ..Effects::default()
        };
        let settings = Settings {
            effects: Arc::new(effects),
        };
        let (feed, line) = Feed::new(id as u64, 1, position_ms, settings, source);
        wake.aim(&feed);
        seat.play(line);
        Ok(Player { seat, _feed: feed })
    }

    /// Sends all players away.
    pub fn clear(&mut self) {
        self.players.clear();
    }

    /// Keeps the present players paused from now on, and begins with none.
    pub fn shelve(&mut self) {
        self.shelf.append(&mut self.players);
        if let Ok(resident) = meter::resident() {
            self.empty = resident;
        }
    }

    /// Lets all players play and returns what happened once everything had settled.
    pub fn play_for(&mut self, window: Duration) -> Window {
        self.pause_all(false);
        std::thread::sleep(SETTLE);
        let start = (Instant::now(), self.reading());
        std::thread::sleep(window);
        let (duration, end) = (start.0.elapsed(), self.reading());
        self.pause_all(true);
        self.wait_for_silence();
        end.since(&start.1, duration)
    }

    fn pause_all(&self, paused: bool) {
        for player in &self.players {
            player.seat.pause(paused);
        }
    }

    fn wait_for_silence(&self) {
        let sent = || self.metrics.node.frames_sent.get();
        let until = Instant::now() + Duration::from_secs(2);
        let mut before = sent();
        loop {
            std::thread::sleep(Duration::from_millis(60));
            let now = sent();
            if now == before || Instant::now() > until {
                return;
            }
            before = now;
        }
    }

    /// Returns all counters as they stand.
    fn reading(&self) -> Window {
        let node = &self.metrics.node;
        Window {
            duration: Duration::ZERO,
            clock: meter::cpu_of(self.threads[0]),
            pool: meter::cpu_of(self.threads[1]),
            sent: node.frames_sent.get(),
            late: node.frames_late.get(),
            missing: node.frames_nulled.get() + node.frames_unsent.get(),
            lateness: lateness(&self.metrics.encode()),
        }
    }

    pub fn stop(self) {
        drop(self.players);
        drop(self.shelf);
        self.engine.stop();
    }
}

impl Window {
    fn since(&self, start: &Self, duration: Duration) -> Self {
        let lateness = self.lateness.iter().map(|(bound, frames)| {
            let before = start.lateness.get(bound).copied().unwrap_or(0);
            (*bound, frames - before)
        });
        Self {
            duration,
            clock: self.clock.saturating_sub(start.clock),
            pool: self.pool.saturating_sub(start.pool),
            sent: self.sent - start.sent,
            late: self.late - start.late,
            missing: self.missing - start.missing,
            lateness: lateness.collect(),
        }
    }
}

/// Reads the histogram of lateness; its buckets include the ones below.
fn lateness(metrics: &str) -> BTreeMap<u64, u64> {
    let mut below = 0;
    let buckets = metrics.lines().filter_map(|line| {
        let line = line.strip_prefix("backline_node_frame_lateness_seconds_bucket{le=\"")?;
        let (bound, frames) = line.split_once("\"} ")?;
        let bound = bound.parse::<f64>().ok().filter(|bound| bound.is_finite());
        let micros = bound.map_or(u64::MAX, |seconds| (seconds * 1e6).round() as u64);
        Some((micros, frames.parse::<u64>().ok()?))
    });
    buckets
        .map(|(bound, frames)| {
            let own = frames - below;
            below = frames;
            (bound, own)
        })
        .collect()
}

/// Returns the id of a thread; a new one may take a moment to call itself by its name.
fn thread(name: &str) -> io::Result<u32> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let threads = meter::threads()?;
        if let Some((id, _)) = threads.iter().find(|(_, other)| other == name) {
            return Ok(*id);
        }
        if Instant::now() > until {
            return Err(io::Error::other(format!("no thread is called {name}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn music() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/music")
}
