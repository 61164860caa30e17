//! Opus packets out of Ogg and WebM, without decoding anything.
//!
//! Both demuxers are fed bytes and asked for [`Event`]s: write into `room`, say how much with
//! `advance`, call `next` until it wants more. They hold at most a page or a few elements, never
//! panic on any input, and skip what they do not need.

pub mod mpegts;
pub mod ogg;
mod opus_head;
mod seek;
pub mod segment;
mod tags;
pub mod webm;
mod window;

pub use opus_head::OpusHead;
pub use seek::{SeekStep, Seeker};
pub use tags::Tags;
pub(crate) use tags::{replay_gain, text as tag_text};

/// What a demuxer has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing, until more bytes come.
    NeedData,
    /// The stream's head: comes before its first packet, and again when a live stream begins a
    /// new link of its chain.
    Head(&'a OpusHead),
    /// A packet.
    Packet(Packet<'a>),
    /// All bytes were read.
    End,
}

/// An Opus packet of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The packet.
    pub data: &'a [u8],
    /// Where it begins, in samples at 48 kHz from the start of the track; negative while a
    /// decoder warms up (pre-skip).
    pub position: i64,
    /// How long it lasts, in samples at 48 kHz.
    pub samples: u32,
    /// How many samples at its end do not belong to the track.
    pub trim_end: u32,
}

/// Why a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DemuxError {
    /// Not this container at all.
    #[error("not {container}")]
    Container {
        /// What was expected.
        container: &'static str,
    },
    /// The container has no Opus track.
    #[error("no Opus track in {container}")]
    NoOpus {
        /// What was read.
        container: &'static str,
    },
    /// More than two channels, or a mapping that one decoder cannot do.
    #[error("Opus with {channels} channels in {streams} streams is not supported")]
    Layout {
        /// Channels of the track.
        channels: u8,
        /// Opus streams that make them up.
        streams: u8,
    },
    /// An element is longer than this demuxer is willing to hold.
    #[error("an element of {length} bytes is too long")]
    TooLong {
        /// Its length.
        length: u64,
    },
}
