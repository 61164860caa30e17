//! Live Ogg Opus (RFC 7845).

use crate::{
    demux::{
        OpusHead,
        ogg::page::{CAPTURE, FIRST, HEADER_LEN, LAST, checksum},
    },
    packet,
};

/// Writes pages of a few packets each.
#[derive(Debug)]
pub struct OggMuxer {
    serial: u32,
    sequence: u32,
    granule: u64,
    per_page: usize,
    /// Packets of the page that is not written yet, one after the other.
    body: Vec<u8>,
    lengths: Vec<usize>,
}

impl OggMuxer {
    /// Appends the head to `out`.
    ///
    /// `per_page` packets (1..=50) share a page: more cost less and come later. `serial` is any
    /// number; comments are `KEY=value`.
    pub fn new(
        serial: u32,
        head: OpusHead,
        comments: &[&str],
        per_page: usize,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut muxer = Self {
            serial,
            sequence: 0,
            granule: 0,
            per_page: per_page.clamp(1, 50),
            body: Vec::new(),
            lengths: Vec::new(),
        };
        muxer.add(&head.to_bytes());
        muxer.write_page(FIRST, out);
        muxer.add(&tags(comments));
        muxer.write_page(0, out);
        muxer
    }

    /// Takes a packet; appends a page to `out` when enough came together.
    ///
    /// Packets that are no Opus are left out.
    pub fn packet(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        let (Some(samples), true) = (packet::samples(packet), packet.len() <= MAX_PACKET) else {
            return;
        };
        let segments: usize = self.lengths.iter().map(|length| length / 255 + 1).sum();
        if segments + packet.len() / 255 + 1 > 255 {
            self.write_page(0, out);
        }
        self.granule += u64::from(samples);
        self.add(packet);
        if self.lengths.len() >= self.per_page {
            self.write_page(0, out);
        }
    }

    /// Appends what is left, as the last page; it may be an empty one.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.write_page(LAST, out);
    }

    fn add(&mut self, packet: &[u8]) {
        self.body.extend_from_slice(packet);
        self.lengths.push(packet.len());
    }

    fn write_page(&mut self, flags: u8, out: &mut Vec<u8>) {
        let start = out.len();
        let segments: usize = self.lengths.iter().map(|length| length / 255 + 1).sum();
        out.extend_from_slice(CAPTURE);
        out.extend_from_slice(&[0, flags]);
        // A page on which no packet ends has no position.
        let granule = if self.lengths.is_empty() {
            u64::MAX
        } else {
            self.granule
        };
        out.extend_from_slice(&granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(u8::try_from(segments).expect("callers keep to 255 segments"));
        for length in self.lengths.drain(..) {
            out.extend(std::iter::repeat_n(255, length / 255));
            out.push((length % 255) as u8);
        }
        debug_assert_eq!(out.len() - start, HEADER_LEN + segments);
        out.append(&mut self.body);
        let sum = checksum(&out[start..]);
        out[start + 22..start + 26].copy_from_slice(&sum.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
    }
}

fn tags(comments: &[&str]) -> Vec<u8> {
    let mut bytes = b"OpusTags".to_vec();
    let mut text = |text: &[u8]| {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text);
    };
    text(VENDOR);
    // One page has to hold the header.
    let mut room = MAX_PACKET - 64;
    let mut count = 0_u32;
    let mut list = Vec::new();
    for comment in comments {
        if let Some(left) = room.checked_sub(comment.len() + 4) {
            room = left;
            count += 1;
            list.extend_from_slice(&(comment.len() as u32).to_le_bytes());
            list.extend_from_slice(comment.as_bytes());
        }
    }
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&list);
    bytes
}

const VENDOR: &[u8] = b"backline";

/// Longest packet that fits a page of its own.
const MAX_PACKET: usize = 254 * 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        demux::{Event, ogg::OggDemuxer},
        frame::SILENCE,
    };

    const HEAD: OpusHead = OpusHead {
        channels: 2,
        pre_skip: 312,
        input_rate: 48_000,
        gain_q8: 0,
    };

    fn packet(index: usize) -> Vec<u8> {
        let mut packet = vec![31 << 3 | 4];
        packet.extend((0..index * 37 % 1200).map(|byte| (byte + index) as u8));
        packet
    }

    #[test]
    fn what_is_muxed_is_demuxed_bit_for_bit() {
        for per_page in [1, 3, 50] {
            let mut file = Vec::new();
            let comments = ["TITLE=A title", "ARTIST=Someone"];
            let mut muxer = OggMuxer::new(7, HEAD, &comments, per_page, &mut file);
            for index in 0..200 {
                muxer.packet(&packet(index), &mut file);
            }
            muxer.finish(&mut file);

            let mut demuxer = OggDemuxer::new();
            let mut fed = 0;
            let mut index = 0;
            loop {
                match demuxer.next().expect("valid") {
                    Event::NeedData if fed == file.len() => demuxer.finish(),
                    Event::NeedData => {
                        let next = file.len().min(fed + 777);
                        fed += demuxer.push(&file[fed..next]);
                    }
                    Event::Head(head) => assert_eq!(*head, HEAD),
                    Event::Packet(found) => {
                        assert_eq!(found.data, packet(index), "{index}");
                        assert_eq!(found.position, 960 * index as i64 - 312);
                        assert_eq!(found.trim_end, 0, "{index}");
                        index += 1;
                    }
                    Event::End => break,
                }
            }
            assert_eq!(index, 200, "{per_page}");
            assert_eq!(demuxer.tags().title.as_deref(), Some("A title"));
            assert_eq!(demuxer.tags().artist.as_deref(), Some("Someone"));
        }
    }

    #[test]
    fn a_page_appears_as_soon_as_it_is_full() {
        let mut file = Vec::new();
        let mut muxer = OggMuxer::new(1, HEAD, &[], 2, &mut file);
        let head = file.len();
        muxer.packet(&SILENCE, &mut file);
        muxer.packet(&[], &mut file);
        assert_eq!(file.len(), head, "what is no Opus does not count");
        muxer.packet(&SILENCE, &mut file);
        assert_eq!(file.len(), head + HEADER_LEN + 2 + 6);
    }
}
