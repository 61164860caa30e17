//! The sound of an MPEG transport stream (ISO/IEC 13818-1), as the bare AAC or MPEG audio that it
//! carries.
//!
//! Only the first sound that can be played of the first programme is taken; pictures, other
//! programmes and everything about time are skipped.

mod elementary;
mod section;

pub use elementary::Elementary;
use section::Section;

/// What kind of sound a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// AAC with ADTS headers.
    Adts,
    /// MPEG-1 or MPEG-2 audio, mostly layer III.
    Mpeg,
}

/// The programme has no sound that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no AAC or MPEG audio in the MPEG transport stream")]
pub struct NoSound;

/// Takes the sound out of a transport stream.
///
/// Holds one packet and one table, about 1.5 KiB; skips whatever it does not understand.
#[derive(Debug, Default)]
pub struct TsDemuxer {
    /// A packet of which not everything came yet.
    partial: Vec<u8>,
    /// Whether packets follow one another.
    in_step: bool,
    programmes: Section,
    programme: Section,
    map_pid: Option<u16>,
    sound: Option<(u16, Codec)>,
    hopeless: bool,
    /// Continuity counter of the last packet of the sound.
    counter: Option<u8>,
    pes: Pes,
}

/// Where in a packet of the sound's own layer we are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pes {
    /// Before the first beginning of one.
    #[default]
    Outside,
    /// Within its header, of which this much is left.
    Header(usize),
    /// Within its sound.
    Payload,
}

/// Length of a packet.
pub const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// The packet with the list of programmes.
const PROGRAMMES: u16 = 0;

/// Whether `bytes` begin like a transport stream; 377 are enough.
pub fn is_mpegts(bytes: &[u8]) -> bool {
    let syncs = bytes.iter().step_by(PACKET).take(3);
    bytes.len() > PACKET && syncs.copied().all(|byte| byte == SYNC)
}

impl TsDemuxer {
    /// Begins anew.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what the sound is, once the tables told.
    pub fn codec(&self) -> Option<Codec> {
        self.sound.map(|(_, codec)| codec)
    }

    /// Takes the next bytes in and appends the sound in them to `sound`.
    ///
    /// # Errors
    /// The tables came, and there is nothing that can be played.
    pub fn push(&mut self, input: &[u8], sound: &mut Vec<u8>) -> Result<(), NoSound> {
        if self.partial.is_empty() {
            let used = self.packets(input, sound);
            self.partial.extend_from_slice(&input[used..]);
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(input);
            let used = self.packets(&bytes, sound);
            bytes.drain(..used);
            self.partial = bytes;
        }
        if self.hopeless { Err(NoSound) } else { Ok(()) }
    }

    /// Uses up whole packets; returns how many bytes that were. Less than a packet and a byte is
    /// left over.
    fn packets(&mut self, input: &[u8], sound: &mut Vec<u8>) -> usize {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            if rest.first().is_some_and(|first| *first != SYNC) {
                // Two streams that were cut at no packet, or noise: look for the next packet.
                self.in_step = false;
                used += memchr::memchr(SYNC, rest).unwrap_or(rest.len());
                continue;
            }
            let Some((packet, behind)) = rest.split_at_checked(PACKET) else {
                return used;
            };
            // A byte that only looks like the beginning of a packet is told by what is behind it.
            match behind.first() {
                Some(&SYNC) => self.in_step = true,
                Some(_) => {
                    self.in_step = false;
                    used += 1;
                    continue;
                }
                None if self.in_step => {}
                None => return used,
            }
            self.packet(packet, sound);
            used += PACKET;
        }
    }

    fn packet(&mut self, packet: &[u8], sound: &mut Vec<u8>) {
        let [sync, first, second, flags, body @ ..] = packet else {
            return;
        };
        let is_damaged = first & 0x80 != 0;
        let is_scrambled = flags & 0xC0 != 0;
        if *sync != SYNC || is_damaged || is_scrambled {
            return;
        }
        let pid = u16::from_be_bytes([first & 0x1F, *second]);
        let begins = first & 0x40 != 0;
        let has_field = flags & 0x20 != 0;
        let has_payload = flags & 0x10 != 0;
        let payload = match body.first() {
            Some(length) if has_field => body.get(1 + usize::from(*length)..),
            _ => Some(body),
        };
        let Some(payload) = payload.filter(|_| has_payload) else {
            return;
        };
        if pid == PROGRAMMES {
            if let Some(table) = self.programmes.push(payload, begins) {
                // One that moved is found again through its new table.
                self.map_pid = section::first_map(table).or(self.map_pid);
            }
        } else if Some(pid) == self.map_pid {
            if let Some(table) = self.programme.push(payload, begins) {
                let found = section::first_sound(table);
                if found.is_some() && found != self.sound {
                    (self.pes, self.counter) = (Pes::Outside, None);
                    self.sound = found;
                }
                self.hopeless = self.sound.is_none();
            }
        } else if self.sound.is_some_and(|(wanted, _)| wanted == pid) {
            let counter = flags & 0x0F;
            // Packets may be sent twice.
            if self.counter.replace(counter) != Some(counter) || begins {
                self.payload(payload, begins, sound);
            }
        }
    }

    fn payload(&mut self, mut payload: &[u8], begins: bool, sound: &mut Vec<u8>) {
        if begins {
            let [0, 0, 1, _, _, _, _, _, header, ..] = payload else {
                self.pes = Pes::Outside;
                return;
            };
            self.pes = Pes::Header(9 + usize::from(*header));
        }
        if let Pes::Header(left) = self.pes {
            let used = left.min(payload.len());
            payload = &payload[used..];
            self.pes = match left - used {
                0 => Pes::Payload,
                left => Pes::Header(left),
            };
        }
        if self.pes == Pes::Payload {
            sound.extend_from_slice(payload);
        }
    }
}

#[cfg(test)]
mod tests;
