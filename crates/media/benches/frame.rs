//! One frame's way through the node's hands, and the bare parts to compare it with.
//!
//! 20,000 µs divided by a time here is how many players a core could feed with nothing else to do.

use std::{hint::black_box, io::Cursor, path::PathBuf};

use backline_media::{
    decode::Hint,
    dsp::{
        self, BANDS, ChannelMix, Distortion, FilterSet, Karaoke, Limiter, LowPass, Meter, Rack,
        Rotation, Timescale, Tremolo, Vibrato,
    },
    frame::{FRAME_VALUES, OpusFrame},
    opus::{Encoder, EncoderOptions},
    pipeline::{Deck, DeckNext, Effects, Loudness, Next, Pipeline},
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

/// A deck that plays a track again and again, with these effects.
struct Turntable {
    file: Vec<u8>,
    deck: Deck,
    run: u64,
    frame: OpusFrame,
}

impl Turntable {
    fn new(path: &str, effects: &Effects) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../assets")
            .join(path);
        let file = std::fs::read(path).expect("part of the repository");
        let mut deck = Deck::new(open(&file), 0);
        deck.set_effects(effects);
        Self {
            file,
            deck,
            run: 0,
            frame: OpusFrame::default(),
        }
    }

    fn next(&mut self) -> usize {
        loop {
            match self.deck.next_frame(&mut self.frame) {
                DeckNext::Frame { .. } => return self.frame.as_bytes().len(),
                DeckNext::End { .. } => {
                    self.run += 1;
                    let track = open(&self.file);
                    self.deck.queue_next(
                        track,
                        self.run,
                        backline_media::pipeline::Transition::default(),
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn decks(criterion: &mut Criterion) {
    dsp::flush_denormals();
    let mut group = criterion.benchmark_group("deck");
    let loud = Effects {
        gain: 1.5,
        loudness: Some(Loudness::default()),
        ..Effects::default()
    };
    for (name, path, effects) in [
        ("passthrough", "music/nocturne.opus", &Effects::default()),
        ("mp3", "music/bossa.mp3", &Effects::default()),
        ("mp3_louder_and_levelled", "music/bossa.mp3", &loud),
        ("opus_louder_and_levelled", "music/nocturne.opus", &loud),
    ] {
        let mut table = Turntable::new(path, effects);
        group.bench_function(name, |bencher| bencher.iter(|| black_box(table.next())));
    }
    group.finish();
}

/// Every filter alone, over one frame of music.
fn filters(criterion: &mut Criterion) {
    dsp::flush_denormals();
    let none = FilterSet::default;
    let sets = [
        (
            "low_pass",
            FilterSet {
                low_pass: Some(LowPass::default()),
                ..none()
            },
        ),
        (
            "channel_mix",
            FilterSet {
                channel_mix: Some(ChannelMix {
                    left_to_right: 0.5,
                    ..ChannelMix::default()
                }),
                ..none()
            },
        ),
        (
            "rotation",
            FilterSet {
                rotation: Some(Rotation { hz: 0.2 }),
                ..none()
            },
        ),
        (
            "distortion",
            FilterSet {
                distortion: Some(Distortion {
                    scale: 1.5,
                    ..Distortion::default()
                }),
                ..none()
            },
        ),
        (
            "vibrato",
            FilterSet {
                vibrato: Some(Vibrato::default()),
                ..none()
            },
        ),
        (
            "tremolo",
            FilterSet {
                tremolo: Some(Tremolo::default()),
                ..none()
            },
        ),
        (
            "karaoke",
            FilterSet {
                karaoke: Some(Karaoke::default()),
                ..none()
            },
        ),
        (
            "equalizer",
            FilterSet {
                equalizer: Some([0.1; BANDS]),
                ..none()
            },
        ),
        (
            "volume",
            FilterSet {
                volume: Some(0.5),
                ..none()
            },
        ),
        (
            "timescale_speed",
            FilterSet {
                timescale: Some(Timescale {
                    speed: 1.2,
                    ..Timescale::default()
                }),
                ..none()
            },
        ),
        (
            "timescale_pitch",
            FilterSet {
                timescale: Some(Timescale {
                    pitch: 1.2,
                    ..Timescale::default()
                }),
                ..none()
            },
        ),
    ];
    let music = music();
    let mut group = criterion.benchmark_group("filter");
    for (name, set) in sets {
        let mut rack = Rack::new();
        rack.set(&set);
        rack.reset();
        let (mut block, mut out, mut at) = (vec![0.0; FRAME_VALUES], Vec::new(), 0);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                block.copy_from_slice(&music[at..at + FRAME_VALUES]);
                at = (at + FRAME_VALUES) % (music.len() - FRAME_VALUES);
                out.clear();
                for half in block.chunks_mut(FRAME_VALUES / 2) {
                    rack.process(half, &mut out);
                }
                black_box(out.len())
            });
        });
    }
    let mut meter = Meter::default();
    group.bench_function("meter", |bencher| {
        bencher.iter(|| meter.push(black_box(&music[..FRAME_VALUES])));
    });
    for (name, gain) in [("limiter_idle", 0.5), ("limiter_busy", 4.0)] {
        let mut limiter = Limiter::default();
        let loud: Vec<f32> = music.iter().map(|value| value * gain).collect();
        let mut window = vec![0.0; FRAME_VALUES + 2 * (Limiter::AHEAD + Limiter::MARGIN)];
        let mut at = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let length = window.len();
                window.copy_from_slice(&loud[at..at + length]);
                at = (at + FRAME_VALUES) % (music.len() - 2 * FRAME_VALUES);
                limiter.apply(&mut window, FRAME_VALUES / 2);
                black_box(window[0])
            });
        });
    }
    group.finish();
}

fn music() -> Vec<f32> {
    (0..48_000)
        .map(|index| {
            let time = (index / 2) as f32 / 48_000.0;
            let side = if index % 2 == 0 { 1.0 } else { 1.01 };
            [110.0, 440.0, 660.0, 3_000.0]
                .iter()
                .map(|tone| (tone * side * time * std::f32::consts::TAU).sin() * 0.15)
                .sum()
        })
        .collect()
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

    let music = music();
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

criterion_group!(benches, frames, decks, filters, parts, end_to_end);
criterion_main!(benches);
