//! The identification header of an Opus stream (RFC 7845, section 5.1).

use super::DemuxError;

/// What a decoder has to know about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusHead {
    /// 1 or 2.
    pub channels: u8,
    /// Samples at 48 kHz to decode and throw away at the beginning.
    pub pre_skip: u16,
    /// Sample rate of what was encoded; informative.
    pub input_rate: u32,
    /// Gain to apply when decoding, in 1/256 dB.
    pub gain_q8: i16,
}

impl OpusHead {
    /// First bytes of the header.
    pub const MAGIC: &'static [u8; 8] = b"OpusHead";

    /// Reads the header; `None` if it is none.
    ///
    /// # Errors
    /// A layout that a single stereo decoder cannot play.
    pub fn parse(bytes: &[u8]) -> Option<Result<Self, DemuxError>> {
        let bytes = bytes.strip_prefix(Self::MAGIC)?;
        let [
            version,
            channels,
            p0,
            p1,
            r0,
            r1,
            r2,
            r3,
            g0,
            g1,
            family,
            rest @ ..,
        ] = bytes
        else {
            return None;
        };
        // The upper nibble is the incompatible part of the version.
        if version >> 4 != 0 || *channels == 0 {
            return None;
        }
        let streams = match family {
            0 => 1,
            _ => *rest.first()?,
        };
        if *channels > 2 || streams != 1 {
            return Some(Err(DemuxError::Layout {
                channels: *channels,
                streams,
            }));
        }
        Some(Ok(Self {
            channels: *channels,
            pre_skip: u16::from_le_bytes([*p0, *p1]),
            input_rate: u32::from_le_bytes([*r0, *r1, *r2, *r3]),
            gain_q8: i16::from_le_bytes([*g0, *g1]),
        }))
    }

    /// Returns the header's bytes, mapping family 0.
    pub fn to_bytes(self) -> [u8; 19] {
        let mut bytes = [0; 19];
        bytes[..8].copy_from_slice(Self::MAGIC);
        bytes[8] = 1;
        bytes[9] = self.channels;
        bytes[10..12].copy_from_slice(&self.pre_skip.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.input_rate.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.gain_q8.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: OpusHead = OpusHead {
        channels: 2,
        pre_skip: 312,
        input_rate: 44_100,
        gain_q8: -256,
    };

    #[test]
    fn a_head_round_trips() {
        let bytes = HEAD.to_bytes();
        assert_eq!(bytes[8..12], [1, 2, 0x38, 0x01]);
        assert_eq!(OpusHead::parse(&bytes), Some(Ok(HEAD)));
        for length in 0..bytes.len() {
            assert_eq!(OpusHead::parse(&bytes[..length]), None);
        }
    }

    #[test]
    fn surround_is_a_clear_error_and_two_channels_in_family_one_are_not() {
        let mut surround = HEAD.to_bytes().to_vec();
        surround[9] = 6;
        surround[18] = 1;
        surround.extend([4, 2, 0, 4, 1, 2, 3, 5]);
        let refused = DemuxError::Layout {
            channels: 6,
            streams: 4,
        };
        assert_eq!(OpusHead::parse(&surround), Some(Err(refused)));
        let mut stereo = HEAD.to_bytes().to_vec();
        stereo[18] = 1;
        stereo.extend([1, 1, 0, 1]);
        assert_eq!(OpusHead::parse(&stereo), Some(Ok(HEAD)));
    }

    #[test]
    fn an_incompatible_version_is_no_head() {
        let mut bytes = HEAD.to_bytes();
        bytes[8] = 0x10;
        assert_eq!(OpusHead::parse(&bytes), None);
    }
}
