//! One frame's way through the node's hands, and the bare parts to compare it with.
//!
//! 20,000 µs divided by a time here is how many players a core could feed with nothing else to do.

use std::{hint::black_box, io::Cursor, path::PathBuf};

use backline_media::{
    decode::Hint,
    dsp,
    frame::{FRAME_VALUES, OpusFrame},
    opus::{Encoder, EncoderOptions},
    pipeline::{Next, Pipeline},
    resample::Resampler,
    voice::{EndToEnd, MAX_DATAGRAM, Mode, RtpHeader, Sealer, SenderKey},
};
use criterion::{Criterion, criterion_group, criterion_main};

/// A track that begins again when it is over.
struct Endless {
    file: Vec<u8>,
    pipeline: Pipeline,
    frame: OpusFrame,
}

impl Endless {
    fn new(path: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../assets")
            .join(path);
        let file = std::fs::read(path).expect("part of the repository");
        Self {
            pipeline: open(&file),
            file,
            frame: OpusFrame::default(),
        }
    }

    fn next(&mut self) -> &OpusFrame {
        if !self.advance() {
            self.pipeline = open(&self.file);
            assert!(self.advance(), "a track has a first frame");
        }
        &self.frame
    }

    fn advance(&mut self) -> bool {
        matches!(
            self.pipeline.next_frame(&mut self.frame),
            Next::Frame { .. }
        )
    }
}

fn open(file: &[u8]) -> Pipeline {
    let source = Box::new(Cursor::new(file.to_vec()));
    Pipeline::open(source, &Hint::default(), EncoderOptions::default()).expect("a file that plays")
}

/// What stands between a packet and the socket.
struct Transport {
    sealer: Sealer,
    end_to_end: EndToEnd,
    header: RtpHeader,
    scratch: Vec<u8>,
    datagram: Vec<u8>,
}

impl Transport {
    fn new(mode: Mode) -> Self {
        Self {
            sealer: Sealer::new(mode, &[7; 32]),
            end_to_end: EndToEnd::Off,
            header: RtpHeader {
                sequence: 0,
                timestamp: 0,
                ssrc: 1,
            },
            scratch: Vec::new(),
            datagram: Vec::with_capacity(MAX_DATAGRAM),
        }
    }

    fn send(&mut self, packet: &[u8]) -> &[u8] {
        let packet = self
            .end_to_end
            .protect(packet, &mut self.scratch)
            .expect("off");
        self.sealer
            .seal(&self.header, packet, &mut self.datagram)
            .expect("nonces left");
        self.header = self.header.advanced(1);
        &self.datagram
    }
}

fn frames(criterion: &mut Criterion) {
    dsp::flush_denormals();
    let mut group = criterion.benchmark_group("frame");
    for (name, path) in [
        ("passthrough/ogg", "music/nocturne.opus"),
        ("passthrough/webm", "music/rain.webm"),
        ("transcode/mp3", "music/bossa.mp3"),
        ("transcode/flac", "music/drift.flac"),
        ("transcode/vorbis", "music/waltz.ogg"),
        ("transcode/aac", "music/arcade.m4a"),
    ] {
        let (mut track, mut transport) =
            (Endless::new(path), Transport::new(Mode::Aes256GcmRtpsize));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(transport.send(track.next().as_bytes()).len()));
        });
    }
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    dsp::flush_denormals();
    let mut group = criterion.benchmark_group("bare");
    for mode in Mode::ALL {
        let mut transport = Transport::new(mode);
        let packet = [0x55; 240];
        group.bench_function(mode.name(), |bencher| {
            bencher.iter(|| black_box(transport.send(black_box(&packet)).len()));
        });
    }

    let music: Vec<f32> = (0..48_000)
        .map(|index| {
            let time = (index / 2) as f32 / 48_000.0;
            let side = if index % 2 == 0 { 1.0 } else { 1.01 };
            [110.0, 440.0, 660.0, 3_000.0]
                .iter()
                .map(|tone| (tone * side * time * std::f32::consts::TAU).sin() * 0.15)
                .sum()
        })
        .collect();
    let mut encoder = Encoder::new(EncoderOptions::default()).expect("an encoder");
    let (mut packet, mut at) = (OpusFrame::empty(), 0);
    group.bench_function("opus_encode", |bencher| {
        bencher.iter(|| {
            let pcm: &[f32; FRAME_VALUES] = music[at..].first_chunk().expect("a whole frame");
            encoder.encode(pcm, &mut packet).expect("encoded");
            at = (at + FRAME_VALUES) % (music.len() - FRAME_VALUES);
            black_box(packet.as_bytes().len())
        });
    });

    let mut resampler = Resampler::new(44_100).expect("supported");
    let mut out = Vec::new();
    group.bench_function("resample_44100", |bencher| {
        bencher.iter(|| {
            out.clear();
            resampler.process(&music[..2 * 882], &mut out);
            black_box(out.len())
        });
    });
    group.finish();
}

/// What DAVE adds to a frame: the same packet sealed for the transport, without it and with it.
fn end_to_end(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("end_to_end");
    let packet = [0x55; 240];
    for (name, mode) in [
        ("off", EndToEnd::Off),
        ("dave", EndToEnd::Keyed(SenderKey::first([7; 16]))),
    ] {
        let mut transport = Transport::new(Mode::Aes256GcmRtpsize);
        transport.end_to_end = mode;
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(transport.send(black_box(&packet)).len()));
        });
    }
    group.finish();
}

criterion_group!(benches, frames, parts, end_to_end);
criterion_main!(benches);
