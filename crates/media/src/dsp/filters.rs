//! Which filters are set, as plain data.
//!
//! The names, defaults and formulas are those of Lavalink v4, so that a set can be taken from its
//! `filters` object field by field.

/// All filters of a player. What is `None` does nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilterSet {
    /// Linear gain, 0.0..=5.0. Within 2 % of 1.0 it does nothing.
    pub volume: Option<f32>,
    /// Gains of the 15 bands of [`BANDS_HZ`], −0.25 (mute) ..= 1.0; 0.0 is flat, 0.25 doubles.
    pub equalizer: Option<[f32; BANDS]>,
    /// Removes what is in the middle.
    pub karaoke: Option<Karaoke>,
    /// Speed and pitch.
    pub timescale: Option<Timescale>,
    /// Wavering loudness.
    pub tremolo: Option<Tremolo>,
    /// Wavering pitch.
    pub vibrato: Option<Vibrato>,
    /// Turns around the head.
    pub rotation: Option<Rotation>,
    /// A product of three bent functions.
    pub distortion: Option<Distortion>,
    /// Mixes left and right.
    pub channel_mix: Option<ChannelMix>,
    /// Takes the highs away.
    pub low_pass: Option<LowPass>,
}

/// How many bands the equalizer has.
pub const BANDS: usize = 15;

/// Centre frequencies of the equalizer's bands, in Hz.
pub const BANDS_HZ: [f32; BANDS] = [
    25.0, 40.0, 63.0, 100.0, 160.0, 250.0, 400.0, 630.0, 1_000.0, 1_600.0, 2_500.0, 4_000.0,
    6_300.0, 10_000.0, 16_000.0,
];

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $default:expr),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: f32,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }
    )+};
}

parameters! {
    /// Removes what is in the middle, except for a band of the sum of both sides.
    Karaoke {
        /// How much of the other side is subtracted, 0.0..=1.0; 0.0 does nothing.
        level = 1.0,
        /// How much of the band is added, 0.0..=1.0.
        mono_level = 1.0,
        /// Centre of the band in Hz, above 0 and below 24,000.
        filter_band = 220.0,
        /// Width of the band in Hz, above 0 and at most 24,000.
        filter_width = 100.0,
    }
    /// Speed and pitch; what several of them change is multiplied. Each 0.1..=10.0, and neither
    /// `speed × rate`, nor `pitch × rate`, nor `speed ÷ pitch` may leave 0.1..=10.0.
    Timescale {
        /// Speed at the same pitch.
        speed = 1.0,
        /// Pitch at the same speed.
        pitch = 1.0,
        /// Both together.
        rate = 1.0,
    }
    /// Wavering loudness.
    Tremolo {
        /// Hz, above 0 and at most 24,000.
        frequency = 2.0,
        /// 0.0..=1.0; 0.0 does nothing.
        depth = 0.5,
    }
    /// Wavering pitch.
    Vibrato {
        /// Hz, above 0 and at most 14.
        frequency = 2.0,
        /// 0.0..=1.0; 0.0 does nothing.
        depth = 0.5,
    }
    /// Turns around the head.
    Rotation {
        /// Turns per second, −24,000.0..=24,000.0; 0.0 does nothing.
        hz = 0.0,
    }
    /// A product of three functions of the signal, each any finite number.
    Distortion {
        /// Added to the sine.
        sin_offset = 0.0,
        /// Multiplies the signal before the sine.
        sin_scale = 1.0,
        /// Added to the cosine.
        cos_offset = 0.0,
        /// Multiplies the signal before the cosine.
        cos_scale = 1.0,
        /// Added to the tangent.
        tan_offset = 0.0,
        /// Multiplies the signal before the tangent.
        tan_scale = 1.0,
        /// Added to the scaled product.
        offset = 0.0,
        /// Multiplies the product.
        scale = 1.0,
    }
    /// Mixes left and right; each 0.0..=1.0.
    ChannelMix {
        /// Left to left.
        left_to_left = 1.0,
        /// Left to right.
        left_to_right = 0.0,
        /// Right to left.
        right_to_left = 0.0,
        /// Right to right.
        right_to_right = 1.0,
    }
    /// Takes the highs away.
    LowPass {
        /// Any finite number; at most 1.0 does nothing.
        smoothing = 20.0,
    }
}

/// A parameter is out of range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("filter `{filter}`: {field} is {value}, but must be {range}")]
pub struct FilterError {
    /// The filter's name as in Lavalink's JSON.
    pub filter: &'static str,
    /// The parameter's name as in Lavalink's JSON.
    pub field: &'static str,
    /// What was given.
    pub value: f32,
    /// What is possible.
    pub range: &'static str,
}

impl FilterSet {
    /// Whether the sound stays as it is.
    pub fn is_neutral(&self) -> bool {
        self.active() == Self::default()
    }

    /// Returns the set without the filters that do nothing.
    pub(super) fn active(&self) -> Self {
        Self {
            volume: self.volume.filter(|gain| (gain - 1.0).abs() > 0.02),
            equalizer: self
                .equalizer
                .filter(|gains| gains.iter().any(|gain| *gain != 0.0)),
            karaoke: self.karaoke.filter(|karaoke| karaoke.level != 0.0),
            timescale: self
                .timescale
                .filter(|scale| *scale != Timescale::default()),
            tremolo: self.tremolo.filter(|tremolo| tremolo.depth != 0.0),
            vibrato: self.vibrato.filter(|vibrato| vibrato.depth != 0.0),
            rotation: self.rotation.filter(|rotation| rotation.hz != 0.0),
            distortion: self
                .distortion
                .filter(|distortion| *distortion != Distortion::default()),
            channel_mix: self.channel_mix.filter(|mix| *mix != ChannelMix::default()),
            low_pass: self.low_pass.filter(|low_pass| low_pass.smoothing > 1.0),
        }
    }

    /// Says whether every parameter is in its range.
    ///
    /// # Errors
    /// The first that is not, with its range.
    pub fn check(&self) -> Result<(), FilterError> {
        if let Some(gain) = self.volume {
            within("volume", "volume", gain, 0.0..=5.0, "0.0 to 5.0")?;
        }
        for gain in self.equalizer.iter().flatten() {
            within("equalizer", "gain", *gain, -0.25..=1.0, "-0.25 to 1.0")?;
        }
        if let Some(karaoke) = self.karaoke {
            within("karaoke", "level", karaoke.level, 0.0..=1.0, UNIT)?;
            within("karaoke", "monoLevel", karaoke.mono_level, 0.0..=1.0, UNIT)?;
            let band = karaoke.filter_band;
            let range = "greater than 0 and less than 24000";
            require(
                "karaoke",
                "filterBand",
                band,
                band > 0.0 && band < NYQUIST,
                range,
            )?;
            let width = karaoke.filter_width;
            let range = "greater than 0 and at most 24000";
            require(
                "karaoke",
                "filterWidth",
                width,
                width > 0.0 && width <= NYQUIST,
                range,
            )?;
        }
        if let Some(Timescale { speed, pitch, rate }) = self.timescale {
            for (field, value) in [
                ("speed", speed),
                ("pitch", pitch),
                ("rate", rate),
                ("speed × rate", speed * rate),
                ("pitch × rate", pitch * rate),
                ("speed ÷ pitch", speed / pitch),
            ] {
                // A product of decimal fractions may miss the limit by a rounding.
                let range = 0.099_999..=10.000_01;
                within("timescale", field, value, range, "0.1 to 10.0")?;
            }
        }
        if let Some(tremolo) = self.tremolo {
            within("tremolo", "depth", tremolo.depth, 0.0..=1.0, UNIT)?;
            let frequency = tremolo.frequency;
            let right = frequency > 0.0 && frequency <= NYQUIST;
            let range = "greater than 0 and at most 24000";
            require("tremolo", "frequency", frequency, right, range)?;
        }
        if let Some(vibrato) = self.vibrato {
            within("vibrato", "depth", vibrato.depth, 0.0..=1.0, UNIT)?;
            let frequency = vibrato.frequency;
            let right = frequency > 0.0 && frequency <= 14.0;
            let range = "greater than 0 and at most 14";
            require("vibrato", "frequency", frequency, right, range)?;
        }
        if let Some(Rotation { hz }) = self.rotation {
            let range = -NYQUIST..=NYQUIST;
            within("rotation", "rotationHz", hz, range, "-24000 to 24000")?;
        }
        if let Some(it) = self.distortion {
            for (field, value) in [
                ("sinOffset", it.sin_offset),
                ("sinScale", it.sin_scale),
                ("cosOffset", it.cos_offset),
                ("cosScale", it.cos_scale),
                ("tanOffset", it.tan_offset),
                ("tanScale", it.tan_scale),
                ("offset", it.offset),
                ("scale", it.scale),
            ] {
                require("distortion", field, value, value.is_finite(), FINITE)?;
            }
        }
        if let Some(mix) = self.channel_mix {
            for (field, value) in [
                ("leftToLeft", mix.left_to_left),
                ("leftToRight", mix.left_to_right),
                ("rightToLeft", mix.right_to_left),
                ("rightToRight", mix.right_to_right),
            ] {
                within("channelMix", field, value, 0.0..=1.0, UNIT)?;
            }
        }
        if let Some(LowPass { smoothing }) = self.low_pass {
            require(
                "lowPass",
                "smoothing",
                smoothing,
                smoothing.is_finite(),
                FINITE,
            )?;
        }
        Ok(())
    }
}

fn within(
    filter: &'static str,
    field: &'static str,
    value: f32,
    limits: std::ops::RangeInclusive<f32>,
    range: &'static str,
) -> Result<(), FilterError> {
    // Not a number is in no range.
    require(filter, field, value, limits.contains(&value), range)
}

fn require(
    filter: &'static str,
    field: &'static str,
    value: f32,
    right: bool,
    range: &'static str,
) -> Result<(), FilterError> {
    right.then_some(()).ok_or(FilterError {
        filter,
        field,
        value,
        range,
    })
}

const NYQUIST: f32 = 24_000.0;
const UNIT: &str = "0.0 to 1.0";
const FINITE: &str = "a finite number";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_do_nothing_are_neutral() {
        let neutral = FilterSet {
            volume: Some(1.01),
            equalizer: Some([0.0; BANDS]),
            karaoke: Some(Karaoke {
                level: 0.0,
                ..Karaoke::default()
            }),
            timescale: Some(Timescale::default()),
            tremolo: Some(Tremolo {
                depth: 0.0,
                frequency: 2.0,
            }),
            vibrato: Some(Vibrato {
                depth: 0.0,
                frequency: 2.0,
            }),
            rotation: Some(Rotation::default()),
            distortion: Some(Distortion::default()),
            channel_mix: Some(ChannelMix::default()),
            low_pass: Some(LowPass { smoothing: 1.0 }),
        };
        assert!(neutral.is_neutral() && neutral.check().is_ok());
        let one = |change: fn(&mut FilterSet)| {
            let mut set = neutral.clone();
            change(&mut set);
            assert!(!set.is_neutral() && set.check().is_ok(), "{set:?}");
        };
        one(|set| set.volume = Some(0.97));
        one(|set| set.equalizer = Some([0.1; BANDS]));
        one(|set| set.karaoke = Some(Karaoke::default()));
        one(|set| set.tremolo = Some(Tremolo::default()));
        one(|set| set.vibrato = Some(Vibrato::default()));
        one(|set| set.rotation = Some(Rotation { hz: 0.2 }));
        one(|set| set.low_pass = Some(LowPass::default()));
        one(|set| {
            set.timescale = Some(Timescale {
                speed: 10.0,
                ..Timescale::default()
            });
        });
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_range() {
        let refused = |change: &dyn Fn(&mut FilterSet)| {
            let mut set = FilterSet::default();
            change(&mut set);
            set.check().expect_err("out of range").to_string()
        };
        let messages = [
            refused(&|set| set.volume = Some(5.1)),
            refused(&|set| set.volume = Some(f32::NAN)),
            refused(&|set| set.equalizer = Some([2.0; BANDS])),
            refused(&|set| {
                set.tremolo = Some(Tremolo {
                    frequency: 0.0,
                    depth: 0.5,
                });
            }),
            refused(&|set| {
                set.vibrato = Some(Vibrato {
                    frequency: 14.5,
                    depth: 0.5,
                });
            }),
            refused(&|set| {
                set.timescale = Some(Timescale {
                    speed: 8.0,
                    pitch: 1.0,
                    rate: 2.0,
                });
            }),
            refused(&|set| {
                set.low_pass = Some(LowPass {
                    smoothing: f32::INFINITY,
                });
            }),
        ];
        assert_eq!(
            messages,
            [
                "filter `volume`: volume is 5.1, but must be 0.0 to 5.0",
                "filter `volume`: volume is NaN, but must be 0.0 to 5.0",
                "filter `equalizer`: gain is 2, but must be -0.25 to 1.0",
                "filter `tremolo`: frequency is 0, but must be greater than 0 and at most 24000",
                "filter `vibrato`: frequency is 14.5, but must be greater than 0 and at most 14",
                "filter `timescale`: speed × rate is 16, but must be 0.1 to 10.0",
                "filter `lowPass`: smoothing is inf, but must be a finite number",
            ]
        );
    }
}
