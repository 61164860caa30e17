//! The engine with its players, and what they send to.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use backline_media::pipeline::Effects;
use backline_media::voice::{Mode, Sealer};
use backline_node::inside::{
    Engine, EngineOptions, EventKind, Feed, Piped, Seat, Settings, Sources, Transport, for_sending,
};
use backline_proto::lavalink::{LoadResult, Track as Described};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use tokio::runtime::Runtime;

use crate::bare::Crypto;
use crate::meter;

/// A file of the repository, in memory for the bare loops and by name for the node.
#[derive(Clone)]
pub struct Track {
    pub name: &'static str,
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
    /// Players whose track is over.
    finished: Receiver<u64>,
    last_id: u64,
    paused: bool,
    runtime: Runtime,
}

struct Player {
    /// What the engine calls it.
    id: u64,
    seat: Seat,
    feed: Arc<Feed>,
    track: Arc<Described>,
    gain: f32,
}

/// What players of one kind are like.
#[derive(Clone, Copy)]
pub struct Kind<'a> {
    /// What they play: a file of the music folder, or an address.
    pub track: &'a str,
    /// How loud; anything but 1.0 has to be encoded anew.
    pub gain: f32,
    /// What their frames pass.
    pub crypto: Crypto,
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
        config.http.allow_private_networks = true;
        config.http.read_timeout_ms = 60_000;
        let metrics = Metrics::new();
        let others = meter::threads()?;
        let options = EngineOptions {
            clock_threads: 1,
            encode_threads: 1,
            stuck: Duration::from_secs(10),
        };
        let inside = runtime.enter();
        let (engine, mut events) = Engine::start(options, &metrics.node)?;
        drop(inside);
        let (over, finished) = channel();
        runtime.spawn(async move {
            let mut heard = Vec::new();
            while events.next(&mut heard).await {
                for event in heard.drain(..) {
                    if event.kind == EventKind::Finished && over.send(event.player).is_err() {
                        return;
                    }
                }
            }
        });
        let inside = runtime.enter();
        let sources =
            Sources::new(&config, engine.pool(), &metrics.node).map_err(io::Error::other)?;
        drop(inside);
        let threads = [thread("clock-0", &others)?, thread("encode-0", &others)?];
        Ok(Self {
            engine,
            sources,
            metrics,
            sinks: Sinks::open()?,
            players: Vec::new(),
            shelf: Vec::new(),
            threads,
            empty: meter::resident()?,
            finished,
            last_id: 0,
            paused: true,
            runtime,
        })
    }

    /// Brings players until there are `players`, and lets them play until their memory is in use.
    pub fn grow(&mut self, players: usize, kind: Kind<'_>) -> io::Result<Grown> {
        self.add(players.saturating_sub(self.players.len()), kind)?;
        self.play_for(SETTLE)?;
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

    /// Adds players; they are paused if the others are.
    pub fn add(&mut self, count: usize, kind: Kind<'_>) -> io::Result<()> {
        let loaded = self.runtime.block_on(self.sources.load(kind.track));
        let LoadResult::Track(described) = loaded else {
            return Err(io::Error::other(format!("{} did not load", kind.track)));
        };
        let described = Arc::new(described);
        for _ in 0..count {
            let player = self.player(&described, kind)?;
            self.players.push(player);
        }
        Ok(())
    }

    fn player(&mut self, track: &Arc<Described>, kind: Kind<'_>) -> io::Result<Player> {
        self.last_id += 1;
        let id = self.last_id;
        let seat = self.engine.seat(id);
        let sealer = Sealer::new(Mode::Aes256GcmRtpsize, &[7; 32]);
        let socket = self.sinks.connect(id as usize)?;
        let end_to_end = kind.crypto.end_to_end();
        let transport = Transport::new(socket, sealer, end_to_end, id as u32, (0, 0));
        seat.pause(self.paused);
        seat.connect(Some(Box::new(transport)));
        let position_ms = if track.info.is_seekable {
            id * 977 % SPREAD_MS
        } else {
            0
        };
        let feed = self.play(&seat, id, 1, track, (position_ms, kind.gain))?;
        Ok(Player {
            id,
            seat,
            feed,
            track: Arc::clone(track),
            gain: kind.gain,
        })
    }

    fn play(
        &self,
        seat: &Seat,
        id: u64,
        run: u64,
        track: &Described,
        (position_ms, gain): (u64, f32),
    ) -> io::Result<Arc<Feed>> {
        let mut source = self
            .runtime
            .block_on(self.sources.open(track, position_ms))
            .map_err(|failure| io::Error::other(failure.cause))?;
        if let Some(piped) = (&mut *source as &mut dyn Any).downcast_mut::<Piped>() {
            piped.begin(run, run);
        }
        let wake = source.wake();
        let (feed, line) = Feed::new(id, run, position_ms, settings(gain), source);
        wake.aim(&feed);
        seat.play(line);
        Ok(feed)
    }

    /// Lets players whose track is over play it once more.
    fn replay(&mut self) -> io::Result<()> {
        while let Ok(id) = self.finished.try_recv() {
            let Ok(at) = self.players.binary_search_by_key(&id, |player| player.id) else {
                continue;
            };
            let player = &self.players[at];
            let run = player.feed.place().0 + 1;
            let feed = self.play(&player.seat, id, run, &player.track, (0, player.gain))?;
            self.players[at].feed = feed;
        }
        Ok(())
    }

    /// Waits while players play, and sees to those that come to the end of their track.
    fn watch(&mut self, duration: Duration) -> io::Result<()> {
        let until = Instant::now() + duration;
        loop {
            self.replay()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Decides what the frames of all players pass from now on.
    pub fn set_crypto(&self, crypto: Crypto) {
        for player in &self.players {
            player.seat.protect(crypto.end_to_end());
        }
    }

    /// Changes the volume of one player while it plays.
    pub fn set_gain(&mut self, at: usize, gain: f32) {
        let player = &mut self.players[at];
        player.gain = gain;
        self.engine.pool().apply(&player.feed, settings(gain));
    }

    /// Sends the player away that came first.
    pub fn remove_first(&mut self) {
        if !self.players.is_empty() {
            let player = self.players.remove(0);
            self.engine.pool().dispose(&player.feed);
        }
    }

    /// Pauses all but the first few, or lets them go on.
    pub fn pause_from(&self, first: usize, paused: bool) {
        for player in &self.players[first..] {
            player.seat.pause(paused);
        }
    }

    /// Returns what runs beside the engine.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns how many players there are.
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// Sends all players away.
    pub fn clear(&mut self) {
        self.players.clear();
    }

    /// Keeps the present players paused from now on, and begins with none.
    pub fn shelve(&mut self) {
        self.shelf.append(&mut self.players);
    }

    /// Counts memory that is in use now as nobody's.
    pub fn forget_memory(&mut self) {
        if let Ok(resident) = meter::resident() {
            self.empty = resident;
        }
    }

    /// Lets all players play and returns what happened once everything had settled.
    pub fn play_for(&mut self, window: Duration) -> io::Result<Window> {
        self.pause_all(false);
        self.watch(SETTLE)?;
        let window = self.observe(window)?;
        self.pause_all(true);
        self.wait_for_silence();
        Ok(window)
    }

    /// Returns what happens while players play on.
    pub fn observe(&mut self, window: Duration) -> io::Result<Window> {
        let start = (Instant::now(), self.reading());
        self.watch(window)?;
        let (duration, end) = (start.0.elapsed(), self.reading());
        Ok(end.since(&start.1, duration))
    }

    /// Pauses everybody, or lets everybody go on.
    pub fn pause_all(&mut self, paused: bool) {
        self.paused = paused;
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
            missing: node.frames_nulled.get() + node.frames_unsent.get() + node.frames_missed.get(),
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
    /// Adds what happened in another window.
    pub fn add(&mut self, other: &Self) {
        self.duration += other.duration;
        self.clock += other.clock;
        self.pool += other.pool;
        self.sent += other.sent;
        self.late += other.late;
        self.missing += other.missing;
        for (bound, frames) in &other.lateness {
            *self.lateness.entry(*bound).or_insert(0) += frames;
        }
    }

    /// Returns the bound below which the latest frame was, in milliseconds.
    pub fn latest(&self) -> String {
        let latest = self.lateness.iter().rev().find(|(_, frames)| **frames > 0);
        match latest {
            Some((&u64::MAX, _)) => "> 1000".to_owned(),
            Some((bound, _)) => format!("< {}", *bound as f64 / 1e3),
            None => "none".to_owned(),
        }
    }

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

fn settings(gain: f32) -> Settings {
    let effects = Effects {
        gain,
        ..Effects::default()
    };
    Settings {
        effects: Arc::new(effects),
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

/// Returns the id of a thread that is none of `others`; a new one may take a moment to call itself
/// by its name.
fn thread(name: &str, others: &[(u32, String)]) -> io::Result<u32> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let threads = meter::threads()?;
        let new = |id: u32| others.iter().all(|(other, _)| *other != id);
        if let Some((id, _)) = threads.iter().find(|(id, other)| other == name && new(*id)) {
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
