//! What is heard, measured: frames against a file's frames, levels, positions.

use std::time::Duration;

use backline_media::demux::OpusHead;
use backline_media::frame::OpusFrame;
use backline_media::frame::SILENCE;
use backline_media::mux::ogg::OggMuxer;
use backline_media::opus::{Decoder, Encoder, EncoderOptions, MAX_PACKET_VALUES};
use backline_sim::voice::Listener;
use tokio::time::timeout;

use crate::ogg::opus_packets;
use crate::stage::PATIENCE;

/// Frames of 20 ms in a second.
pub(crate) const PER_SECOND: usize = 50;

/// A tune of which every frame is known.
#[derive(Debug, Clone)]
pub(crate) struct Tune {
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Tune {
    /// The nocturne of the demo: 56 s of Ogg Opus.
    pub(crate) fn nocturne() -> Self {
        Self {
            frames: opus_packets(include_bytes!("../../../../assets/music/nocturne.opus")),
        }
    }

    /// A tone of one frequency, `seconds` long.
    pub(crate) fn tone(hertz: f32, seconds: usize) -> Self {
        let mut encoder = Encoder::new(EncoderOptions {
            complexity: 0,
            bitrate: Some(64_000),
        })
        .expect("an encoder is made");
        let mut phase = 0.0_f32;
        let mut frames = Vec::new();
        for _ in 0..seconds * PER_SECOND {
            let mut samples = [0.0_f32; 1920];
            for pair in samples.chunks_exact_mut(2) {
                pair.fill(0.5 * phase.sin());
                phase = (phase + std::f32::consts::TAU * hertz / 48_000.0) % std::f32::consts::TAU;
            }
            let mut frame = OpusFrame::default();
            encoder
                .encode(&samples, &mut frame)
                .expect("a tone is encoded");
            frames.push(frame.as_bytes().to_vec());
        }
        Self { frames }
    }

    /// A stretch of the tune, in seconds.
    pub(crate) fn part(&self, from: usize, length: usize) -> Self {
        Self {
            frames: self.frames[from * PER_SECOND..(from + length) * PER_SECOND].to_vec(),
        }
    }

    /// The tune as an Ogg Opus file.
    pub(crate) fn file(&self, title: &str) -> Vec<u8> {
        let head = OpusHead {
            channels: 2,
            pre_skip: 0,
            input_rate: 48_000,
            gain_q8: 0,
        };
        let mut file = Vec::new();
        let mut muxer = OggMuxer::new(
            7,
            head,
            &[&format!("TITLE={title}"), "ARTIST=Test"],
            50,
            &mut file,
        );
        for frame in &self.frames {
            muxer.packet(frame, &mut file);
        }
        muxer.finish(&mut file);
        file
    }

    /// Where in the tune `heard` is, frame for frame.
    pub(crate) fn place_of(&self, heard: &[Vec<u8>]) -> Option<usize> {
        self.frames
            .windows(heard.len())
            .position(|window| window == heard)
    }

    /// How loud it is: root mean squares for each 5 ms, 1.0 = full scale.
    pub(crate) fn levels(&self) -> Vec<f32> {
        levels(&self.frames)
    }
}

/// Levels in a second: one for each 5 ms.
pub(crate) const LEVELS_PER_SECOND: usize = 200;

/// Root mean squares of decoded frames, one for each 5 ms.
pub(crate) fn levels(frames: &[Vec<u8>]) -> Vec<f32> {
    let mut decoder = Decoder::new().expect("a decoder is made");
    let mut samples: Box<[f32; MAX_PACKET_VALUES]> = vec![0.0; MAX_PACKET_VALUES]
        .into_boxed_slice()
        .try_into()
        .expect("the length is that of the array");
    let mut levels = Vec::with_capacity(frames.len() * 4);
    for frame in frames {
        let count = decoder
            .decode(frame, &mut samples)
            .expect("a frame is decoded");
        for part in samples[..count].chunks(480) {
            let energy: f32 = part.iter().map(|sample| sample * sample).sum();
            levels.push((energy / part.len() as f32).sqrt());
        }
    }
    levels
}

/// Finds `heard` in `source` by the shape of its loudness; returns the place and how well it fits
/// (1.0 = the same shape), whatever the volume.
///
/// Encoding anew moves the sound by part of a frame, so levels are compared smoothed over 100 ms.
pub(crate) fn locate(heard: &[f32], source: &[f32]) -> (usize, f32) {
    let smooth = |levels: &[f32]| -> Vec<f32> {
        levels
            .windows(20)
            .map(|window| window.iter().sum::<f32>() / 20.0)
            .collect()
    };
    let (heard, source) = (smooth(heard), smooth(source));
    let correlation = |window: &[f32]| {
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let (mean_a, mean_b) = (mean(&heard), mean(window));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in heard.iter().zip(window) {
            let (a, b) = (a - mean_a, b - mean_b);
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
        ab / (aa * bb).sqrt().max(f32::MIN_POSITIVE)
    };
    source
        .windows(heard.len())
        .map(correlation)
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .expect("what was heard is not longer than the source")
}

/// Takes frames that are not silence, until there are `count`.
pub(crate) async fn hear(listener: &mut Listener, count: usize) -> Vec<Vec<u8>> {
    let mut heard = Vec::with_capacity(count);
    while heard.len() < count {
        let frame = timeout(PATIENCE, listener.next())
            .await
            .unwrap_or_else(|_| panic!("heard {} frames of {count}, then nothing", heard.len()))
            .expect("the voice server is there");
        if *frame.opus != SILENCE {
            heard.push(frame.opus.to_vec());
        }
    }
    heard
}

/// Takes frames until one is the given frame, which is the first of the result; then `count` in all.
pub(crate) async fn hear_from(listener: &mut Listener, first: &[u8], count: usize) -> Vec<Vec<u8>> {
    let sought = async {
        loop {
            let frame = listener.next().await.expect("the voice server is there");
            if *frame.opus == *first {
                return;
            }
        }
    };
    timeout(PATIENCE, sought)
        .await
        .expect("the frame is heard at some time");
    let mut heard = vec![first.to_vec()];
    heard.extend(hear(listener, count - 1).await);
    heard
}

/// Forgets everything that was heard so far.
pub(crate) fn forget(listener: &mut Listener) {
    while listener.try_next().is_some() {}
}

/// Waits until nothing but silence is heard for `length`.
pub(crate) async fn until_silent(listener: &mut Listener, length: Duration) {
    let silent = async {
        loop {
            match timeout(length, listener.next()).await {
                Err(_) => return,
                Ok(frame) => {
                    frame.expect("the voice server is there");
                }
            }
        }
    };
    timeout(PATIENCE, silent).await.expect("silence comes");
}
