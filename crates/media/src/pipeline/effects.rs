//! What a player's sound is to be like.

use std::sync::Arc;

use crate::dsp::FilterSet;

/// Everything that changes a player's sound. Plain data: compare it, share it, swap it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// Linear gain, 0.0..=10.0; 1.0 is unchanged.
    pub gain: f32,
    /// The filters. Check them ([`FilterSet::check`]) before they come here; what is out of range
    /// does nothing.
    pub filters: Arc<FilterSet>,
    /// Brings every track to the same loudness, if set.
    pub loudness: Option<Loudness>,
}

/// To what loudness tracks are brought (EBU R 128, ITU-R BS.1770-4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loudness {
    /// Integrated loudness in LUFS, −40.0..=−5.0.
    pub target_lufs: f32,
    /// How much louder a track may be made at most, in dB, 0.0..=30.0.
    pub max_gain_db: f32,
}

impl Default for Loudness {
    /// −14 LUFS, at most 12 dB louder.
    fn default() -> Self {
        Self {
            target_lufs: -14.0,
            max_gain_db: 12.0,
        }
    }
}

impl Effects {
    /// Returns the same, without numbers that are none.
    pub(super) fn sane(&self) -> Self {
        let number = |value: f32, other: f32| if value.is_nan() { other } else { value };
        let usual = Loudness::default();
        Self {
            gain: number(self.gain, 1.0).clamp(0.0, 10.0),
            filters: Arc::clone(&self.filters),
            loudness: self.loudness.map(|wanted| Loudness {
                target_lufs: number(wanted.target_lufs, usual.target_lufs),
                max_gain_db: number(wanted.max_gain_db, usual.max_gain_db),
            }),
        }
    }

    /// Whether the sound stays as it is, so that Opus can be passed through.
    pub fn is_neutral(&self) -> bool {
        self.gain == 1.0 && self.loudness.is_none() && self.filters.is_neutral()
    }
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            gain: 1.0,
            filters: Arc::default(),
            loudness: None,
        }
    }
}

/// How one track goes over into the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transition {
    /// For how long both are heard, in milliseconds, 0..=12,000; more counts as 12,000. At 0 the
    /// next begins with the sample after the last (gapless).
    pub crossfade_ms: u32,
}

impl Transition {
    /// Longest crossfade in milliseconds.
    pub const MAX_MS: u32 = 12_000;
}

/// A slow change of the whole deck's loudness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fade {
    /// Linear gain at the end, 0.0..=1.0.
    pub to: f32,
    /// How long it takes, in milliseconds, 0..=60,000.
    pub ms: u32,
}

/// How music makes room for an overlay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Duck {
    /// Gain of the music meanwhile, in dB, −60.0..=0.0.
    pub gain_db: f32,
    /// How long going down and coming back take, each, in milliseconds, 0..=5,000.
    pub fade_ms: u32,
}

impl Default for Duck {
    /// 12 dB softer within 200 ms.
    fn default() -> Self {
        Self {
            gain_db: -12.0,
            fade_ms: 200,
        }
    }
}
