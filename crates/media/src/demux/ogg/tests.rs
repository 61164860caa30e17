use super::{
    page::{HEADER_LEN, checksum},
    *,
};
use crate::{demux::SeekStep, mux::ogg::OggMuxer};

const HEAD: OpusHead = OpusHead {
    channels: 2,
    pre_skip: 312,
    input_rate: 48_000,
    gain_q8: 0,
};

/// A 20 ms stereo packet that tells its index.
fn packet(index: usize, length: usize) -> Vec<u8> {
    let mut packet = vec![31 << 3 | 4];
    packet.extend((0..length).map(|byte| (byte * 7 + index) as u8));
    packet
}

/// Builds a page from lacing values and a body.
fn page(flags: u8, granule: u64, sequence: u32, lacing: &[u8], body: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend(5_u32.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(lacing.len() as u8);
    page.extend(lacing);
    page.extend(body);
    let sum = checksum(&page);
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    page
}

fn head_pages() -> Vec<u8> {
    let mut file = page(FIRST, 0, 0, &[19], &HEAD.to_bytes());
    file.extend(page(0, 0, 1, &[16], b"OpusTags\0\0\0\0\0\0\0\0"));
    file
}

fn stream(count: usize, per_page: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut muxer = OggMuxer::new(5, HEAD, &[], per_page, &mut file);
    for index in 0..count {
        muxer.packet(&packet(index, 100), &mut file);
    }
    muxer.finish(&mut file);
    file
}

#[derive(Debug, PartialEq, Eq)]
struct Owned {
    data: Vec<u8>,
    position: i64,
    trim_end: u32,
}

fn drain(demuxer: &mut OggDemuxer, file: &[u8], chunk: usize) -> (usize, Vec<Owned>) {
    let (mut fed, mut heads, mut packets) = (0, 0, Vec::new());
    loop {
        match demuxer.next().expect("valid") {
            Event::NeedData if fed == file.len() => demuxer.finish(),
            Event::NeedData => {
                let count = demuxer.push(&file[fed..file.len().min(fed + chunk)]);
                assert!(count > 0, "there is always room when data is wanted");
                fed += count;
            }
            Event::Head(_) => heads += 1,
            Event::Packet(Packet {
                data,
                position,
                trim_end,
                ..
            }) => {
                packets.push(Owned {
                    data: data.to_vec(),
                    position,
                    trim_end,
                });
            }
            Event::End => return (heads, packets),
        }
    }
}

fn read(file: &[u8]) -> Vec<Owned> {
    drain(&mut OggDemuxer::new(), file, 4096).1
}

#[test]
fn packets_go_on_over_page_boundaries() {
    let (first, second) = (packet(1, 1019), packet(2, 300));
    let all: Vec<u8> = [&first[..], &second].concat();
    // 1020 = 4 · 255: ends with a zero lacing, which stands on the second page.
    let mut file = head_pages();
    file.extend(page(0, u64::MAX, 2, &[255; 4], &all[..1020]));
    file.extend(page(CONTINUED, 1920, 3, &[0, 255, 46], &all[1020..]));
    let packets = read(&file);
    assert_eq!(packets.len(), 2);
    assert_eq!((&packets[0].data, packets[0].position), (&first, -312));
    assert_eq!((&packets[1].data, packets[1].position), (&second, 648));

    // One packet over three pages, one byte on the first.
    let mut file = head_pages();
    let long = packet(3, 600);
    let whole = [&second[..], &long].concat();
    file.extend(page(0, 960, 2, &[255, 46, 255], &whole[..301 + 255]));
    file.extend(page(CONTINUED, u64::MAX, 3, &[255], &whole[556..811]));
    file.extend(page(CONTINUED | LAST, 1900, 4, &[91], &whole[811..]));
    let packets = read(&file);
    assert_eq!(
        (&packets[1].data, packets[1].position, packets[1].trim_end),
        (&long, 648, 20)
    );
}

#[test]
fn the_size_of_the_pieces_fed_does_not_matter() {
    let file = stream(120, 7);
    let whole = read(&file);
    assert_eq!(whole.len(), 120);
    for chunk in [1, 2, 27, 28, 255, 100_000] {
        assert_eq!(
            drain(&mut OggDemuxer::new(), &file, chunk).1,
            whole,
            "{chunk}"
        );
    }
}

#[test]
fn a_damaged_page_is_skipped_and_positions_stay_right() {
    let file = stream(100, 10);
    let starts: Vec<usize> = memchr::memmem::find_iter(&file, CAPTURE).collect();
    for victim in 3..8 {
        let mut bad = file.clone();
        bad[starts[victim] + HEADER_LEN + 60] ^= 1;
        let packets = read(&bad);
        assert_eq!(packets.len(), 90, "page {victim}");
        for found in packets {
            let index = usize::try_from((found.position + 312) / 960).expect("positive");
            assert_eq!(found.data, packet(index, 100), "page {victim}");
        }
    }
}

#[test]
fn bytes_between_pages_are_skipped() {
    let file = stream(20, 10);
    let second = memchr::memmem::find_iter(&file, CAPTURE)
        .nth(3)
        .expect("a page");
    let mut bad = file.clone();
    bad.splice(second..second, b"noise OggS noise Ogg".iter().copied());
    assert_eq!(read(&bad), read(&file));
}

#[test]
fn a_stream_cut_anywhere_gives_its_beginning() {
    let file = stream(30, 3);
    let whole = read(&file);
    let head = head_pages().len();
    for length in (head..file.len()).step_by(13) {
        let packets = read(&file[..length]);
        assert_eq!(packets[..], whole[..packets.len()], "{length}");
    }
}

#[test]
fn the_end_may_be_in_the_middle_of_a_packet() {
    let mut file = head_pages();
    let body = [packet(0, 9), packet(1, 9)].concat();
    file.extend(page(LAST, 312 + 1000, 2, &[10, 10], &body));
    let packets = read(&file);
    assert_eq!((packets[0].position, packets[0].trim_end), (-312, 0));
    assert_eq!((packets[1].position, packets[1].trim_end), (648, 608));
}

#[test]
fn a_stream_that_was_joined_late_begins_at_zero() {
    let mut file = head_pages();
    file.extend(page(0, 48_000_960, 2, &[10], &packet(0, 9)));
    file.extend(page(0, 48_001_920, 3, &[10], &packet(1, 9)));
    let packets = read(&file);
    assert_eq!((packets[0].position, packets[1].position), (-312, 648));
}

#[test]
fn links_of_a_chain_follow_each_other() {
    let file = [stream(10, 4), stream(10, 4)].concat();
    let (heads, packets) = drain(&mut OggDemuxer::new(), &file, 500);
    assert_eq!((heads, packets.len()), (2, 20));
    // The first link lasts 9600 − 312 samples.
    assert_eq!(packets[10].position, 9600 - 312 - 312);
}

#[test]
fn other_streams_are_skipped() {
    let mut other = page(FIRST, 0, 0, &[7], b"\x01vorbis");
    other[14] = 9;
    let sum = {
        other[22..26].fill(0);
        checksum(&other)
    };
    other[22..26].copy_from_slice(&sum.to_le_bytes());
    let file = [other, stream(10, 4)].concat();
    assert_eq!(read(&file).len(), 10);
}

#[test]
fn what_is_no_ogg_opus_is_a_clear_error() {
    let mut vorbis = page(FIRST, 0, 0, &[7], b"\x01vorbis");
    vorbis.extend(page(0, 0, 1, &[1], b"x"));
    let html = b"<!doctype html><html>".repeat(5000);
    let cases: [(&[u8], DemuxError); 3] = [
        (&vorbis, DemuxError::NoOpus { container: "Ogg" }),
        (&html, DemuxError::Container { container: "Ogg" }),
        (b"", DemuxError::Container { container: "Ogg" }),
    ];
    for (file, expected) in cases {
        let mut demuxer = OggDemuxer::new();
        let mut fed = 0;
        let error = loop {
            match demuxer.next() {
                Ok(Event::NeedData) if fed == file.len() => demuxer.finish(),
                Ok(Event::NeedData) => fed += demuxer.push(&file[fed..]),
                Ok(event) => panic!("{event:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn seeking_finds_every_packet() {
    let file = stream(5000, 25);
    let mut demuxer = OggDemuxer::new();
    drain(&mut demuxer, &file, 65_536);
    let samples =
        demuxer.track_samples(end_granule(&file[file.len() - 65_536..], 5).expect("a page"));
    assert_eq!(samples, 5000 * 960 - 312);
    for target in [0, 1, 47_999, 1_000_000, 2_400_000, 4_799_000, 90_000_000] {
        let mut seeker = demuxer.seeker(target, file.len() as u64);
        let mut steps = 0;
        let offset = loop {
            match seeker.poll() {
                SeekStep::Read { offset, length } => {
                    steps += 1;
                    let from = offset as usize;
                    seeker.handle_bytes(&file[from..file.len().min(from + length)]);
                }
                SeekStep::Done { offset } => break offset,
            }
        };
        assert!(steps < 12, "{steps}");
        demuxer.reset(offset);
        let (_, packets) = drain(&mut demuxer, &file[offset as usize..], 65_536);
        let first = packets.first().expect("packets");
        assert!(
            first.position <= target,
            "{target}: begins at {}",
            first.position
        );
        for found in &packets {
            let index = usize::try_from((found.position + 312) / 960).expect("positive");
            assert_eq!(found.data, packet(index, 100), "{target}");
        }
        assert_eq!(
            packets.last().map(|last| last.position),
            Some(4999 * 960 - 312)
        );
    }
}
