//! What of a session survives a restart.

use serde::{Deserialize, Serialize};

use crate::id::ChannelId;
use crate::music::{LoopMode, Track};

/// What of a session survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`Snapshot::VERSION`] when it was written.
    pub version: u32,
    /// The text channel of the Now Playing message.
    pub text_channel: Option<ChannelId>,
    /// The voice channel the bot is in, or about to join.
    pub voice_channel: Option<ChannelId>,
    /// The playing track.
    pub current: Option<SavedTrack>,
    /// What waits.
    pub queue: Vec<Track>,
    /// What was played, latest last.
    pub history: Vec<Track>,
    /// Percent.
    pub volume: u16,
    /// Loop mode.
    pub loop_mode: LoopMode,
    /// Whether autoplay is on.
    pub autoplay: bool,
    /// How many starts there were.
    pub plays: u64,
}

/// The playing track, where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTrack {
    /// The track.
    pub track: Track,
    /// Milliseconds from its start.
    pub position_ms: u64,
    /// Whether it is paused.
    pub paused: bool,
}

/// Why a snapshot cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A later version of Backline wrote it.
    #[error("the snapshot has version {version}, newer than {}", Snapshot::VERSION)]
    Version {
        /// Its version.
        version: u32,
    },
}

impl Snapshot {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// Whether nothing in it is worth keeping.
    pub fn is_blank(&self) -> bool {
        self.voice_channel.is_none()
            && self.current.is_none()
            && self.queue.is_empty()
            && self.volume == super::DEFAULT_VOLUME
            && self.loop_mode == LoopMode::Off
            && !self.autoplay
    }

    /// Puts the playing track, if any, to a position that was saved later.
    pub fn set_position(&mut self, position_ms: u64) {
        if let Some(current) = &mut self.current {
            current.position_ms = position_ms;
        }
    }
}
