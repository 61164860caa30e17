//! What the audio role counts.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::registry::Registry;

/// What the audio role counts; cheap to clone.
#[derive(Debug, Clone)]
pub struct AudioMetrics {
    /// Sessions in memory: those that play, or wait for something.
    pub sessions: Gauge,
    /// Nodes that are connected.
    pub nodes_ready: Gauge,
    /// Times a node was lost with all its players.
    pub node_losses: Counter,
    /// Commands that were taken.
    pub commands: Counter,
    /// From a command being sent by the gateway to its answer being sent back.
    pub answer_time: Histogram,
    /// Queries that were looked up, by result.
    pub lookups: Family<LookupLabels, Counter>,
    /// Tracks that were started.
    pub tracks_started: Counter,
    /// Tracks that failed or got stuck.
    pub tracks_failed: Counter,
    /// Refusals that people were told of without having asked.
    pub notices: Counter,
    /// Sessions and positions that the store did not take.
    pub save_failures: Counter,
}

/// Labels of a query that was looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LookupLabels {
    /// What became of it.
    pub result: Lookup,
}

/// What became of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Lookup {
    /// Something was found.
    Found,
    /// Nothing was found.
    Empty,
    /// It could not be loaded.
    Failed,
    /// There was no node.
    NoNode,
}

const ANSWER_SECONDS: [f64; 12] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

impl AudioMetrics {
    /// Returns fresh metrics, registered under `backline_audio`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("audio");
        let metrics = Self {
            sessions: Gauge::default(),
            nodes_ready: Gauge::default(),
            node_losses: Counter::default(),
            commands: Counter::default(),
            answer_time: Histogram::new(ANSWER_SECONDS),
            lookups: Family::default(),
            tracks_started: Counter::default(),
            tracks_failed: Counter::default(),
            notices: Counter::default(),
            save_failures: Counter::default(),
        };
        registry.register(
            "sessions",
            "Sessions that play, or wait for something",
            metrics.sessions.clone(),
        );
        registry.register(
            "nodes_ready",
            "Audio nodes that are connected",
            metrics.nodes_ready.clone(),
        );
        registry.register(
            "node_losses",
            "Times a node was lost with all its players",
            metrics.node_losses.clone(),
        );
        registry.register(
            "commands",
            "Commands that were taken",
            metrics.commands.clone(),
        );
        registry.register_with_unit(
            "answer",
            "From a command being sent by the gateway to its answer being sent back",
            Unit::Seconds,
            metrics.answer_time.clone(),
        );
        registry.register(
            "lookups",
            "Queries that were looked up",
            metrics.lookups.clone(),
        );
        registry.register(
            "tracks_started",
            "Tracks that were started",
            metrics.tracks_started.clone(),
        );
        registry.register(
            "tracks_failed",
            "Tracks that failed or got stuck",
            metrics.tracks_failed.clone(),
        );
        registry.register(
            "notices",
            "Refusals told without having been asked",
            metrics.notices.clone(),
        );
        registry.register(
            "save_failures",
            "Saves that the store did not take",
            metrics.save_failures.clone(),
        );
        metrics
    }

    /// Counts a query that was looked up.
    pub fn count_lookup(&self, result: Lookup) {
        self.lookups.get_or_create(&LookupLabels { result }).inc();
    }

    /// Notes how long an answer took.
    pub fn answered(&self, after_ms: u64) {
        self.answer_time.observe(after_ms as f64 / 1_000.0);
    }
}

impl Default for AudioMetrics {
    fn default() -> Self {
        Self::register(&mut Registry::new())
    }
}
