//! Comparing sounds.

use std::{io::Cursor, path::PathBuf};

use backline_media::{
    decode::{Decoder, Hint, Next},
    frame::OpusFrame,
    opus,
    resample::Resampler,
    source::Source,
};

/// Returns a file of the repository.
pub fn asset(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets")
        .join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn source(path: &str) -> Box<dyn Source> {
    Box::new(Cursor::new(asset(path)))
}

/// Decodes to interleaved stereo at the file's rate.
pub fn decoded(source: Box<dyn Source>) -> (Vec<f32>, u32) {
    let mut decoder = Decoder::open(source, &Hint::default()).expect("opens");
    let samples = rest(&mut decoder);
    (samples, decoder.rate())
}

/// Decodes what is left.
pub fn rest(decoder: &mut Decoder) -> Vec<f32> {
    let mut samples = Vec::new();
    loop {
        match decoder.next_packet() {
            Next::Data { .. } => samples.extend_from_slice(decoder.samples()),
            Next::End => return samples,
            other => panic!("{other:?}"),
        }
    }
}

/// The reference signal at 48 kHz.
pub fn reference_48k() -> Vec<f32> {
    let (samples, rate) = decoded(source("signals/sweep.flac"));
    let mut resampler = Resampler::new(rate).expect("supported");
    let mut out = Vec::new();
    resampler.process(&samples, &mut out);
    resampler.finish(&mut out);
    out
}

/// Decodes packets to interleaved stereo, without the 312 samples that our encoder is late.
pub fn heard(frames: &[OpusFrame], late: usize) -> Vec<f32> {
    let mut decoder = opus::Decoder::new().expect("a decoder");
    let mut pcm = opus::pcm();
    let mut out = Vec::new();
    for frame in frames {
        let values = decoder
            .decode(frame.as_bytes(), &mut pcm)
            .expect("valid packets");
        out.extend_from_slice(&pcm[..values]);
    }
    out.drain(..2 * late);
    out
}

/// Returns signal to noise in dB over the common part, 20 ms at both ends left out.
pub fn snr(expected: &[f32], found: &[f32]) -> f64 {
    let range = 2_000..expected.len().min(found.len()) - 2_000;
    let (mut signal, mut noise) = (0.0, 0.0);
    for (expected, found) in expected[range.clone()].iter().zip(&found[range]) {
        signal += f64::from(*expected).powi(2);
        noise += f64::from(expected - found).powi(2);
    }
    10.0 * (signal / noise.max(1e-20)).log10()
}

/// Returns by how many samples `found` is late (positive) or early, and how alike the sounds then
/// are (1.0 is equal), by the left channel.
pub fn alignment(expected: &[f32], found: &[f32], most: usize) -> (i64, f64) {
    let left = |values: &[f32]| -> Vec<f64> {
        values
            .chunks_exact(2)
            .map(|sample| f64::from(sample[0]))
            .collect()
    };
    let (expected, found) = (left(expected), left(found));
    let most = most as i64;
    let correlation = |lag: i64| {
        let (mut product, mut first, mut second) = (0.0, 0.0, 0.0);
        for (index, value) in found.iter().enumerate() {
            let at = usize::try_from(index as i64 - lag).ok();
            if let Some(other) = at.and_then(|at| expected.get(at)) {
                product += value * other;
                first += value * value;
                second += other * other;
            }
        }
        product / (first * second).sqrt().max(1e-12)
    };
    (-most..=most)
        .map(|lag| (lag, correlation(lag)))
        .max_by(|(_, first), (_, second)| first.total_cmp(second))
        .expect("at least one lag")
}
