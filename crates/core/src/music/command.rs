//! What a person can ask of a music session.

use serde::{Deserialize, Serialize};

/// What a person asks of a session, by slash command or button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Command {
    /// Find `query` (a URL, a search, a name) and put it where `placement` says.
    Play {
        /// A URL, a search text or a file name.
        query: String,
        /// Where it goes.
        placement: Placement,
    },
    /// Pause; refused when already paused.
    Pause,
    /// Go on; refused when not paused.
    Resume,
    /// Pause or go on, whichever applies: the button.
    TogglePause,
    /// Go to the next track. `count` ≥ 1 tracks are skipped.
    Skip {
        /// How many tracks, 1 = the playing one.
        count: u32,
    },
    /// Stop, clear the queue and leave the voice channel.
    Stop,
    /// Go to a position in milliseconds.
    Seek {
        /// Milliseconds from the start.
        to_ms: u64,
    },
    /// Go forward (positive) or back (negative); clamped to the track.
    SeekBy {
        /// Milliseconds.
        by_ms: i64,
    },
    /// Show a page of the queue, 1-based.
    Queue {
        /// Page, 1-based; out of range shows the last.
        page: u32,
    },
    /// Show the Now Playing message anew at the bottom of the channel.
    NowPlaying,
    /// Set the volume in percent, 0..=200; `None` asks for it.
    Volume {
        /// Percent.
        percent: Option<u16>,
    },
    /// Change the volume by percent points; clamped to 0..=200: the buttons.
    VolumeBy {
        /// Percent points.
        points: i16,
    },
    /// Set the loop mode; `None` goes to the next: off → track → queue → off.
    Loop {
        /// The mode.
        mode: Option<LoopMode>,
    },
    /// Shuffle the queue.
    Shuffle,
    /// Remove entries `from..=to` of the queue, 1-based.
    Remove {
        /// First entry.
        from: u32,
        /// Last entry.
        to: u32,
    },
    /// Move an entry of the queue, 1-based.
    Move {
        /// Its place now.
        from: u32,
        /// Its place after.
        to: u32,
    },
    /// Empty the queue; the playing track goes on.
    Clear,
    /// Join the asker's voice channel, or move to it.
    Join,
    /// Leave the voice channel; the queue is kept.
    Leave,
    /// Toggle autoplay.
    Autoplay,
}

/// Where a found track goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// At the end of the queue.
    Last,
    /// Before everything else in the queue.
    Next,
    /// At once; the playing track ends.
    Now,
}

/// What happens when a track ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopMode {
    /// The next one plays.
    #[default]
    Off,
    /// It plays again.
    Track,
    /// It goes to the end of the queue.
    Queue,
}
