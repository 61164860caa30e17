//! Every metric of Backline, by the part that counts it.
//!
//! Names are `backline_<area>_<noun>_<unit>[_total]` in base units; labels are closed enums,
//! never a guild, a user, a track or a path. The registry adds the `backline` prefix.

pub mod audio;
pub mod gateway;
pub mod node;

use std::sync::Arc;

use prometheus_client::registry::Registry;

/// All metrics of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What the node counts.
    pub node: node::NodeMetrics,
    /// What the audio role counts.
    pub audio: audio::AudioMetrics,
    /// What the gateway role counts.
    pub gateway: gateway::GatewayMetrics,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Returns fresh metrics, all at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("backline");
        Self {
            node: node::NodeMetrics::register(&mut registry),
            audio: audio::AudioMetrics::register(&mut registry),
            gateway: gateway::GatewayMetrics::register(&mut registry),
            registry: Arc::new(registry),
        }
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing to a string cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
