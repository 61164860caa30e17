//! Live WebM with one Opus track (RFC 9559), as browsers take it piece by piece.

use crate::{
    demux::{OpusHead, webm::ebml::id},
    packet,
};

/// Writes clusters of unknown size, so that nothing has to be known in advance.
#[derive(Debug)]
pub struct WebmMuxer {
    /// Samples written.
    position: u64,
    /// Millisecond at which the cluster begins.
    cluster_ms: Option<u64>,
}

impl WebmMuxer {
    /// Appends the head to `out`.
    pub fn new(head: OpusHead, out: &mut Vec<u8>) -> Self {
        element(out, id::EBML, |out| {
            uint(out, EBML_VERSION, 1);
            uint(out, EBML_READ_VERSION, 1);
            uint(out, EBML_MAX_ID_LENGTH, 4);
            uint(out, EBML_MAX_SIZE_LENGTH, 8);
            element(out, id::DOC_TYPE, |out| out.extend_from_slice(b"webm"));
            uint(out, DOC_TYPE_VERSION, 4);
            uint(out, DOC_TYPE_READ_VERSION, 2);
        });
        unknown_size(out, id::SEGMENT);
        element(out, id::INFO, |out| {
            uint(out, id::TIMESTAMP_SCALE, 1_000_000);
            element(out, MUXING_APP, |out| out.extend_from_slice(b"backline"));
            element(out, WRITING_APP, |out| out.extend_from_slice(b"backline"));
        });
        element(out, id::TRACKS, |out| {
            element(out, id::TRACK_ENTRY, |out| {
                uint(out, id::TRACK_NUMBER, u64::from(TRACK));
                uint(out, TRACK_UID, u64::from(TRACK));
                uint(out, TRACK_TYPE, AUDIO);
                uint(out, FLAG_LACING, 0);
                element(out, id::CODEC_ID, |out| out.extend_from_slice(b"A_OPUS"));
                uint(
                    out,
                    id::CODEC_DELAY,
                    u64::from(head.pre_skip) * 1_000_000 / 48,
                );
                uint(out, SEEK_PRE_ROLL, 80_000_000);
                element(out, id::CODEC_PRIVATE, |out| {
                    out.extend_from_slice(&head.to_bytes());
                });
                element(out, AUDIO_SETTINGS, |out| {
                    element(out, SAMPLING_FREQUENCY, |out| {
                        out.extend_from_slice(&48_000_f32.to_be_bytes());
                    });
                    uint(out, CHANNELS, u64::from(head.channels));
                });
            });
        });
        Self {
            position: 0,
            cluster_ms: None,
        }
    }

    /// Appends a packet to `out`. Packets that are no Opus are left out.
    pub fn packet(&mut self, packet: &[u8], out: &mut Vec<u8>) {
        let Some(samples) = packet::samples(packet) else {
            return;
        };
        let now_ms = self.position / 48;
        let cluster_ms = match self.cluster_ms {
            Some(cluster_ms) if now_ms - cluster_ms < CLUSTER_MS => cluster_ms,
            _ => {
                unknown_size(out, id::CLUSTER);
                uint(out, id::TIMESTAMP, now_ms);
                *self.cluster_ms.insert(now_ms)
            }
        };
        let relative = i16::try_from(now_ms - cluster_ms).expect("clusters are short");
        element(out, id::SIMPLE_BLOCK, |out| {
            out.push(0x80 | TRACK);
            out.extend_from_slice(&relative.to_be_bytes());
            out.push(KEYFRAME);
            out.extend_from_slice(packet);
        });
        self.position += u64::from(samples);
    }
}

fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    out.extend_from_slice(&bytes[zeros..]);
}

fn unknown_size(out: &mut Vec<u8>, id: u32) {
    put_id(out, id);
    out.extend_from_slice(&[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
}

fn element(out: &mut Vec<u8>, id: u32, body: impl FnOnce(&mut Vec<u8>)) {
    put_id(out, id);
    let size_at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let size = u32::try_from(out.len() - size_at - 4).expect("elements are small");
    out[size_at..size_at + 4].copy_from_slice(&(size | 0x1000_0000).to_be_bytes());
}

fn uint(out: &mut Vec<u8>, id: u32, value: u64) {
    element(out, id, |out| {
        let bytes = value.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
        out.extend_from_slice(&bytes[zeros..]);
    });
}

const EBML_VERSION: u32 = 0x4286;
const EBML_READ_VERSION: u32 = 0x42F7;
const EBML_MAX_ID_LENGTH: u32 = 0x42F2;
const EBML_MAX_SIZE_LENGTH: u32 = 0x42F3;
const DOC_TYPE_VERSION: u32 = 0x4287;
const DOC_TYPE_READ_VERSION: u32 = 0x4285;
const MUXING_APP: u32 = 0x4D80;
const WRITING_APP: u32 = 0x5741;
const TRACK_UID: u32 = 0x73C5;
const TRACK_TYPE: u32 = 0x83;
const FLAG_LACING: u32 = 0x9C;
const SEEK_PRE_ROLL: u32 = 0x56BB;
const AUDIO_SETTINGS: u32 = 0xE1;
const SAMPLING_FREQUENCY: u32 = 0xB5;
const CHANNELS: u32 = 0x9F;

const TRACK: u8 = 1;
const AUDIO: u64 = 2;
const KEYFRAME: u8 = 0x80;

/// How much goes into a cluster; what is relative to its beginning has 15 bits.
const CLUSTER_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demux::{Event, webm::WebmDemuxer};

    const HEAD: OpusHead = OpusHead {
        channels: 2,
        pre_skip: 312,
        input_rate: 48_000,
        gain_q8: 0,
    };

    #[test]
    fn what_is_muxed_is_demuxed_bit_for_bit() {
        let packet = |index: usize| {
            let mut packet = vec![31 << 3 | 4];
            packet.extend((0..index * 37 % 1200).map(|byte| (byte + index) as u8));
            packet
        };
        let mut file = Vec::new();
        let mut muxer = WebmMuxer::new(HEAD, &mut file);
        for index in 0..600 {
            muxer.packet(&packet(index), &mut file);
        }
        let mut demuxer = WebmDemuxer::new();
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
                    index += 1;
                }
                Event::End => break,
            }
        }
        assert_eq!(index, 600);
    }
}
