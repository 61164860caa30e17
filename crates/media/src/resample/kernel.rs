//! Coefficients, and the sum of products that takes most of the time.

use std::{
    f64::consts::PI,
    sync::{Arc, OnceLock},
};

use crate::frame::{CHANNELS, SAMPLE_RATE};

/// A windowed sinc, cut into phases.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Phase after phase, `taps` coefficients each, and the first one again, shifted, at the end.
    coefficients: Vec<f32>,
    taps: usize,
    phases: u64,
}

/// The coefficients for a place between two input samples.
pub(super) enum Phase<'a> {
    Exact(&'a [f32]),
    /// Two neighbours, and how much the second one counts.
    Between(&'a [f32], &'a [f32], f32),
}

impl Kernel {
    /// Returns the kernel for a rate; the most usual one is computed only once.
    pub(super) fn shared(rate: u32) -> Arc<Self> {
        static CD: OnceLock<Arc<Kernel>> = OnceLock::new();
        match rate {
            44_100 => Arc::clone(CD.get_or_init(|| Arc::new(Self::new(rate)))),
            _ => Arc::new(Self::new(rate)),
        }
    }

    fn new(rate: u32) -> Self {
        let exact = SAMPLE_RATE / gcd(rate, SAMPLE_RATE);
        let phases = if exact <= MAX_EXACT {
            exact
        } else {
            INTERPOLATED
        };
        // Going down, the filter has to cut below half of the new rate: it gets longer.
        let ratio = f64::from(SAMPLE_RATE.min(rate)) / f64::from(rate);
        let taps = ((TAPS as f64 / ratio).ceil() as usize).next_multiple_of(8);
        let half = taps as f64 / 2.0;
        let mut coefficients = Vec::with_capacity((phases as usize + 1) * taps);
        for phase in 0..=phases {
            let shift = f64::from(phase) / f64::from(phases);
            let start = coefficients.len();
            for tap in 0..taps {
                // Distance between the input sample and the place, in input samples.
                let distance = tap as f64 - (half - 1.0) - shift;
                let value = ratio * sinc(distance * ratio) * kaiser(distance / half);
                coefficients.push(value as f32);
            }
            // Every phase has to let a constant through unchanged.
            let sum: f32 = coefficients[start..].iter().sum();
            coefficients[start..]
                .iter_mut()
                .for_each(|value| *value /= sum);
        }
        Self {
            coefficients,
            taps,
            phases: u64::from(phases),
        }
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    /// Returns the coefficients for `fraction` / 48,000 of an input sample.
    pub(super) fn phase(&self, fraction: u64) -> Phase<'_> {
        let scaled = fraction * self.phases;
        let index = (scaled / u64::from(SAMPLE_RATE)) as usize;
        let rest = scaled % u64::from(SAMPLE_RATE);
        let at = |index: usize| &self.coefficients[index * self.taps..(index + 1) * self.taps];
        if rest == 0 {
            Phase::Exact(at(index))
        } else {
            Phase::Between(at(index), at(index + 1), rest as f32 / SAMPLE_RATE as f32)
        }
    }
}

/// Multiplies both channels with the coefficients and sums up. All lengths are equal, and
/// multiples of eight.
#[inline]
pub(super) fn dot(coefficients: &[f32], left: &[f32], right: &[f32]) -> [f32; CHANNELS] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { dot_avx2(coefficients, left, right) };
    }
    sum_of_products(coefficients, left, right, |a, b, c| a * b + c)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dot_avx2(coefficients: &[f32], left: &[f32], right: &[f32]) -> [f32; CHANNELS] {
    sum_of_products(coefficients, left, right, f32::mul_add)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "has to take on the caller's target features"
)]
fn sum_of_products(
    coefficients: &[f32],
    left: &[f32],
    right: &[f32],
    multiply_add: impl Fn(f32, f32, f32) -> f32,
) -> [f32; CHANNELS] {
    let (mut left_sums, mut right_sums) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let blocks = coefficients
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(left.as_chunks::<LANES>().0)
        .zip(right.as_chunks::<LANES>().0);
    for ((factors, left), right) in blocks {
        for lane in 0..LANES {
            left_sums[lane] = multiply_add(factors[lane], left[lane], left_sums[lane]);
            right_sums[lane] = multiply_add(factors[lane], right[lane], right_sums[lane]);
        }
    }
    [left_sums.iter().sum(), right_sums.iter().sum()]
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Kaiser's window; `x` is −1.0..=1.0.
fn kaiser(x: f64) -> f64 {
    bessel(BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of the first kind, order 0.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

const LANES: usize = 8;

/// Taps when the rate goes up.
const TAPS: usize = 32;

/// More phases than this are interpolated.
const MAX_EXACT: u32 = 640;

/// Phases that are interpolated between.
const INTERPOLATED: u32 = 512;

/// Stop-band attenuation of about 90 dB.
const BETA: f64 = 8.6;
