use std::f64::consts::TAU;

use super::*;

/// Stereo: a sine on the left, another one on the right.
fn tones(rate: u32, left: f64, right: f64, samples: usize) -> Vec<f32> {
    let value = |frequency: f64, index: usize| {
        (TAU * frequency * index as f64 / f64::from(rate)).sin() as f32 * 0.9
    };
    (0..samples)
        .flat_map(|index| [value(left, index), value(right, index)])
        .collect()
}

fn converted(rate: u32, input: &[f32], piece: usize) -> Vec<f32> {
    let mut resampler = Resampler::new(rate).expect("supported");
    let mut out = Vec::new();
    for values in input.chunks(piece) {
        resampler.process(values, &mut out);
    }
    resampler.finish(&mut out);
    out
}

/// Signal to noise in dB of the middle part, where no edge is near.
fn snr(expected: &[f32], found: &[f32]) -> f64 {
    let range = 2_000..expected.len().min(found.len()) - 2_000;
    let (mut signal, mut noise) = (0.0, 0.0);
    for (expected, found) in expected[range.clone()].iter().zip(&found[range]) {
        signal += f64::from(*expected).powi(2);
        noise += f64::from(expected - found).powi(2);
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn sines_keep_eighty_decibels() {
    for rate in [
        8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 88_200, 96_000, 192_000,
    ] {
        let top = 0.38 * f64::from(rate.min(48_000));
        for frequency in [100.0, 1_000.0, 0.5 * top, top] {
            let input = tones(rate, frequency, frequency * 0.7, rate as usize / 2);
            let expected = tones(48_000, frequency, frequency * 0.7, 24_000);
            let found = converted(rate, &input, 2304);
            let snr = snr(&expected, &found);
            assert!(snr > 80.0, "{rate} Hz, tone of {frequency} Hz: {snr:.1} dB");
        }
    }
}

#[test]
fn the_usual_rate_keeps_eighty_decibels_up_to_eighteen_kilohertz() {
    for frequency in [10_000.0, 15_000.0, 17_500.0] {
        let input = tones(44_100, frequency, 50.0, 22_050);
        let found = converted(44_100, &input, 2304);
        let snr = snr(&tones(48_000, frequency, 50.0, 24_000), &found);
        assert!(snr > 80.0, "{frequency} Hz: {snr:.1} dB");
    }
}

#[test]
fn odd_rates_are_interpolated() {
    for rate in [44_101, 47_999, 12_345] {
        let frequency = 0.2 * f64::from(rate);
        let input = tones(rate, frequency, 300.0, rate as usize / 2);
        let found = converted(rate, &input, 1000);
        let snr = snr(&tones(48_000, frequency, 300.0, 24_000), &found);
        assert!(snr > 80.0, "{rate} Hz: {snr:.1} dB");
    }
}

#[test]
fn what_would_alias_is_cut() {
    let input = tones(96_000, 30_000.0, 45_000.0, 48_000);
    let found = converted(96_000, &input, 2304);
    let loudest = found[2_000..46_000]
        .iter()
        .fold(0.0_f32, |peak, value| peak.max(value.abs()));
    assert!(loudest < 1e-4, "{loudest}");
}

#[test]
fn the_number_of_samples_is_right_and_pieces_do_not_matter() {
    for rate in [8_000, 44_100, 48_000, 96_000, 44_101] {
        let input = tones(rate, 440.0, 880.0, rate as usize);
        let whole = converted(rate, &input, input.len());
        assert!(
            whole.len().abs_diff(2 * 48_000) <= 2,
            "{rate}: {}",
            whole.len()
        );
        for piece in [2, 14, 1000] {
            assert_eq!(
                converted(rate, &input, piece),
                whole,
                "{rate} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn nothing_is_changed_at_48_kilohertz() {
    let input = tones(48_000, 440.0, 880.0, 5_000);
    assert_eq!(converted(48_000, &input, 960), input);
}

#[test]
fn after_a_reset_the_past_is_gone() {
    let mut resampler = Resampler::new(44_100).expect("supported");
    let (mut first, mut second, mut noise) = (Vec::new(), Vec::new(), Vec::new());
    let input = tones(44_100, 440.0, 880.0, 5_000);
    resampler.process(&input, &mut first);
    resampler.process(&tones(44_100, 9_000.0, 880.0, 777), &mut noise);
    resampler.reset();
    resampler.process(&input, &mut second);
    assert_eq!(first, second);
}

#[test]
fn rates_outside_are_refused() {
    for rate in [0, 3_999, 384_001, u32::MAX] {
        assert_eq!(Resampler::new(rate).err(), Some(UnsupportedRate { rate }));
    }
}
