//! What a session wants to be done.

use crate::id::ChannelId;
use crate::music::{Outcome, Track, View};

use super::{PlayId, RequestId};

/// What a session wants to be done, in order. A [`Effect::Save`] comes before the replies that depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Save the snapshot.
    Save,
    /// Look a query up; the answer is [`super::Input::Resolved`].
    Resolve {
        /// The command it belongs to.
        request: RequestId,
        /// A URL, a search text or a file name.
        query: String,
    },
    /// Join or move to a voice channel.
    JoinVoice {
        /// Which.
        channel: ChannelId,
    },
    /// Leave the voice channel.
    LeaveVoice,
    /// Hand the voice credentials to a node; the answer is `VoiceReady`, `VoiceFailed` or `NodeLost`.
    ConnectVoice,
    /// Play a track.
    Play {
        /// Names this start.
        play: PlayId,
        /// The track.
        track: Box<Track>,
        /// Where to start, in milliseconds.
        start_ms: u64,
        /// Whether to start paused.
        paused: bool,
        /// Percent.
        volume: u16,
    },
    /// Pause or go on.
    Pause(bool),
    /// Go to a position in milliseconds.
    Seek(u64),
    /// Set the volume in percent.
    Volume(u16),
    /// Stop the track; the player stays.
    StopPlayer,
    /// Remove the player from its node.
    DestroyPlayer,
    /// Answer a command.
    Reply {
        /// Which.
        request: RequestId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Say something in the text channel that nobody asked for.
    Notice {
        /// Where.
        text_channel: ChannelId,
        /// What.
        outcome: Outcome,
    },
    /// The view changed; `None` once the session is over.
    View(Option<Box<View>>),
    /// Remember that a track was played.
    RecordHistory {
        /// Which.
        track: Box<Track>,
    },
    /// This track plays next: a node that can may prepare it.
    Preload {
        /// Which.
        track: Box<Track>,
    },
}
