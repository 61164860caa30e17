//! Lavalink v4 nodes: which there are, which is there, and which to take.

mod placement;
pub(crate) mod rest;
mod socket;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backline_core::id::UserId;
use backline_proto::lavalink::Stats;
use backline_runtime::metrics::audio::AudioMetrics;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{NodeAddress, StartError};
use rest::Rest;

pub(crate) use socket::{NodeEvent, PlayerNews};

/// Names a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeIndex(usize);

/// One node.
pub(crate) struct Node {
    pub(crate) index: NodeIndex,
    pub(crate) name: String,
    pub(crate) rest: Rest,
    status: Mutex<Status>,
    /// Players that we put there.
    players: AtomicUsize,
    live: watch::Sender<usize>,
}

#[derive(Default)]
struct Status {
    /// Our session, while it is connected.
    session: Option<Arc<str>>,
    stats: Option<Stats>,
}

impl Status {
    /// Whether the node has said that it goes away.
    fn is_draining(&self) -> bool {
        let stats = self.stats.as_ref();
        stats.is_some_and(|stats| stats.draining_ms.is_some())
    }
}

/// What makes a node that goes away worse than any other that is there.
const DRAINING: f64 = 1e12;

impl Node {
    /// Returns our session on the node, while it is connected.
    pub(crate) fn session(&self) -> Option<Arc<str>> {
        self.status().session.clone()
    }

    /// Returns our session on the node as soon as it is connected. Cancel-safe.
    pub(crate) async fn session_within(&self, longest: Duration) -> Option<Arc<str>> {
        let mut live = self.live.subscribe();
        let connected = async {
            loop {
                live.mark_unchanged();
                if let Some(session) = self.session() {
                    return Some(session);
                }
                live.changed().await.ok()?;
            }
        };
        tokio::time::timeout(longest, connected)
            .await
            .ok()
            .flatten()
    }

    fn connected(&self, session: Arc<str>) {
        self.status().session = Some(session);
        self.live.send_modify(|live| *live += 1);
    }

    fn disconnected(&self) {
        *self.status() = Status::default();
        self.live.send_modify(|live| *live -= 1);
    }

    /// Notes what a node says about itself; returns whether it begins to go away with this.
    fn note_stats(&self, stats: Stats) -> bool {
        let mut status = self.status();
        let before = status.is_draining();
        status.stats = Some(stats);
        !before && status.is_draining()
    }

    fn penalty(&self) -> Option<f64> {
        let status = self.status();
        status.session.as_ref()?;
        let penalty =
            placement::penalty(status.stats.as_ref(), self.players.load(Ordering::Relaxed));
        Some(if status.is_draining() {
            penalty + DRAINING
        } else {
            penalty
        })
    }

    /// Whether it is there and does not go away.
    fn stays(&self) -> bool {
        let status = self.status();
        status.session.is_some() && !status.is_draining()
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A guild's place on a node; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Node>);

impl Seat {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.players.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    all: Vec<Arc<Node>>,
    live: watch::Sender<usize>,
    /// Bounds the queries that are looked up at the same time.
    lookups: Semaphore,
}

const LOOKUPS: usize = 64;

impl Nodes {
    pub(crate) fn new(addresses: Vec<NodeAddress>) -> Result<Self, StartError> {
        if addresses.is_empty() {
            return Err(StartError::NoNodes);
        }
        let live = watch::Sender::new(0);
        let all = addresses.into_iter().enumerate().map(|(index, address)| {
            if !matches!(address.url.scheme(), "http" | "https") {
                return Err(StartError::Scheme { name: address.name });
            }
            let rest = Rest::new(address.url, address.password)?;
            Ok(Arc::new(Node {
                index: NodeIndex(index),
                name: address.name,
                rest,
                status: Mutex::default(),
                players: AtomicUsize::new(0),
                live: live.clone(),
            }))
        });
        let all = all.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            all,
            live,
            lookups: Semaphore::new(LOOKUPS),
        })
    }

    /// Keeps all nodes connected until shutdown.
    pub(crate) fn connect(
        &self,
        user: UserId,
        events: &mpsc::Sender<NodeEvent>,
        metrics: &AudioMetrics,
        shutdown: &CancellationToken,
    ) -> TaskTracker {
        let tasks = TaskTracker::new();
        for node in &self.all {
            tasks.spawn(socket::run(
                Arc::clone(node),
                user,
                events.clone(),
                metrics.clone(),
                shutdown.clone(),
            ));
        }
        tasks.close();
        tasks
    }

    /// Returns the node with the least to do, if any is there.
    pub(crate) fn pick(&self) -> Option<&Arc<Node>> {
        let penalties = self
            .all
            .iter()
            .filter_map(|node| Some((node.penalty()?, node)));
        penalties
            .min_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, node)| node)
    }

    /// Whether there is a node that does not go away.
    pub(crate) fn some_stays(&self) -> bool {
        self.all.iter().any(|node| node.stays())
    }

    /// Takes a place on the node with the least to do, if any is there.
    pub(crate) fn sit(&self) -> Option<Seat> {
        let node = Arc::clone(self.pick()?);
        node.players.fetch_add(1, Ordering::Relaxed);
        Some(Seat(node))
    }

    /// Waits until a node is there; returns whether one is. Cancel-safe.
    pub(crate) async fn wait(&self, longest: Duration) -> bool {
        tokio::time::timeout(longest, self.some_ready())
            .await
            .is_ok()
    }

    /// Waits until a node is there. Cancel-safe.
    pub(crate) async fn some_ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.live.subscribe().wait_for(|live| *live > 0).await;
    }

    /// Whether a node is there.
    pub(crate) fn is_ready(&self) -> bool {
        *self.live.borrow() > 0
    }

    /// Waits for a turn to look something up. Cancel-safe.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.lookups.acquire().await.ok()
    }
}
