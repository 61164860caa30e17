//! What filters and volume mean to the pipeline.

use std::sync::Arc;

use backline_media::dsp::{
    BANDS, ChannelMix, Distortion, FilterSet, Karaoke, LowPass, Rotation, Timescale, Tremolo,
    Vibrato,
};
use backline_media::pipeline::{Effects, Loudness};
use backline_proto::lavalink::Filters;
use backline_runtime::config::node::FilterSwitches;

/// Returns the names of the filters that are on, in the order in which `/v4/info` lists them.
pub fn filters_on(switches: &FilterSwitches) -> Vec<&'static str> {
    [
        ("volume", switches.volume),
        ("equalizer", switches.equalizer),
        ("karaoke", switches.karaoke),
        ("timescale", switches.timescale),
        ("tremolo", switches.tremolo),
        ("vibrato", switches.vibrato),
        ("distortion", switches.distortion),
        ("rotation", switches.rotation),
        ("channelMix", switches.channel_mix),
        ("lowPass", switches.low_pass),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect()
}

/// Returns what a player's sound is to be like: `volume` in percent, the loudness in LUFS.
pub fn effects(volume: u16, filters: &Filters, loudness: Option<f32>) -> Effects {
    Effects {
        gain: f32::from(volume) / 100.0,
        filters: Arc::new(filter_set(filters)),
        loudness: loudness.map(|target_lufs| Loudness {
            target_lufs,
            ..Loudness::default()
        }),
    }
}

/// Returns the filters without those that are switched off by one of their parameters: the others
/// of these need not make sense.
fn filter_set(filters: &Filters) -> FilterSet {
    FilterSet {
        volume: filters.volume,
        equalizer: filters.equalizer.as_ref().map(|bands| {
            let mut gains = [0.0; BANDS];
            for band in bands {
                // Of a band that is named twice the later gain holds, as with the reference.
                let index = usize::try_from(band.band).ok();
                if let Some(gain) = index.and_then(|index| gains.get_mut(index)) {
                    *gain = band.gain;
                }
            }
            gains
        }),
        karaoke: filters
            .karaoke
            .filter(|karaoke| karaoke.level != 0.0)
            .map(|karaoke| Karaoke {
                level: karaoke.level,
                mono_level: karaoke.mono_level,
                filter_band: karaoke.filter_band,
                filter_width: karaoke.filter_width,
            }),
        timescale: filters.timescale.map(|scale| Timescale {
            speed: scale.speed,
            pitch: scale.pitch,
            rate: scale.rate,
        }),
        tremolo: filters
            .tremolo
            .filter(|tremolo| tremolo.depth != 0.0)
            .map(|tremolo| Tremolo {
                frequency: tremolo.frequency,
                depth: tremolo.depth,
            }),
        vibrato: filters
            .vibrato
            .filter(|vibrato| vibrato.depth != 0.0)
            .map(|vibrato| Vibrato {
                frequency: vibrato.frequency,
                depth: vibrato.depth,
            }),
        rotation: filters.rotation.map(|rotation| Rotation {
            hz: rotation.rotation_hz,
        }),
        distortion: filters.distortion.map(|it| Distortion {
            sin_offset: it.sin_offset,
            sin_scale: it.sin_scale,
            cos_offset: it.cos_offset,
            cos_scale: it.cos_scale,
            tan_offset: it.tan_offset,
            tan_scale: it.tan_scale,
            offset: it.offset,
            scale: it.scale,
        }),
        channel_mix: filters.channel_mix.map(|mix| ChannelMix {
            left_to_left: mix.left_to_left,
            left_to_right: mix.left_to_right,
            right_to_left: mix.right_to_left,
            right_to_right: mix.right_to_right,
        }),
        low_pass: filters.low_pass.map(|low_pass| LowPass {
            smoothing: low_pass.smoothing,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(filters: Value) -> Filters {
        serde_json::from_value(filters).expect("reads")
    }

    #[test]
    fn every_parameter_arrives_where_it_belongs() {
        let filters = read(json!({
            "volume": 0.5,
            "equalizer": [{"band": 0, "gain": 0.1}, {"band": 14, "gain": 0.9}, {"band": 14, "gain": 0.2}],
            "karaoke": {"level": 0.1, "monoLevel": 0.2, "filterBand": 300, "filterWidth": 40},
            "timescale": {"speed": 1.1, "pitch": 1.2, "rate": 1.3},
            "tremolo": {"frequency": 3, "depth": 0.3},
            "vibrato": {"frequency": 4, "depth": 0.4},
            "rotation": {"rotationHz": 0.6},
            "distortion": {"sinOffset": 1, "sinScale": 2, "cosOffset": 3, "cosScale": 4,
                           "tanOffset": 5, "tanScale": 6, "offset": 7, "scale": 8},
            "channelMix": {"leftToLeft": 0.1, "leftToRight": 0.2, "rightToLeft": 0.3, "rightToRight": 0.4},
            "lowPass": {"smoothing": 15},
        }));
        let mut gains = [0.0; BANDS];
        (gains[0], gains[14]) = (0.1, 0.2);
        let expected = FilterSet {
            volume: Some(0.5),
            equalizer: Some(gains),
            karaoke: Some(Karaoke {
                level: 0.1,
                mono_level: 0.2,
                filter_band: 300.0,
                filter_width: 40.0,
            }),
            timescale: Some(Timescale {
                speed: 1.1,
                pitch: 1.2,
                rate: 1.3,
            }),
            tremolo: Some(Tremolo {
                frequency: 3.0,
                depth: 0.3,
            }),
            vibrato: Some(Vibrato {
                frequency: 4.0,
                depth: 0.4,
            }),
            rotation: Some(Rotation { hz: 0.6 }),
            distortion: Some(Distortion {
                sin_offset: 1.0,
                sin_scale: 2.0,
                cos_offset: 3.0,
                cos_scale: 4.0,
                tan_offset: 5.0,
                tan_scale: 6.0,
                offset: 7.0,
                scale: 8.0,
            }),
            channel_mix: Some(ChannelMix {
                left_to_left: 0.1,
                left_to_right: 0.2,
                right_to_left: 0.3,
                right_to_right: 0.4,
            }),
            low_pass: Some(LowPass { smoothing: 15.0 }),
        };
        let effects = effects(150, &filters, Some(-16.0));
        assert_eq!(*effects.filters, expected);
        assert_eq!(effects.gain, 1.5);
        assert_eq!(effects.loudness.expect("set").target_lufs, -16.0);
    }

    #[test]
    fn what_a_request_may_hold_the_pipeline_can_do() {
        // Both sides check; whatever passes the one must not be refused by the other.
        let numbers = [
            -1e6, -24_000.0, -0.25, 0.0, 0.05, 0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 14.0, 23_999.0, 1e6,
        ];
        let mut passed = 0;
        for (filter, parameters) in [
            (
                "karaoke",
                vec!["level", "monoLevel", "filterBand", "filterWidth"],
            ),
            ("timescale", vec!["speed", "pitch", "rate"]),
            ("tremolo", vec!["frequency", "depth"]),
            ("vibrato", vec!["frequency", "depth"]),
            ("rotation", vec!["rotationHz"]),
            ("distortion", vec!["sinOffset", "tanScale"]),
            ("channelMix", vec!["leftToRight", "rightToLeft"]),
            ("lowPass", vec!["smoothing"]),
        ] {
            for first in &parameters {
                for second in &parameters {
                    for (a, b) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
                        let filters = read(json!({ filter: { *first: a, *second: b } }));
                        if filters.check().is_ok() {
                            let set = filter_set(&filters);
                            assert_eq!(set.check(), Ok(()), "{filter}: {first} {a}, {second} {b}");
                            passed += 1;
                        }
                    }
                }
            }
        }
        for value in numbers {
            let filters = read(json!({"volume": value, "equalizer": [{"band": 1, "gain": value}]}));
            if filters.check().is_ok() {
                assert_eq!(filter_set(&filters).check(), Ok(()), "{value}");
                passed += 1;
            }
        }
        assert!(passed > 500, "only {passed} sets passed");
    }

    #[test]
    fn sets_that_change_nothing_leave_packets_as_they_are() {
        for filters in [
            json!({}),
            json!({"volume": 1.01}),
            json!({"timescale": {}, "distortion": {}, "channelMix": {}, "rotation": {}}),
            json!({"equalizer": [{"band": 3, "gain": 0.0}]}),
            json!({"tremolo": {"frequency": 0, "depth": 0}, "karaoke": {"level": 0}}),
            json!({"lowPass": {"smoothing": 1.0}, "pluginFilters": {"unknown": {"a": 1}}}),
        ] {
            let filters = read(filters.clone());
            assert!(effects(100, &filters, None).is_neutral(), "{filters:?}");
        }
        assert!(!effects(99, &Filters::default(), None).is_neutral());
        assert!(!effects(100, &Filters::default(), Some(-14.0)).is_neutral());
        assert!(!effects(100, &read(json!({"karaoke": {}})), None).is_neutral());
    }
}
