//! Ranges of filter parameters.

use super::Filters;

/// A parameter of a filter that is outside its range, in the words of an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Filter {filter}: {parameter} must be {range}, not {value}")]
pub struct OutOfRange {
    /// The filter.
    pub filter: &'static str,
    /// Its parameter.
    pub parameter: &'static str,
    /// What it was.
    pub value: f64,
    /// What it may be.
    pub range: &'static str,
}

/// More entries than this name bands twice and more.
const MAX_BANDS: usize = 64;

impl Filters {
    /// Checks every parameter of every filter that is set.
    ///
    /// Parameters of a filter that is switched off by one of them (`depth` 0, `level` 0) need only
    /// be numbers: clients send such sets to switch filters off.
    ///
    /// # Errors
    /// Names the first parameter that is outside its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        if let Some(volume) = self.volume {
            Check("volume").within("volume", volume, 0.0, 5.0, "0.0 to 5.0")?;
        }
        if let Some(bands) = &self.equalizer {
            let check = Check("equalizer");
            if bands.len() > MAX_BANDS {
                return check.fails("number of bands", bands.len() as f64, "at most 64");
            }
            for band in bands {
                if !(0..=14).contains(&band.band) {
                    return check.fails("band", band.band.into(), "0 to 14");
                }
                check.within("gain", band.gain, -0.25, 1.0, "-0.25 to 1.0")?;
            }
        }
        if let Some(karaoke) = &self.karaoke {
            let check = Check("karaoke");
            check.share("level", karaoke.level)?;
            check.share("monoLevel", karaoke.mono_level)?;
            let on = karaoke.level != 0.0;
            check.hertz("filterBand", karaoke.filter_band, on)?;
            check.hertz("filterWidth", karaoke.filter_width, on)?;
        }
        if let Some(timescale) = &self.timescale {
            let check = Check("timescale");
            check.factor("speed", timescale.speed)?;
            check.factor("pitch", timescale.pitch)?;
            check.factor("rate", timescale.rate)?;
            // Each second of sound costs as many seconds of decoding.
            check.product("speed × rate", timescale.speed * timescale.rate)?;
            check.product("pitch × rate", timescale.pitch * timescale.rate)?;
            check.product("speed ÷ pitch", timescale.speed / timescale.pitch)?;
        }
        if let Some(tremolo) = &self.tremolo {
            let check = Check("tremolo");
            check.share("depth", tremolo.depth)?;
            check.hertz("frequency", tremolo.frequency, tremolo.depth != 0.0)?;
        }
        if let Some(vibrato) = &self.vibrato {
            let check = Check("vibrato");
            check.share("depth", vibrato.depth)?;
            check.finite("frequency", vibrato.frequency)?;
            if vibrato.depth != 0.0 && !(vibrato.frequency > 0.0 && vibrato.frequency <= 14.0) {
                let range = "greater than 0.0, at most 14.0";
                return check.fails("frequency", vibrato.frequency.into(), range);
            }
        }
        if let Some(rotation) = &self.rotation {
            let (hz, range) = (rotation.rotation_hz, "-24000.0 to 24000.0");
            Check("rotation").within("rotationHz", hz, -24_000.0, 24_000.0, range)?;
        }
        if let Some(distortion) = &self.distortion {
            let check = Check("distortion");
            check.finite("sinOffset", distortion.sin_offset)?;
            check.finite("sinScale", distortion.sin_scale)?;
            check.finite("cosOffset", distortion.cos_offset)?;
            check.finite("cosScale", distortion.cos_scale)?;
            check.finite("tanOffset", distortion.tan_offset)?;
            check.finite("tanScale", distortion.tan_scale)?;
            check.finite("offset", distortion.offset)?;
            check.finite("scale", distortion.scale)?;
        }
        if let Some(mix) = &self.channel_mix {
            let check = Check("channelMix");
            check.share("leftToLeft", mix.left_to_left)?;
            check.share("leftToRight", mix.left_to_right)?;
            check.share("rightToLeft", mix.right_to_left)?;
            check.share("rightToRight", mix.right_to_right)?;
        }
        if let Some(low_pass) = &self.low_pass {
            Check("lowPass").finite("smoothing", low_pass.smoothing)?;
        }
        Ok(())
    }
}

/// The filter whose parameters are looked at.
#[derive(Clone, Copy)]
struct Check(&'static str);

impl Check {
    fn within(
        self,
        parameter: &'static str,
        value: f32,
        min: f32,
        max: f32,
        range: &'static str,
    ) -> Result<(), OutOfRange> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        self.fails(parameter, value.into(), range)
    }

    fn share(self, parameter: &'static str, value: f32) -> Result<(), OutOfRange> {
        self.within(parameter, value, 0.0, 1.0, "0.0 to 1.0")
    }

    /// A frequency that can be heard at 48,000 samples a second; any number while it is not used.
    fn hertz(self, parameter: &'static str, value: f32, used: bool) -> Result<(), OutOfRange> {
        if used && !(value > 0.0 && value < 24_000.0) {
            return self.fails(
                parameter,
                value.into(),
                "greater than 0.0, less than 24000.0",
            );
        }
        self.finite(parameter, value)
    }

    fn factor(self, parameter: &'static str, value: f32) -> Result<(), OutOfRange> {
        self.within(parameter, value, 0.1, 10.0, "0.1 to 10.0")
    }

    /// A product of decimal fractions may miss the limit by a rounding.
    fn product(self, parameter: &'static str, value: f32) -> Result<(), OutOfRange> {
        self.within(parameter, value, 0.099_999, 10.000_01, "0.1 to 10.0")
    }

    /// JSON has no infinities, but numbers too large for us.
    fn finite(self, parameter: &'static str, value: f32) -> Result<(), OutOfRange> {
        self.within(parameter, value, -1e6, 1e6, "-1000000.0 to 1000000.0")
    }

    fn fails(
        self,
        parameter: &'static str,
        value: f64,
        range: &'static str,
    ) -> Result<(), OutOfRange> {
        Err(OutOfRange {
            filter: self.0,
            parameter,
            // Through the shortest text of the 32-bit number: 1.1, not 1.100000023841858.
            value: shortest(value),
            range,
        })
    }
}

fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(filters: Value) -> String {
        let filters: Filters = serde_json::from_value(filters).expect("reads");
        match filters.check() {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_bad_parameter_is_named_with_its_range() {
        let rows = [
            (
                json!({"volume": 5.5}),
                "Filter volume: volume must be 0.0 to 5.0, not 5.5",
            ),
            (json!({"volume": -0.1}), "volume must be"),
            (json!({"volume": 1e39}), "not inf"),
            (
                json!({"equalizer": [{"band": 15, "gain": 0.0}]}),
                "Filter equalizer: band must be 0 to 14, not 15",
            ),
            (json!({"equalizer": [{"band": -1, "gain": 0.0}]}), "band"),
            (
                json!({"equalizer": [{"band": 0, "gain": 0.0}, {"band": 3, "gain": 1.1}]}),
                "Filter equalizer: gain must be -0.25 to 1.0, not 1.1",
            ),
            (json!({"equalizer": [{"band": 3, "gain": -0.3}]}), "gain"),
            (
                json!({"equalizer": vec![json!({"band": 1, "gain": 0.1}); 65]}),
                "number of bands must be at most 64, not 65",
            ),
            (
                json!({"karaoke": {"level": 1.5}}),
                "Filter karaoke: level must be 0.0 to 1.0, not 1.5",
            ),
            (json!({"karaoke": {"monoLevel": -1}}), "monoLevel"),
            (json!({"karaoke": {"filterBand": -1}}), "filterBand"),
            (json!({"karaoke": {"filterWidth": 50_000}}), "filterWidth"),
            (
                json!({"timescale": {"speed": 0}}),
                "Filter timescale: speed must be 0.1 to 10.0, not 0",
            ),
            (json!({"timescale": {"pitch": -1}}), "pitch"),
            (json!({"timescale": {"rate": 11}}), "rate"),
            (
                json!({"timescale": {"speed": 5, "rate": 5}}),
                "speed × rate",
            ),
            (
                json!({"timescale": {"pitch": 0.2, "rate": 0.2}}),
                "pitch × rate",
            ),
            (
                json!({"tremolo": {"frequency": 0}}),
                "Filter tremolo: frequency must be greater than 0.0, less than 24000.0, not 0",
            ),
            (
                json!({"timescale": {"speed": 4, "pitch": 0.3}}),
                "speed ÷ pitch",
            ),
            (json!({"tremolo": {"depth": 1.01}}), "depth"),
            (
                json!({"vibrato": {"frequency": 14.5}}),
                "Filter vibrato: frequency must be greater than 0.0, at most 14.0, not 14.5",
            ),
            (json!({"vibrato": {"depth": -0.5}}), "depth"),
            (json!({"rotation": {"rotationHz": 1e39}}), "rotationHz"),
            (json!({"distortion": {"tanScale": 1e39}}), "tanScale"),
            (
                json!({"channelMix": {"leftToLeft": 1.5}}),
                "Filter channelMix: leftToLeft must be 0.0 to 1.0, not 1.5",
            ),
            (json!({"channelMix": {"rightToLeft": -0.5}}), "rightToLeft"),
            (json!({"lowPass": {"smoothing": -1e39}}), "smoothing"),
        ];
        for (filters, message) in rows {
            let said = told(filters.clone());
            assert!(said.contains(message), "{filters}: {said:?}");
        }
    }

    #[test]
    fn what_clients_send_to_switch_a_filter_off_is_fine() {
        for filters in [
            json!({}),
            json!({"tremolo": {"frequency": 0, "depth": 0}}),
            json!({"vibrato": {"frequency": 0, "depth": 0}}),
            json!({"rotation": {"rotationHz": 0}}),
            json!({"lowPass": {"smoothing": 0}}),
            json!({"equalizer": []}),
            json!({"karaoke": {"level": 0, "monoLevel": 0, "filterBand": 0, "filterWidth": 0}}),
            json!({"pluginFilters": {"reverb": {"delays": [1]}}}),
            json!({
                "volume": 1, "equalizer": [{"band": 14}], "karaoke": {}, "timescale": {}, "tremolo": {},
                "vibrato": {}, "rotation": {}, "distortion": {}, "channelMix": {}, "lowPass": {},
            }),
        ] {
            assert_eq!(told(filters.clone()), "", "{filters}");
        }
    }
}
