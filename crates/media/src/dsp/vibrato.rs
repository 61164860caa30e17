//! Wavering pitch: a delay that grows and shrinks.

use super::{Vibrato, wave::Wave};
use crate::frame::{CHANNELS, SAMPLE_RATE};

/// Delays by 3 samples and up to 2 ms more, with a sine.
///
/// Between samples it is interpolated by a Hermite polynomial through four points. Real-time:
/// never allocates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VibratoFilter {
    wave: Wave,
    depth: f32,
    line: [[f32; CHANNELS]; LENGTH],
    next: usize,
}

impl VibratoFilter {
    pub(super) fn new(parameters: Vibrato) -> Self {
        Self {
            wave: Wave::new(parameters.frequency),
            depth: parameters.depth,
            line: [[0.0; CHANNELS]; LENGTH],
            next: 0,
        }
    }

    pub(super) fn tune(&mut self, parameters: Vibrato) {
        self.wave.tune(parameters.frequency);
        self.depth = parameters.depth;
    }

    pub(super) fn reset(&mut self) {
        self.line.fill([0.0; CHANNELS]);
    }

    pub(super) fn wave(&mut self) -> &mut Wave {
        &mut self.wave
    }

    pub(super) fn process(&mut self, block: &mut [f32]) {
        let (line, next, depth) = (&mut self.line, &mut self.next, self.depth);
        let samples = block.as_chunks_mut::<CHANNELS>().0.iter_mut();
        self.wave.run(samples, |sample, sin| {
            let delay = (0.5 + 0.5 * sin) * depth * MAX_DELAY + LEAST_DELAY;
            line[*next] = *sample;
            let whole = delay.ceil();
            let between = whole - delay;
            // The four samples around the place, oldest first.
            let oldest = (*next + LENGTH - whole as usize - 1) % LENGTH;
            for (channel, value) in sample.iter_mut().enumerate() {
                let at = |index: usize| line[(oldest + index) % LENGTH][channel];
                *value = hermite([at(0), at(1), at(2), at(3)], between);
            }
            *next = (*next + 1) % LENGTH;
        });
    }
}

/// Returns the value at `x` (0..1) between the two in the middle.
fn hermite([before, from, to, after]: [f32; 4], x: f32) -> f32 {
    let slope = 0.5 * (to - before);
    let square = before - 2.5 * from + 2.0 * to - 0.5 * after;
    let cube = 0.5 * (after - before) + 1.5 * (from - to);
    ((cube * x + square) * x + slope) * x + from
}

/// 2 ms.
const MAX_DELAY: f32 = 0.002 * SAMPLE_RATE as f32;

/// The interpolation needs two samples behind the place.
const LEAST_DELAY: f32 = 3.0;

const LENGTH: usize = 128;
