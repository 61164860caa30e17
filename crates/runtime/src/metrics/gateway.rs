//! What the gateway role counts.

use prometheus_client::registry::Registry;

/// What the gateway role counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct GatewayMetrics {}

impl GatewayMetrics {
    /// Returns fresh metrics, registered under `backline_gateway`.
    pub fn register(registry: &mut Registry) -> Self {
        let _registry = registry.sub_registry_with_prefix("gateway");
        Self::default()
    }
}
