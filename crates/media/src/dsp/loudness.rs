//! How loud something is (ITU-R BS.1770-4, EBU R 128).

use crate::frame::{CHANNELS, SAMPLE_RATE};

/// Measures the integrated loudness of stereo at 48 kHz.
///
/// K-weighting, blocks of 400 ms that overlap by 75 %, an absolute gate at −70 LUFS and a relative
/// one 10 LU below. Blocks are counted in steps of 0.1 LU, so that memory (8 KiB) and time do not
/// grow with the track.
#[derive(Clone, Debug)]
pub struct Meter {
    shelf: [Biquad; CHANNELS],
    high_pass: [Biquad; CHANNELS],
    /// Sums of squares of the last four steps of 100 ms; the last one is being filled.
    steps: [f64; 4],
    filled: usize,
    complete: usize,
    /// How many blocks were as loud as that.
    counts: Box<[u32; BINS]>,
    integrated: Option<f32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Biquad {
    one: f64,
    two: f64,
}

impl Biquad {
    fn process(&mut self, [b0, b1, b2, a1, a2]: [f64; 5], value: f64) -> f64 {
        let out = b0 * value + self.one;
        self.one = b1 * value - a1 * out + self.two;
        self.two = b2 * value - a2 * out;
        out
    }

    fn sweep(&mut self) {
        for value in [&mut self.one, &mut self.two] {
            if value.abs() < 1e-30 {
                *value = 0.0;
            }
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            shelf: Default::default(),
            high_pass: Default::default(),
            steps: [0.0; 4],
            filled: 0,
            complete: 0,
            counts: vec![0; BINS]
                .into_boxed_slice()
                .try_into()
                .expect("the length is the same"),
            integrated: None,
        }
    }
}

impl Meter {
    /// Takes interleaved stereo. Real-time: never allocates.
    pub fn push(&mut self, block: &[f32]) {
        for sample in block.as_chunks::<CHANNELS>().0 {
            for (channel, value) in sample.iter().enumerate() {
                let value = self.shelf[channel].process(SHELF, f64::from(*value));
                let value = self.high_pass[channel].process(HIGH_PASS, value);
                self.steps[3] += value * value;
            }
            self.filled += 1;
            if self.filled == STEP {
                self.finish_step();
            }
        }
        for filter in self.shelf.iter_mut().chain(&mut self.high_pass) {
            filter.sweep();
        }
    }

    /// Returns the loudness so far in LUFS; `None` until there was sound for 400 ms.
    pub fn integrated(&self) -> Option<f32> {
        self.integrated
    }

    fn finish_step(&mut self) {
        self.complete += 1;
        if self.complete >= self.steps.len() {
            let mean = self.steps.iter().sum::<f64>() / (STEP * self.steps.len()) as f64;
            let lufs = OFFSET + 10.0 * mean.max(1e-12).log10();
            if lufs >= GATE {
                let bin = ((lufs - GATE) * PER_LU) as usize;
                self.counts[bin.min(BINS - 1)] += 1;
                self.integrated = self.gated();
            }
        }
        self.steps.rotate_left(1);
        self.steps[3] = 0.0;
        self.filled = 0;
    }

    fn gated(&self) -> Option<f32> {
        let ungated = self.mean(0)?;
        let gate = ((ungated - 10.0 - GATE) * PER_LU).max(0.0) as usize;
        self.mean(gate).map(|lufs| lufs as f32)
    }

    /// Returns the loudness of all blocks from a bin on.
    fn mean(&self, from: usize) -> Option<f64> {
        let (mut energy, mut blocks) = (0.0, 0_u64);
        for (bin, count) in self.counts.iter().enumerate().skip(from) {
            if *count > 0 {
                let lufs = GATE + (bin as f64 + 0.5) / PER_LU;
                energy += f64::from(*count) * 10_f64.powf((lufs - OFFSET) / 10.0);
                blocks += u64::from(*count);
            }
        }
        (blocks > 0).then(|| OFFSET + 10.0 * (energy / blocks as f64).log10())
    }
}

/// 100 ms.
const STEP: usize = SAMPLE_RATE as usize / 10;

/// Blocks below this are silence, in LUFS.
const GATE: f64 = -70.0;

/// Steps in a LU.
const PER_LU: f64 = 10.0;

/// Up to +10 LUFS.
const BINS: usize = 800;

/// Of the loudness formula.
const OFFSET: f64 = -0.691;

/// First filter of K-weighting at 48 kHz: b0, b1, b2, a1, a2.
const SHELF: [f64; 5] = [
    1.535_124_859_586_97,
    -2.691_696_189_406_38,
    1.198_392_810_852_85,
    -1.690_659_293_182_41,
    0.732_480_774_215_85,
];

/// Second filter of K-weighting at 48 kHz.
const HIGH_PASS: [f64; 5] = [1.0, -2.0, 1.0, -1.990_047_454_833_98, 0.990_072_250_366_21];

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn measure(pieces: &[(f64, f64)]) -> Option<f32> {
        // The test signals of EBU Tech 3341: a sine of 1 kHz on both sides, in dBFS, for seconds.
        let mut meter = Meter::default();
        for (dbfs, seconds) in pieces {
            let level = 10_f64.powf(dbfs / 20.0);
            for index in 0..(seconds * 48_000.0) as usize {
                let value = (level * (TAU * 1_000.0 * index as f64 / 48_000.0).sin()) as f32;
                meter.push(&[value, value]);
            }
        }
        meter.integrated()
    }

    #[test]
    fn the_test_signals_of_the_ebu_are_measured_right() {
        for (name, expected, pieces) in [
            ("case 1", -23.0, &[(-23.0, 5.0)][..]),
            ("case 2", -33.0, &[(-33.0, 5.0)]),
            (
                "case 3",
                -23.0,
                &[(-36.0, 5.0), (-23.0, 20.0), (-36.0, 5.0)],
            ),
            (
                "case 4",
                -23.0,
                &[
                    (-72.0, 5.0),
                    (-36.0, 5.0),
                    (-23.0, 20.0),
                    (-36.0, 5.0),
                    (-72.0, 5.0),
                ],
            ),
        ] {
            let found = measure(pieces).expect(name);
            assert!((found - expected).abs() <= 0.1, "{name}: {found}");
        }
        assert_eq!(measure(&[(-80.0, 2.0)]), None);
        assert_eq!(measure(&[(-20.0, 0.3)]), None);
    }
}
