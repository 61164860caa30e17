//! What the node counts about its voice connections.

use std::fmt::Write;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::registry::Registry;

/// What the node counts about its voice connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct VoiceMetrics {
    /// Frames replaced by silence because end-to-end keys were missing.
    pub frames_muted: Counter,
    /// Connections by the state of their end-to-end encryption.
    pub dave: Family<DaveLabels, Gauge>,
    /// Epochs of end-to-end encrypted calls that were entered.
    pub dave_epochs: Counter,
    /// Transitions to other end-to-end keys that were executed.
    pub dave_transitions: Counter,
    /// End-to-end messages that could not be processed.
    pub dave_failures: Counter,
    /// Times the node asked to be added to a group anew.
    pub dave_recoveries: Counter,
    /// How long end-to-end messages took to process.
    pub dave_work: Histogram,
    /// How long it took until a connection stood.
    pub connect_time: Histogram,
    /// Connections that were closed, by close code.
    pub closes: Family<CloseLabels, Counter>,
}

/// Label of connections by the state of their end-to-end encryption.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DaveLabels {
    /// The state.
    pub mode: DaveMode,
}

/// The state of a connection's end-to-end encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DaveMode {
    /// The call is not encrypted end to end (version 0).
    Off,
    /// It is (version 1), and the keys are not there.
    Pending,
    /// It is (version 1), with keys.
    Keyed,
}

/// Label of closed connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabels {
    /// The code.
    pub code: CloseCode,
}

/// A close code of a voice gateway; unknown ones count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// Returns the label of a code.
    pub fn new(code: u16) -> Self {
        let known = matches!(code, 1000 | 1001 | 1005 | 1006 | 1011..=1014)
            || matches!(code, 4000..=4006 | 4009 | 4011 | 4012 | 4014..=4017 | 4020..=4022);
        Self(if known { code } else { 0 })
    }
}

impl EncodeLabelValue for CloseCode {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.0 {
            0 => encoder.write_str("other"),
            code => write!(encoder, "{code}"),
        }
    }
}

impl EncodeLabelValue for DaveMode {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Off => "off",
            Self::Pending => "pending",
            Self::Keyed => "keyed",
        })
    }
}

/// Upper bounds of the time that end-to-end messages take, in seconds.
const WORK_SECONDS: [f64; 9] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
];
/// Upper bounds of the time until a connection stands, in seconds.
const CONNECT_SECONDS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Default for VoiceMetrics {
    fn default() -> Self {
        Self {
            frames_muted: Counter::default(),
            dave: Family::default(),
            dave_epochs: Counter::default(),
            dave_transitions: Counter::default(),
            dave_failures: Counter::default(),
            dave_recoveries: Counter::default(),
            dave_work: Histogram::new(WORK_SECONDS),
            connect_time: Histogram::new(CONNECT_SECONDS),
            closes: Family::default(),
        }
    }
}

impl VoiceMetrics {
    /// Returns fresh metrics, registered under `backline_node_voice`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "voice_frames_muted",
            "Frames replaced by silence because end-to-end keys were missing",
            metrics.frames_muted.clone(),
        );
        registry.register(
            "voice_dave_connections",
            "Voice connections by the state of their end-to-end encryption",
            metrics.dave.clone(),
        );
        for (name, help, counter) in [
            (
                "voice_dave_epochs",
                "Epochs of end-to-end encrypted calls that were entered",
                &metrics.dave_epochs,
            ),
            (
                "voice_dave_transitions",
                "Transitions to other end-to-end keys that were executed",
                &metrics.dave_transitions,
            ),
            (
                "voice_dave_failures",
                "End-to-end messages that could not be processed",
                &metrics.dave_failures,
            ),
            (
                "voice_dave_recoveries",
                "Times the node asked to be added to an end-to-end group anew",
                &metrics.dave_recoveries,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register_with_unit(
            "voice_dave_work",
            "How long end-to-end messages took to process",
            Unit::Seconds,
            metrics.dave_work.clone(),
        );
        registry.register_with_unit(
            "voice_connect_time",
            "How long it took until a voice connection stood",
            Unit::Seconds,
            metrics.connect_time.clone(),
        );
        registry.register(
            "voice_closes",
            "Voice connections that were closed, by close code",
            metrics.closes.clone(),
        );
        metrics
    }

    /// Counts a closed connection.
    pub fn count_close(&self, code: u16) {
        let code = CloseCode::new(code);
        self.closes.get_or_create(&CloseLabels { code }).inc();
    }

    /// Returns the gauge of connections in `mode`.
    pub fn dave_gauge(&self, mode: DaveMode) -> Gauge {
        self.dave.get_or_create_owned(&DaveLabels { mode })
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn close_codes_are_a_closed_set() {
        let metrics = Metrics::new();
        for code in [4014, 4014, 4999, 3000] {
            metrics.node.voice.count_close(code);
        }
        let text = metrics.encode();
        for line in [
            "backline_node_voice_closes_total{code=\"4014\"} 2",
            "backline_node_voice_closes_total{code=\"other\"} 2",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
