//! Our demuxers against Symphonia's, on the music of the repository.

use std::io::Cursor;

use backline_media::demux::{Event, ogg::OggDemuxer, webm::WebmDemuxer};
use symphonia::core::{
    formats::{FormatOptions, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

use crate::signal::asset;

/// Packets as Symphonia finds them.
fn oracle(file: Vec<u8>) -> Vec<Box<[u8]>> {
    let stream = MediaSourceStream::new(
        Box::new(Cursor::new(file)),
        MediaSourceStreamOptions::default(),
    );
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .expect("known");
    let packets = std::iter::from_fn(|| format.next_packet().expect("intact"));
    packets.map(|packet| packet.data).collect()
}

macro_rules! ours {
    ($demuxer:expr, $file:expr) => {{
        let (mut demuxer, file) = ($demuxer, $file);
        let (mut fed, mut packets, mut next) = (0, Vec::new(), None);
        loop {
            match demuxer.next().expect("intact") {
                Event::NeedData if fed == file.len() => demuxer.finish(),
                Event::NeedData => fed += demuxer.push(&file[fed..file.len().min(fed + 1400)]),
                Event::Head(head) => assert_eq!((head.channels, head.pre_skip), (2, 312)),
                Event::Packet(packet) => {
                    assert_eq!(packet.position, next.unwrap_or(-312), "no holes");
                    next = Some(packet.position + i64::from(packet.samples));
                    packets.push(Box::<[u8]>::from(packet.data));
                }
                Event::End => break,
            }
        }
        (packets, demuxer.tags().clone())
    }};
}

#[test]
fn ogg_packets_equal_those_of_another_demuxer() {
    for path in ["music/nocturne.opus", "signals/sweep.opus"] {
        let file = asset(path);
        let (packets, tags) = ours!(OggDemuxer::new(), &file);
        assert!(packets.len() > 100 && packets == oracle(file), "{path}");
        if path.starts_with("music") {
            assert_eq!(tags.title.as_deref(), Some("Nocturne in E flat"));
            assert_eq!(tags.artist.as_deref(), Some("Backline"));
        }
    }
}

#[test]
fn webm_packets_equal_those_of_another_demuxer() {
    for path in ["music/rain.webm", "signals/sweep.webm"] {
        let file = asset(path);
        let (packets, tags) = ours!(WebmDemuxer::new(), &file);
        assert!(packets.len() > 100 && packets == oracle(file), "{path}");
        if path.starts_with("music") {
            assert_eq!(tags.title.as_deref(), Some("Rain on the Tape"));
        }
    }
}
