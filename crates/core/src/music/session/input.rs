//! What happens to a session.

use crate::id::{ChannelId, UserId};
use crate::music::{Command, Track};

/// Names a command until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names one start of a track, so that news about an earlier one cannot be taken for news about this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A person asked for something.
    Command {
        /// Names it in the reply.
        request: RequestId,
        /// Who.
        user: UserId,
        /// The voice channel the asker is in.
        user_voice: Option<ChannelId>,
        /// Where it was asked.
        text_channel: ChannelId,
        /// What.
        command: Command,
        /// Randomness, for a shuffle.
        seed: u64,
    },
    /// A query was looked up.
    Resolved {
        /// The command it belongs to.
        request: RequestId,
        /// What was found.
        result: Resolution,
    },
    /// A track starts to play.
    TrackStarted {
        /// Which start.
        play: PlayId,
    },
    /// A track ended.
    TrackEnded {
        /// Which start.
        play: PlayId,
        /// Why.
        reason: EndReason,
    },
    /// A track failed; its end follows.
    TrackFailed {
        /// Which start.
        play: PlayId,
        /// Why, fit for people.
        reason: String,
    },
    /// A track gives no more audio.
    TrackStuck {
        /// Which start.
        play: PlayId,
    },
    /// The player is at `ms`.
    Position {
        /// Milliseconds from the start of the track.
        ms: u64,
        /// When that was true.
        at: u64,
    },
    /// The platform says that the bot is in a voice channel.
    VoiceJoined {
        /// Which.
        channel: ChannelId,
    },
    /// The platform says that the bot is in no voice channel.
    VoiceLeft,
    /// Voice credentials are complete, or new: a node can connect.
    VoiceCredentials,
    /// The node is connected to voice.
    VoiceReady,
    /// The node could not connect to voice, or lost the connection for good.
    VoiceFailed,
    /// How many people listen.
    Listeners {
        /// People other than bots in the voice channel.
        people: u32,
    },
    /// The node is gone, and the player with it; or there is none.
    NodeLost {
        /// When the player was last known to play.
        since: u64,
    },
    /// A node is there.
    NodeReady,
    /// The bot was removed from the guild.
    Removed,
    /// The time of [`super::Session::deadline`] has come.
    Tick,
}

/// What a query led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Tracks: one, or those of a playlist.
    Found(Vec<Track>),
    /// Nothing.
    Empty,
    /// A failure.
    Failed {
        /// Why, fit for people.
        reason: String,
    },
    /// There is no node to ask.
    NoNode,
}

/// Why a track ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It came to its end, or failed midway.
    Finished,
    /// It gave no audio at all.
    LoadFailed,
    /// It was stopped.
    Stopped,
    /// Another took its place.
    Replaced,
    /// The node dropped it, because nobody listened to it.
    Cleanup,
}
