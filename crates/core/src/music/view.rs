//! What people see of a session.

use serde::{Deserialize, Serialize};

use super::{LoopMode, Track};
use crate::id::ChannelId;

/// A session as people see it: the content of the Now Playing message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The voice channel the bot is in.
    pub voice_channel: Option<ChannelId>,
    /// The playing track, if any.
    pub playing: Option<Playback>,
    /// The first entries of the queue, at most five.
    pub up_next: Vec<Track>,
    /// How many tracks the queue holds.
    pub queue_length: u32,
    /// Total length of the queue in milliseconds, live streams not counted.
    pub queue_ms: u64,
    /// Percent, 0..=200.
    pub volume: u16,
    /// Loop mode.
    pub loop_mode: LoopMode,
    /// Whether autoplay is on.
    pub autoplay: bool,
    /// Whether a new message at the bottom of the channel is wanted, in place of an edit.
    pub bring_to_front: bool,
}

/// The playing track and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playback {
    /// The track.
    pub track: Track,
    /// Milliseconds from its start, at `at_ms`.
    pub position_ms: u64,
    /// When `position_ms` was true, in milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// Whether it is paused.
    pub paused: bool,
}
