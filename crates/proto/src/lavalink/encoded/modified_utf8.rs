//! Java's modified UTF-8: UTF-16 code units, each in one to three bytes, and U+0000 in two.

/// Returns the bytes of `text`.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match unit {
            0x01..=0x7F => out.push(unit as u8),
            0 | 0x80..=0x7FF => out.extend([0xC0 | (unit >> 6) as u8, 0x80 | (unit & 0x3F) as u8]),
            _ => out.extend([
                0xE0 | (unit >> 12) as u8,
                0x80 | ((unit >> 6) & 0x3F) as u8,
                0x80 | (unit & 0x3F) as u8,
            ]),
        }
    }
    out
}

/// Returns the text of `bytes`, or `None` if they are malformed.
///
/// Half a surrogate pair, as titles cut in the middle of an emoji have, becomes U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    if bytes.is_ascii() {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let continuation = |index: usize| {
            after
                .get(index)
                .filter(|byte| **byte & 0xC0 == 0x80)
                .map(|byte| u16::from(byte & 0x3F))
        };
        let (unit, used) = match first {
            0x00..=0x7F => (u16::from(first), 0),
            0xC0..=0xDF => (u16::from(first & 0x1F) << 6 | continuation(0)?, 1),
            0xE0..=0xEF => (
                u16::from(first & 0x0F) << 12 | continuation(0)? << 6 | continuation(1)?,
                2,
            ),
            _ => return None,
        };
        units.push(unit);
        rest = &after[used..];
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_bytes_java_gives_them() {
        let rows: &[(&str, &[u8])] = &[
            ("", b""),
            ("plain", b"plain"),
            ("\0", &[0xC0, 0x80]),
            ("é", &[0xC3, 0xA9]),
            ("€", &[0xE2, 0x82, 0xAC]),
            ("🎵", &[0xED, 0xA0, 0xBC, 0xED, 0xBE, 0xB5]),
        ];
        for (text, bytes) in rows {
            assert_eq!(encode(text), *bytes, "{text}");
            assert_eq!(decode(bytes).as_deref(), Some(*text));
        }
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let rows: &[&[u8]] = &[
            &[0x80],
            &[0xC3],
            &[0xC3, 0x41],
            &[0xE2, 0x82],
            &[0xE2, 0x82, 0x41],
            &[0xF0, 0x9F, 0x8E, 0xB5],
            &[0xFF],
        ];
        for bytes in rows {
            assert_eq!(decode(bytes), None, "{bytes:02X?}");
        }
    }

    #[test]
    fn half_a_pair_becomes_a_replacement_character() {
        assert_eq!(
            decode(&[b'a', 0xED, 0xA0, 0xBC]).as_deref(),
            Some("a\u{FFFD}")
        );
    }
}
