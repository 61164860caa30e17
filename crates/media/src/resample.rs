//! Any sample rate to 48 kHz.
//!
//! A polyphase filter: for every output sample one of `phases` sets of coefficients is laid over
//! the input around it. Rates that have a small ratio to 48 kHz (all usual ones) hit the phases
//! exactly; others are interpolated between neighbouring phases. 32 taps (more when the rate goes
//! down) keep images and aliases more than 80 dB below a signal under 18 kHz, and Opus cuts off at
//! 20 kHz.

mod kernel;

use std::sync::Arc;

use self::kernel::{Kernel, Place};
use crate::frame::{CHANNELS, SAMPLE_RATE};

/// Converts interleaved stereo of one rate to 48 kHz.
///
/// The output begins with the time of the first input sample: nothing is delayed, the last few
/// samples come with [`Resampler::finish`].
#[derive(Debug)]
pub struct Resampler {
    rate: u32,
    /// `None` if the rate is 48 kHz already.
    kernel: Option<Arc<Kernel>>,
    /// Left and right input, `taps - 1` samples of the past first.
    history: [Vec<f32>; CHANNELS],
    /// Where in `history` the window of the next output sample begins.
    place: Place,
}

/// The rate cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {rate} Hz is not supported")]
pub struct UnsupportedRate {
    /// The rate.
    pub rate: u32,
}

impl Resampler {
    /// Lowest and highest rate.
    pub const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

    /// Makes a resampler from `rate`.
    ///
    /// # Errors
    /// A rate outside [`Self::RATES`].
    pub fn new(rate: u32) -> Result<Self, UnsupportedRate> {
        if !Self::RATES.contains(&rate) {
            return Err(UnsupportedRate { rate });
        }
        let kernel = (rate != SAMPLE_RATE).then(|| Kernel::shared(rate));
        let mut resampler = Self {
            rate,
            kernel,
            history: [Vec::new(), Vec::new()],
            place: Place::default(),
        };
        resampler.reset();
        Ok(resampler)
    }

    /// Makes a resampler whose rate may be changed on the way, and may be any.
    pub(crate) fn varispeed(rate: u32) -> Self {
        let mut resampler = Self {
            rate,
            kernel: (rate != SAMPLE_RATE).then(|| Kernel::shared(rate)),
            history: [Vec::new(), Vec::new()],
            place: Place::default(),
        };
        resampler.reset();
        resampler
    }

    /// Changes the rate from the next output sample on. `past` is what was processed last, for when
    /// nothing was converted so far. What is held is appended to `out` unchanged if nothing is to
    /// be converted any more.
    ///
    /// Allocates, and computes for up to a millisecond.
    pub(crate) fn retune(&mut self, rate: u32, past: &[f32], out: &mut Vec<f32>) {
        if rate == self.rate {
            return;
        }
        let kernel = (rate != SAMPLE_RATE).then(|| Kernel::shared(rate));
        let half = |kernel: &Kernel| kernel.taps() / 2 - 1;
        // Where the next output sample lies, after all that is past.
        let mut centre = if let Some(kernel) = self.kernel.as_deref() {
            (self.place.at + half(kernel)).min(self.history[0].len())
        } else {
            for (side, channel) in self.history.iter_mut().enumerate() {
                channel.clear();
                channel.extend(past.iter().skip(side).step_by(CHANNELS));
            }
            self.history[0].len()
        };
        if let Some(wanted) = kernel.as_deref().map(half) {
            for channel in &mut self.history {
                let missing = wanted.saturating_sub(centre);
                channel.resize(channel.len() + missing, 0.0);
                channel.rotate_right(missing);
            }
            centre = centre.max(wanted);
            for channel in &mut self.history {
                channel.drain(..centre - wanted);
            }
        } else {
            let [left, right] = &mut self.history;
            let rest = left[centre..].iter().zip(&right[centre..]);
            out.extend(rest.flat_map(|(left, right)| [*left, *right]));
            left.clear();
            right.clear();
        }
        (self.rate, self.kernel, self.place) = (rate, kernel, Place::default());
    }

    /// Returns how many samples of input were not heard yet.
    pub(crate) fn pending(&self) -> f64 {
        let past = self
            .kernel
            .as_ref()
            .map_or(0, |kernel| kernel.taps() / 2 - 1);
        let centre = self.place.at + past;
        self.history[0].len() as f64 - centre as f64 - self.place.fraction()
    }

    /// Returns the input's rate.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Forgets the input so far, as after a seek.
    pub fn reset(&mut self) {
        // Half a window of silence before the first sample puts it into the middle.
        let past = self
            .kernel
            .as_ref()
            .map_or(0, |kernel| kernel.taps() / 2 - 1);
        for channel in &mut self.history {
            channel.clear();
            channel.resize(past, 0.0);
        }
        self.place = Place::default();
    }

    /// Converts interleaved stereo and appends the result to `out`.
    ///
    /// Allocates only until the buffers have grown to the largest input.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        let Some(kernel) = self.kernel.clone() else {
            out.extend_from_slice(input);
            return;
        };
        for [left, right] in input.as_chunks::<CHANNELS>().0 {
            self.history[0].push(*left);
            self.history[1].push(*right);
        }
        self.run(&kernel, out);
    }

    /// Appends what is left to `out`, as if silence followed.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(kernel) = self.kernel.clone() {
            for channel in &mut self.history {
                channel.resize(channel.len() + kernel.taps() / 2, 0.0);
            }
            self.run(&kernel, out);
        }
        self.reset();
    }

    fn run(&mut self, kernel: &Kernel, out: &mut Vec<f32>) {
        let [left, right] = &self.history;
        kernel.run([left, right], &mut self.place, out);
        let used = self.place.at.min(self.history[0].len());
        for channel in &mut self.history {
            channel.drain(..used);
        }
        self.place.at -= used;
    }
}

#[cfg(test)]
mod tests;
