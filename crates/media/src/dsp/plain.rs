//! The filters that need a line or two each.
//!
//! Formulas: `lavadsp`, which the reference server uses. All work on interleaved stereo at
//! 48 kHz, in place. Real-time: none allocates.

use super::{ChannelMix, Distortion, LowPass, Rotation, Tremolo, wave::Wave};
use crate::frame::CHANNELS;

/// `y += (x − y) / smoothing`; begins at the first sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LowPassFilter {
    factor: f32,
    value: Option<[f32; CHANNELS]>,
}

impl LowPassFilter {
    pub(super) fn new(parameters: LowPass) -> Self {
        let mut filter = Self {
            factor: 1.0,
            value: None,
        };
        filter.tune(parameters);
        filter
    }

    pub(super) fn tune(&mut self, LowPass { smoothing }: LowPass) {
        self.factor = 1.0 / smoothing;
    }

    pub(super) fn reset(&mut self) {
        self.value = None;
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        let samples = block.as_chunks_mut::<CHANNELS>().0;
        let Some(first) = samples.first() else { return };
        let mut value = self.value.unwrap_or(*first);
        for sample in samples {
            for (value, sample) in value.iter_mut().zip(sample) {
                *value += (*sample - *value) * self.factor;
                *sample = *value;
            }
        }
        self.value = Some(value.map(without_dust));
    }
}

/// `L' = LL·L + RL·R`, `R' = LR·L + RR·R`, within ±1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MixFilter(pub(super) ChannelMix);

impl MixFilter {
    pub(super) fn process(&mut self, block: &mut [f32]) {
        let mix = self.0;
        for [left, right] in block.as_chunks_mut::<CHANNELS>().0 {
            let (l, r) = (*left, *right);
            *left = (mix.left_to_left * l + mix.right_to_left * r).clamp(-1.0, 1.0);
            *right = (mix.left_to_right * l + mix.right_to_right * r).clamp(-1.0, 1.0);
        }
    }
}

/// `L·(1 + sin) / 2`, `R·(1 − sin) / 2`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RotationFilter(Wave);

impl RotationFilter {
    pub(super) fn new(Rotation { hz }: Rotation) -> Self {
        Self(Wave::new(hz))
    }

    pub(super) fn tune(&mut self, Rotation { hz }: Rotation) {
        self.0.tune(hz);
    }

    pub(super) fn wave(&mut self) -> &mut Wave {
        &mut self.0
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        let samples = block.as_chunks_mut::<CHANNELS>().0.iter_mut();
        self.0.run(samples, |[left, right], sin| {
            *left *= 0.5 + 0.5 * sin;
            *right *= 0.5 - 0.5 * sin;
        });
    }
}

/// `offset + scale · (sinOffset + sin(x·sinScale)) · (cosOffset + cos(x·cosScale)) ·
/// (tanOffset + tan(x·tanScale))`, within ±1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DistortionFilter(pub(super) Distortion);

impl DistortionFilter {
    pub(super) fn process(&mut self, block: &mut [f32]) {
        let it = self.0;
        for value in block {
            let sin = it.sin_offset + (*value * it.sin_scale).sin();
            let cos = it.cos_offset + (*value * it.cos_scale).cos();
            let tan = it.tan_offset + (*value * it.tan_scale).tan();
            let bent = it.offset + it.scale * (sin * cos * tan);
            // Huge parameters may lead to infinity times zero.
            *value = if bent.is_nan() {
                0.0
            } else {
                bent.clamp(-1.0, 1.0)
            };
        }
    }
}

/// `x · (1 − depth/2 + depth/2 · sin)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TremoloFilter {
    wave: Wave,
    depth: f32,
}

impl TremoloFilter {
    pub(super) fn new(parameters: Tremolo) -> Self {
        Self {
            wave: Wave::new(parameters.frequency),
            depth: parameters.depth,
        }
    }

    pub(super) fn tune(&mut self, parameters: Tremolo) {
        self.wave.tune(parameters.frequency);
        self.depth = parameters.depth;
    }

    pub(super) fn wave(&mut self) -> &mut Wave {
        &mut self.wave
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        let half = self.depth / 2.0;
        let samples = block.as_chunks_mut::<CHANNELS>().0.iter_mut();
        self.wave.run(samples, |sample, sin| {
            let gain = 1.0 - half + half * sin;
            for value in sample {
                *value *= gain;
            }
        });
    }
}

/// Turns what nobody can hear into silence, so that no filter computes with denormals for long,
/// which is up to 70 times slower where the processor does not flush them.
pub(super) fn without_dust(value: f32) -> f32 {
    if value.abs() < 1e-20 { 0.0 } else { value }
}
