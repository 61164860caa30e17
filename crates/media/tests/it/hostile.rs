//! Truncated, damaged and invented input: no panic, no endless loop, no memory without bound.

use std::io::Cursor;

use backline_media::{
    decode::{Decoder, Hint, Next},
    demux::{DemuxError, Event, ogg::OggDemuxer, webm::WebmDemuxer},
    frame::OpusFrame,
    opus::EncoderOptions,
    packet,
    pipeline::{self, Pipeline},
    voice::{Mode, Opener, RtpHeader, discovery},
};
use proptest::prelude::*;

use crate::signal::asset;

/// Feeds everything, and checks that the work is bounded by the input.
macro_rules! drain {
    ($demuxer:expr, $file:expr) => {{
        let (mut demuxer, file, mut fed) = ($demuxer, $file, 0);
        let mut steps = 0;
        let result: Result<usize, DemuxError> = loop {
            steps += 1;
            assert!(steps <= 4 * file.len() + 100, "every step uses up input");
            match demuxer.next() {
                Ok(Event::NeedData) if fed == file.len() => demuxer.finish(),
                Ok(Event::NeedData) => {
                    let room = demuxer.room().len();
                    assert!(room > 0 && room <= 1 << 20, "bounded, and never stuck");
                    fed += demuxer.push(&file[fed..file.len().min(fed + 3000)]);
                }
                Ok(Event::Head(_)) => {}
                Ok(Event::Packet(found)) => {
                    assert!(packet::samples(found.data) == Some(found.samples));
                    assert!(found.trim_end <= found.samples);
                }
                Ok(Event::End) => break Ok(steps),
                Err(error) => break Err(error),
            }
        };
        result
    }};
}

/// A real file with some bytes changed, some removed, some inserted, cut off somewhere.
fn damaged(path: &'static str, most: usize) -> impl Strategy<Value = Vec<u8>> {
    let file = asset(path);
    let file = file[..file.len().min(most)].to_vec();
    let length = file.len();
    let edits = prop::collection::vec((0..length, 0..3_u8, any::<u8>(), 1..40_usize), 0..12);
    (edits, 0..=length).prop_map(move |(edits, cut)| {
        let mut file = file.clone();
        for (at, kind, value, count) in edits {
            let at = at.min(file.len() - 1);
            let end = file.len().min(at + count);
            match kind {
                0 => file[at..end].fill(value),
                1 if end - at < file.len() => drop(file.drain(at..end)),
                _ => drop(file.splice(at..at, std::iter::repeat_n(value, count))),
            }
        }
        file.truncate(cut);
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_ogg_is_survived(file in damaged("signals/sweep.opus", 60_000)) {
        let _ = drain!(OggDemuxer::new(), &file);
    }

    #[test]
    fn damaged_webm_is_survived(file in damaged("signals/sweep.webm", 60_000)) {
        let _ = drain!(WebmDemuxer::new(), &file);
    }

    #[test]
    fn invented_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = drain!(OggDemuxer::new(), &bytes);
        let _ = drain!(WebmDemuxer::new(), &bytes);
        let ogg = [&b"OggS\0\x02"[..], &bytes].concat();
        let _ = drain!(OggDemuxer::new(), &ogg);
        // Behind a valid head every byte is looked at.
        let head = asset("signals/sweep.webm");
        let at = memchr::memmem::find(&head, &[0x1F, 0x43, 0xB6, 0x75]).expect("a cluster");
        let webm = [&head[..at + 12], &bytes].concat();
        let _ = drain!(WebmDemuxer::new(), &webm);
    }

    #[test]
    fn invented_datagrams_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        for mode in Mode::ALL {
            prop_assert!(Opener::new(mode, &[1; 32]).open(&bytes, &mut out).is_err());
        }
        let _ = RtpHeader::parse(&bytes);
        let _ = discovery::parse_answer(&bytes, 1);
        let _ = packet::samples(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_of_any_format_are_survived(
        which in 0..5_usize,
        seed in prop::collection::vec((any::<u32>(), any::<u8>()), 1..20),
        cut in any::<u32>(),
    ) {
        let path = ["mp3", "ogg", "m4a", "flac", "wav"][which];
        let mut file = asset(&format!("signals/sweep.{path}"));
        let length = file.len();
        for (at, value) in seed {
            file[at as usize % length] = value;
        }
        file.truncate(length / 2 + cut as usize % (length / 2));
        let most = 4 * length / 64 + 10_000;
        if let Ok(mut decoder) = Decoder::open(Box::new(Cursor::new(file.clone())), &Hint::default()) {
            let ended = (0..most).any(|_| {
                matches!(decoder.next_packet(), Next::End | Next::Failed(_) | Next::NotReady)
            });
            prop_assert!(ended);
            let _ = decoder.seek(700);
        }
    }

    #[test]
    fn damaged_opus_plays_through_the_whole_pipeline(file in damaged("signals/sweep.opus", 60_000)) {
        let options = EncoderOptions { complexity: 0, bitrate: None };
        if let Ok(mut pipeline) = Pipeline::open(Box::new(Cursor::new(file)), &Hint::default(), options) {
            pipeline.set_volume(80);
            let mut frame = OpusFrame::empty();
            let ended = (0..20_000).any(|_| {
                !matches!(pipeline.next_frame(&mut frame), pipeline::Next::Frame { .. })
            });
            prop_assert!(ended);
            let _ = pipeline.seek(700);
        }
    }
}
