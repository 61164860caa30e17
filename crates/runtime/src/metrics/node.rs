//! What the node counts.

use prometheus_client::registry::Registry;

/// What the node counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NodeMetrics {}

impl NodeMetrics {
    /// Returns fresh metrics, registered under `backline_node`.
    pub fn register(registry: &mut Registry) -> Self {
        let _registry = registry.sub_registry_with_prefix("node");
        Self::default()
    }
}
