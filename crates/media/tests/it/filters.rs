//! Every filter against a slow one, written from its formula.
//!
//! The formulas are those of `lavadsp` 0.7 and of lavaplayer's equalizer, which the reference
//! server uses; the references here compute them in double precision, sample by sample.

use std::f64::consts::TAU;

use backline_media::dsp::{
    BANDS, BANDS_HZ, ChannelMix, Distortion, FilterSet, Karaoke, LowPass, Rack, Rotation,
    Timescale, Tremolo, Vibrato,
};

const RATE: f64 = 48_000.0;

/// Runs a set over interleaved stereo, in blocks of changing sizes.
pub fn filtered(set: &FilterSet, input: &[f32]) -> Vec<f32> {
    let mut rack = Rack::new();
    rack.set(set);
    // Without the cross-fade from what was before: there was nothing.
    rack.reset();
    run(&mut rack, input)
}

pub fn run(rack: &mut Rack, input: &[f32]) -> Vec<f32> {
    let sizes = [480, 1, 17, 240, 333, 479];
    let (mut out, mut at) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        let end = (at + 2 * size).min(input.len());
        let mut block = input[at..end].to_vec();
        rack.process(&mut block, &mut out);
        at = end;
        if at == input.len() {
            return out;
        }
    }
    unreachable!("the sizes go round")
}

/// Half a second of each: noise, a chord, a sweep, clicks; left and right differ.
fn signals() -> Vec<(&'static str, Vec<f32>)> {
    let length = 24_000;
    let stereo = |value: &mut dyn FnMut(usize, usize) -> f64| -> Vec<f32> {
        (0..length * 2)
            .map(|index| value(index / 2, index % 2) as f32)
            .collect()
    };
    let mut state = 1_u32;
    vec![
        (
            "noise",
            stereo(&mut |_, _| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) * 0.6
            }),
        ),
        (
            "chord",
            stereo(&mut |at, side| {
                [55.0, 220.0, 1_100.0, 7_000.0]
                    .iter()
                    .map(|hz| {
                        (TAU * hz * (1.0 + 0.01 * side as f64) * at as f64 / RATE).sin() * 0.1
                    })
                    .sum()
            }),
        ),
        (
            "sweep",
            stereo(&mut |at, side| {
                let time = at as f64 / RATE;
                let phase = TAU * (20.0 * time + 18_000.0 * time * time);
                (phase + side as f64).sin() * 0.3
            }),
        ),
        (
            "clicks",
            stereo(&mut |at, side| if at % 3_000 == 500 * side { 0.9 } else { 0.0 }),
        ),
    ]
}

/// Checks one set against its reference over all signals.
fn check(name: &str, set: &FilterSet, reference: impl Fn(&mut [[f64; 2]])) {
    set.check().expect("in range");
    for (signal, input) in signals() {
        let mut expected: Vec<[f64; 2]> = input
            .chunks(2)
            .map(|sample| [f64::from(sample[0]), f64::from(sample[1])])
            .collect();
        reference(&mut expected);
        let found = filtered(set, &input);
        assert_eq!(found.len(), input.len(), "{name} over {signal}");
        let (mut error, mut power) = (0.0, 0.0);
        for (found, expected) in found.iter().zip(expected.iter().flatten()) {
            error += (f64::from(*found) - expected).powi(2);
            power += expected.powi(2);
        }
        let db = 10.0 * (error / power.max(1e-12)).max(1e-30).log10();
        assert!(db <= -60.0, "{name} over {signal}: {db:.1} dB");
    }
}

#[test]
fn low_pass_is_the_reference() {
    for smoothing in [1.5, 20.0, 100.0] {
        let set = FilterSet {
            low_pass: Some(LowPass { smoothing }),
            ..FilterSet::default()
        };
        check("lowPass", &set, |samples| {
            let mut value = samples[0];
            for sample in samples {
                for (value, sample) in value.iter_mut().zip(sample) {
                    *value += (*sample - *value) / f64::from(smoothing);
                    *sample = *value;
                }
            }
        });
    }
}

#[test]
fn channel_mix_is_the_reference() {
    for mix in [
        [0.5, 0.5, 0.5, 0.5],
        [0.0, 1.0, 1.0, 0.0],
        [1.0, 0.3, 0.0, 0.7],
    ] {
        let [ll, lr, rl, rr] = mix;
        let set = FilterSet {
            channel_mix: Some(ChannelMix {
                left_to_left: ll,
                left_to_right: lr,
                right_to_left: rl,
                right_to_right: rr,
            }),
            ..FilterSet::default()
        };
        let [ll, lr, rl, rr] = mix.map(f64::from);
        check("channelMix", &set, |samples| {
            for sample in samples {
                let [left, right] = *sample;
                *sample = [ll * left + rl * right, lr * left + rr * right]
                    .map(|value| value.clamp(-1.0, 1.0));
            }
        });
    }
}

#[test]
fn rotation_is_the_reference() {
    for hz in [0.2, 5.0, -1.0] {
        let set = FilterSet {
            rotation: Some(Rotation { hz }),
            ..FilterSet::default()
        };
        check("rotation", &set, |samples| {
            for (index, [left, right]) in samples.iter_mut().enumerate() {
                let sin = (TAU * f64::from(hz) * index as f64 / RATE).sin();
                *left *= f64::midpoint(sin, 1.0);
                *right *= (1.0 - sin) / 2.0;
            }
        });
    }
}

#[test]
fn distortion_is_the_reference() {
    let usual = Distortion::default();
    for it in [
        Distortion {
            scale: 2.0,
            ..usual
        },
        Distortion {
            sin_offset: 0.3,
            cos_scale: 4.0,
            tan_offset: 0.2,
            tan_scale: 0.7,
            offset: -0.1,
            ..usual
        },
        Distortion {
            sin_scale: -7.0,
            cos_offset: 0.5,
            scale: 1.4,
            ..usual
        },
    ] {
        let set = FilterSet {
            distortion: Some(it),
            ..FilterSet::default()
        };
        let wide = f64::from;
        check("distortion", &set, |samples| {
            for x in samples.iter_mut().flatten() {
                let sin = wide(it.sin_offset) + (*x * wide(it.sin_scale)).sin();
                let cos = wide(it.cos_offset) + (*x * wide(it.cos_scale)).cos();
                let tan = wide(it.tan_offset) + (*x * wide(it.tan_scale)).tan();
                *x = (wide(it.offset) + wide(it.scale) * sin * cos * tan).clamp(-1.0, 1.0);
            }
        });
    }
}

#[test]
fn vibrato_is_the_reference() {
    for (frequency, depth) in [(2.0, 0.5), (14.0, 1.0), (0.5, 0.1)] {
        let set = FilterSet {
            vibrato: Some(Vibrato { frequency, depth }),
            ..FilterSet::default()
        };
        check("vibrato", &set, |samples| {
            let input = samples.to_vec();
            let at = |index: i64, side: usize| {
                usize::try_from(index).map_or(0.0, |index| input[index][side])
            };
            for (index, sample) in samples.iter_mut().enumerate() {
                let sin = (TAU * f64::from(frequency) * index as f64 / RATE).sin();
                let delay = 3.0 + f64::midpoint(sin, 1.0) * f64::from(depth) * 0.002 * RATE;
                let place = index as f64 - delay;
                let (whole, x) = (place.floor() as i64, place - place.floor());
                for (side, value) in sample.iter_mut().enumerate() {
                    let y: [f64; 4] = std::array::from_fn(|i| at(whole - 1 + i as i64, side));
                    // Catmull and Rom's cubic, as weights of the four points.
                    let weights = [
                        -0.5 * x + x * x - 0.5 * x.powi(3),
                        1.0 - 2.5 * x * x + 1.5 * x.powi(3),
                        0.5 * x + 2.0 * x * x - 1.5 * x.powi(3),
                        -0.5 * x * x + 0.5 * x.powi(3),
                    ];
                    *value = y.iter().zip(weights).map(|(y, weight)| y * weight).sum();
                }
            }
        });
    }
}

#[test]
fn tremolo_is_the_reference() {
    for (frequency, depth) in [(2.0, 0.5), (20.0, 1.0), (0.3, 0.2)] {
        let set = FilterSet {
            tremolo: Some(Tremolo { frequency, depth }),
            ..FilterSet::default()
        };
        check("tremolo", &set, |samples| {
            let half = f64::from(depth) / 2.0;
            for (index, sample) in samples.iter_mut().enumerate() {
                let sin = (TAU * f64::from(frequency) * index as f64 / RATE).sin();
                *sample = sample.map(|value| value * (1.0 - half + half * sin));
            }
        });
    }
}

#[test]
fn karaoke_is_the_reference() {
    for it in [
        Karaoke::default(),
        Karaoke {
            level: 0.4,
            mono_level: 0.7,
            filter_band: 1_000.0,
            filter_width: 30.0,
        },
        Karaoke {
            level: 0.9,
            mono_level: 1.0,
            filter_band: 60.0,
            filter_width: 5_000.0,
        },
    ] {
        let set = FilterSet {
            karaoke: Some(it),
            ..FilterSet::default()
        };
        check("karaoke", &set, |samples| {
            let (level, mono) = (f64::from(it.level), f64::from(it.mono_level));
            let c = (-TAU * f64::from(it.filter_width) / RATE).exp();
            let b = -4.0 * c / (1.0 + c) * (TAU * f64::from(it.filter_band) / RATE).cos();
            let a = (1.0 - b * b / (4.0 * c)).sqrt() * (1.0 - c);
            let (mut one, mut two) = (0.0, 0.0);
            for sample in samples {
                let [left, right] = *sample;
                let y = a * (left + right) / 2.0 - b * one - c * two;
                (two, one) = (one, y);
                let band = y * mono * level;
                *sample = [left - right * level + band, right - left * level + band];
            }
        });
    }
}

/// The reference's coefficients for 48 kHz: β, α and γ of `y = α(x − x₋₂) + γy₋₁ − βy₋₂`.
const BAND_FILTERS: [[f64; 3]; BANDS] = [
    [0.998_475_466_64, 7.622_666_814_3e-4, 1.998_464_765_6],
    [0.997_561_846_54, 1.219_076_728_9e-3, 1.997_534_464_5],
    [0.996_162_613_79, 1.918_693_104_1e-3, 1.996_094_736_9],
    [0.993_915_785_43, 3.042_107_286_5e-3, 1.993_744_961_8],
    [0.990_283_072_15, 4.858_463_924_2e-3, 1.989_846_570_2],
    [0.984_858_972_64, 7.570_513_679_5e-3, 1.983_796_254_3],
    [0.975_885_126_57, 1.205_743_671_5e-2, 1.973_173_171_9],
    [0.962_285_218_14, 1.885_739_092_8e-2, 1.955_616_469_4],
    [0.940_809_331_32, 2.959_533_433_8e-2, 1.924_205_438_4],
    [0.907_020_591_96, 4.648_970_402_2e-2, 1.865_347_616_6],
    [0.858_680_042_89, 7.065_997_855_3e-2, 1.760_040_133_7],
    [0.784_096_107_88, 0.107_951_946_06, 1.545_072_552_2],
    [0.683_328_610_02, 0.158_335_694_99, 1.142_644_715_5],
    [0.552_675_182_28, 0.223_662_408_86, 0.401_861_908_03],
    [0.418_118_884_47, 0.290_940_557_77, -0.709_059_442_23],
];

#[test]
fn equalizer_is_the_reference() {
    let one = |band: usize, gain: f32| {
        let mut gains = [0.0; BANDS];
        gains[band] = gain;
        gains
    };
    let sets = (0..BANDS)
        .map(|band| one(band, if band % 2 == 0 { 0.25 } else { -0.2 }))
        .chain([
            std::array::from_fn(|band| if band < 4 { 0.2 } else { 0.0 }),
            std::array::from_fn(|band| (band as f32).sin() * 0.15),
            [-0.25; BANDS],
        ]);
    for gains in sets {
        let set = FilterSet {
            equalizer: Some(gains),
            ..FilterSet::default()
        };
        check(&format!("equalizer {gains:?}"), &set, |samples| {
            let mut past = [[[0.0_f64; 4]; BANDS]; 2];
            for sample in samples {
                for (value, past) in sample.iter_mut().zip(&mut past) {
                    let mut sum = 0.25 * *value;
                    for (band, [x1, x2, y1, y2]) in past.iter_mut().enumerate() {
                        let [beta, alpha, gamma] = BAND_FILTERS[band];
                        let y = alpha * (*value - *x2) + gamma * *y1 - beta * *y2;
                        (*x2, *x1) = (*x1, *value);
                        (*y2, *y1) = (*y1, y);
                        sum += y * f64::from(gains[band]);
                    }
                    *value = (sum * 4.0).clamp(-1.0, 1.0);
                }
            }
        });
    }
}

#[test]
fn a_band_doubles_or_mutes_its_centre() {
    for (band, hz) in BANDS_HZ.iter().enumerate() {
        let tone: Vec<f32> = (0..96_000)
            .map(|index| (TAU * f64::from(*hz) * f64::from(index / 2) / RATE).sin() as f32 * 0.2)
            .collect();
        for (gain, factor) in [(0.25, 2.0), (-0.25, 0.0)] {
            let mut gains = [0.0; BANDS];
            gains[band] = gain;
            let set = FilterSet {
                equalizer: Some(gains),
                ..FilterSet::default()
            };
            let found = filtered(&set, &tone);
            let level = |values: &[f32]| {
                let sum: f32 = values[48_000..].iter().map(|value| value * value).sum();
                sum.sqrt()
            };
            let ratio = level(&found) / level(&tone);
            assert!((ratio - factor).abs() < 0.02, "{hz} Hz by {gain}: {ratio}");
        }
    }
}

#[test]
fn volume_multiplies_and_filters_run_in_the_order_of_the_reference() {
    let set = FilterSet {
        volume: Some(0.5),
        channel_mix: Some(ChannelMix {
            left_to_left: 1.0,
            left_to_right: 1.0,
            right_to_left: 1.0,
            right_to_right: 1.0,
        }),
        tremolo: Some(Tremolo {
            frequency: 3.0,
            depth: 1.0,
        }),
        low_pass: Some(LowPass { smoothing: 4.0 }),
        ..FilterSet::default()
    };
    check("several", &set, |samples| {
        let mut value = samples[0];
        for (index, sample) in samples.iter_mut().enumerate() {
            for (value, sample) in value.iter_mut().zip(sample.iter_mut()) {
                *value += (*sample - *value) / 4.0;
                *sample = *value;
            }
            let sum = (sample[0] + sample[1]).clamp(-1.0, 1.0);
            let sin = (TAU * 3.0 * index as f64 / RATE).sin();
            *sample = [sum * (0.5 + 0.5 * sin) * 0.5; 2];
        }
    });
}

#[test]
fn tiny_signals_stay_tiny_and_right() {
    let everything = FilterSet {
        volume: Some(1.5),
        equalizer: Some([0.1; BANDS]),
        karaoke: Some(Karaoke {
            level: 0.3,
            ..Karaoke::default()
        }),
        tremolo: Some(Tremolo::default()),
        vibrato: Some(Vibrato::default()),
        rotation: Some(Rotation { hz: 0.3 }),
        low_pass: Some(LowPass::default()),
        ..FilterSet::default()
    };
    for tiny in [1e-30_f32, 1e-39, f32::MIN_POSITIVE, 1e-45] {
        let input: Vec<f32> = (0..9_600)
            .map(|index| if index % 100 < 50 { tiny } else { -tiny })
            .collect();
        let found = filtered(&everything, &input);
        assert!(
            found.iter().all(|value| value.abs() <= tiny * 20.0),
            "{tiny:e}"
        );
    }
    // And they end in true silence after music.
    let mut input: Vec<f32> = signals().swap_remove(0).1;
    input.resize(input.len() + 2 * 48_000 * 4, 0.0);
    let found = filtered(&everything, &input);
    assert!(found[found.len() - 960..].iter().all(|value| *value == 0.0));
}

#[test]
fn changes_do_not_click() {
    let tone: Vec<f32> = (0..96_000)
        .map(|index| (TAU * 220.0 * f64::from(index / 2) / RATE).sin() as f32 * 0.4)
        .collect();
    let steepest = |values: &[f32]| {
        let sides = values.windows(3).map(|three| (three[2] - three[0]).abs());
        sides.fold(0.0, f32::max)
    };
    let changes: [(&str, FilterSet); 9] = [
        (
            "volume",
            FilterSet {
                volume: Some(0.0),
                ..FilterSet::default()
            },
        ),
        (
            "equalizer",
            FilterSet {
                equalizer: Some([-0.25; BANDS]),
                ..FilterSet::default()
            },
        ),
        (
            "karaoke",
            FilterSet {
                karaoke: Some(Karaoke::default()),
                ..FilterSet::default()
            },
        ),
        (
            "vibrato",
            FilterSet {
                vibrato: Some(Vibrato::default()),
                ..FilterSet::default()
            },
        ),
        (
            "low-pass",
            FilterSet {
                low_pass: Some(LowPass { smoothing: 50.0 }),
                ..FilterSet::default()
            },
        ),
        (
            "rotation",
            FilterSet {
                rotation: Some(Rotation { hz: 0.5 }),
                ..FilterSet::default()
            },
        ),
        (
            "speed",
            FilterSet {
                timescale: Some(Timescale {
                    speed: 1.5,
                    ..Timescale::default()
                }),
                ..FilterSet::default()
            },
        ),
        (
            "pitch",
            FilterSet {
                timescale: Some(Timescale {
                    pitch: 0.8,
                    ..Timescale::default()
                }),
                ..FilterSet::default()
            },
        ),
        ("nothing", FilterSet::default()),
    ];
    let mut rack = Rack::new();
    let mut out = Vec::new();
    for (name, set) in &changes {
        let start = out.len().saturating_sub(4);
        rack.set(set);
        for chunk in tone[..48_000].chunks(960) {
            rack.process(&mut chunk.to_vec(), &mut out);
        }
        // The tone's own steepest is 0.0115 a sample.
        let most = steepest(&out[start..]);
        println!("{name}: {most}");
        assert!(most < 0.03, "{name}: {most}");
    }
}
