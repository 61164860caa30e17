//! What the first bytes of an Opus packet say (RFC 6716, section 3).

use crate::frame::{FRAME_SAMPLES, MAX_OPUS};

/// Returns how many samples per channel, at 48 kHz, a packet lasts.
///
/// `None` for an empty packet, for one whose frame count is missing or zero, and for one that
/// would last longer than the 120 ms that Opus allows. The frames' own lengths are not checked.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        // SILK: 10, 20, 40, 60 ms.
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        config => 120 << (config & 3),
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3F),
    };
    let samples = frame * count;
    (1..=5760).contains(&samples).then_some(samples)
}

/// Whether a packet codes two channels.
pub fn is_stereo(packet: &[u8]) -> bool {
    packet.first().is_some_and(|toc| toc & 4 != 0)
}

/// Whether a packet can be sent as it is: 20 ms, and short enough.
///
/// Mono packets qualify as well: a decoder turns them into two equal channels.
pub fn is_sendable(packet: &[u8]) -> bool {
    packet.len() <= MAX_OPUS && samples(packet) == Some(FRAME_SAMPLES as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SILENCE;

    #[test]
    fn durations_follow_the_table_of_contents_byte() {
        let table: &[(&str, &[u8], Option<u32>)] = &[
            ("nothing", &[], None),
            ("the silence packet is 20 ms of CELT", &SILENCE, Some(960)),
            ("SILK 10 ms", &[0 << 3], Some(480)),
            ("SILK 60 ms", &[3 << 3], Some(2880)),
            ("SILK wideband 40 ms", &[10 << 3], Some(1920)),
            ("hybrid 20 ms", &[13 << 3], Some(960)),
            ("CELT 2.5 ms", &[16 << 3], Some(120)),
            ("CELT 2.5 ms twice", &[16 << 3 | 1], Some(240)),
            ("CELT 20 ms twice, other sizes", &[31 << 3 | 2], Some(1920)),
            ("CELT 20 ms six times", &[31 << 3 | 3, 6], Some(5760)),
            (
                "CELT 20 ms seven times is too long",
                &[31 << 3 | 3, 7],
                None,
            ),
            ("no frames at all", &[31 << 3 | 3, 0], None),
            ("the count is missing", &[31 << 3 | 3], None),
        ];
        for (name, packet, expected) in table {
            assert_eq!(samples(packet), *expected, "{name}");
        }
        assert!(is_stereo(&SILENCE) == (SILENCE[0] & 4 != 0));
        assert!(is_sendable(&SILENCE) && !is_sendable(&[31 << 3 | 2]));
    }
}
