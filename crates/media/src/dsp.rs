//! Changes to the signal.

mod declick;
mod equalizer;
mod filters;
mod karaoke;
mod limiter;
mod loudness;
mod plain;
mod rack;
mod ramp;
mod timescale;
mod vibrato;
mod wave;

pub(crate) use declick::Declick;
pub use filters::{
    BANDS, BANDS_HZ, ChannelMix, Distortion, FilterError, FilterSet, Karaoke, LowPass, Rotation,
    Timescale, Tremolo, Vibrato,
};
pub use limiter::Limiter;
pub use loudness::Meter;
pub use rack::Rack;
pub use ramp::Ramp;

use crate::frame::CHANNELS;

/// Makes louder or softer, without clicks and without hard clipping.
///
/// A change is spread over the next block. Up to 100 % the signal is only multiplied. Above, what
/// would exceed 0.8 is bent smoothly so that it never exceeds 1.0; what stays below 0.8 is
/// still only multiplied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    current: f32,
    target: f32,
}

impl Volume {
    /// Highest gain: 1000 %, times 5 for the filter of the same name.
    pub const MAX_GAIN: f32 = 50.0;

    /// Begins at this gain (1.0 is unchanged), without a ramp.
    pub fn new(gain: f32) -> Self {
        let gain = valid(gain);
        Self {
            current: gain,
            target: gain,
        }
    }

    /// Returns the gain that is heard, or being approached.
    pub fn gain(self) -> f32 {
        self.target
    }

    /// Changes the gain; values outside 0.0..=[`Self::MAX_GAIN`] are brought inside.
    pub fn set_gain(&mut self, gain: f32) {
        self.target = valid(gain);
    }

    /// Changes the gain in percent, 0..=1000.
    pub fn set_percent(&mut self, percent: u16) {
        self.set_gain(f32::from(percent.min(1000)) / 100.0);
    }

    /// Whether nothing would be changed.
    pub fn is_unity(self) -> bool {
        self.current == 1.0 && self.target == 1.0
    }

    /// Changes a block of interleaved stereo. Real-time: never allocates.
    pub fn apply(&mut self, values: &mut [f32]) {
        if self.is_unity() {
            return;
        }
        if self.current == self.target {
            let gain = self.target;
            for value in values.iter_mut() {
                *value *= gain;
            }
        } else {
            let samples = (values.len() / CHANNELS).max(1);
            let step = (self.target - self.current) / samples as f32;
            for (index, sample) in values.chunks_mut(CHANNELS).enumerate() {
                let gain = self.current + step * (index + 1) as f32;
                for value in sample {
                    *value *= gain;
                }
            }
        }
        if self.current > 1.0 || self.target > 1.0 {
            for value in values.iter_mut() {
                *value = limited(*value);
            }
        }
        self.current = self.target;
    }
}

impl Default for Volume {
    fn default() -> Self {
        Self::new(1.0)
    }
}

fn valid(gain: f32) -> f32 {
    if gain.is_finite() {
        gain.clamp(0.0, Volume::MAX_GAIN)
    } else {
        1.0
    }
}

/// Leaves what is below the knee, bends what is above towards 1.0.
fn limited(value: f32) -> f32 {
    const KNEE: f32 = 0.8;
    let excess = value.abs() - KNEE;
    if excess <= 0.0 {
        return value;
    }
    let room = 1.0 - KNEE;
    (KNEE + room * (excess / room).tanh()).copysign(value)
}

/// Makes this thread treat denormal numbers as zero, on x86-64 and AArch64; elsewhere does nothing.
///
/// Filters whose input went silent compute with ever smaller numbers, which costs up to 70 times
/// as much as normal ones. Call once on every thread that processes sound.
pub fn flush_denormals() {
    #[cfg(target_arch = "x86_64")]
    {
        let mut control = 0_u32;
        // SAFETY: stmxcsr writes four bytes to a valid, aligned place; SSE is part of x86-64.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags));
        }
        control |= 1 << 15 | 1 << 6;
        // SAFETY: only flush-to-zero and denormals-are-zero are added to a valid control word;
        // rounding and exception masks, on which compiled code relies, stay as they are.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let mut control: u64;
        // SAFETY: reads this thread's floating-point control register and nothing else.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags));
        }
        control |= 1 << 24;
        // SAFETY: only flush-to-zero, which covers inputs as well, is added to a valid control
        // word; rounding and traps stay as they are.
        unsafe {
            std::arch::asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack, preserves_flags));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unity_changes_no_bit() {
        let mut values: Vec<f32> = (0..100)
            .map(|value| (value as f32 / 10.0).sin() * 3.0)
            .collect();
        let before = values.clone();
        Volume::new(1.0).apply(&mut values);
        assert_eq!(values, before);
    }

    #[test]
    fn a_change_is_a_ramp_over_one_block() {
        let mut volume = Volume::new(1.0);
        volume.set_percent(0);
        let mut values = [1.0; 200];
        volume.apply(&mut values);
        let steps: Vec<f32> = values.chunks(2).map(|sample| sample[0]).collect();
        assert!(
            steps
                .windows(2)
                .all(|pair| pair[0] > pair[1] && pair[0] - pair[1] < 0.011)
        );
        assert!(values[199].abs() < 1e-6);
        let mut values = [1.0; 200];
        volume.apply(&mut values);
        assert_eq!(values, [0.0; 200]);
    }

    #[test]
    fn loud_is_bent_and_soft_is_only_multiplied() {
        let mut volume = Volume::new(10.0);
        let mut values = [0.05, -0.05, 0.5, -0.5, 5.0, -5.0];
        volume.apply(&mut values);
        assert_eq!(values[..2], [0.5, -0.5]);
        assert!(
            values[2..]
                .iter()
                .all(|value| (0.8..=1.0).contains(&value.abs())),
            "{values:?}"
        );
        let mut last = 0.0;
        for index in 0..2000 {
            let value = limited(index as f32 / 1000.0);
            assert!(value >= last && value <= 1.0, "never falls, never clips");
            last = value;
        }
    }

    #[test]
    fn nonsense_is_brought_inside() {
        let mut volume = Volume::new(f32::NAN);
        assert_eq!(volume.gain(), 1.0);
        volume.set_gain(-3.0);
        assert_eq!(volume.gain(), 0.0);
        volume.set_percent(u16::MAX);
        assert_eq!(volume.gain(), 10.0);
        volume.set_gain(1e9);
        assert_eq!(volume.gain(), Volume::MAX_GAIN);
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn denormals_become_zero_on_the_thread_that_asked() {
        let tiny = std::hint::black_box(f32::MIN_POSITIVE);
        assert!(tiny * std::hint::black_box(0.5) > 0.0);
        flush_denormals();
        assert_eq!(tiny * std::hint::black_box(0.5), 0.0);
    }
}
