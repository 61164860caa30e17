//! Sounds made for a test, and what is heard of them as numbers.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use backline_media::opus::{Decoder, MAX_PACKET_VALUES};
use backline_sim::voice::HeardFrame;
use tempfile::TempDir;

use crate::call::SILENCE;
use crate::client::{TestNode, test_config};

pub const RATE: usize = 48_000;

/// A node whose local folder holds what a test puts there.
pub async fn node() -> (TestNode, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = test_config();
    config.local.root = Some(folder.path().canonicalize().unwrap());
    (TestNode::start_with(config).await, folder)
}

/// Writes `seconds` of a sound as a WAV file at 48 kHz, both sides from `at` (sample to left and
/// right).
pub fn write(path: &Path, seconds: f64, at: impl Fn(usize) -> [f64; 2]) {
    let count = (seconds * RATE as f64) as usize;
    let bytes = count * 4;
    let mut wav = Vec::with_capacity(44 + bytes);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes as u32).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    wav.extend_from_slice(&(RATE as u32).to_le_bytes());
    wav.extend_from_slice(&(RATE as u32 * 4).to_le_bytes());
    wav.extend_from_slice(b"\x04\0\x10\0data");
    wav.extend_from_slice(&(bytes as u32).to_le_bytes());
    for value in (0..count).flat_map(at) {
        wav.extend_from_slice(&((value * 32_767.0) as i16).to_le_bytes());
    }
    fs::write(path, wav).unwrap();
}

/// A sine on both sides.
pub fn sine(hertz: f64, level: f64) -> impl Fn(usize) -> [f64; 2] {
    move |sample| [level * (TAU * hertz * sample as f64 / RATE as f64).sin(); 2]
}

/// Decodes what was heard, without silence frames; left and right.
pub fn decode(frames: &[HeardFrame]) -> [Vec<f32>; 2] {
    let mut decoder = Decoder::new().unwrap();
    let out = vec![0.0; MAX_PACKET_VALUES].into_boxed_slice();
    let mut out: Box<[f32; MAX_PACKET_VALUES]> = out.try_into().unwrap();
    let mut values = Vec::new();
    for frame in frames.iter().filter(|frame| frame.opus.as_ref() != SILENCE) {
        let count = decoder.decode(&frame.opus, &mut out).unwrap();
        values.extend_from_slice(&out[..count]);
    }
    [0, 1].map(|side| values.iter().skip(side).step_by(2).copied().collect())
}

/// How loud a sound is in all (root of the mean square).
pub fn level(sound: &[f32]) -> f64 {
    let sum: f64 = sound.iter().map(|value| f64::from(*value).powi(2)).sum();
    (sum / sound.len().max(1) as f64).sqrt()
}

/// How loud one frequency is: the amplitude of its sine.
pub fn tone(sound: &[f32], hertz: f64) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (at, value) in sound.iter().enumerate() {
        let angle = TAU * hertz * at as f64 / RATE as f64;
        // A window, so that neighbours do not leak in.
        let window = 1.0 - (TAU * at as f64 / sound.len() as f64).cos();
        real += f64::from(*value) * window * angle.cos();
        imaginary += f64::from(*value) * window * angle.sin();
    }
    2.0 * real.hypot(imaginary) / sound.len().max(1) as f64
}

/// Levels of stretches of so many milliseconds.
pub fn levels(sound: &[f32], ms: usize) -> Vec<f64> {
    sound.chunks_exact(RATE * ms / 1_000).map(level).collect()
}

/// The part in the middle, without what starts and ends.
pub fn middle(sound: &[f32]) -> &[f32] {
    let edge = sound.len() / 5;
    &sound[edge..sound.len() - edge]
}
