//! Nothing is louder than full scale, not even between samples.

use crate::frame::CHANNELS;

/// Lowers the gain around peaks, smoothly and ahead of them.
///
/// Stays at or below [`Limiter::CEILING`] by true peak (ITU-R BS.1770-4, annex 2: four times
/// oversampled). The gain is the lowest one that any of the next [`Limiter::AHEAD`] samples
/// demands, averaged over as many; it comes back by 40 dB a second. What is softer is not changed
/// by a bit.
#[derive(Clone, Debug)]
pub struct Limiter {
    /// Held gains of the last `AHEAD` samples, a ring.
    held: [f32; Limiter::AHEAD],
    next: usize,
    sum: f64,
    /// The last held gain.
    hold: f32,
    busy: bool,
    /// Lowest gains demanded, to find the minimum of a window.
    demands: Vec<f32>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            held: [1.0; Self::AHEAD],
            next: 0,
            sum: Self::AHEAD as f64,
            hold: 1.0,
            busy: false,
            demands: Vec::new(),
        }
    }
}

impl Limiter {
    /// How many samples it has to see ahead, and [`Self::MARGIN`] more: 1.5 ms.
    pub const AHEAD: usize = 72;

    /// Samples that the interpolation between samples needs.
    pub const MARGIN: usize = 6;

    /// −1 dB.
    pub const CEILING: f32 = 0.891_25;

    /// Whether it does anything at the moment.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Limits the first `samples` samples of interleaved stereo; behind them there have to be
    /// [`Self::AHEAD`] and [`Self::MARGIN`] more, which are only looked at.
    ///
    /// Real-time: allocates only the first time.
    pub fn apply(&mut self, values: &mut [f32], samples: usize) {
        debug_assert!(values.len() >= (samples + Self::AHEAD + Self::MARGIN) * CHANNELS);
        let window = &values[..(samples + Self::AHEAD + Self::MARGIN) * CHANNELS];
        let loudest = window
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        // Between samples, music is hardly ever more than 3 dB louder than at them.
        if loudest < Self::CEILING * 0.6 && !self.busy {
            return;
        }
        self.demand(window, samples + Self::AHEAD);
        self.busy = false;
        for index in 0..samples {
            let ahead = &self.demands[index..=index + Self::AHEAD];
            // The minimum is searched for only where there is anything to find.
            let least = if self.demands[index + Self::AHEAD] < self.hold || self.hold < 1.0 {
                ahead.iter().copied().fold(1.0, f32::min)
            } else {
                1.0
            };
            self.hold = least.min(self.hold * RELEASE).min(1.0);
            self.sum += f64::from(self.hold) - f64::from(self.held[self.next]);
            self.held[self.next] = self.hold;
            self.next = (self.next + 1) % Self::AHEAD;
            let gain = (self.sum / Self::AHEAD as f64) as f32;
            if gain < 0.999_999 {
                self.busy = true;
                for value in &mut values[index * CHANNELS..][..CHANNELS] {
                    *value *= gain;
                }
            }
        }
        if !self.busy && self.hold == 1.0 {
            *self = Self {
                demands: std::mem::take(&mut self.demands),
                ..Self::default()
            };
        }
    }

    /// Notes which gain each sample demands.
    fn demand(&mut self, values: &[f32], samples: usize) {
        self.demands.clear();
        for index in 0..samples {
            let mut peak = 0.0_f32;
            for channel in 0..CHANNELS {
                let at = |offset: usize| values[(index + offset) * CHANNELS + channel];
                peak = peak.max(at(0).abs());
                let near = at(0).abs().max(at(1).abs());
                if near > Self::CEILING * 0.6 {
                    peak = peak.max(between(|tap| {
                        (index + tap)
                            .checked_sub(Self::MARGIN - 1)
                            .map_or(0.0, |place| values[place * CHANNELS + channel])
                    }));
                }
            }
            let demand = if peak > Self::CEILING {
                Self::CEILING / peak
            } else {
                1.0
            };
            self.demands.push(demand);
        }
    }
}

/// Returns the loudest value at a quarter, a half and three quarters between the two samples in
/// the middle of twelve.
fn between(tap: impl Fn(usize) -> f32) -> f32 {
    INTERPOLATION.iter().fold(0.0, |most, weights| {
        let sum: f32 = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| weight * tap(index))
            .sum();
        most.max(sum.abs())
    })
}

/// Windowed sincs (Blackman) at 1/4, 1/2, 3/4.
static INTERPOLATION: std::sync::LazyLock<[[f32; 12]; 3]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|phase| {
        let shift = (phase + 1) as f64 / 4.0;
        let weights: [f64; 12] = std::array::from_fn(|tap| {
            let x = tap as f64 - 5.0 - shift;
            let turn = std::f64::consts::PI * x / 6.5;
            let window = 0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            let angle = std::f64::consts::PI * x;
            angle.sin() / angle * window
        });
        let sum: f64 = weights.iter().sum();
        weights.map(|weight| (weight / sum) as f32)
    })
});

/// Per sample; 40 dB a second.
const RELEASE: f32 = 1.000_096;

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn limited(input: &[f32]) -> Vec<f32> {
        let (mut limiter, mut out, mut at) = (Limiter::default(), Vec::new(), 0);
        let mut values = input.to_vec();
        while let Some(window) =
            values.get_mut(at..at + (960 + Limiter::AHEAD + Limiter::MARGIN) * CHANNELS)
        {
            limiter.apply(window, 960);
            out.extend_from_slice(&window[..960 * CHANNELS]);
            at += 960 * CHANNELS;
        }
        out
    }

    #[test]
    fn peaks_stay_below_the_ceiling_even_between_samples() {
        for (hz, level) in [(997.0, 4.0), (12_000.0, 1.2), (11_025.0, 2.0), (60.0, 1.5)] {
            let tone: Vec<f32> = (0..96_000)
                .map(|index| {
                    let loud = if index / 19_200 % 2 == 0 { 0.1 } else { level };
                    ((TAU * hz * f64::from(index / 2) / 48_000.0 + 0.8).sin() * loud) as f32
                })
                .collect();
            let out = limited(&tone);
            // Eight times oversampled by a long sinc, apart from both ends.
            let left: Vec<f64> = out.chunks(2).map(|it| f64::from(it[0])).collect();
            let mut peak = 0.0_f64;
            for index in (100..left.len() - 100).step_by(3) {
                for part in 0..8 {
                    let sum: f64 = (0..64)
                        .map(|tap| {
                            let x = f64::from(tap) - 31.0 - f64::from(part) / 8.0;
                            let window = 0.5 + 0.5 * (TAU / 2.0 * x / 33.0).cos();
                            let sinc = if x == 0.0 {
                                1.0
                            } else {
                                (TAU / 2.0 * x).sin() / (TAU / 2.0 * x)
                            };
                            left[index + tap as usize - 31] * sinc * window
                        })
                        .sum();
                    peak = peak.max(sum.abs());
                }
            }
            println!("{hz} Hz by {level}: {peak}");
            assert!(peak < 0.95, "{hz} Hz by {level}: {peak}");
        }
    }

    #[test]
    fn what_is_soft_stays_as_it_is() {
        let tone: Vec<f32> = (0..20_000)
            .map(|index| (index as f32 * 0.1).sin() * 0.5)
            .collect();
        let out = limited(&tone);
        assert_eq!(out, tone[..out.len()]);
    }
}
