//! All filters of a player, one behind the other.

use super::{
    FilterSet,
    equalizer::EqualizerFilter,
    karaoke::KaraokeFilter,
    plain,
    timescale::{Past, Timescaler},
    vibrato::VibratoFilter,
};
use crate::frame::CHANNELS;

/// Does to sound what a [`FilterSet`] says.
///
/// The order is that of Lavalink 4.2: low-pass, channel mix, rotation, distortion, vibrato,
/// tremolo, timescale, karaoke, equalizer, volume. A new set is heard from the next block on:
/// filters that stay keep their state, and old and new sound are cross-faded over
/// [`Rack::CROSSFADE`] samples, so that no change clicks.
///
/// Takes about 4 KiB; with a timescale some 200 KiB more.
#[derive(Debug, Default)]
pub struct Rack {
    set: FilterSet,
    /// Came while the change before was still being cross-faded.
    pending: Option<FilterSet>,
    front: Faded<Front>,
    timescale: Option<Box<Timescaler>>,
    back: Faded<Back>,
    /// What the timescale handed out.
    stretched: Vec<f32>,
    /// What went past the place of the timescale last.
    past: Past,
}

impl Rack {
    /// Over how many samples old and new sound are cross-faded: 10 ms.
    pub const CROSSFADE: usize = 480;

    /// Most samples in a block.
    pub const BLOCK: usize = 480;

    /// Begins without filters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes the filters. Real-time, except that a timescale that comes or changes its pitch
    /// allocates and computes for up to a millisecond.
    ///
    /// What is out of range does nothing.
    pub fn set(&mut self, set: &FilterSet) {
        let set = if set.check().is_ok() {
            set.active()
        } else {
            FilterSet::default()
        };
        if self.front.is_fading() || self.back.is_fading() {
            self.pending = Some(set);
        } else if self.set != set {
            self.change(set);
        }
    }

    fn change(&mut self, set: FilterSet) {
        self.front.change(|front| front.set(&set));
        self.back.change(|back| back.set(&set));
        match (&mut self.timescale, set.timescale) {
            (Some(scaler), Some(scale)) => scaler.set(scale),
            (None, Some(scale)) => {
                self.timescale = Some(Box::new(Timescaler::new(scale, self.past.clone())));
            }
            // It takes itself away once it has handed out what it holds.
            (Some(scaler), None) => scaler.leave(),
            (None, None) => {}
        }
        self.set = set;
    }

    /// Whether what comes in goes out unchanged and at once.
    pub fn is_idle(&self) -> bool {
        self.pending.is_none()
            && self.set == FilterSet::default()
            && !self.front.is_fading()
            && !self.back.is_fading()
            && self.timescale.is_none()
    }

    /// Returns how many samples of input have not been heard yet.
    pub fn lag(&self) -> f64 {
        self.timescale.as_ref().map_or(0.0, |scaler| scaler.lag())
    }

    /// Returns how many samples of input are heard in one sample of output.
    pub fn speed(&self) -> f64 {
        self.timescale.as_ref().map_or(1.0, |scaler| scaler.speed())
    }

    /// Forgets all sound, as after a seek; waves (rotation, vibrato, tremolo) go on.
    pub fn reset(&mut self) {
        self.front.finish();
        self.back.finish();
        self.front.now.reset();
        self.back.now.reset();
        if let Some(scaler) = &mut self.timescale {
            scaler.reset();
        }
        if let Some(set) = self.pending.take() {
            self.change(set);
            self.front.finish();
            self.back.finish();
        }
        if self.set.timescale.is_none() {
            self.timescale = None;
        }
    }

    /// Turns the waves back, as they were some samples of input ago.
    pub fn turn_back(&mut self, samples: u64) {
        self.front.now.turn_back(samples);
    }

    /// Filters a block of interleaved stereo, at most [`Self::BLOCK`] samples, and appends what
    /// comes out. `block` is overwritten.
    ///
    /// Real-time: allocates only until `out` and the timescale have grown to their usual size.
    pub fn process(&mut self, block: &mut [f32], out: &mut Vec<f32>) {
        self.front.process(block);
        let Some(scaler) = &mut self.timescale else {
            self.past.push(block);
            self.back.process(block);
            out.extend_from_slice(block);
            self.settle();
            return;
        };
        self.stretched.clear();
        scaler.process(block, &mut self.stretched);
        if scaler.is_gone() {
            self.timescale = None;
        }
        for block in self.stretched.chunks_mut(Self::BLOCK * CHANNELS) {
            self.back.process(block);
        }
        out.extend_from_slice(&self.stretched);
        self.settle();
    }

    fn settle(&mut self) {
        if self.pending.is_some() && !self.front.is_fading() && !self.back.is_fading() {
            let set = self.pending.take().expect("just seen");
            self.change(set);
        }
    }
}

/// The filters before the timescale.
#[derive(Clone, Debug, Default, PartialEq)]
struct Front {
    low_pass: Option<plain::LowPassFilter>,
    mix: Option<plain::MixFilter>,
    rotation: Option<plain::RotationFilter>,
    distortion: Option<plain::DistortionFilter>,
    vibrato: Option<VibratoFilter>,
    tremolo: Option<plain::TremoloFilter>,
}

/// The filters behind it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Back {
    karaoke: Option<KaraokeFilter>,
    equalizer: Option<EqualizerFilter>,
    volume: Option<f32>,
}

/// Filters that work in place.
trait Filters: Clone + PartialEq {
    fn process(&mut self, block: &mut [f32]);
}

/// Replaces a filter: one that stays keeps its state.
fn replace<P, F>(
    filter: &mut Option<F>,
    wanted: Option<P>,
    new: impl FnOnce(P) -> F,
    tune: impl FnOnce(&mut F, P),
) {
    match (filter.as_mut(), wanted) {
        (Some(filter), Some(parameters)) => tune(filter, parameters),
        (None, Some(parameters)) => *filter = Some(new(parameters)),
        (_, None) => *filter = None,
    }
}

impl Front {
    fn set(&mut self, set: &FilterSet) {
        replace(
            &mut self.low_pass,
            set.low_pass,
            plain::LowPassFilter::new,
            plain::LowPassFilter::tune,
        );
        self.mix = set.channel_mix.map(plain::MixFilter);
        replace(
            &mut self.rotation,
            set.rotation,
            plain::RotationFilter::new,
            plain::RotationFilter::tune,
        );
        self.distortion = set.distortion.map(plain::DistortionFilter);
        replace(
            &mut self.vibrato,
            set.vibrato,
            VibratoFilter::new,
            VibratoFilter::tune,
        );
        replace(
            &mut self.tremolo,
            set.tremolo,
            plain::TremoloFilter::new,
            plain::TremoloFilter::tune,
        );
    }

    fn reset(&mut self) {
        if let Some(filter) = &mut self.low_pass {
            filter.reset();
        }
        if let Some(filter) = &mut self.vibrato {
            filter.reset();
        }
    }

    fn turn_back(&mut self, samples: u64) {
        let waves = [
            self.rotation.as_mut().map(plain::RotationFilter::wave),
            self.vibrato.as_mut().map(VibratoFilter::wave),
            self.tremolo.as_mut().map(plain::TremoloFilter::wave),
        ];
        for wave in waves.into_iter().flatten() {
            wave.turn_back(samples);
        }
    }
}

impl Filters for Front {
    fn process(&mut self, block: &mut [f32]) {
        if let Some(filter) = &mut self.low_pass {
            filter.process(block);
        }
        if let Some(filter) = &mut self.mix {
            filter.process(block);
        }
        if let Some(filter) = &mut self.rotation {
            filter.process(block);
        }
        if let Some(filter) = &mut self.distortion {
            filter.process(block);
        }
        if let Some(filter) = &mut self.vibrato {
            filter.process(block);
        }
        if let Some(filter) = &mut self.tremolo {
            filter.process(block);
        }
    }
}

impl Back {
    fn set(&mut self, set: &FilterSet) {
        replace(
            &mut self.karaoke,
            set.karaoke,
            KaraokeFilter::new,
            KaraokeFilter::tune,
        );
        replace(
            &mut self.equalizer,
            set.equalizer,
            EqualizerFilter::new,
            EqualizerFilter::tune,
        );
        self.volume = set.volume;
    }

    fn reset(&mut self) {
        if let Some(filter) = &mut self.karaoke {
            filter.reset();
        }
        if let Some(filter) = &mut self.equalizer {
            filter.reset();
        }
    }
}

impl Filters for Back {
    fn process(&mut self, block: &mut [f32]) {
        if let Some(filter) = &mut self.karaoke {
            filter.process(block);
        }
        if let Some(filter) = &mut self.equalizer {
            filter.process(block);
        }
        if let Some(gain) = self.volume {
            // Not clipped here: a limiter follows.
            for value in block {
                *value *= gain;
            }
        }
    }
}

/// Filters, and for a moment those that were there before.
#[derive(Debug, Default)]
struct Faded<F> {
    now: F,
    before: Option<F>,
    /// Samples of the cross-fade that are done.
    done: usize,
}

impl<F: Filters> Faded<F> {
    fn is_fading(&self) -> bool {
        self.before.is_some()
    }

    fn change(&mut self, change: impl FnOnce(&mut F)) {
        let before = self.now.clone();
        change(&mut self.now);
        if self.now != before {
            (self.before, self.done) = (Some(before), 0);
        }
    }

    fn finish(&mut self) {
        self.before = None;
    }

    fn process(&mut self, block: &mut [f32]) {
        let Some(before) = &mut self.before else {
            self.now.process(block);
            return;
        };
        let mut old = [0.0; Rack::BLOCK * CHANNELS];
        let old = &mut old[..block.len()];
        old.copy_from_slice(block);
        before.process(old);
        self.now.process(block);
        let pairs = block.chunks_exact_mut(CHANNELS);
        for (new, old) in pairs.zip(old.chunks_exact(CHANNELS)) {
            self.done = (self.done + 1).min(Rack::CROSSFADE);
            let weight = self.done as f32 / Rack::CROSSFADE as f32;
            for (new, old) in new.iter_mut().zip(old) {
                *new = old + (*new - old) * weight;
            }
        }
        if self.done == Rack::CROSSFADE {
            self.before = None;
        }
    }
}
