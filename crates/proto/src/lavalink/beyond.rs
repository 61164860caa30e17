//! What a player can do beyond Lavalink. Names and shapes are those that NodeLink uses where it
//! has them; a client that knows nothing of them sees nothing of them.

use serde::{Deserialize, Serialize};

use super::{Track, UpdateTrack};

/// How a track goes over into the one that follows (`nextTrack`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crossfade {
    /// Whether the two overlap at all; else they follow each other without a gap.
    pub enabled: bool,
    /// For how long, in milliseconds: 0..=12,000.
    pub duration: u32,
}

impl Crossfade {
    /// The longest overlap, in milliseconds.
    pub const MAX_MS: u32 = 12_000;

    /// Returns the overlap in milliseconds; 0 is none.
    pub fn ms(self) -> u32 {
        if self.enabled { self.duration } else { 0 }
    }
}

impl Default for Crossfade {
    fn default() -> Self {
        Self {
            enabled: true,
            duration: 5_000,
        }
    }
}

/// Fades at moments that would else be abrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fading {
    /// Whether any of them is done.
    pub enabled: bool,
    /// Up, when a track starts that does not follow another without a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_start: Option<Fade>,
    /// Down, when a track is stopped or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_stop: Option<Fade>,
    /// Down, before a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Fade>,
    /// Up, after a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Fade>,
}

impl Default for Fading {
    fn default() -> Self {
        Self {
            enabled: true,
            track_start: None,
            track_stop: None,
            pause: None,
            resume: None,
        }
    }
}

/// One of the fades.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fade {
    /// How long it takes, in milliseconds: 0..=10,000; 0 is none.
    pub duration: u32,
}

impl Fade {
    /// The longest fade, in milliseconds.
    pub const MAX_MS: u32 = 10_000;
}

/// Makes all tracks equally loud: `true`, `false`, or the target in LUFS (EBU R128).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoudnessNormalizer {
    /// On with the usual target, or off.
    Switch(bool),
    /// On with a target of its own.
    Target {
        /// LUFS, −40.0..=−5.0.
        target: f32,
    },
}

impl LoudnessNormalizer {
    /// The usual target in LUFS, as music services use it.
    pub const USUAL: f32 = -14.0;

    /// Returns the target in LUFS; `None` is off.
    pub fn target(self) -> Option<f32> {
        match self {
            Self::Switch(on) => on.then_some(Self::USUAL),
            Self::Target { target } => Some(target),
        }
    }
}

/// The body of `POST …/mix`: a short track over the present one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddMix {
    /// What to play.
    pub track: UpdateTrack,
    /// Its volume, 0.0..=1.0; 1.0 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<f32>,
    /// How the present track makes room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ducking: Option<Ducking>,
}

/// How the present track makes room for one over it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ducking {
    /// Whether it does.
    pub enabled: bool,
    /// How long going down and up again take, each, in milliseconds: 0..=5,000.
    pub duration: u32,
    /// The volume of the present track meanwhile, 0.0..=1.0.
    pub target_volume: f32,
}

impl Ducking {
    /// The longest way down or up, in milliseconds.
    pub const MAX_MS: u32 = 5_000;
}

impl Default for Ducking {
    fn default() -> Self {
        Self {
            enabled: true,
            duration: 500,
            target_volume: 0.3,
        }
    }
}

/// A track over the present one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Its name, for `DELETE …/mix/{id}`.
    pub id: String,
    /// What is played.
    pub track: Track,
    /// Its volume, 0.0..=1.0.
    pub volume: f32,
}

/// The answer of `GET …/mix`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mixes {
    /// Those that are heard or about to be.
    pub mixes: Vec<Mix>,
}

/// A value outside its range, in the words of an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field} must be {range}, not {value}")]
pub struct OutOfRange {
    /// The field, as a path: `fading.pause.duration`.
    pub field: &'static str,
    /// What it was.
    pub value: f64,
    /// What it may be.
    pub range: &'static str,
}

impl Crossfade {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the field that is outside its range.
    pub fn check(self) -> Result<(), OutOfRange> {
        within(
            "crossfade.duration",
            self.duration,
            Self::MAX_MS,
            "0 to 12000",
        )
    }
}

impl Fading {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the first field that is outside its range.
    pub fn check(self) -> Result<(), OutOfRange> {
        for (field, fade) in [
            ("fading.trackStart.duration", self.track_start),
            ("fading.trackStop.duration", self.track_stop),
            ("fading.pause.duration", self.pause),
            ("fading.resume.duration", self.resume),
        ] {
            let duration = fade.unwrap_or_default().duration;
            within(field, duration, Fade::MAX_MS, "0 to 10000")?;
        }
        Ok(())
    }
}

impl LoudnessNormalizer {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the field that is outside its range.
    pub fn check(self) -> Result<(), OutOfRange> {
        match self {
            Self::Target { target } if !(-40.0..=-5.0).contains(&target) => Err(OutOfRange {
                field: "loudnessNormalizer.target",
                value: target.into(),
                range: "-40.0 to -5.0 LUFS",
            }),
            _ => Ok(()),
        }
    }
}

impl AddMix {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the first field that is outside its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let share = |field, value: f32| {
            let fits = (0.0..=1.0).contains(&value);
            fits.then_some(()).ok_or(OutOfRange {
                field,
                value: value.into(),
                range: "0.0 to 1.0",
            })
        };
        share("volume", self.volume.unwrap_or(1.0))?;
        let ducking = self.ducking.unwrap_or_default();
        share("ducking.targetVolume", ducking.target_volume)?;
        within(
            "ducking.duration",
            ducking.duration,
            Ducking::MAX_MS,
            "0 to 5000",
        )
    }
}

fn within(
    field: &'static str,
    value: u32,
    max: u32,
    range: &'static str,
) -> Result<(), OutOfRange> {
    let fits = value <= max;
    fits.then_some(()).ok_or(OutOfRange {
        field,
        value: value.into(),
        range,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let crossfade: Crossfade = serde_json::from_value(json!({})).expect("reads");
        assert_eq!(crossfade.ms(), 5_000);
        let off: Crossfade =
            serde_json::from_value(json!({"enabled": false, "duration": 9_000})).expect("reads");
        assert_eq!(off.ms(), 0);
        let fading: Fading =
            serde_json::from_value(json!({"pause": {"duration": 300}, "seek": {"duration": 1}}))
                .expect("reads, also what is not known");
        assert!(fading.enabled);
        assert_eq!(fading.pause, Some(Fade { duration: 300 }));
        assert_eq!(
            serde_json::to_value(fading).expect("writes"),
            json!({"enabled": true, "pause": {"duration": 300}})
        );
        let ducking: Ducking = serde_json::from_value(json!({})).expect("reads");
        assert_eq!((ducking.duration, ducking.target_volume), (500, 0.3));
    }

    #[test]
    fn loudness_is_a_switch_or_a_target() {
        for (json, target) in [
            (json!(true), Some(-14.0)),
            (json!(false), None),
            (json!({"target": -20.5}), Some(-20.5)),
        ] {
            let loudness: LoudnessNormalizer = serde_json::from_value(json.clone()).expect("reads");
            assert_eq!(loudness.target(), target);
            assert_eq!(serde_json::to_value(loudness).expect("writes"), json);
        }
        for json in [json!("on"), json!(1), json!({}), json!({"target": "loud"})] {
            assert!(serde_json::from_value::<LoudnessNormalizer>(json).is_err());
        }
    }

    #[test]
    fn what_is_outside_its_range_is_named() {
        let crossfade = Crossfade {
            duration: 12_001,
            ..Crossfade::default()
        };
        assert_eq!(
            crossfade.check().expect_err("too long").to_string(),
            "crossfade.duration must be 0 to 12000, not 12001"
        );
        let fading = Fading {
            resume: Some(Fade { duration: 10_001 }),
            ..Fading::default()
        };
        assert_eq!(
            fading.check().expect_err("too long").field,
            "fading.resume.duration"
        );
        for target in [-41.0, -4.9, f32::INFINITY, f32::NAN] {
            assert!(LoudnessNormalizer::Target { target }.check().is_err());
        }
        assert!(LoudnessNormalizer::Switch(true).check().is_ok());
        let loud = AddMix {
            volume: Some(1.1),
            ..AddMix::default()
        };
        assert_eq!(loud.check().expect_err("too loud").field, "volume");
        assert!(AddMix::default().check().is_ok());
    }
}
