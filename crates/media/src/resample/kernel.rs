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
    phases: u32,
    /// How far the window moves for an output sample: whole input samples, and 1/48,000 ones.
    step: (usize, u32),
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
        let exactly = exact <= MAX_EXACT;
        // Going down, the filter has to cut below half of the new rate: it gets longer.
        let ratio = f64::from(SAMPLE_RATE.min(rate)) / f64::from(rate);
        let taps = ((TAPS as f64 / ratio).ceil() as usize).next_multiple_of(8);
        let half = taps as f64 / 2.0;
        // A longer filter is a smoother one: it needs fewer phases to be interpolated well.
        let phases = if exactly {
            phases
        } else {
            (f64::from(phases) * ratio).ceil() as u32
        };
        let mut coefficients = Vec::with_capacity((phases as usize + 1) * taps);
        for phase in 0..=phases {
            let shift = f64::from(phase) / f64::from(phases);
            let start = coefficients.len();
            for tap in 0..taps {
                // Distance between the input sample and the place, in input samples.
                let distance = tap as f64 - (half - 1.0) - shift;
                let value = ratio * sinc(distance * ratio) * window(distance / half);
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
            phases,
            step: ((rate / SAMPLE_RATE) as usize, rate % SAMPLE_RATE),
        }
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    /// Appends an output sample for every place whose window lies in the input, and moves on.
    pub(super) fn run(&self, input: [&[f32]; CHANNELS], place: &mut Place, out: &mut Vec<f32>) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { self.run_avx2(input, place, out) };
        }
        self.run_with(input, place, out, sum_of_products);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, input: [&[f32]; CHANNELS], place: &mut Place, out: &mut Vec<f32>) {
        self.run_with(input, place, out, |factors, left, right| {
            sum_of_products_avx2(factors, left, right)
        });
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "has to take on the caller's target features"
    )]
    fn run_with(
        &self,
        [left, right]: [&[f32]; CHANNELS],
        place: &mut Place,
        out: &mut Vec<f32>,
        sum: impl Fn(&[f32], &[f32], &[f32]) -> [f32; CHANNELS],
    ) {
        let phase = |index: usize| &self.coefficients[index * self.taps..][..self.taps];
        while let (Some(left), Some(right)) = (
            left.get(place.at..place.at + self.taps),
            right.get(place.at..place.at + self.taps),
        ) {
            let scaled = place.fraction * self.phases;
            let index = (scaled / SAMPLE_RATE) as usize;
            let between = scaled % SAMPLE_RATE;
            let mut sample = sum(phase(index), left, right);
            if between != 0 {
                let weight = between as f32 / SAMPLE_RATE as f32;
                let after = sum(phase(index + 1), left, right);
                sample[0] += (after[0] - sample[0]) * weight;
                sample[1] += (after[1] - sample[1]) * weight;
            }
            out.extend_from_slice(&sample);
            place.fraction += self.step.1;
            let carry = place.fraction >= SAMPLE_RATE;
            place.fraction -= if carry { SAMPLE_RATE } else { 0 };
            place.at += self.step.0 + usize::from(carry);
        }
    }
}

/// Where the window of the next output sample begins: whole input samples, and 1/48,000 ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) at: usize,
    fraction: u32,
}

impl Place {
    /// Returns the part between input samples, 0.0..1.0.
    pub(super) fn fraction(self) -> f64 {
        f64::from(self.fraction) / f64::from(SAMPLE_RATE)
    }
}

/// Multiplies both channels with the coefficients and sums up. All lengths are equal, and
/// multiples of eight.
fn sum_of_products(coefficients: &[f32], left: &[f32], right: &[f32]) -> [f32; CHANNELS] {
    let mut sums = [[0.0_f32; LANES]; CHANNELS];
    let factors = coefficients.as_chunks::<LANES>().0;
    for (sums, values) in sums.iter_mut().zip([left, right]) {
        for (factors, values) in factors.iter().zip(values.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += factors[lane] * values[lane];
            }
        }
    }
    sums.map(|lanes| lanes.iter().sum())
}

/// The same, eight at a time. Written out, because the compiler does not find it by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline]
fn sum_of_products_avx2(coefficients: &[f32], left: &[f32], right: &[f32]) -> [f32; CHANNELS] {
    use std::arch::x86_64::{
        __m256, _mm_add_ps, _mm_cvtss_f32, _mm_hadd_ps, _mm256_castps256_ps128,
        _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    };
    // SAFETY: the array holds eight values, and unaligned loads may be anywhere.
    let load = |values: &[f32; LANES]| unsafe { _mm256_loadu_ps(values.as_ptr()) };
    let fold = |lanes: __m256| {
        let four = _mm_add_ps(
            _mm256_castps256_ps128(lanes),
            _mm256_extractf128_ps::<1>(lanes),
        );
        let two = _mm_hadd_ps(four, four);
        _mm_cvtss_f32(_mm_hadd_ps(two, two))
    };
    let (mut left_sums, mut right_sums) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    let blocks = coefficients
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(left.as_chunks::<LANES>().0)
        .zip(right.as_chunks::<LANES>().0);
    for ((factors, left), right) in blocks {
        let factors = load(factors);
        left_sums = _mm256_fmadd_ps(factors, load(left), left_sums);
        right_sums = _mm256_fmadd_ps(factors, load(right), right_sums);
    }
    [fold(left_sums), fold(right_sums)]
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Kaiser's window from a table, exact to 10⁻⁷; `x` is −1.0..=1.0.
fn window(x: f64) -> f64 {
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        (0..=STEPS + 1)
            .map(|step| kaiser(f64::from(step) / f64::from(STEPS)))
            .collect()
    });
    let place = x.abs().min(1.0) * f64::from(STEPS);
    let (index, between) = (place as usize, place.fract());
    table[index] + (table[index + 1] - table[index]) * between
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

/// Steps of the window's table.
const STEPS: u32 = 4096;

/// Stop-band attenuation of about 90 dB.
const BETA: f64 = 8.6;
