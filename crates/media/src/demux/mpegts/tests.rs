use std::io::{Cursor, Read, Seek, SeekFrom};

use super::*;
use crate::decode::{Decoder, Hint, Next, OpenError};

/// Writes packets of one payload each.
fn packet(pid: u16, begins: bool, counter: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = pid.to_be_bytes();
    let mut packet = vec![SYNC, high | u8::from(begins) << 6, low];
    let room = PACKET - 4;
    assert!(payload.len() <= room, "one packet");
    if payload.len() < room {
        packet.push(0x30 | counter & 0x0F);
        let stuffing = room - payload.len() - 1;
        packet.push(stuffing as u8);
        if stuffing > 0 {
            packet.push(0);
            packet.resize(packet.len() + stuffing - 1, 0xFF);
        }
    } else {
        packet.push(0x10 | counter & 0x0F);
    }
    packet.extend_from_slice(payload);
    assert_eq!(packet.len(), PACKET);
    packet
}

fn table(id: u8, entries: &[u8]) -> Vec<u8> {
    let length = entries.len() + 5 + 4;
    let mut table = vec![
        0,
        id,
        0xB0 | (length >> 8) as u8,
        length as u8,
        0,
        1,
        0xC1,
        0,
        0,
    ];
    table.extend_from_slice(entries);
    table.extend([0; 4]);
    table
}

/// A stream with pictures at 0x100 and `sound` of a kind at 0x101.
fn mux(kind: u8, sound: &[u8]) -> Vec<u8> {
    let mut bytes = packet(0, true, 0, &table(0, &[0, 0, 0xE0, 0x10, 0, 1, 0xF0, 0x00]));
    let streams = [
        &[0xE1, 0x01, 0xF0, 0x00][..],
        &[0x1B, 0xE1, 0x00, 0xF0, 0x02, 9, 9],
        &[kind, 0xE1, 0x01, 0xF0, 0x00],
    ]
    .concat();
    bytes.extend(packet(0x1000, true, 0, &table(2, &streams)));
    let mut counter = 0_u8;
    for (number, body) in sound.chunks(300).enumerate() {
        let picture = [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0, 1, 2];
        bytes.extend(packet(0x100, true, number as u8, &picture));
        let mut pes = vec![0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
        pes.extend_from_slice(body);
        for (at, part) in pes.chunks(PACKET - 4).enumerate() {
            bytes.extend(packet(0x101, at == 0, counter, part));
            counter = counter.wrapping_add(1);
        }
    }
    bytes
}

fn stream(kind: u8, frames: usize) -> (Vec<u8>, Vec<u8>) {
    let sound: Vec<u8> = (0..frames * 300).map(|at| (at * 7 / 5) as u8).collect();
    (mux(kind, &sound), sound)
}

#[test]
fn mp3_in_a_transport_stream_sounds_like_the_file_itself() {
    let file = include_bytes!("../../../../../assets/signals/sweep.mp3");
    let samples = |bytes: Vec<u8>, from_ms| {
        let mut decoder = Decoder::open(Box::new(Cursor::new(bytes)), &Hint::default());
        let decoder = decoder.as_mut().expect("sound");
        decoder.seek(from_ms).expect("seekable");
        let mut samples = Vec::new();
        while let Next::Data { .. } = decoder.next_packet() {
            samples.extend_from_slice(decoder.samples());
        }
        samples
    };
    for from_ms in [0, 1_500] {
        let (bare, inside) = (
            samples(file.to_vec(), from_ms),
            samples(mux(0x03, file), from_ms),
        );
        assert!(bare.len() > 20_000, "there is something to compare");
        assert!(
            bare == inside,
            "{} and {} values differ",
            bare.len(),
            inside.len()
        );
    }
    let silent = Decoder::open(Box::new(Cursor::new(mux(0x06, file))), &Hint::default());
    assert!(matches!(silent, Err(OpenError::NoAudio)));
}

#[test]
fn the_sound_comes_out_whole_whatever_the_pieces() {
    let (bytes, sound) = stream(0x0F, 40);
    assert!(is_mpegts(&bytes));
    for size in [1, 100, PACKET, 1_000, bytes.len()] {
        let (mut demuxer, mut heard) = (TsDemuxer::new(), Vec::new());
        for piece in bytes.chunks(size) {
            demuxer.push(piece, &mut heard).expect("there is sound");
        }
        assert_eq!(heard, sound, "{size}");
        assert_eq!(demuxer.codec(), Some(Codec::Adts));
    }
    let (bytes, _) = stream(0x03, 1);
    let mut demuxer = TsDemuxer::new();
    demuxer
        .push(&bytes, &mut Vec::new())
        .expect("there is sound");
    assert_eq!(demuxer.codec(), Some(Codec::Mpeg));
}

#[test]
fn a_stream_without_sound_says_so() {
    let (bytes, _) = stream(0x81, 3);
    let mut heard = Vec::new();
    assert_eq!(TsDemuxer::new().push(&bytes, &mut heard), Err(NoSound));
    assert!(heard.is_empty());
}

#[test]
fn repeated_and_scrambled_packets_and_noise_are_skipped() {
    let (bytes, sound) = stream(0x0F, 3);
    let mut dirty = b"G noise before the first packet".to_vec();
    for piece in bytes.chunks(PACKET) {
        dirty.extend_from_slice(piece);
        if piece[1] & 0x40 == 0 {
            // Sent twice, and once more for those who paid.
            dirty.extend_from_slice(piece);
            let mut scrambled = piece.to_vec();
            scrambled[3] |= 0xC0;
            dirty.extend(scrambled);
        }
    }
    for size in [1, 50, dirty.len()] {
        let (mut demuxer, mut heard) = (TsDemuxer::new(), Vec::new());
        for piece in dirty.chunks(size) {
            demuxer.push(piece, &mut heard).expect("there is sound");
        }
        assert_eq!(heard, sound, "{size}");
    }
}

#[test]
fn a_stream_read_as_its_sound_can_be_sought() {
    let (bytes, sound) = stream(0x0F, 200);
    let mut source = Elementary::new(Box::new(Cursor::new(bytes)));
    let mut read = [0; 50];
    for place in [0, 10_000, 9_990, 100, 40_000, 0] {
        assert_eq!(
            source.seek(SeekFrom::Start(place)).expect("seekable"),
            place
        );
        source.read_exact(&mut read).expect("there is more");
        assert_eq!(read, sound[place as usize..][..50], "{place}");
    }
    let end = source
        .seek(SeekFrom::Start(1 << 30))
        .expect("the end is no error");
    assert_eq!(end, sound.len() as u64);
    assert_eq!(source.read(&mut read).expect("over"), 0);
}
