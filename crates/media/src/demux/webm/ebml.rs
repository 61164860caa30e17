//! Elements of EBML (RFC 8794).

/// Identifiers, with their length marker, as they stand in files.
pub(crate) mod id {
    pub(crate) const EBML: u32 = 0x1A45_DFA3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const INFO: u32 = 0x1549_A966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const TITLE: u32 = 0x7BA9;
    pub(crate) const TRACKS: u32 = 0x1654_AE6B;
    pub(crate) const TRACK_ENTRY: u32 = 0xAE;
    pub(crate) const TRACK_NUMBER: u32 = 0xD7;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(crate) const CODEC_DELAY: u32 = 0x56AA;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(crate) const CLUSTER: u32 = 0x1F43_B675;
    pub(crate) const TIMESTAMP: u32 = 0xE7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(crate) const BLOCK_GROUP: u32 = 0xA0;
    pub(crate) const BLOCK: u32 = 0xA1;
    pub(crate) const DISCARD_PADDING: u32 = 0x75A2;
    pub(crate) const CUES: u32 = 0x1C53_BB6B;
    pub(crate) const CUE_POINT: u32 = 0xBB;
    pub(crate) const CUE_TIME: u32 = 0xB3;
    pub(crate) const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub(crate) const CUE_TRACK: u32 = 0xF7;
    pub(crate) const CUE_CLUSTER_POSITION: u32 = 0xF1;
    pub(crate) const TAGS: u32 = 0x1254_C367;
    pub(crate) const TAG: u32 = 0x7373;
    pub(crate) const SIMPLE_TAG: u32 = 0x67C8;
    pub(crate) const TAG_NAME: u32 = 0x45A3;
    pub(crate) const TAG_STRING: u32 = 0x4487;
}

/// An element's identifier and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u32,
    /// Length of the header itself.
    pub(crate) len: usize,
    /// Length of the body; `None` is "unknown": until something comes that cannot be inside.
    pub(crate) size: Option<u64>,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Header(Header),
    Incomplete,
    Invalid,
}

/// Reads an element's header.
pub(crate) fn header(bytes: &[u8]) -> Found {
    let Some(first) = bytes.first() else {
        return Found::Incomplete;
    };
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 {
        return Found::Invalid;
    }
    let Some(id) = bytes.get(..id_len) else {
        return Found::Incomplete;
    };
    let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    match vint(&bytes[id_len..]) {
        Vint::Value { len, value } => Found::Header(Header {
            id,
            len: id_len + len,
            size: value,
        }),
        Vint::Incomplete => Found::Incomplete,
        Vint::Invalid => Found::Invalid,
    }
}

/// A number of variable length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vint {
    /// All ones means "unknown", and is `None`.
    Value {
        len: usize,
        value: Option<u64>,
    },
    Incomplete,
    Invalid,
}

/// Reads a number of variable length.
pub(crate) fn vint(bytes: &[u8]) -> Vint {
    let Some(first) = bytes.first() else {
        return Vint::Incomplete;
    };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Vint::Invalid;
    }
    let Some(bytes) = bytes.get(..len) else {
        return Vint::Incomplete;
    };
    let raw = bytes
        .iter()
        .fold(0_u64, |raw, byte| raw << 8 | u64::from(*byte));
    let mask = (1_u64 << (7 * len)) - 1;
    let value = raw & mask;
    Vint::Value {
        len,
        value: (value != mask).then_some(value),
    }
}

/// Returns the children of a body that is all there; stops at the first that is not.
pub(crate) fn children(mut body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let Found::Header(Header {
            id,
            len,
            size: Some(size),
        }) = header(body)
        else {
            return None;
        };
        let rest = &body[len..];
        let (child, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body = rest;
        Some((id, child))
    })
}

/// Reads an unsigned integer of up to eight bytes.
pub(crate) fn uint(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| {
        body.iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    })
}

/// Reads a signed integer of up to eight bytes.
pub(crate) fn int(body: &[u8]) -> Option<i64> {
    let value = uint(body)?;
    let shift = 64 - 8 * body.len() as u32;
    Some(if shift == 64 {
        0
    } else {
        (value << shift) as i64 >> shift
    })
}

/// Reads a float of four or eight bytes.
pub(crate) fn float(body: &[u8]) -> Option<f64> {
    if let Ok(single) = <[u8; 4]>::try_from(body) {
        return Some(f64::from(f32::from_be_bytes(single)));
    }
    <[u8; 8]>::try_from(body).ok().map(f64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_variable_lengths() {
        let known = |id, len, size| Found::Header(Header { id, len, size });
        let table: &[(&[u8], Found)] = &[
            (&[], Found::Incomplete),
            (&[0xA3], Found::Incomplete),
            (&[0xA3, 0x81], known(0xA3, 2, Some(1))),
            (&[0xA3, 0x40, 0x7F], known(0xA3, 3, Some(127))),
            (&[0xA3, 0xFF], known(0xA3, 2, None)),
            (
                &[0x1F, 0x43, 0xB6, 0x75, 1, 255, 255, 255, 255, 255, 255, 255],
                known(id::CLUSTER, 12, None),
            ),
            (&[0x1F, 0x43, 0xB6, 0x75, 1, 255], Found::Incomplete),
            (&[0x08, 0, 0, 0, 0], Found::Invalid),
            (&[0xA3, 0], Found::Invalid),
        ];
        for (bytes, expected) in table {
            assert_eq!(header(bytes), *expected, "{bytes:x?}");
        }
    }

    #[test]
    fn numbers_are_big_endian_and_signed_where_they_are() {
        assert_eq!(
            (uint(&[]), uint(&[1, 0]), uint(&[0; 9])),
            (Some(0), Some(256), None)
        );
        assert_eq!(
            (int(&[0xFF]), int(&[0x7F, 0xFF]), int(&[])),
            (Some(-1), Some(32767), Some(0))
        );
        assert_eq!(float(&1.5_f32.to_be_bytes()), Some(1.5));
        assert_eq!(
            (float(&2.5_f64.to_be_bytes()), float(&[1])),
            (Some(2.5), None)
        );
    }
}
