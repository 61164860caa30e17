//! Gains that change without clicks.

use crate::frame::CHANNELS;

/// A gain on its way to another one, sample by sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    current: f32,
    target: f32,
    step: f32,
    left: usize,
}

impl Ramp {
    /// Begins at a gain and stays there.
    pub fn new(gain: f32) -> Self {
        Self {
            current: gain,
            target: gain,
            step: 0.0,
            left: 0,
        }
    }

    /// Goes to another gain within so many samples, in a straight line.
    pub fn set(&mut self, target: f32, samples: usize) {
        if target == self.target && self.left > 0 {
            return;
        }
        self.target = target;
        self.left = samples;
        if samples == 0 {
            self.current = target;
        } else {
            self.step = (target - self.current) / samples as f32;
        }
    }

    /// Returns the gain of the next sample.
    pub fn gain(&self) -> f32 {
        self.current
    }

    /// Returns where it goes.
    pub fn target(&self) -> f32 {
        self.target
    }

    /// Whether it has arrived, and changes nothing.
    pub fn is_unity(&self) -> bool {
        self.is_settled() && self.current == 1.0
    }

    /// Whether it has arrived.
    pub fn is_settled(&self) -> bool {
        self.left == 0
    }

    /// Multiplies interleaved stereo. Real-time: never allocates.
    pub fn apply(&mut self, block: &mut [f32]) {
        if self.is_unity() {
            return;
        }
        let samples = block.as_chunks_mut::<CHANNELS>().0;
        let moving = self.left.min(samples.len());
        for sample in &mut samples[..moving] {
            self.current += self.step;
            self.left -= 1;
            if self.left == 0 {
                self.current = self.target;
            }
            for value in sample {
                *value *= self.current;
            }
        }
        let gain = self.current;
        for value in samples[moving..].iter_mut().flatten() {
            *value *= gain;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_straight_and_arrives() {
        let mut ramp = Ramp::new(1.0);
        ramp.set(0.0, 100);
        let mut values = [1.0; 160];
        ramp.apply(&mut values);
        assert!((values[159] - 0.2).abs() < 1e-5 && !ramp.is_settled());
        let mut rest = [1.0; 160];
        ramp.apply(&mut rest);
        assert!((rest[1] - 0.19).abs() < 1e-5 && rest[40..] == [0.0; 120]);
        assert!(ramp.is_settled() && !ramp.is_unity());
        ramp.set(1.0, 0);
        assert!(ramp.is_unity());
    }
}
