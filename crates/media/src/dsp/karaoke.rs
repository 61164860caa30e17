//! Removes what is in the middle, except for a band.

use std::f64::consts::TAU;

use super::Karaoke;
use crate::frame::{CHANNELS, SAMPLE_RATE};

/// `L − level·R + band`, `R − level·L + band`, where `band` is a resonator on the mono sum.
///
/// Formula: `lavadsp`. In double precision, since the resonator rings long. Real-time: never
/// allocates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KaraokeFilter {
    level: f32,
    band_level: f64,
    coefficients: [f64; 3],
    past: [f64; 2],
}

impl KaraokeFilter {
    pub(super) fn new(parameters: Karaoke) -> Self {
        let mut filter = Self {
            level: 0.0,
            band_level: 0.0,
            coefficients: [0.0; 3],
            past: [0.0; 2],
        };
        filter.tune(parameters);
        filter
    }

    pub(super) fn tune(&mut self, parameters: Karaoke) {
        let rate = f64::from(SAMPLE_RATE);
        let c = (-TAU * f64::from(parameters.filter_width) / rate).exp();
        let cos = (TAU * f64::from(parameters.filter_band) / rate).cos();
        let b = -4.0 * c / (1.0 + c) * cos;
        let a = (1.0 - b * b / (4.0 * c)).max(0.0).sqrt() * (1.0 - c);
        self.coefficients = [a, b, c];
        self.level = parameters.level;
        self.band_level = f64::from(parameters.mono_level) * f64::from(parameters.level);
    }

    pub(super) fn reset(&mut self) {
        self.past = [0.0; 2];
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        let [a, b, c] = self.coefficients;
        let [mut one, mut two] = self.past;
        for sample in block.as_chunks_mut::<CHANNELS>().0 {
            let [left, right] = *sample;
            let band = a * (f64::from(left) + f64::from(right)) / 2.0 - b * one - c * two;
            (two, one) = (one, band);
            let band = (band * self.band_level) as f32;
            *sample = [
                left - right * self.level + band,
                right - left * self.level + band,
            ];
        }
        self.past = [one, two].map(|value| if value.abs() < 1e-20 { 0.0 } else { value });
    }
}
