//! What `/v4/stats` and the op `stats` tell.
//!
//! Memory of a native process is told as: used = allocated = resident set, reservable = the
//! cgroup's limit or the machine's memory, free = reservable − used.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backline_proto::lavalink::{Cpu, FrameStats, Memory, Omissible, Stats};

use crate::app::App;
use crate::player::Player;
use crate::session::Session;

/// CPU load, measured at most every 30 s.
#[derive(Debug, Default)]
pub struct Load(Mutex<Option<Sample>>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    process_ticks: u64,
    busy_ticks: u64,
    all_ticks: u64,
    system: f64,
    process: f64,
}

/// Frame counts of every player at the last turn of a wall-clock minute.
#[derive(Debug, Default)]
pub struct Minutes {
    minute: i64,
    before: std::collections::HashMap<u64, (u64, u64)>,
    last: std::collections::HashMap<u64, (u64, u64)>,
    last_minute_ms: i64,
}

/// Frames due in a minute.
const FRAMES_PER_MINUTE: i64 = 3_000;
/// How long a measured load is told.
const LOAD_AGE: Duration = Duration::from_secs(30);
/// Clock ticks per second in `/proc`; 100 on every Linux that runs user programs.
const TICKS: f64 = 100.0;

/// Returns the stats without frame counts.
pub fn stats(app: &App) -> Stats {
    let live = app
        .sessions
        .all()
        .into_iter()
        .filter(|session| session.is_live());
    let players: Vec<_> = live.flat_map(|session| session.players()).collect();
    let playing = players.iter().filter(|player| player.is_playing()).count();
    Stats {
        frame_stats: Omissible::Absent,
        players: players.len() as u32,
        playing_players: playing as u32,
        uptime: app.started.elapsed().as_millis() as u64,
        memory: memory(),
        cpu: app.load.cpu(),
        draining_ms: app.draining_ms(),
    }
}

/// Returns the stats as a session's socket tells them.
pub fn session_stats(app: &App, session: &Session, minutes: &Minutes) -> Stats {
    let mut stats = stats(app);
    stats.frame_stats = minutes.mean(&session.players()).into();
    stats
}

impl Minutes {
    /// Takes the frame counts when a wall-clock minute has turned. Call it every second.
    pub fn handle_time(&mut self, now_ms: i64, players: &[Arc<Player>]) {
        let minute = now_ms / 60_000;
        if minute == self.minute {
            return;
        }
        let counts = players.iter().map(|player| {
            let counters = player.counters();
            let sent = counters.sent.load(Ordering::Relaxed);
            let nulled = counters.nulled.load(Ordering::Relaxed);
            (player.id, (sent, nulled))
        });
        let now: std::collections::HashMap<_, _> = counts.collect();
        let consecutive = self.minute + 1 == minute;
        self.last = now
            .iter()
            .filter_map(|(id, (sent, nulled))| {
                let (sent_before, nulled_before) = self.before.get(id)?;
                Some((*id, (sent - sent_before, nulled - nulled_before)))
            })
            .filter(|_| consecutive)
            .collect();
        self.last_minute_ms = (minute - 1) * 60_000;
        self.before = now;
        self.minute = minute;
    }

    /// Returns the means over those players whose last minute means anything.
    pub fn mean(&self, players: &[Arc<Player>]) -> Option<FrameStats> {
        let usable = players
            .iter()
            .filter(|player| player.is_usable_since(self.last_minute_ms));
        let counts: Vec<_> = usable
            .filter_map(|player| self.last.get(&player.id))
            .collect();
        let count = i64::try_from(counts.len())
            .ok()
            .filter(|count| *count > 0)?;
        let sent = counts.iter().map(|(sent, _)| *sent as i64).sum::<i64>();
        let nulled = counts.iter().map(|(_, nulled)| *nulled as i64).sum::<i64>();
        let deficit = count * FRAMES_PER_MINUTE - sent - nulled;
        Some(FrameStats {
            sent: (sent / count) as i32,
            nulled: (nulled / count) as i32,
            deficit: (deficit / count) as i32,
        })
    }
}

impl Load {
    fn cpu(&self) -> Cpu {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = kept.is_none_or(|sample| sample.at.elapsed() >= LOAD_AGE);
        if stale {
            *kept = Sample::take(kept.as_ref(), cores);
        }
        let (system_load, lavalink_load) =
            kept.map_or((0.0, 0.0), |sample| (sample.system, sample.process));
        Cpu {
            cores,
            system_load,
            lavalink_load,
        }
    }
}

impl Sample {
    fn take(before: Option<&Self>, cores: u32) -> Option<Self> {
        let process = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in brackets may hold anything, so count from behind it.
        let fields: Vec<_> = process.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
        let process_ticks = field(11)? + field(12)?;
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let ticks = machine.lines().next()?.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.filter_map(|text| text.parse().ok()).collect();
        let all_ticks: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let mut sample = Self {
            at: Instant::now(),
            process_ticks,
            busy_ticks: all_ticks.saturating_sub(idle),
            all_ticks,
            system: 0.0,
            process: 0.0,
        };
        if let Some(before) = before {
            let wall = sample.at.duration_since(before.at).as_secs_f64();
            let used = sample.process_ticks.saturating_sub(before.process_ticks) as f64 / TICKS;
            sample.process = (used / wall / f64::from(cores)).clamp(0.0, 1.0);
            let all = sample.all_ticks.saturating_sub(before.all_ticks).max(1) as f64;
            let busy = sample.busy_ticks.saturating_sub(before.busy_ticks) as f64;
            sample.system = (busy / all).clamp(0.0, 1.0);
        }
        Some(sample)
    }
}

fn memory() -> Memory {
    let used = resident().unwrap_or(0);
    let reservable = limit().unwrap_or(used).max(used);
    Memory {
        free: reservable - used,
        used,
        allocated: used,
        reservable,
    }
}

fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "VmRSS:")
}

fn limit() -> Option<u64> {
    let cgroup = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let machine = || kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:");
    cgroup
        .and_then(|text| text.trim().parse().ok())
        .or_else(machine)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}
