//! What the audio role counts.

use prometheus_client::registry::Registry;

/// What the audio role counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AudioMetrics {}

impl AudioMetrics {
    /// Returns fresh metrics, registered under `backline_audio`.
    pub fn register(registry: &mut Registry) -> Self {
        let _registry = registry.sub_registry_with_prefix("audio");
        Self::default()
    }
}
