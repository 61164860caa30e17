//! Filters: what changes the sound. They are replaced as a set.

mod check;

use serde::{Deserialize, Serialize};

use super::Object;

pub use check::OutOfRange;

/// A set of filters. What is unset is left out; a `null` is unset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "names of the wire")]
pub struct Filters {
    /// Gain, 0.0..=5.0; 1.0 = 100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<f32>,
    /// Fifteen bands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equalizer: Option<Vec<Band>>,
    /// Removes what is in the middle, usually the singer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub karaoke: Option<Karaoke>,
    /// Speed and pitch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timescale: Option<Timescale>,
    /// Wavering loudness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tremolo: Option<Tremolo>,
    /// Wavering pitch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vibrato: Option<Vibrato>,
    /// Turns around the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Distortion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distortion: Option<Distortion>,
    /// Mixes left and right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_mix: Option<ChannelMix>,
    /// Takes the highs away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_pass: Option<LowPass>,
    /// Filters of plugins, by name.
    #[serde(
        skip_serializing_if = "Object::is_empty",
        deserialize_with = "nullable"
    )]
    pub plugin_filters: Object,
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
    Option::<Object>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Filters {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the wire names of the filters that are set, without those of plugins.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [
            ("volume", self.volume.is_some()),
            ("equalizer", self.equalizer.is_some()),
            ("karaoke", self.karaoke.is_some()),
            ("timescale", self.timescale.is_some()),
            ("tremolo", self.tremolo.is_some()),
            ("vibrato", self.vibrato.is_some()),
            ("distortion", self.distortion.is_some()),
            ("rotation", self.rotation.is_some()),
            ("channelMix", self.channel_mix.is_some()),
            ("lowPass", self.low_pass.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
    }
}

/// One band of the equalizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// 0..=14: 25 Hz to 16 kHz.
    pub band: i32,
    /// −0.25 (mute) ..= 1.0; 0 = flat, 0.25 = double. 1.0 when left out.
    #[serde(default = "one")]
    pub gain: f32,
}

fn one() -> f32 {
    1.0
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $default:expr),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
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
    /// Removes what is in the middle.
    Karaoke {
        /// 0..=1.
        level = 1.0,
        /// 0..=1.
        mono_level = 1.0,
        /// Hz.
        filter_band = 220.0,
        /// Hz.
        filter_width = 100.0,
    }
    /// Speed and pitch, multiplied.
    Timescale {
        /// Speed at the same pitch; greater than 0.
        speed = 1.0,
        /// Pitch at the same speed; greater than 0.
        pitch = 1.0,
        /// Both; greater than 0.
        rate = 1.0,
    }
    /// Wavering loudness.
    Tremolo {
        /// Hz, greater than 0.
        frequency = 2.0,
        /// Greater than 0, at most 1.
        depth = 0.5,
    }
    /// Wavering pitch.
    Vibrato {
        /// Hz, greater than 0, at most 14.
        frequency = 2.0,
        /// Greater than 0, at most 1.
        depth = 0.5,
    }
    /// Turns around the head.
    Rotation {
        /// Turns per second; 0 = off.
        rotation_hz = 0.0,
    }
    /// Distortion: a product of three shifted and scaled functions.
    Distortion {
        /// Any.
        sin_offset = 0.0,
        /// Any.
        sin_scale = 1.0,
        /// Any.
        cos_offset = 0.0,
        /// Any.
        cos_scale = 1.0,
        /// Any.
        tan_offset = 0.0,
        /// Any.
        tan_scale = 1.0,
        /// Any.
        offset = 0.0,
        /// Any.
        scale = 1.0,
    }
    /// Mixes left and right; each 0..=1.
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
        /// Greater than 1; at most 1 disables it.
        smoothing = 20.0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_filters_are_an_empty_object() {
        assert_eq!(
            serde_json::to_string(&Filters::default()).expect("serializes"),
            "{}"
        );
        for json in [
            "{}",
            r#"{"volume":null,"lowPass":null,"pluginFilters":null}"#,
            r#"{"pluginFilters":{}}"#,
        ] {
            assert!(
                serde_json::from_str::<Filters>(json)
                    .expect(json)
                    .is_empty(),
                "{json}"
            );
        }
    }

    #[test]
    fn a_filter_echoes_all_its_parameters_with_their_defaults() {
        let rows = [
            (
                json!({"karaoke": {}}),
                json!({"karaoke": {"level": 1.0, "monoLevel": 1.0, "filterBand": 220.0, "filterWidth": 100.0}}),
            ),
            (
                json!({"timescale": {"speed": 1.25}}),
                json!({"timescale": {"speed": 1.25, "pitch": 1.0, "rate": 1.0}}),
            ),
            (
                json!({"tremolo": {}}),
                json!({"tremolo": {"frequency": 2.0, "depth": 0.5}}),
            ),
            (
                json!({"vibrato": {"depth": 1.0}}),
                json!({"vibrato": {"frequency": 2.0, "depth": 1.0}}),
            ),
            (
                json!({"rotation": {"rotationHz": 0.25}}),
                json!({"rotation": {"rotationHz": 0.25}}),
            ),
            (
                json!({"distortion": {}}),
                json!({"distortion": {"sinOffset": 0.0, "sinScale": 1.0, "cosOffset": 0.0, "cosScale": 1.0, "tanOffset": 0.0, "tanScale": 1.0, "offset": 0.0, "scale": 1.0}}),
            ),
            (
                json!({"channelMix": {}}),
                json!({"channelMix": {"leftToLeft": 1.0, "leftToRight": 0.0, "rightToLeft": 0.0, "rightToRight": 1.0}}),
            ),
            (
                json!({"lowPass": {}}),
                json!({"lowPass": {"smoothing": 20.0}}),
            ),
            (
                json!({"equalizer": [{"band": 3}]}),
                json!({"equalizer": [{"band": 3, "gain": 1.0}]}),
            ),
            (json!({"volume": 1}), json!({"volume": 1.0})),
            (
                json!({"pluginFilters": {"echo": {"delay": 1}}}),
                json!({"pluginFilters": {"echo": {"delay": 1}}}),
            ),
        ];
        for (request, answer) in rows {
            let filters: Filters = serde_json::from_value(request.clone())
                .unwrap_or_else(|error| panic!("{request}: {error}"));
            assert_eq!(serde_json::to_value(&filters).expect("serializes"), answer);
            assert!(!filters.is_empty());
        }
    }

    #[test]
    fn wrong_types_are_errors() {
        for json in [
            r#"{"volume":"1"}"#,
            r#"{"karaoke":"on"}"#,
            r#"{"tremolo":{"depth":null}}"#,
            r#"{"equalizer":[{"gain":1}]}"#,
        ] {
            assert!(serde_json::from_str::<Filters>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn names_are_those_on_the_wire() {
        let filters: Filters =
            serde_json::from_str(r#"{"lowPass":{},"volume":2.0}"#).expect("deserializes");
        assert_eq!(filters.names().collect::<Vec<_>>(), ["volume", "lowPass"]);
    }
}
