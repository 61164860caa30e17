//! Speed and pitch, as they are heard.

use std::f64::consts::TAU;

use backline_media::dsp::{FilterSet, Rack, Timescale};

use crate::filters::{filtered, run};

const RATE: f64 = 48_000.0;

fn scaled(speed: f32, pitch: f32, rate: f32) -> FilterSet {
    FilterSet {
        timescale: Some(Timescale { speed, pitch, rate }),
        ..FilterSet::default()
    }
}

fn tone(hz: f64, seconds: f64, shift: f64) -> Vec<f32> {
    (0..(seconds * RATE) as usize)
        .flat_map(|at| {
            let phase = TAU * hz * at as f64 / RATE;
            [phase.sin() as f32 * 0.5, (phase + shift).sin() as f32 * 0.5]
        })
        .collect()
}

/// Returns the frequency by the first peak of the autocorrelation of the left side, refined by a
/// parabola.
fn pitch(values: &[f32], near: f64) -> f64 {
    let left: Vec<f64> = values.chunks(2).map(|it| f64::from(it[0])).collect();
    let middle = &left[left.len() / 3..][..4_096.max((8.0 * RATE / near) as usize)];
    let at = |lag: usize| -> f64 {
        let (first, second) = (&middle[..middle.len() - lag], &middle[lag..]);
        let product: f64 = first.iter().zip(second).map(|(a, b)| a * b).sum();
        let energy = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        product / (energy(first) * energy(second)).sqrt()
    };
    let period = RATE / near;
    let lags = (period * 0.8) as usize..=(period * 1.25) as usize + 1;
    let best = lags
        .max_by(|a, b| at(*a).total_cmp(&at(*b)))
        .expect("some lag");
    let (before, here, after) = (at(best - 1), at(best), at(best + 1));
    let shift = 0.5 * (before - after) / (before - 2.0 * here + after);
    RATE / (best as f64 + shift)
}

const TABLE: [(f32, f32, f32); 12] = [
    (1.5, 1.0, 1.0),
    (0.7, 1.0, 1.0),
    (1.0, 1.3, 1.0),
    (1.0, 0.75, 1.0),
    (1.0, 1.0, 1.2),
    (1.2, 1.2, 0.9),
    (4.0, 1.0, 1.0),
    (0.25, 1.0, 1.0),
    (1.0, 4.0, 1.0),
    (1.0, 0.25, 1.0),
    (1.0, 1.0, 4.0),
    (1.0, 1.0, 0.25),
];

#[test]
fn pitch_and_duration_are_what_was_asked_for() {
    for (speed, pitched, rate) in TABLE {
        for hz in [220.0, 997.0] {
            let input = tone(hz, 10.0, 0.0);
            let found = filtered(&scaled(speed, pitched, rate), &input);
            let expected = hz * f64::from(pitched * rate);
            let heard = pitch(&found, expected);
            assert!(
                (heard / expected - 1.0).abs() < 0.01,
                "{speed} {pitched} {rate}: {heard} Hz instead of {expected}"
            );
            // The rack still holds what it needs to go on: less than a piece.
            let mut rack = Rack::new();
            rack.set(&scaled(speed, pitched, rate));
            rack.reset();
            let found = run(&mut rack, &input).len() as f64 / 2.0;
            let held = rack.lag() / rack.speed();
            let length = 10.0 * RATE / f64::from(speed * rate);
            let error = (found + held) / length - 1.0;
            println!("{speed} {pitched} {rate}, {hz} Hz: {heard:.2} Hz, length {error:+.5}");
            assert!(error.abs() < 0.005, "{speed} {pitched} {rate}: {error}");
        }
    }
}

#[test]
fn a_tone_stays_smooth() {
    for (speed, pitched, rate) in TABLE {
        for hz in [220.0, 997.0] {
            let found = filtered(&scaled(speed, pitched, rate), &tone(hz, 4.0, 0.0));
            let steepest = found[2_000..]
                .windows(3)
                .map(|three| f64::from((three[2] - three[0]).abs()))
                .fold(0.0, f64::max);
            let own = 0.5 * TAU * hz * f64::from(pitched * rate) / RATE;
            assert!(
                steepest < own * 1.3 + 0.001,
                "{speed} {pitched} {rate}, {hz} Hz: {steepest} instead of {own}"
            );
            let (loudest, softest) =
                found[9_600..]
                    .chunks(4_800)
                    .fold((0.0_f32, 1.0_f32), |(most, least), chunk| {
                        let peak = chunk
                            .iter()
                            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
                        (most.max(peak), least.min(peak))
                    });
            assert!(
                loudest < 0.52 && (softest > 0.4 || expected_to_be_filtered(hz, pitched * rate)),
                "{speed} {pitched} {rate}, {hz} Hz: {softest} to {loudest}"
            );
        }
    }
}

fn expected_to_be_filtered(hz: f64, factor: f32) -> bool {
    hz * f64::from(factor) > 20_000.0
}

#[test]
fn both_sides_stay_in_phase() {
    // A quarter of a wave between left and right, and between them nothing else.
    for (speed, pitched) in [(1.37, 1.0), (0.6, 1.0), (1.0, 1.25)] {
        let found = filtered(&scaled(speed, pitched, 1.0), &tone(440.0, 4.0, TAU / 4.0));
        let hz = 440.0 * f64::from(pitched);
        // Of a sine and a cosine, the sum of squares is constant.
        let radius = found[9_600..].chunks(2).map(|it| it[0].hypot(it[1]));
        let (least, most) = radius.fold((9.0_f32, 0.0_f32), |(least, most), it| {
            (least.min(it), most.max(it))
        });
        println!("{speed} {pitched}, {hz} Hz: {least} to {most}");
        assert!(least > 0.43 && most < 0.52, "{least} to {most}");
    }
}

#[test]
fn the_original_speed_is_the_original_sound() {
    let input: Vec<f32> = (0..192_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.5)
        .collect();
    let mut rack = Rack::new();
    rack.set(&scaled(1.3, 1.0, 1.0));
    let mut out = run(&mut rack, &input[..96_000]);
    rack.set(&FilterSet::default());
    out.extend(run(&mut rack, &input[96_000..]));
    assert!(rack.is_idle() && rack.lag() == 0.0);
    // The end of what went in is the end of what came out, sample for sample.
    assert!(out[out.len() - 48_000..] == input[192_000 - 48_000..]);
}
