//! Blocks and their lacing (RFC 9559, section 10).

use super::ebml::{Vint, vint};

/// The parts of a block before its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) track: u64,
    /// Ticks from the cluster's time.
    pub(super) time: i16,
    lacing: u8,
    /// Where the frames, or the lacing's head, begin.
    start: usize,
}

impl Block {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Vint::Value {
            len,
            value: Some(track),
        } = vint(body)
        else {
            return None;
        };
        let [high, low, flags, ..] = *body.get(len..)? else {
            return None;
        };
        let lacing = flags >> 1 & 3;
        Some(Self {
            track,
            time: i16::from_be_bytes([high, low]),
            lacing,
            start: len + 3,
        })
    }

    /// Puts the ends of the frames, as offsets in `body`, into `ends`, and returns where the
    /// first one begins. `None` if they do not fit.
    pub(super) fn frames(&self, body: &[u8], ends: &mut Vec<u32>) -> Option<usize> {
        ends.clear();
        if self.lacing == NONE {
            ends.push(u32::try_from(body.len()).ok()?);
            return Some(self.start);
        }
        let count = usize::from(*body.get(self.start)?) + 1;
        let mut at = self.start + 1;
        let mut sizes = [0_i64; 256];
        let known = &mut sizes[..count - 1];
        match self.lacing {
            XIPH => {
                for size in known {
                    loop {
                        let byte = *body.get(at)?;
                        at += 1;
                        *size += i64::from(byte);
                        if byte < 255 {
                            break;
                        }
                    }
                }
            }
            EBML => {
                let mut before = 0;
                for (index, size) in known.iter_mut().enumerate() {
                    let Vint::Value { len, value } = vint(body.get(at..)?) else {
                        return None;
                    };
                    at += len;
                    // An all-ones vint is a legal number here.
                    let half = 1_i64 << (7 * len - 1);
                    let value = value.map_or(2 * half - 1, |value| value as i64);
                    // The first is a size, the others are differences in excess notation.
                    before = if index == 0 {
                        value
                    } else {
                        before + value - (half - 1)
                    };
                    *size = before;
                }
            }
            _ => {
                let each = body.len().checked_sub(at)? / count;
                known.fill(each as i64);
            }
        }
        let mut end = at;
        for size in &sizes[..count - 1] {
            end = end.checked_add(usize::try_from(*size).ok()?)?;
            if end > body.len() {
                return None;
            }
            ends.push(u32::try_from(end).ok()?);
        }
        ends.push(u32::try_from(body.len()).ok()?);
        Some(at)
    }
}

const NONE: u8 = 0;
const XIPH: u8 = 1;
const EBML: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_under_every_lacing() {
        let frames: Vec<u8> = (0..12).collect();
        let cases: [(&str, u8, &[u8]); 4] = [
            ("none", 0, &[]),
            ("Xiph: 3, 4, rest", 1 << 1, &[2, 3, 4]),
            ("EBML: 3, then one more, rest", 3 << 1, &[2, 0x83, 0xC0]),
            ("fixed: three of four", 2 << 1, &[2]),
        ];
        let expected: [&[u32]; 4] = [&[12], &[3, 7, 12], &[3, 7, 12], &[4, 8, 12]];
        for ((name, flags, head), expected) in cases.into_iter().zip(expected) {
            let mut body = vec![0x81, 0xFF, 0xFE, flags];
            body.extend(head);
            body.extend(&frames);
            let block = Block::parse(&body).expect(name);
            assert_eq!((block.track, block.time), (1, -2), "{name}");
            let mut ends = Vec::new();
            let start = block.frames(&body, &mut ends).expect(name);
            assert_eq!(start, 4 + head.len(), "{name}");
            let relative: Vec<u32> = ends.iter().map(|end| end - start as u32).collect();
            assert_eq!(relative, expected, "{name}");
        }
    }

    #[test]
    fn lying_laces_are_refused() {
        let mut ends = Vec::new();
        for body in [
            &[0x81, 0, 0, 2][..],
            &[0x81, 0, 0, 2, 1, 200, 1],
            &[0x81, 0, 0, 2, 1, 255],
            &[0x81, 0, 0, 6, 2, 0x81, 0x80, 1, 2],
            &[0x81, 0, 0, 6, 1, 0],
        ] {
            let block = Block::parse(body).expect("a block");
            assert_eq!(block.frames(body, &mut ends), None, "{body:x?}");
        }
        assert_eq!(Block::parse(&[0x81, 0, 0]), None);
    }
}
