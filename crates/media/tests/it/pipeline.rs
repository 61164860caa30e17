//! Whole tracks: what goes in is what is heard.

use std::io::Cursor;

use backline_media::{
    decode::Hint,
    demux::{Event, ogg::OggDemuxer},
    frame::OpusFrame,
    opus::EncoderOptions,
    pipeline::{Next, Pipeline},
    source::Source,
};

use crate::signal::{alignment, asset, heard, reference_48k, snr, source};

fn open(source: Box<dyn Source>) -> Pipeline {
    let options = EncoderOptions {
        complexity: 10,
        bitrate: Some(192_000),
    };
    Pipeline::open(source, &Hint::default(), options).expect("opens")
}

fn frames(pipeline: &mut Pipeline, most: usize) -> (Vec<OpusFrame>, Vec<u64>) {
    let (mut frames, mut positions) = (Vec::new(), Vec::new());
    while frames.len() < most {
        let mut frame = OpusFrame::empty();
        match pipeline.next_frame(&mut frame) {
            Next::Frame { position_ms } => {
                frames.push(frame);
                positions.push(position_ms);
            }
            Next::End => break,
            other => panic!("{other:?}"),
        }
    }
    (frames, positions)
}

fn packets_in_file(path: &str) -> Vec<Vec<u8>> {
    let file = asset(path);
    let (mut demuxer, mut fed, mut packets) = (OggDemuxer::new(), 0, Vec::new());
    loop {
        match demuxer.next().expect("intact") {
            Event::NeedData if fed == file.len() => demuxer.finish(),
            Event::NeedData => fed += demuxer.push(&file[fed..]),
            Event::Head(_) => {}
            Event::Packet(packet) => packets.push(packet.data.to_vec()),
            Event::End => return packets,
        }
    }
}

/// How late our encoder is, and how late that of the files.
const LATE: usize = 312;

#[test]
fn opus_passes_through_bit_for_bit() {
    let mut pipeline = open(source("music/nocturne.opus"));
    let info = pipeline.info();
    assert!(pipeline.is_passthrough() && info.seekable);
    assert_eq!(info.title.as_deref(), Some("Nocturne in E flat"));
    let webm = open(source("music/rain.webm")).info();
    assert_eq!(webm.title.as_deref(), Some("Rain on the Tape"));
    assert_eq!(webm.artist.as_deref(), Some("Backline"));
    assert!(
        webm.duration_ms
            .is_some_and(|length| length.abs_diff(41_000) < 1_000)
    );
    let (frames, positions) = frames(&mut pipeline, usize::MAX);
    let packets = packets_in_file("music/nocturne.opus");
    assert_eq!(frames.len(), packets.len());
    assert!(
        frames
            .iter()
            .zip(&packets)
            .all(|(frame, packet)| frame.as_bytes() == packet)
    );
    let steps = positions
        .windows(2)
        .skip(1)
        .all(|pair| (19..=21).contains(&(pair[1] - pair[0])));
    assert!(steps && positions[0] == 0);
    let length = info.duration_ms.expect("known");
    assert!(length.abs_diff(20 * frames.len() as u64) < 40, "{length}");
}

#[test]
fn every_format_is_heard_as_it_was_recorded() {
    let reference = reference_48k();
    for (path, least) in [
        ("signals/sweep.flac", 20.0),
        ("signals/sweep.wav", 20.0),
        ("signals/sweep.mp3", 18.0),
        ("signals/sweep.ogg", 15.0),
        ("signals/sweep.m4a", 18.0),
        ("signals/sweep.opus", 15.0),
        ("signals/sweep.webm", 15.0),
    ] {
        let mut pipeline = open(source(path));
        let (frames, positions) = frames(&mut pipeline, usize::MAX);
        assert!(
            (100..=103).contains(&frames.len()),
            "{path}: {} frames",
            frames.len()
        );
        assert!(
            positions.windows(2).all(|pair| pair[0] <= pair[1]),
            "{path}"
        );
        let heard = heard(&frames, LATE);
        let (lag, likeness) = alignment(&reference, &heard, 60);
        let snr = snr(&reference, &heard);
        println!("{path}: lag {lag}, likeness {likeness:.5}, {snr:.1} dB");
        assert!(
            lag.abs() <= 1 && likeness > 0.99 && snr > least,
            "{path}: {lag} {likeness} {snr}"
        );
    }
}

#[test]
fn a_volume_is_heard_and_opus_passes_through_again_at_one_hundred() {
    let packets = packets_in_file("signals/sweep.opus");
    let mut pipeline = open(source("signals/sweep.opus"));
    let (mut all, _) = frames(&mut pipeline, 25);
    pipeline.set_volume(50);
    assert!(!pipeline.is_passthrough());
    all.extend(frames(&mut pipeline, 25).0);
    pipeline.set_volume(100);
    all.extend(frames(&mut pipeline, usize::MAX).0);
    assert!(pipeline.is_passthrough());
    assert_eq!(all.len(), packets.len(), "nothing is lost or added");
    let same: Vec<bool> = all
        .iter()
        .zip(&packets)
        .map(|(frame, packet)| frame.as_bytes() == packet)
        .collect();
    assert!(same[..25].iter().all(|same| *same) && same[51..].iter().all(|same| *same));
    assert!(!same[25..50].iter().any(|same| *same));

    let loud = heard(&all, LATE);
    let reference = reference_48k();
    let level = |values: &[f32], frames: std::ops::Range<usize>| {
        let values = &values[1920 * frames.start..1920 * frames.end];
        values.iter().map(|value| value * value).sum::<f32>().sqrt()
    };
    let ratio =
        |range: std::ops::Range<usize>| level(&loud, range.clone()) / level(&reference, range);
    let (before, during, after) = (ratio(5..24), ratio(28..49), ratio(54..90));
    println!("{before} {during} {after}");
    assert!((0.97..1.03).contains(&before) && (0.97..1.03).contains(&after));
    assert!((0.47..0.53).contains(&during), "{during}");
    // No click where the ways meet: no jump between samples that the reference does not have.
    let jump = |values: &[f32]| {
        values
            .windows(3)
            .map(|three| (three[2] - three[0]).abs())
            .fold(0.0, f32::max)
    };
    let most = jump(&reference[1920 * 20..1920 * 55]) * 1.5;
    assert!(jump(&loud[1920 * 20..1920 * 55]) < most);
}

#[test]
fn seeks_are_heard_where_they_should_be() {
    let reference = reference_48k();
    for path in [
        "signals/sweep.flac",
        "signals/sweep.mp3",
        "signals/sweep.ogg",
        "signals/sweep.m4a",
        "signals/sweep.opus",
        "signals/sweep.webm",
    ] {
        for converted in [false, true] {
            let mut pipeline = open(source(path));
            if converted {
                pipeline.set_gain(0.999);
            }
            frames(&mut pipeline, 10);
            for to_ms in [1_300, 500, 0] {
                pipeline.seek(to_ms).expect(path);
                let (frames, positions) = frames(&mut pipeline, 30);
                assert!(
                    positions[0] <= to_ms && to_ms < positions[0] + 20,
                    "{path}: {positions:?}"
                );
                // A decoder that starts in the middle needs 80 ms to be right.
                let heard = heard(&frames, LATE)[2 * 3840..].to_vec();
                let target = to_ms as usize * 48;
                let exact = if converted || !["opus", "webm"].iter().any(|end| path.ends_with(end))
                {
                    target
                } else {
                    // Whole packets, counted from 312 samples before the beginning.
                    (target + 312) / 960 * 960
                };
                let expected = &reference[2 * (exact + 3840)..];
                let expected = &expected[..heard.len().min(expected.len())];
                let (lag, likeness) = alignment(expected, &heard, 60);
                println!("{path} to {to_ms}, converted: {converted}: lag {lag}, {likeness:.4}");
                assert!(
                    lag.abs() <= 1 && likeness > 0.99,
                    "{path} to {to_ms}: {lag} {likeness}"
                );
            }
        }
    }
}

#[test]
fn an_end_is_kept_and_may_be_moved() {
    for path in ["signals/sweep.mp3", "signals/sweep.opus"] {
        let mut pipeline = open(source(path));
        pipeline.set_end(Some(1_000));
        let (_, positions) = frames(&mut pipeline, usize::MAX);
        assert!(positions.iter().all(|position| *position < 1_000), "{path}");
        assert!(
            (50..=51).contains(&positions.len()),
            "{path}: {}",
            positions.len()
        );
        pipeline.set_end(None);
        assert!(!frames(&mut pipeline, usize::MAX).1.is_empty(), "{path}");
        assert!(matches!(
            pipeline.next_frame(&mut OpusFrame::empty()),
            Next::End
        ));
        pipeline.seek(0).expect(path);
        assert!(
            !frames(&mut pipeline, 5).1.is_empty(),
            "{path}: playable again"
        );
        pipeline.seek(60_000).expect(path);
        assert!(
            frames(&mut pipeline, 5).1.is_empty(),
            "{path}: behind the end"
        );
    }
}

#[test]
fn vorbis_in_matroska_is_converted() {
    // ffmpeg -i sweep.flac -c:a libvorbis -q:a 5
    let file = include_bytes!("../data/sweep.vorbis.mkv");
    let mut pipeline = open(Box::new(Cursor::new(file)));
    let (frames, _) = frames(&mut pipeline, usize::MAX);
    let (lag, likeness) = alignment(&reference_48k(), &heard(&frames, LATE), 60);
    // Times in Matroska are whole milliseconds.
    assert!(lag.abs() < 48 && likeness > 0.99, "{lag} {likeness}");
}

#[test]
fn html_is_named_as_such() {
    let page = Box::new(Cursor::new(b"<html><head>".repeat(50)));
    let error = Pipeline::open(page, &Hint::default(), EncoderOptions::default());
    assert_eq!(
        error.expect_err("no audio").to_string(),
        "not audio: looks like HTML"
    );
}

#[test]
fn a_track_that_is_over_can_be_sought() {
    for name in ["m4a", "mp3", "flac", "wav", "ogg", "opus", "webm"] {
        let path = format!(
            "{}/../../assets/signals/sweep.{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let file = std::fs::read(path).expect("part of the repository");
        let source = Box::new(Cursor::new(file));
        let mut pipeline = Pipeline::open(source, &Hint::default(), EncoderOptions::default())
            .expect("a file that plays");
        let mut frame = OpusFrame::default();
        let mut count = || {
            let mut frames = 0;
            while matches!(pipeline.next_frame(&mut frame), Next::Frame { .. }) {
                frames += 1;
            }
            pipeline.seek(0).expect("a file that can be sought");
            frames
        };
        let first = count();
        assert!(first >= 99, "{name}: {first}");
        assert_eq!(count(), first, "{name} again");
        assert_eq!(count(), first, "{name} and again");
    }
}
