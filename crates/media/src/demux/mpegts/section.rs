//! The tables of a transport stream.

use super::Codec;

/// A table that may come in several packets.
#[derive(Debug, Default)]
pub(super) struct Section {
    bytes: Vec<u8>,
    open: bool,
}

/// Longest table with its head.
const MAX: usize = 1024;
/// Bytes before the entries of both tables: number, length, identity, version, two sections.
const HEAD: usize = 8;
/// Bytes of the checksum behind the entries. A damaged table would be found again at once, and
/// one that is wrong leads only to no sound: it is not checked.
const CHECKSUM: usize = 4;

impl Section {
    /// Adds the payload of a packet; returns the table when it is complete.
    pub(super) fn push(&mut self, payload: &[u8], begins: bool) -> Option<&[u8]> {
        if begins {
            let pointer = usize::from(*payload.first()?);
            self.bytes.clear();
            self.bytes.extend_from_slice(payload.get(1 + pointer..)?);
            self.open = true;
        } else if self.open {
            self.bytes.extend_from_slice(payload);
        }
        let [_, high, low, ..] = self.bytes[..] else {
            return None;
        };
        let length = 3 + usize::from(u16::from_be_bytes([high & 0x0F, low]));
        if length > MAX || self.bytes.len() > MAX + super::PACKET {
            self.open = false;
        }
        if !self.open || self.bytes.len() < length {
            return None;
        }
        self.open = false;
        self.bytes.get(..length)
    }
}

/// Returns where the table of the first programme is.
pub(super) fn first_map(table: &[u8]) -> Option<u16> {
    if *table.first()? != 0x00 {
        return None;
    }
    let mut entries = entries(table)?;
    while let Some(([number_high, number_low, high, low], rest)) = entries.split_first_chunk() {
        // Number 0 is a table about the network.
        if (*number_high, *number_low) != (0, 0) {
            return Some(pid(*high, *low));
        }
        entries = rest;
    }
    None
}

/// Returns where the first sound of a programme is, and what it is.
pub(super) fn first_sound(table: &[u8]) -> Option<(u16, Codec)> {
    if *table.first()? != 0x02 {
        return None;
    }
    let ([_, _, high, low], rest) = entries(table)?.split_first_chunk()?;
    let mut streams = rest.get(descriptors(*high, *low)..)?;
    while let Some(([kind, pid_high, pid_low, high, low], rest)) = streams.split_first_chunk() {
        let codec = match kind {
            0x0F => Some(Codec::Adts),
            0x03 | 0x04 => Some(Codec::Mpeg),
            _ => None,
        };
        if let Some(codec) = codec {
            return Some((pid(*pid_high, *pid_low), codec));
        }
        streams = rest.get(descriptors(*high, *low)..)?;
    }
    None
}

fn entries(table: &[u8]) -> Option<&[u8]> {
    table.get(HEAD..table.len().checked_sub(CHECKSUM)?)
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1F, low])
}

fn descriptors(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high & 0x0F, low]))
}
