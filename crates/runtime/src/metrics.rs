//! Every metric of Backline, by the part that counts it.
//!
//! Names are `backline_<area>_<noun>_<unit>[_total]` in base units; labels are closed enums,
//! never a guild, a user, a track or a path. The registry adds the `backline` prefix.

pub mod audio;
pub mod gateway;
pub mod node;
pub mod process;
pub mod registry;
pub mod store;
pub mod voice;

use std::collections::BTreeSet;
use std::sync::Arc;

use registry::Registry;

/// All metrics of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What the node counts.
    pub node: node::NodeMetrics,
    /// What the audio role counts.
    pub audio: audio::AudioMetrics,
    /// What the gateway role counts.
    pub gateway: gateway::GatewayMetrics,
    /// What the store counts.
    pub store: store::StoreMetrics,
    registry: Arc<prometheus_client::registry::Registry>,
    names: Arc<BTreeSet<String>>,
}

impl Metrics {
    /// Returns fresh metrics, all at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::new();
        let node = node::NodeMetrics::register(&mut registry);
        let audio = audio::AudioMetrics::register(&mut registry);
        let gateway = gateway::GatewayMetrics::register(&mut registry);
        let store = store::StoreMetrics::register(&mut registry);
        process::register(&mut registry);
        let (registry, names) = registry.finish();
        Self {
            node,
            audio,
            gateway,
            store,
            registry: Arc::new(registry),
            names: Arc::new(names),
        }
    }

    /// Returns the names of all series, sorted, whether they have counted anything or not. What
    /// dashboards and alerts ask for must be among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
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

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_written_is_among_the_names() {
        let metrics = Metrics::new();
        let text = metrics.encode();
        let mut written = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(metrics.names.contains(name), "{name} is missing");
            written += 1;
        }
        assert!(written >= 4, "{text}");
        assert!(
            text.contains("backline_process_resident_memory_bytes "),
            "{text}"
        );
        assert!(
            text.contains("backline_process_cpu_seconds_total "),
            "{text}"
        );
    }

    #[test]
    fn names_follow_the_rules_of_the_house() {
        for name in Metrics::new().names() {
            let fits = name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                && name.starts_with("backline_")
                && !name.contains("__");
            assert!(fits, "{name}");
            let bad = ["_ms", "_millis", "_kb", "_mb"];
            assert!(
                !bad.iter().any(|unit| name.ends_with(unit)),
                "{name}: base units only"
            );
        }
    }
}
