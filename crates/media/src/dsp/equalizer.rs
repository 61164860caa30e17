//! Fifteen bands.
//!
//! `out = x + 4 · Σ gain · band(x)`, within ±1: a bank of band-pass filters at [`BANDS_HZ`], each
//! two thirds of an octave wide. The reference's coefficients follow from demanding −3 dB at the
//! band's lower edge, a third of an octave below its centre. They are computed here, and laid out
//! as state-variable filters (A. Simper, "Linear Trapezoidal Integrated SVF"), which have the same
//! transfer function as the reference's biquads, but stay exact at 25 Hz in single precision.

use std::{f64::consts::TAU, sync::OnceLock};

use super::{BANDS, BANDS_HZ, plain::without_dust};
use crate::frame::{CHANNELS, SAMPLE_RATE};

/// The equalizer; takes 16 bands at a time, the last of which does nothing.
///
/// Real-time: never allocates, but computes its coefficients once in a process.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EqualizerFilter {
    /// What each band counts in the sum.
    weights: Lanes,
    state: [State; CHANNELS],
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    first: Lanes,
    second: Lanes,
}

/// One number for each band.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(align(32))]
struct Lanes([f32; LANES]);

struct Coefficients {
    a1: Lanes,
    a2: Lanes,
    a3: Lanes,
    /// By which the band's output is multiplied, so that it is 1.0 at its centre.
    scale: Lanes,
}

impl EqualizerFilter {
    pub(super) fn new(gains: [f32; BANDS]) -> Self {
        let mut filter = Self {
            weights: Lanes::default(),
            state: Default::default(),
        };
        filter.tune(gains);
        filter
    }

    pub(super) fn tune(&mut self, gains: [f32; BANDS]) {
        let scale = coefficients().scale.0;
        for (band, gain) in gains.iter().enumerate() {
            self.weights.0[band] = 4.0 * gain * scale[band];
        }
    }

    pub(super) fn reset(&mut self) {
        self.state = Default::default();
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has what the function is compiled for.
            unsafe { avx2::process(coefficients(), &self.weights, &mut self.state, block) };
            self.sweep();
            return;
        }
        self.process_portably(block);
        self.sweep();
    }

    fn process_portably(&mut self, block: &mut [f32]) {
        let it = coefficients();
        for sample in block.as_chunks_mut::<CHANNELS>().0 {
            for (value, State { first, second }) in sample.iter_mut().zip(&mut self.state) {
                let mut sums = Lanes::default();
                for lane in 0..LANES {
                    let (one, two) = (first.0[lane], second.0[lane]);
                    let rest = *value - two;
                    let band = it.a1.0[lane] * one + it.a2.0[lane] * rest;
                    let low = two + it.a2.0[lane] * one + it.a3.0[lane] * rest;
                    first.0[lane] = 2.0 * band - one;
                    second.0[lane] = 2.0 * low - two;
                    sums.0[lane] = self.weights.0[lane] * band;
                }
                *value = (*value + sums.0.iter().sum::<f32>()).clamp(-1.0, 1.0);
            }
        }
    }

    fn sweep(&mut self) {
        for State { first, second } in &mut self.state {
            for value in first.0.iter_mut().chain(&mut second.0) {
                *value = without_dust(*value);
            }
        }
    }
}

fn coefficients() -> &'static Coefficients {
    static COEFFICIENTS: OnceLock<Coefficients> = OnceLock::new();
    COEFFICIENTS.get_or_init(|| {
        let mut it = Coefficients {
            a1: Lanes::default(),
            a2: Lanes::default(),
            a3: Lanes::default(),
            scale: Lanes::default(),
        };
        for (band, hz) in BANDS_HZ.iter().enumerate() {
            let centre = TAU * f64::from(*hz) / f64::from(SAMPLE_RATE);
            let edge = centre / 2_f64.cbrt();
            let width = (edge.cos() - centre.cos()) / edge.sin();
            let damping = 2.0 * width / centre.sin();
            let g = (centre / 2.0).tan();
            let a1 = 1.0 / (1.0 + g * (g + damping));
            it.a1.0[band] = a1 as f32;
            it.a2.0[band] = (g * a1) as f32;
            it.a3.0[band] = (g * g * a1) as f32;
            it.scale.0[band] = damping as f32;
        }
        it
    })
}

/// The same, eight bands at a time. Written out, because the compiler does not find it by itself.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps,
        _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps,
        _mm256_load_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_store_ps, _mm256_sub_ps,
    };

    use super::{Coefficients, Lanes, State};
    use crate::frame::CHANNELS;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn process(
        it: &Coefficients,
        weights: &Lanes,
        state: &mut [State; CHANNELS],
        block: &mut [f32],
    ) {
        let (a1, a2, a3) = (load(&it.a1), load(&it.a2), load(&it.a3));
        let weights = load(weights);
        let mut first = [load(&state[0].first), load(&state[1].first)];
        let mut second = [load(&state[0].second), load(&state[1].second)];
        for sample in block.as_chunks_mut::<CHANNELS>().0 {
            for channel in 0..CHANNELS {
                let value = sample[channel];
                let input = _mm256_set1_ps(value);
                let mut sums = [input; 2];
                for half in 0..2 {
                    let (one, two) = (first[channel][half], second[channel][half]);
                    let rest = _mm256_sub_ps(input, two);
                    let band = _mm256_fmadd_ps(a2[half], rest, _mm256_mul_ps(a1[half], one));
                    let low = _mm256_fmadd_ps(a2[half], one, two);
                    let low = _mm256_fmadd_ps(a3[half], rest, low);
                    first[channel][half] = _mm256_sub_ps(_mm256_add_ps(band, band), one);
                    second[channel][half] = _mm256_sub_ps(_mm256_add_ps(low, low), two);
                    sums[half] = _mm256_mul_ps(weights[half], band);
                }
                let sum = _mm256_add_ps(sums[0], sums[1]);
                let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
                let pair = _mm_add_ps(four, _mm_movehl_ps(four, four));
                let one = _mm_add_ss(pair, _mm_shuffle_ps::<1>(pair, pair));
                sample[channel] = (value + _mm_cvtss_f32(one)).clamp(-1.0, 1.0);
            }
        }
        for channel in 0..CHANNELS {
            store(first[channel], &mut state[channel].first);
            store(second[channel], &mut state[channel].second);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn load(lanes: &Lanes) -> [__m256; 2] {
        let (low, high) = lanes.0.split_at(8);
        // SAFETY: both halves hold eight values, and `Lanes` is aligned to 32 bytes.
        unsafe { [_mm256_load_ps(low.as_ptr()), _mm256_load_ps(high.as_ptr())] }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn store(values: [__m256; 2], lanes: &mut Lanes) {
        let (low, high) = lanes.0.split_at_mut(8);
        // SAFETY: both halves hold eight values, and `Lanes` is aligned to 32 bytes.
        unsafe {
            _mm256_store_ps(low.as_mut_ptr(), values[0]);
            _mm256_store_ps(high.as_mut_ptr(), values[1]);
        }
    }
}

const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_compute_agree() {
        let gains = std::array::from_fn(|band| (band as f32 * 0.7).sin() * 0.25);
        let (mut fast, mut slow) = (EqualizerFilter::new(gains), EqualizerFilter::new(gains));
        let mut block: Vec<f32> = (0..4_800)
            .map(|value| (value as f32 * 0.013).sin() * 0.4 + (value as f32 * 1.7).sin() * 0.2)
            .collect();
        let mut other = block.clone();
        fast.process(&mut block);
        slow.process_portably(&mut other);
        let most = block
            .iter()
            .zip(&other)
            .map(|(fast, slow)| (fast - slow).abs())
            .fold(0.0, f32::max);
        assert!(most < 1e-4, "{most}");
    }

    #[test]
    fn after_music_comes_silence_not_dust() {
        let mut filter = EqualizerFilter::new([0.25; BANDS]);
        let mut block = [0.5; 960];
        filter.process(&mut block);
        for _ in 0..200 {
            block.fill(0.0);
            filter.process(&mut block);
        }
        assert!(filter.state.iter().all(|state| *state == State::default()));
        assert_eq!(block, [0.0; 960]);
    }
}
