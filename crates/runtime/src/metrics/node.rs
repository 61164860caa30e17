//! What the node counts.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{
    EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::registry::Registry;
use super::voice::VoiceMetrics;

/// What the node counts; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NodeMetrics {
    /// Players that exist, parked sessions included.
    pub players: Gauge,
    /// Players with a track that is not paused.
    pub playing_players: Gauge,
    /// Client sessions, parked ones included.
    pub sessions: Gauge,
    /// Voice connections that are up.
    pub voice_connections: Gauge,
    /// Source bytes held in memory ahead of the decoders.
    pub buffered: Gauge,
    /// Times a live stream left out sound to catch up with what is new.
    pub live_skipped: Counter,
    /// Live streams that are fetched and encoded, each for any number of players.
    pub shared_streams: Gauge,
    /// Times a player of a shared stream fell out of what is kept of it and caught up.
    pub shared_jumps: Counter,
    /// Frames handed to the network.
    pub frames_sent: Counter,
    /// Ticks at which a frame was due but the player had none.
    pub frames_nulled: Counter,
    /// Frames sent more than 10 ms after they were due.
    pub frames_late: Counter,
    /// Frames that the network refused.
    pub frames_unsent: Counter,
    /// Frames that were due while a clock thread was too late to send them.
    pub frames_missed: Counter,
    /// How late frames were sent.
    pub frame_lateness: Lateness,
    /// Times a clock thread was so late that its timeline moved.
    pub clock_resyncs: Counter,
    /// Finished loads by source and result.
    pub loads: Family<LoadLabels, Counter>,
    /// How long loads took, by the source that answered.
    pub load_time: Times,
    /// Tracks that were opened to be played, by source and result.
    pub opens: Family<OpenLabels, Counter>,
    /// How long opening took, by source.
    pub open_time: Times,
    /// Voice connections.
    pub voice: VoiceMetrics,
}

/// Histograms of time by source; cheap to clone.
#[derive(Debug, Clone)]
pub struct Times(Family<SourceLabels, Histogram, fn() -> Histogram>);

/// Upper bounds of the buckets of [`Times`], in seconds.
const TIME_SECONDS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Default for Times {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| {
            Histogram::new(TIME_SECONDS)
        }))
    }
}

impl Times {
    /// Counts something that took `time` at a source.
    pub fn observe(&self, source: LoadSource, time: Duration) {
        let labels = SourceLabels { source };
        self.0.get_or_create(&labels).observe(time.as_secs_f64());
    }
}

/// A source as the only label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SourceLabels {
    /// The source.
    pub source: LoadSource,
}

/// Labels of an opened track.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OpenLabels {
    /// The source of the track.
    pub source: LoadSource,
    /// Whether it could be opened.
    pub result: OpenResult,
}

/// Whether a track could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenResult {
    /// It could.
    Opened,
    /// It could not.
    Failed,
}

/// Labels of a finished load.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LoadLabels {
    /// The source that answered.
    pub source: LoadSource,
    /// What it answered.
    pub result: LoadResult,
}

/// The source that answered a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadSource {
    /// Audio files on web servers.
    Http,
    /// Audio files below the configured folder.
    Local,
    /// What yt-dlp finds: YouTube and others.
    Ytdlp,
    /// Spotify, whose tracks sound from elsewhere.
    Spotify,
    /// Deezer, whose tracks sound from elsewhere.
    Deezer,
    /// Apple Music, whose tracks sound from elsewhere.
    AppleMusic,
    /// Text that is spoken.
    Speech,
    /// No source knows the identifier.
    None,
}

/// What a source answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadResult {
    /// One track.
    Track,
    /// Search results.
    Search,
    /// A playlist.
    Playlist,
    /// Nothing.
    Empty,
    /// A failure.
    Error,
}

impl EncodeLabelValue for LoadSource {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Http => "http",
            Self::Local => "local",
            Self::Ytdlp => "ytdlp",
            Self::Spotify => "spotify",
            Self::Deezer => "deezer",
            Self::AppleMusic => "applemusic",
            Self::Speech => "speech",
            Self::None => "none",
        })
    }
}

impl EncodeLabelValue for OpenResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Opened => "opened",
            Self::Failed => "failed",
        })
    }
}

impl EncodeLabelValue for LoadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Track => "track",
            Self::Search => "search",
            Self::Playlist => "playlist",
            Self::Empty => "empty",
            Self::Error => "error",
        })
    }
}

impl NodeMetrics {
    /// Returns fresh metrics, registered under `backline_node`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("node");
        let metrics = Self {
            voice: VoiceMetrics::register(registry),
            ..Self::default()
        };
        registry.register("players", "Players that exist", metrics.players.clone());
        registry.register(
            "playing_players",
            "Players with a track that is not paused",
            metrics.playing_players.clone(),
        );
        registry.register(
            "sessions",
            "Client sessions, parked ones included",
            metrics.sessions.clone(),
        );
        registry.register(
            "voice_connections",
            "Voice connections that are up",
            metrics.voice_connections.clone(),
        );
        registry.register_with_unit(
            "buffered",
            "Source bytes held in memory ahead of the decoders",
            Unit::Bytes,
            metrics.buffered.clone(),
        );
        registry.register(
            "live_skipped",
            "Times a live stream left out sound to catch up with what is new",
            metrics.live_skipped.clone(),
        );
        registry.register(
            "shared_streams",
            "Live streams that are fetched and encoded, each for any number of players",
            metrics.shared_streams.clone(),
        );
        registry.register(
            "shared_jumps",
            "Times a player of a shared stream fell out of what is kept of it",
            metrics.shared_jumps.clone(),
        );
        registry.register(
            "frames_sent",
            "Frames handed to the network",
            metrics.frames_sent.clone(),
        );
        registry.register(
            "frames_nulled",
            "Ticks at which a frame was due but the player had none",
            metrics.frames_nulled.clone(),
        );
        registry.register(
            "frames_late",
            "Frames sent more than 10 ms after they were due",
            metrics.frames_late.clone(),
        );
        registry.register(
            "frames_unsent",
            "Frames that the network refused",
            metrics.frames_unsent.clone(),
        );
        registry.register(
            "frames_missed",
            "Frames that were due while a clock thread was too late to send them",
            metrics.frames_missed.clone(),
        );
        registry.register_with_unit(
            "frame_lateness",
            "How late frames were sent",
            Unit::Seconds,
            metrics.frame_lateness.clone(),
        );
        registry.register(
            "clock_resyncs",
            "Times a clock thread was so late that its timeline moved",
            metrics.clock_resyncs.clone(),
        );
        registry.register(
            "loads",
            "Finished loads by source and result",
            metrics.loads.clone(),
        );
        registry.register_with_unit(
            "load_time",
            "How long loads took, by the source that answered",
            Unit::Seconds,
            metrics.load_time.0.clone(),
        );
        registry.register(
            "opens",
            "Tracks that were opened to be played, by source and result",
            metrics.opens.clone(),
        );
        registry.register_with_unit(
            "open_time",
            "How long opening a track took, by source",
            Unit::Seconds,
            metrics.open_time.0.clone(),
        );
        metrics
    }
}

/// A histogram of lateness that can be observed from a clock thread; cheap to clone.
///
/// Real-time: observing never allocates, locks or blocks, which the library's histogram does.
#[derive(Debug, Clone, Default)]
pub struct Lateness(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// Upper bounds of the buckets in microseconds; the last bucket has none.
const BOUNDS_US: [u64; 13] = [
    100, 250, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 40_000, 100_000, 500_000, 1_000_000,
];

impl Lateness {
    /// Counts one frame that was `late` behind its time.
    pub fn observe(&self, late: Duration) {
        self.observe_many(late, 1);
    }

    /// Counts `frames` that were as `late` as each other.
    pub fn observe_many(&self, late: Duration, frames: u64) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.0.buckets[bucket].fetch_add(frames, Ordering::Relaxed);
        self.0
            .sum_us
            .fetch_add(micros.saturating_mul(frames), Ordering::Relaxed);
    }

    /// Returns how many frames were observed.
    pub fn count(&self) -> u64 {
        self.0
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .sum()
    }
}

impl EncodeMetric for Lateness {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BOUNDS_US.len() + 1);
        for (index, bucket) in self.0.buckets.iter().enumerate() {
            let frames = bucket.load(Ordering::Relaxed);
            count += frames;
            let bound = BOUNDS_US
                .get(index)
                .map_or(f64::INFINITY, |bound| *bound as f64 / 1e6);
            buckets.push((bound, frames));
        }
        let sum = self.0.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::metrics::Metrics;

    #[test]
    fn lateness_is_printed_as_a_histogram_in_seconds() {
        let metrics = Metrics::new();
        metrics
            .node
            .frame_lateness
            .observe(Duration::from_micros(90));
        metrics
            .node
            .frame_lateness
            .observe(Duration::from_millis(7));
        metrics.node.frame_lateness.observe(Duration::from_secs(3));
        let text = metrics.encode();
        assert!(
            text.contains("backline_node_frame_lateness_seconds_count 3"),
            "{text}"
        );
        assert!(
            text.contains("backline_node_frame_lateness_seconds_bucket{le=\"0.0001\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("backline_node_frame_lateness_seconds_bucket{le=\"0.01\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("backline_node_frame_lateness_seconds_bucket{le=\"+Inf\"} 3"),
            "{text}"
        );
    }
}
