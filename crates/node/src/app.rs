//! What all parts of a node share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use backline_runtime::config;
use backline_runtime::metrics::node::NodeMetrics;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::Engine;
use crate::lyrics;
use crate::player::Player;
use crate::session::registry::Registry;
use crate::source::Sources;
use crate::sponsorblock::SponsorBlock;
use crate::stats::Load;
use crate::tenants::Tenants;
use crate::voice::dial::Dialer;

/// What all parts of a node share.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: config::Node,
    /// Who may ask.
    pub tenants: Tenants,
    /// The threads that make and send frames.
    pub engine: Arc<Engine>,
    /// All sessions.
    pub sessions: Registry,
    /// All players, by their number.
    pub players: Players,
    /// Where tracks come from.
    pub sources: Sources,
    /// Finds lyrics, if that is on.
    pub lyrics: Option<lyrics::Finder>,
    /// Knows what is skipped, if that is on.
    pub sponsorblock: Option<Arc<SponsorBlock>>,
    /// Opens voice gateways.
    pub dialer: Dialer,
    /// What is counted.
    pub metrics: NodeMetrics,
    /// CPU load.
    pub load: Load,
    /// When the node started.
    pub started: Instant,
    /// Sockets and voice connections, which say goodbye before the node ends.
    pub tasks: TaskTracker,
    /// When the node ends at the latest, once it drains: no new players, but those that are
    /// there play on until their clients have taken them elsewhere.
    pub drain_until: OnceLock<Instant>,
    /// Cancelled when the node is to end.
    pub shutdown: CancellationToken,
}

impl App {
    /// Returns the milliseconds that a node which drains may still take.
    pub fn draining_ms(&self) -> Option<u64> {
        let until = self.drain_until.get()?;
        let left = until.saturating_duration_since(Instant::now());
        Some(left.as_millis() as u64)
    }
}

/// All players of a node, by their number.
#[derive(Debug, Default)]
pub struct Players {
    last_id: AtomicU64,
    by_id: Mutex<HashMap<u64, Weak<Player>>>,
}

impl Players {
    /// Returns a number that no player had before.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes a player known.
    pub fn insert(&self, player: &Arc<Player>) {
        self.lock().insert(player.id, Arc::downgrade(player));
    }

    /// Forgets a player.
    pub fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Returns a player.
    pub fn get(&self, id: u64) -> Option<Arc<Player>> {
        self.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Returns all players.
    pub fn all(&self) -> Vec<Arc<Player>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Weak<Player>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the wall-clock time in milliseconds since 1970 UTC.
pub fn wall_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
