//! Speed without pitch, pitch without speed.
//!
//! First time is stretched by `speed ÷ pitch` ([`stretch`]), then the result is played faster by
//! `pitch × rate` through the resampler. Together that makes `speed × rate` times faster and
//! `pitch × rate` times higher.

mod stretch;

use self::stretch::Stretch;
use super::{Timescale, declick::Declick};
use crate::{
    frame::{CHANNELS, SAMPLE_RATE},
    resample::Resampler,
};

/// Changes speed and pitch of interleaved stereo at 48 kHz.
#[derive(Debug)]
pub(super) struct Timescaler {
    stretch: Stretch,
    resampler: Resampler,
    /// Between both.
    stretched: Vec<f32>,
    /// What came to the resampler last.
    past: Past,
    declick: Declick,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Here,
    /// Time is not stretched any more; what is held goes out.
    Leaving,
    Gone,
}

impl Timescaler {
    /// Begins to work on the sound after `past`.
    pub(super) fn new(scale: Timescale, past: Past) -> Self {
        let mut declick = Declick::default();
        declick.follow(past.last());
        declick.arm();
        let mut scaler = Self {
            stretch: Stretch::new(),
            resampler: Resampler::varispeed(SAMPLE_RATE),
            stretched: Vec::new(),
            past,
            declick,
            state: State::Here,
        };
        scaler.set(scale);
        scaler
    }

    /// Changes the factors; what was pushed already may still be heard with the ones before.
    pub(super) fn set(&mut self, scale: Timescale) {
        if self.state == State::Leaving {
            self.state = State::Here;
        }
        self.stretch.set_tempo(f64::from(scale.speed / scale.pitch));
        let rate = f64::from(scale.pitch * scale.rate) * f64::from(SAMPLE_RATE);
        let rate = rate.round() as u32;
        self.resampler
            .retune(rate, &self.past.0, &mut self.stretched);
    }

    /// Goes back to the original speed and pitch, and then away.
    pub(super) fn leave(&mut self) {
        self.set(Timescale::default());
        self.state = State::Leaving;
    }

    /// Whether it handed out everything that it held after [`Self::leave`].
    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Forgets all sound.
    pub(super) fn reset(&mut self) {
        self.stretch.reset();
        self.resampler.reset();
        self.stretched.clear();
    }

    /// Returns how many samples of input were not heard yet.
    pub(super) fn lag(&self) -> f64 {
        let waiting = self.resampler.pending() + (self.stretched.len() / CHANNELS) as f64;
        self.stretch.lag() + waiting * self.stretch.tempo()
    }

    /// Returns how many samples of input are heard in one sample of output.
    pub(super) fn speed(&self) -> f64 {
        self.stretch.tempo() * f64::from(self.resampler.rate()) / f64::from(SAMPLE_RATE)
    }

    /// Takes interleaved stereo and appends what comes out.
    ///
    /// Real-time: allocates only until the buffers have grown to their usual size.
    pub(super) fn process(&mut self, block: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        // What retuning left over came first.
        out.append(&mut self.stretched);
        self.stretch.push(block);
        self.stretch.pull(&mut self.stretched);
        if self.state == State::Leaving && self.stretch.is_exact() {
            self.stretch.drain(&mut self.stretched);
            self.state = State::Gone;
        }
        self.resampler.process(&self.stretched, out);
        self.past.push(&self.stretched);
        self.stretched.clear();
        self.declick.process(&mut out[start..]);
    }
}

/// The last few samples, as many as half the longest filter needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Past(Vec<f32>);

impl Past {
    const VALUES: usize = 160 * CHANNELS;

    /// Real-time: allocates only the first times.
    pub(super) fn push(&mut self, block: &[f32]) {
        let new = &block[block.len().saturating_sub(Self::VALUES)..];
        let keep = Self::VALUES - new.len();
        self.0.drain(..self.0.len().saturating_sub(keep));
        self.0.extend_from_slice(new);
    }

    fn last(&self) -> [f32; CHANNELS] {
        self.0.last_chunk().copied().unwrap_or_default()
    }
}
