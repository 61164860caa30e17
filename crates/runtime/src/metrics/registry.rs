//! A registry that knows all names, also of families that have counted nothing yet.

use std::collections::BTreeSet;

use prometheus_client::collector::Collector;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Unit};

/// Takes the metrics of all areas. Used like the one of `prometheus_client`.
#[derive(Debug)]
pub struct Registry {
    inner: prometheus_client::registry::Registry,
    area: String,
    names: BTreeSet<String>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            inner: prometheus_client::registry::Registry::with_prefix(PREFIX),
            area: String::new(),
            names: BTreeSet::new(),
        }
    }

    /// Puts what is registered next under the prefix of an area.
    pub fn sub_registry_with_prefix(&mut self, area: &str) -> &mut Self {
        area.clone_into(&mut self.area);
        self
    }

    /// Registers a metric.
    pub fn register(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.note(name, None, metric.metric_type());
        self.inner
            .sub_registry_with_prefix(&self.area)
            .register(name, help, metric);
    }

    /// Registers a metric with a unit, which is put behind its name.
    pub fn register_with_unit(&mut self, name: &str, help: &str, unit: Unit, metric: impl Metric) {
        self.note(name, Some(&unit), metric.metric_type());
        let area = self.inner.sub_registry_with_prefix(&self.area);
        area.register_with_unit(name, help, unit, metric);
    }

    /// Registers what is found out when somebody asks, and how it is named.
    pub fn register_collector(
        &mut self,
        names: &[(&str, Option<Unit>, MetricType)],
        collector: impl Collector,
    ) {
        for (name, unit, kind) in names {
            self.note(name, unit.as_ref(), *kind);
        }
        self.inner
            .sub_registry_with_prefix(&self.area)
            .register_collector(Box::new(collector));
    }

    pub(super) fn finish(self) -> (prometheus_client::registry::Registry, BTreeSet<String>) {
        (self.inner, self.names)
    }

    /// Notes the names of the series that a metric appears as.
    fn note(&mut self, name: &str, unit: Option<&Unit>, kind: MetricType) {
        let unit = unit.map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
        let name = format!("{PREFIX}_{}_{name}{unit}", self.area);
        let suffixes: &[&str] = match kind {
            MetricType::Counter => &["_total"],
            MetricType::Histogram => &["_bucket", "_count", "_sum"],
            MetricType::Info => &["_info"],
            MetricType::Gauge | MetricType::Unknown => &[""],
        };
        for suffix in suffixes {
            let new = self.names.insert(format!("{name}{suffix}"));
            assert!(new, "metric `{name}` is registered once");
        }
    }
}

const PREFIX: &str = "backline";
