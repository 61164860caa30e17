//! The slow sine behind rotation, vibrato and tremolo.

use std::f64::consts::TAU;

use crate::frame::SAMPLE_RATE;

/// A sine of a low frequency; begins at zero, rising.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wave {
    phase: f64,
    step: f64,
}

impl Wave {
    pub(super) fn new(hz: f32) -> Self {
        let mut wave = Self {
            phase: 0.0,
            step: 0.0,
        };
        wave.tune(hz);
        wave
    }

    /// Goes on with another frequency, from where it is.
    pub(super) fn tune(&mut self, hz: f32) {
        self.step = TAU * f64::from(hz) / f64::from(SAMPLE_RATE);
    }

    /// Calls `each` with the next values. Real-time: never allocates.
    pub(super) fn run<T>(
        &mut self,
        samples: impl ExactSizeIterator<Item = T>,
        mut each: impl FnMut(T, f32),
    ) {
        // Turning a pointer costs a tenth of a sine, and is exact enough for a block.
        let length = samples.len();
        let (mut sin, mut cos) = self.phase.sin_cos();
        let (step_sin, step_cos) = self.step.sin_cos();
        for sample in samples {
            each(sample, sin as f32);
            (sin, cos) = (
                sin * step_cos + cos * step_sin,
                cos * step_cos - sin * step_sin,
            );
        }
        self.phase = (self.phase + self.step * length as f64).rem_euclid(TAU);
    }

    /// Goes back.
    pub(super) fn turn_back(&mut self, samples: u64) {
        self.phase = (self.phase - self.step * samples as f64).rem_euclid(TAU);
    }
}
