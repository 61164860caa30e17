//! Any channel layout to stereo.

use symphonia::core::audio::{Channels, Position};

/// Replaces the content of `stereo` by `interleaved` folded down (or up) to two channels.
///
/// Mono goes to both sides. Surround follows ITU-R BS.775: centre and surrounds at −3 dB, scaled
/// so that no sum clips; the low-frequency channel is left out.
pub(super) fn to_stereo(channels: &Channels, interleaved: &[f32], stereo: &mut Vec<f32>) {
    stereo.clear();
    match channels.count() {
        0 => {}
        1 => stereo.extend(interleaved.iter().flat_map(|value| [*value, *value])),
        2 => stereo.extend_from_slice(interleaved),
        count => {
            let weights = weights(channels, count);
            stereo.extend(interleaved.chunks_exact(count).flat_map(|sample| {
                let pairs = sample.iter().zip(&weights);
                pairs.fold([0.0, 0.0], |sum, (value, weight)| {
                    [sum[0] + value * weight[0], sum[1] + value * weight[1]]
                })
            }));
        }
    }
}

/// Returns how much each channel counts on the left and on the right.
fn weights(channels: &Channels, count: usize) -> [[f32; 2]; MAX_CHANNELS] {
    let mut weights = [[0.0; 2]; MAX_CHANNELS];
    if let Channels::Positioned(positions) = channels {
        // Channels lie in the order of their bits.
        for (weight, position) in weights.iter_mut().zip(positions.iter()) {
            *weight = at(position);
        }
    } else {
        // Nothing is known: the first two are most probably left and right.
        weights[..2].copy_from_slice(&[[1.0, 0.0], [0.0, 1.0]]);
    }
    for side in 0..2 {
        let sum: f32 = weights[..count.min(MAX_CHANNELS)]
            .iter()
            .map(|weight| weight[side])
            .sum();
        if sum > 1.0 {
            for weight in &mut weights {
                weight[side] /= sum;
            }
        }
    }
    weights
}

fn at(position: Position) -> [f32; 2] {
    const LEFT: Position = Position::REAR_LEFT
        .union(Position::SIDE_LEFT)
        .union(Position::FRONT_LEFT_CENTER)
        .union(Position::TOP_FRONT_LEFT)
        .union(Position::TOP_REAR_LEFT)
        .union(Position::TOP_SIDE_LEFT)
        .union(Position::FRONT_LEFT_WIDE);
    const RIGHT: Position = Position::REAR_RIGHT
        .union(Position::SIDE_RIGHT)
        .union(Position::FRONT_RIGHT_CENTER)
        .union(Position::TOP_FRONT_RIGHT)
        .union(Position::TOP_REAR_RIGHT)
        .union(Position::TOP_SIDE_RIGHT)
        .union(Position::FRONT_RIGHT_WIDE);
    const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
    if position == Position::FRONT_LEFT {
        [1.0, 0.0]
    } else if position == Position::FRONT_RIGHT {
        [0.0, 1.0]
    } else if position == Position::FRONT_CENTER {
        [HALF, HALF]
    } else if LEFT.contains(position) {
        [HALF, 0.0]
    } else if RIGHT.contains(position) {
        [0.0, HALF]
    } else if position == Position::REAR_CENTER || position == Position::TOP_CENTER {
        [0.5, 0.5]
    } else {
        [0.0, 0.0]
    }
}

const MAX_CHANNELS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(channels: &Channels, interleaved: &[f32]) -> Vec<f32> {
        let mut stereo = vec![9.0];
        to_stereo(channels, interleaved, &mut stereo);
        stereo
    }

    #[test]
    fn mono_goes_to_both_sides_and_stereo_stays() {
        let mono = Channels::Positioned(Position::FRONT_CENTER);
        assert_eq!(folded(&mono, &[0.1, 0.2]), [0.1, 0.1, 0.2, 0.2]);
        let stereo = Channels::Positioned(Position::FRONT_LEFT | Position::FRONT_RIGHT);
        assert_eq!(folded(&stereo, &[0.1, 0.2]), [0.1, 0.2]);
    }

    #[test]
    fn surround_keeps_sides_apart_and_never_clips() {
        let surround = Channels::Positioned(
            Position::FRONT_LEFT
                | Position::FRONT_RIGHT
                | Position::FRONT_CENTER
                | Position::LFE1
                | Position::SIDE_LEFT
                | Position::SIDE_RIGHT,
        );
        let full = folded(&surround, &[1.0; 6]);
        assert!(
            full.iter().all(|value| (0.99..=1.0001).contains(value)),
            "{full:?}"
        );
        let left = folded(&surround, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(left[0] > 0.6 && left[1] == 0.0, "{left:?}");
        let centre = folded(&surround, &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(centre[0] == centre[1] && centre[0] > 0.25, "{centre:?}");
        let low = folded(&surround, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(low, [0.0, 0.0]);
    }

    #[test]
    fn unknown_layouts_use_the_first_two() {
        assert_eq!(folded(&Channels::Discrete(3), &[0.1, 0.2, 0.3]), [0.1, 0.2]);
        assert_eq!(folded(&Channels::Discrete(40), &[0.5; 40]).len(), 2);
        assert_eq!(folded(&Channels::None, &[]), [0.0; 0]);
    }
}
