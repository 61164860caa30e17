//! One Opus packet with its place in the track, as it travels from the pool to the clock.

use backline_media::frame::OpusFrame;

/// One 20 ms Opus packet and its position; kept inline so that rings own their memory.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Where the packet starts in the track, in milliseconds.
    pub position_ms: u64,
    /// The packet.
    pub opus: OpusFrame,
}
