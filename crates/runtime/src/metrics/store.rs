//! What the store counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::registry::Registry;

/// What the store counts; cheap to clone.
#[derive(Debug, Clone)]
pub struct StoreMetrics {
    /// How long statements ran, without waiting for a connection.
    pub statement_time: Histogram,
    /// Statements that ran for 100 ms or more, below 500 ms.
    pub slow_statements: Counter,
    /// Statements that ran for 500 ms or more.
    pub very_slow_statements: Counter,
    /// Transactions that were run again after a deadlock or a conflict.
    pub retries: Counter,
    /// Connections to the server.
    pub connections: Gauge,
    /// Those of them that nobody uses.
    pub connections_idle: Gauge,
    /// How long statements waited for a connection.
    pub acquire_time: Histogram,
    /// Statements that gave up waiting for a connection.
    pub acquire_timeouts: Counter,
}

const STATEMENT_SECONDS: [f64; 12] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.5,
];
const ACQUIRE_SECONDS: [f64; 8] = [0.000_1, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 20.0];

impl StoreMetrics {
    /// Returns fresh metrics, registered under `backline_store`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("store");
        let metrics = Self {
            statement_time: Histogram::new(STATEMENT_SECONDS),
            slow_statements: Counter::default(),
            very_slow_statements: Counter::default(),
            retries: Counter::default(),
            connections: Gauge::default(),
            connections_idle: Gauge::default(),
            acquire_time: Histogram::new(ACQUIRE_SECONDS),
            acquire_timeouts: Counter::default(),
        };
        registry.register_with_unit(
            "statement",
            "How long statements ran, without waiting for a connection",
            Unit::Seconds,
            metrics.statement_time.clone(),
        );
        registry.register(
            "slow_statements",
            "Statements that ran for 100 ms or more, below 500 ms",
            metrics.slow_statements.clone(),
        );
        registry.register(
            "very_slow_statements",
            "Statements that ran for 500 ms or more",
            metrics.very_slow_statements.clone(),
        );
        registry.register(
            "retries",
            "Transactions that were run again after a deadlock or a conflict",
            metrics.retries.clone(),
        );
        registry.register(
            "connections",
            "Connections to the database server",
            metrics.connections.clone(),
        );
        registry.register(
            "connections_idle",
            "Connections to the database server that nobody uses",
            metrics.connections_idle.clone(),
        );
        registry.register_with_unit(
            "acquire",
            "How long statements waited for a connection",
            Unit::Seconds,
            metrics.acquire_time.clone(),
        );
        registry.register(
            "acquire_timeouts",
            "Statements that gave up waiting for a connection",
            metrics.acquire_timeouts.clone(),
        );
        metrics
    }
}
