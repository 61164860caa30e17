//! Brings one track to a loudness.

use crate::{
    dsp::{Meter, Ramp},
    frame::{CHANNELS, SAMPLE_RATE},
    pipeline::Loudness,
};

/// Multiplies a track so that it becomes as loud as wanted.
///
/// If the track's loudness is known, by one number from its first sample on. Otherwise it is
/// measured while it plays, and the gain follows: within [`QUICK_S`] seconds quickly, later so
/// slowly that nobody notices.
#[derive(Debug, Default)]
pub(super) struct Leveler {
    meter: Option<Box<Meter>>,
    ramp: Option<Ramp>,
    gain_db: f32,
    heard: u64,
}

impl Leveler {
    /// Real-time: allocates the meter (8 KiB) with the first block only.
    pub(super) fn apply(
        &mut self,
        block: &mut [f32],
        wanted: Option<&Loudness>,
        known_lufs: Option<f32>,
    ) {
        let Some(wanted) = wanted else {
            if self.ramp.is_some() {
                self.follow(0.0, 40.0, block.len());
                self.multiply(block);
                if self.gain_db == 0.0 {
                    *self = Self::default();
                }
            }
            return;
        };
        let measured = known_lufs.or_else(|| {
            let meter = self.meter.get_or_insert_default();
            meter.push(block);
            meter.integrated()
        });
        let target = measured.map_or(self.gain_db, |lufs| {
            let limit = wanted.max_gain_db.clamp(0.0, 30.0);
            (wanted.target_lufs.clamp(-40.0, -5.0) - lufs).clamp(-40.0, limit)
        });
        if self.ramp.is_none() && known_lufs.is_some() && self.heard == 0 {
            self.gain_db = target;
            self.ramp = Some(Ramp::new(linear(target)));
        } else {
            let seconds = self.heard / u64::from(SAMPLE_RATE);
            let quick = known_lufs.is_some() || seconds < QUICK_S;
            self.follow(target, if quick { 12.0 } else { 1.0 }, block.len());
        }
        self.heard += (block.len() / CHANNELS) as u64;
        self.multiply(block);
    }

    /// Moves the gain towards `target`, in dB a second.
    fn follow(&mut self, target: f32, speed: f32, values: usize) {
        let samples = values / CHANNELS;
        let most = speed * samples as f32 / SAMPLE_RATE as f32;
        self.gain_db += (target - self.gain_db).clamp(-most, most);
        let ramp = self.ramp.get_or_insert_with(|| Ramp::new(1.0));
        ramp.set(linear(self.gain_db), samples);
    }

    fn multiply(&mut self, block: &mut [f32]) {
        if let Some(ramp) = &mut self.ramp {
            ramp.apply(block);
        }
    }
}

fn linear(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// For how many seconds the gain follows quickly.
const QUICK_S: u64 = 4;
