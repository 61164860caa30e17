//! The RTP header of voice packets (RFC 3550, section 5.1).

/// The header that every packet we send begins with: twelve bytes, no extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Goes up by one with every packet, wraps.
    pub sequence: u16,
    /// Samples at 48 kHz; goes up by 960 with every 20 ms, wraps.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// A header as received, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedHeader {
    /// The part that we send as well.
    pub header: RtpHeader,
    /// Bytes that are authenticated but not encrypted: the fixed header, contributing sources,
    /// and the four bytes that announce an extension.
    pub clear_len: usize,
    /// Bytes of the extension's body, which stand at the beginning of the encrypted part.
    pub extension_len: usize,
    /// Whether the encrypted part ends with padding.
    pub padded: bool,
}

/// Why a datagram is no voice packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Shorter than its header.
    #[error("a datagram of {length} bytes is too short for its RTP header")]
    TooShort {
        /// Length of the datagram in bytes.
        length: usize,
    },
    /// Not RTP version 2.
    #[error("the datagram is not RTP version 2")]
    Version,
    /// Of another payload type: RTCP, or video.
    #[error("payload type {payload_type} is not voice")]
    PayloadType {
        /// The second byte, marker bit included.
        payload_type: u8,
    },
}

impl RtpHeader {
    /// Length of the header that we send.
    pub const LEN: usize = 12;

    /// Returns the bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = VERSION_2;
        bytes[1] = PAYLOAD_TYPE;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }

    /// Returns the header of the packet `frames` after this one.
    #[must_use]
    pub fn advanced(self, frames: u16) -> Self {
        Self {
            sequence: self.sequence.wrapping_add(frames),
            timestamp: self.timestamp.wrapping_add(u32::from(frames) * 960),
            ssrc: self.ssrc,
        }
    }

    /// Reads the header of a voice packet.
    ///
    /// # Errors
    /// Anything but RTP version 2 of Discord's voice payload type, or a header that is cut off.
    pub fn parse(packet: &[u8]) -> Result<ParsedHeader, RtpError> {
        let too_short = RtpError::TooShort {
            length: packet.len(),
        };
        let fixed: &[u8; Self::LEN] = packet.first_chunk().ok_or(too_short)?;
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        // The marker bit may be set on the first packet after a pause.
        if fixed[1] & 0x7F != PAYLOAD_TYPE {
            return Err(RtpError::PayloadType {
                payload_type: fixed[1],
            });
        }
        let sources_end = Self::LEN + 4 * usize::from(fixed[0] & 0x0F);
        let (clear_len, extension_len) = if fixed[0] & 0x10 == 0 {
            (sources_end, 0)
        } else {
            let head: &[u8; 4] = packet
                .get(sources_end..)
                .and_then(<[u8]>::first_chunk)
                .ok_or(too_short)?;
            (
                sources_end + 4,
                4 * usize::from(u16::from_be_bytes([head[2], head[3]])),
            )
        };
        if packet.len() < clear_len {
            return Err(too_short);
        }
        Ok(ParsedHeader {
            header: Self {
                sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
                timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
                ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            },
            clear_len,
            extension_len,
            padded: fixed[0] & 0x20 != 0,
        })
    }
}

const VERSION_2: u8 = 0x80;

/// Discord's payload type for Opus, 120.
const PAYLOAD_TYPE: u8 = 0x78;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: RtpHeader = RtpHeader {
        sequence: 0x0102,
        timestamp: 0x0304_0506,
        ssrc: 0x0708_090A,
    };

    #[test]
    fn a_header_is_written_as_rfc_3550_draws_it() {
        let bytes = HEADER.to_bytes();
        assert_eq!(bytes, [0x80, 0x78, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        let parsed = RtpHeader::parse(&bytes).expect("a header");
        let expected = ParsedHeader {
            header: HEADER,
            clear_len: 12,
            extension_len: 0,
            padded: false,
        };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn sequence_and_timestamp_wrap() {
        let last = RtpHeader {
            sequence: u16::MAX,
            timestamp: u32::MAX,
            ssrc: 1,
        };
        assert_eq!(
            last.advanced(1),
            RtpHeader {
                sequence: 0,
                timestamp: 959,
                ssrc: 1
            }
        );
    }

    #[test]
    fn an_extension_announces_itself_in_the_clear() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xBE, 0xDE, 0, 3]);
        let parsed = RtpHeader::parse(&bytes).expect("a header");
        let expected = ParsedHeader {
            header: HEADER,
            clear_len: 24,
            extension_len: 12,
            padded: true,
        };
        assert_eq!(parsed, expected);
        for length in 0..bytes.len() {
            assert_eq!(
                RtpHeader::parse(&bytes[..length]),
                Err(RtpError::TooShort { length })
            );
        }
    }

    #[test]
    fn rtcp_and_other_protocols_are_not_voice() {
        let mut bytes = HEADER.to_bytes();
        bytes[1] = 201;
        assert_eq!(
            RtpHeader::parse(&bytes),
            Err(RtpError::PayloadType { payload_type: 201 })
        );
        bytes[0] = 0x40;
        assert_eq!(RtpHeader::parse(&bytes), Err(RtpError::Version));
    }
}
