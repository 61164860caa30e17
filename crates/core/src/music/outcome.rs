//! What a person is told about a command.

use serde::{Deserialize, Serialize};

use super::{LoopMode, Placement, Track};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Tracks were added. `position` is the place of the first in the queue, 1-based; 0 = it plays now.
    Added {
        /// The first of them.
        track: Track,
        /// How many.
        count: u32,
        /// Its place in the queue, 1-based; 0 = playing now.
        position: u32,
        /// Where it was asked to go.
        placement: Placement,
    },
    /// Paused.
    Paused,
    /// Resumed.
    Resumed,
    /// `count` tracks were skipped; `next` plays now, if any.
    Skipped {
        /// How many.
        count: u32,
        /// What plays now.
        next: Option<Track>,
    },
    /// Stopped; `cleared` tracks left the queue.
    Stopped {
        /// How many.
        cleared: u32,
    },
    /// The position is now `to_ms`.
    Sought {
        /// Milliseconds from the start.
        to_ms: u64,
    },
    /// A page of the queue.
    Queue {
        /// The playing track.
        playing: Option<Track>,
        /// The entries of this page.
        entries: Vec<Track>,
        /// The place of the first entry, 1-based.
        first: u32,
        /// This page, 1-based.
        page: u32,
        /// How many pages there are, at least 1.
        pages: u32,
        /// How many entries there are.
        length: u32,
        /// Total length of the queue in milliseconds, live streams not counted.
        total_ms: u64,
    },
    /// The Now Playing message is on its way.
    NowPlaying,
    /// The volume is `percent`.
    Volume {
        /// Percent, 0..=200.
        percent: u16,
    },
    /// The loop mode is `mode`.
    Loop {
        /// The mode.
        mode: LoopMode,
    },
    /// `count` entries were shuffled.
    Shuffled {
        /// How many.
        count: u32,
    },
    /// Entries were removed.
    Removed {
        /// The first of them.
        track: Track,
        /// How many.
        count: u32,
    },
    /// An entry was moved.
    Moved {
        /// It.
        track: Track,
        /// Its place now, 1-based.
        to: u32,
    },
    /// The queue is empty now; `count` entries left it.
    Cleared {
        /// How many.
        count: u32,
    },
    /// The bot is in the voice channel, or on its way.
    Joined,
    /// The bot left the voice channel.
    Left,
    /// The command was refused.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

/// Why a command was refused. Every variant has one clear sentence for people, chosen by the role
/// that renders it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    /// The asker is in no voice channel.
    NotInVoice,
    /// The asker is in another voice channel than the bot.
    OtherVoiceChannel,
    /// The bot is in no voice channel.
    BotNotInVoice,
    /// Nothing plays.
    NothingPlaying,
    /// It is paused already.
    AlreadyPaused,
    /// It is not paused.
    NotPaused,
    /// The queue is empty.
    QueueEmpty,
    /// There is no such entry; the queue has `length`.
    NoSuchEntry {
        /// What was asked for, 1-based.
        entry: u32,
        /// How many there are.
        length: u32,
    },
    /// The range is backwards.
    BackwardsRange {
        /// First entry.
        from: u32,
        /// Last entry.
        to: u32,
    },
    /// A value is out of range.
    VolumeOutOfRange {
        /// What was asked for.
        percent: u16,
    },
    /// The track cannot be sought, being live.
    NotSeekable,
    /// The position is behind the end.
    SeekBehindEnd {
        /// Length of the track in milliseconds.
        length_ms: u64,
    },
    /// The queue is full.
    QueueFull {
        /// How many fit.
        limit: u32,
    },
    /// Too many queries of this guild are being looked up already.
    TooManyLookups,
    /// The query is empty.
    EmptyQuery,
    /// Nothing was found.
    NothingFound {
        /// What was asked for.
        query: String,
    },
    /// The source could not be loaded.
    LoadFailed {
        /// What was asked for.
        query: String,
        /// The reason, fit for people: no addresses, no secrets.
        reason: String,
    },
    /// No audio node is available just now.
    NoNode,
    /// The voice connection could not be made.
    VoiceFailed,
    /// The feature comes later.
    NotYet {
        /// Which.
        feature: String,
    },
    /// Something failed on our side.
    Internal,
}
