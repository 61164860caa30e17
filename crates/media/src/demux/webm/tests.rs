use super::*;
use crate::{demux::SeekStep, mux::webm::WebmMuxer};

const HEAD: OpusHead = OpusHead {
    channels: 2,
    pre_skip: 312,
    input_rate: 48_000,
    gain_q8: 0,
};

fn packet(index: usize) -> Vec<u8> {
    let mut packet = vec![31 << 3 | 4];
    packet.extend((0..100).map(|byte| (byte * 7 + index) as u8));
    packet
}

fn stream(count: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut muxer = WebmMuxer::new(HEAD, &mut file);
    for index in 0..count {
        muxer.packet(&packet(index), &mut file);
    }
    file
}

fn head() -> Vec<u8> {
    stream(0)
}

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut element = bytes[zeros..].to_vec();
    element.extend((body.len() as u32 | 0x1000_0000).to_be_bytes());
    element.extend(body);
    element
}

fn cluster(time: u16, content: &[u8]) -> Vec<u8> {
    element(
        id::CLUSTER,
        &[
            element(id::TIMESTAMP, &time.to_be_bytes()),
            content.to_vec(),
        ]
        .concat(),
    )
}

fn block(track: u8, time: i16, frames: &[u8]) -> Vec<u8> {
    let mut body = vec![0x80 | track];
    body.extend(time.to_be_bytes());
    body.push(0);
    body.extend(frames);
    body
}

fn drain(demuxer: &mut WebmDemuxer, file: &[u8], chunk: usize) -> Vec<(Vec<u8>, i64, u32)> {
    let (mut fed, mut packets) = (0, Vec::new());
    loop {
        match demuxer.next().expect("valid") {
            Event::NeedData if fed == file.len() => demuxer.finish(),
            Event::NeedData => {
                let count = demuxer.push(&file[fed..file.len().min(fed + chunk)]);
                assert!(count > 0, "there is always room when data is wanted");
                fed += count;
            }
            Event::Head(_) => {}
            Event::Packet(Packet {
                data,
                position,
                trim_end,
                ..
            }) => {
                packets.push((data.to_vec(), position, trim_end));
            }
            Event::End => return packets,
        }
    }
}

fn read(file: &[u8]) -> Vec<(Vec<u8>, i64, u32)> {
    drain(&mut WebmDemuxer::new(), file, 4096)
}

#[test]
fn the_size_of_the_pieces_fed_does_not_matter() {
    let file = stream(300);
    let whole = read(&file);
    assert_eq!(whole.len(), 300);
    for chunk in [1, 2, 11, 255, 100_000] {
        assert_eq!(
            drain(&mut WebmDemuxer::new(), &file, chunk),
            whole,
            "{chunk}"
        );
    }
}

#[test]
fn simple_blocks_and_groups_are_read_and_other_tracks_are_not() {
    let video = element(id::SIMPLE_BLOCK, &block(2, 0, &vec![0x55; 300_000]));
    let group = element(
        id::BLOCK_GROUP,
        &[
            element(id::BLOCK, &block(1, 20, &packet(1))),
            // 10 ms of the packet do not belong to the track.
            element(id::DISCARD_PADDING, &10_000_000_u32.to_be_bytes()),
        ]
        .concat(),
    );
    let content = [
        element(id::SIMPLE_BLOCK, &block(1, 0, &packet(0))),
        video,
        element(0xEC, &[0; 5000]),
        group,
        element(
            id::BLOCK_GROUP,
            &element(id::BLOCK, &block(2, 20, &[1, 2, 3])),
        ),
    ]
    .concat();
    let file = [head(), cluster(0, &content)].concat();
    assert_eq!(read(&file), [(packet(0), -312, 0), (packet(1), 648, 480)]);
}

#[test]
fn laces_give_one_packet_each() {
    let frames = [packet(0), packet(1), packet(2)].concat();
    let mut body = vec![0x81, 0, 0, 2 << 1, 2];
    body.extend(&frames);
    let file = [head(), cluster(0, &element(id::SIMPLE_BLOCK, &body))].concat();
    let positions: Vec<i64> = read(&file)
        .iter()
        .map(|(_, position, _)| *position)
        .collect();
    assert_eq!(positions, [-312, 648, 1608]);
}

#[test]
fn rounded_times_count_on_and_jumps_are_followed() {
    // 21 ms instead of 20 is rounding; 500 ms later is a hole.
    let content = [
        element(id::SIMPLE_BLOCK, &block(1, 0, &packet(0))),
        element(id::SIMPLE_BLOCK, &block(1, 21, &packet(1))),
        element(id::SIMPLE_BLOCK, &block(1, 540, &packet(2))),
    ]
    .concat();
    let file = [head(), cluster(1000, &content)].concat();
    let positions: Vec<i64> = read(&file)
        .iter()
        .map(|(_, position, _)| *position)
        .collect();
    assert_eq!(positions, [-312, 648, 540 * 48 - 312]);
}

#[test]
fn noise_between_clusters_is_skipped() {
    let one = cluster(0, &element(id::SIMPLE_BLOCK, &block(1, 0, &packet(0))));
    let two = cluster(20, &element(id::SIMPLE_BLOCK, &block(1, 0, &packet(1))));
    let file = [head(), one, vec![0; 3000], two].concat();
    assert_eq!(read(&file), [(packet(0), -312, 0), (packet(1), 648, 0)]);
}

#[test]
fn what_is_no_webm_opus_is_a_clear_error() {
    let container = DemuxError::Container { container: "WebM" };
    let no_opus = DemuxError::NoOpus { container: "WebM" };
    let vorbis = {
        let mut file = head();
        let at = memchr::memmem::find(&file, b"A_OPUS").expect("codec");
        file[at..at + 6].copy_from_slice(b"A_FLAC");
        file
    };
    let cases: [(&[u8], DemuxError); 4] = [
        (b"", container),
        (b"<!doctype html>", container),
        (&vorbis, no_opus),
        (&head()[..100], no_opus),
    ];
    for (file, expected) in cases {
        let mut demuxer = WebmDemuxer::new();
        demuxer.push(file);
        demuxer.finish();
        assert_eq!(demuxer.next(), Err(expected));
    }
}

#[test]
fn seeking_works_with_cues_and_without() {
    let file = stream(3000);
    let mut demuxer = WebmDemuxer::new();
    drain(&mut demuxer, &file, 65_536);
    let starts: Vec<u64> = memchr::memmem::find_iter(&file, &id::CLUSTER.to_be_bytes())
        .map(|at| at as u64)
        .collect();
    let cues: Vec<(u64, u64)> = starts
        .iter()
        .enumerate()
        .map(|(index, at)| (index as u64 * 5000, *at))
        .collect();
    for cues in [Vec::new(), cues] {
        demuxer.cues = cues;
        for target in [0, 47_999, 1_000_000, 2_400_000, 2_870_000, 90_000_000] {
            let mut seeker = demuxer.seeker(target, file.len() as u64);
            let offset = loop {
                match seeker.poll() {
                    SeekStep::Read { offset, length } => {
                        assert!(demuxer.cues.is_empty(), "cues need no search");
                        let from = offset as usize;
                        seeker.handle_bytes(&file[from..file.len().min(from + length)]);
                    }
                    SeekStep::Done { offset } => break offset,
                }
            };
            demuxer.reset(offset);
            let packets = drain(&mut demuxer, &file[offset as usize..], 65_536);
            assert!(
                packets.first().is_some_and(|first| first.1 <= target),
                "{target}"
            );
            for (data, position, _) in &packets {
                let index = usize::try_from((position + 312 + 480) / 960).expect("positive");
                assert_eq!(*data, packet(index), "{target}");
            }
        }
    }
}

#[test]
fn cues_are_read_for_our_track() {
    let cue = |track: u8, time: u8, position: u8| {
        let positions = [
            element(id::CUE_TRACK, &[track]),
            element(id::CUE_CLUSTER_POSITION, &[position]),
        ]
        .concat();
        let point = [
            element(id::CUE_TIME, &[time]),
            element(id::CUE_TRACK_POSITIONS, &positions),
        ]
        .concat();
        element(id::CUE_POINT, &point)
    };
    let body = [cue(1, 0, 10), cue(2, 5, 20), cue(1, 9, 30)].concat();
    assert_eq!(read_cues(&body, 1, 100), [(0, 110), (9, 130)]);
}
