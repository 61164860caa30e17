//! Where a player's packets go: one connected UDP socket and the keys of its voice connection.

use std::io;
use std::net::UdpSocket;

use backline_media::frame::SILENCE;
use backline_media::voice::{EndToEnd, MAX_DATAGRAM, RtpHeader, Sealer};

/// Where a player's packets go.
///
/// Lives as long as the key of its voice session, because nonces must not repeat.
pub struct Transport {
    socket: UdpSocket,
    sealer: Sealer,
    end_to_end: EndToEnd,
    /// Ticks that the first end-to-end keys may still take.
    patience: u8,
    ssrc: u32,
    sequence: u16,
    timestamp_base: u32,
}

/// What was sent of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The packet.
    Whole,
    /// Silence in its place.
    Muted,
}

/// Buffers that one clock thread builds packets in.
pub struct Scratch {
    datagram: [u8; MAX_DATAGRAM],
    protected: Vec<u8>,
}

impl Transport {
    /// Returns a transport over a connected, non-blocking socket; sequence and timestamp start
    /// at random places, as RTP wants it.
    pub fn new(
        socket: UdpSocket,
        sealer: Sealer,
        end_to_end: EndToEnd,
        ssrc: u32,
        (sequence, timestamp_base): (u16, u32),
    ) -> Self {
        Self {
            socket,
            sealer,
            end_to_end,
            patience: FIRST_KEYS,
            ssrc,
            sequence,
            timestamp_base,
        }
    }

    /// Whether the first end-to-end keys are on their way, so that a track had better not begin
    /// yet: its beginning would be muted. Asked once a tick; who is alone in a call gets no keys,
    /// so it ends by itself.
    ///
    /// Real-time: never allocates, locks or blocks.
    pub fn waits(&mut self) -> bool {
        let waits = matches!(self.end_to_end, EndToEnd::Pending) && self.patience > 0;
        self.patience = if waits { self.patience - 1 } else { 0 };
        waits
    }

    /// Protects packets with other keys from now on.
    pub fn protect(&mut self, end_to_end: EndToEnd) {
        self.end_to_end = end_to_end;
    }

    /// Seals and sends one Opus packet; `frame` counts 20 ms steps of the clock.
    ///
    /// A packet that must not leave, because end-to-end keys are missing, is replaced by
    /// silence: the stream goes on at its pace, and nothing is heard.
    ///
    /// Real-time: never allocates or locks; the socket is non-blocking.
    pub fn send(&mut self, frame: u64, opus: &[u8], scratch: &mut Scratch) -> io::Result<Sent> {
        let header = RtpHeader {
            sequence: self.sequence,
            timestamp: self
                .timestamp_base
                .wrapping_add((frame as u32).wrapping_mul(960)),
            ssrc: self.ssrc,
        };
        let Scratch {
            datagram,
            protected,
        } = scratch;
        let (payload, kind) = match self.end_to_end.protect(opus, protected) {
            Ok(payload) => (payload, Sent::Whole),
            Err(_) => (&SILENCE[..], Sent::Muted),
        };
        let length = self
            .sealer
            .seal_into(&header, payload, datagram)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.sequence = self.sequence.wrapping_add(1);
        match self.socket.send(&datagram[..length]) {
            // News of an earlier packet that nobody took; this one has not been sent yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.send(&datagram[..length]).map(|_| kind)
            }
            sent => sent.map(|_| kind),
        }
    }
}

/// Five seconds: agreeing on keys takes a few round trips, and more where many calls begin at once.
const FIRST_KEYS: u8 = 250;

impl Scratch {
    /// Returns empty buffers with all the room that packets need.
    pub fn new() -> Self {
        Self {
            datagram: [0; MAX_DATAGRAM],
            protected: Vec::with_capacity(MAX_DATAGRAM),
        }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Transport")
            .field("ssrc", &self.ssrc)
            .finish_non_exhaustive()
    }
}
