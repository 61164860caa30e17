//! One Opus packet of 20 ms, and the numbers that everything here agrees on.

use std::fmt;

/// Samples per second and channel of everything that is sent.
pub const SAMPLE_RATE: u32 = 48_000;

/// Channels of everything that is sent.
pub const CHANNELS: usize = 2;

/// Samples per channel in a frame of 20 ms.
pub const FRAME_SAMPLES: usize = 960;

/// Values in a frame of interleaved stereo.
pub const FRAME_VALUES: usize = FRAME_SAMPLES * CHANNELS;

/// Length of a frame in milliseconds.
pub const FRAME_MS: u64 = 20;

/// Longest Opus packet of one frame, in bytes.
pub const MAX_OPUS: usize = 1275;

/// An Opus packet of 20 ms silence; five of them end a stretch of sound.
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// How many packets of [`SILENCE`] are sent when sound stops.
pub const SILENCE_FRAMES: u32 = 5;

/// An Opus packet, stored inline: it never allocates and can be overwritten in place.
#[derive(Clone)]
pub struct OpusFrame {
    length: u16,
    bytes: [u8; MAX_OPUS],
}

/// The packet is longer than an Opus frame can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Opus packet of {length} bytes is longer than {MAX_OPUS}")]
pub struct FrameTooLong {
    /// Length in bytes.
    pub length: usize,
}

impl OpusFrame {
    /// Returns a frame without bytes, to be filled later.
    pub const fn empty() -> Self {
        Self {
            length: 0,
            bytes: [0; MAX_OPUS],
        }
    }

    /// Returns a frame of silence.
    pub fn silence() -> Self {
        let mut frame = Self::empty();
        frame.bytes[..SILENCE.len()].copy_from_slice(&SILENCE);
        frame.length = SILENCE.len() as u16;
        frame
    }

    /// Replaces the bytes. Real-time: never allocates.
    ///
    /// # Errors
    /// More than [`MAX_OPUS`] bytes; the frame is then unchanged.
    pub fn set(&mut self, packet: &[u8]) -> Result<(), FrameTooLong> {
        let target = self.bytes.get_mut(..packet.len()).ok_or(FrameTooLong {
            length: packet.len(),
        })?;
        target.copy_from_slice(packet);
        self.length = packet.len() as u16;
        Ok(())
    }

    /// Lets `fill` write into the whole room and say how much it used.
    ///
    /// # Errors
    /// What `fill` returns; the frame is then empty.
    pub fn fill<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8; MAX_OPUS]) -> Result<usize, E>,
    ) -> Result<(), E> {
        self.length = 0;
        let used = fill(&mut self.bytes)?;
        self.length = used.min(MAX_OPUS) as u16;
        Ok(())
    }

    /// Returns the packet.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether this is the packet that stands for silence.
    pub fn is_silence(&self) -> bool {
        self.as_bytes() == SILENCE
    }
}

impl Default for OpusFrame {
    fn default() -> Self {
        Self::empty()
    }
}

impl TryFrom<&[u8]> for OpusFrame {
    type Error = FrameTooLong;

    fn try_from(packet: &[u8]) -> Result<Self, Self::Error> {
        let mut frame = Self::empty();
        frame.set(packet)?;
        Ok(frame)
    }
}

impl AsRef<[u8]> for OpusFrame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for OpusFrame {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for OpusFrame {}

impl fmt::Debug for OpusFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusFrame")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_what_fits_and_refuses_what_does_not() {
        let mut frame = OpusFrame::try_from(&[7; MAX_OPUS][..]).expect("fits");
        assert_eq!(frame.as_bytes(), [7; MAX_OPUS]);
        assert_eq!(
            frame.set(&[1; MAX_OPUS + 1]),
            Err(FrameTooLong {
                length: MAX_OPUS + 1
            })
        );
        assert_eq!(
            frame.as_bytes().len(),
            MAX_OPUS,
            "a refused packet changes nothing"
        );
        frame.set(&SILENCE).expect("fits");
        assert!(frame.is_silence());
        assert_eq!(frame, OpusFrame::silence());
    }
}
