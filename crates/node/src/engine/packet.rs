//! One Opus packet with its place in the track, as a source hands it to the pool.

use backline_media::frame::OpusFrame;

/// One 20 ms Opus packet and where it belongs.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The run it belongs to. Set to the feed's first run before a source is asked; a source that
    /// goes from one track to the next says so here, and the clock tells the end of the one and
    /// the start of the other when the packet is due.
    pub run: u64,
    /// Where the packet starts in the track, in milliseconds.
    pub position_ms: u64,
    /// The packet.
    pub opus: OpusFrame,
}

impl Packet {
    /// Returns a packet without bytes, to be filled by a source.
    pub fn empty(run: u64) -> Self {
        Self {
            run,
            position_ms: 0,
            opus: OpusFrame::empty(),
        }
    }
}
