//! What the gateway role counts.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::registry::Registry;

/// What the gateway role counts; cheap to clone.
#[derive(Debug, Clone)]
pub struct GatewayMetrics {
    /// Events received, by kind.
    pub events: Family<EventLabels, Counter>,
    /// Frames that could not be read.
    pub malformed: Counter,
    /// Sessions begun: each costs one of the day's identifies.
    pub identifies: Counter,
    /// Sessions resumed.
    pub resumes: Counter,
    /// Shards, by what they are doing.
    pub shards: Family<ShardLabels, Gauge>,
    /// Guilds in the cache.
    pub guilds: Gauge,
    /// Interactions handled, by kind and by what became of them.
    pub interactions: Family<InteractionLabels, Counter>,
    /// From the arrival of an interaction to Discord's answer to our acknowledgement.
    pub ack: Histogram,
    /// Now Playing messages written, by what was done and whether it worked.
    pub panels: Family<PanelLabels, Counter>,
    /// Answers delivered to people, by whether it worked.
    pub replies: Family<ReplyLabels, Counter>,
}

impl GatewayMetrics {
    /// Returns fresh metrics, registered under `backline_gateway`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("gateway");
        let metrics = Self {
            events: Family::default(),
            malformed: Counter::default(),
            identifies: Counter::default(),
            resumes: Counter::default(),
            shards: Family::default(),
            guilds: Gauge::default(),
            interactions: Family::default(),
            ack: Histogram::new(ACK_BUCKETS),
            panels: Family::default(),
            replies: Family::default(),
        };
        registry.register("events", "Events received, by kind", metrics.events.clone());
        registry.register(
            "malformed_frames",
            "Frames that could not be read",
            metrics.malformed.clone(),
        );
        registry.register(
            "identifies",
            "Gateway sessions begun",
            metrics.identifies.clone(),
        );
        registry.register(
            "resumes",
            "Gateway sessions resumed",
            metrics.resumes.clone(),
        );
        registry.register(
            "shards",
            "Shards, by what they are doing",
            metrics.shards.clone(),
        );
        registry.register("guilds", "Guilds in the cache", metrics.guilds.clone());
        registry.register(
            "interactions",
            "Interactions, by kind and by what became of them",
            metrics.interactions.clone(),
        );
        registry.register_with_unit(
            "ack",
            "From the arrival of an interaction to its acknowledgement",
            Unit::Seconds,
            metrics.ack.clone(),
        );
        registry.register(
            "panel_writes",
            "Now Playing messages written",
            metrics.panels.clone(),
        );
        registry.register(
            "replies",
            "Answers delivered to people",
            metrics.replies.clone(),
        );
        metrics
    }
}

/// Labels of `events`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// What it was.
    pub kind: EventKind,
}

/// What an event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum EventKind {
    /// A session began.
    Ready,
    /// A session went on.
    Resumed,
    /// A guild is there.
    GuildCreate,
    /// A guild is away.
    GuildDelete,
    /// A channel changed.
    Channel,
    /// A role changed.
    Role,
    /// A member changed.
    Member,
    /// Somebody's place in voice changed.
    VoiceState,
    /// Where to connect for voice.
    VoiceServer,
    /// A command, button or completion.
    Interaction,
    /// Hello, heartbeats, reconnect requests.
    Control,
    /// Anything else.
    Other,
}

/// Labels of `shards`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ShardLabels {
    /// What they are doing.
    pub state: ShardPhase,
}

/// What a shard is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ShardPhase {
    /// Connecting, identifying or resuming.
    Connecting,
    /// Receiving events.
    Active,
    /// Closed for good.
    Closed,
}

/// Labels of `interactions`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InteractionLabels {
    /// What it was.
    pub kind: InteractionKind,
    /// What became of it.
    pub result: InteractionResult,
}

/// What an interaction was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum InteractionKind {
    /// A slash command.
    Command,
    /// A button.
    Button,
    /// A completion.
    Autocomplete,
    /// Anything else.
    Other,
}

/// What became of an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum InteractionResult {
    /// Acknowledged and handed on.
    Forwarded,
    /// Answered at once.
    Answered,
    /// The acknowledgement failed, mostly because it came too late.
    Unacknowledged,
    /// Acknowledged, but the bus did not take it.
    Lost,
    /// Too many at once.
    Shed,
}

/// Labels of `panel_writes`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PanelLabels {
    /// What was done.
    pub action: PanelAction,
    /// Whether it worked.
    pub result: Delivery,
}

/// What was done with a Now Playing message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum PanelAction {
    /// Made anew.
    Create,
    /// Changed.
    Edit,
    /// Taken away.
    Delete,
}

/// Labels of `replies`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReplyLabels {
    /// Whether it worked.
    pub result: Delivery,
}

/// Whether something reached Discord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Delivery {
    /// It did.
    Ok,
    /// What it was meant for is gone.
    Gone,
    /// The bot may not.
    Forbidden,
    /// Anything else went wrong.
    Failed,
}

/// Seconds; the goal is 0.1, Discord's limit is 3.
const ACK_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0];
