//! What went into the mixer last, and what it was.

use std::collections::VecDeque;

use crate::frame::{CHANNELS, FRAME_SAMPLES};

/// The last [`Tape::SAMPLES`] samples before the filters, to go back to.
///
/// Kept as 16-bit numbers of an eighth of full scale each, that is with noise 72 dB below it,
/// which is heard for a fraction of a second only and where somebody changes the sound anyway.
/// Takes 61 KB. Real-time: never allocates.
#[derive(Debug)]
pub(super) struct Tape {
    ring: Box<[i16]>,
    /// Samples written since the beginning.
    written: u64,
    /// How many of the last ones are there.
    kept: usize,
    segments: VecDeque<Segment>,
}

/// From where on a tape which place of which track is heard.
#[derive(Clone, Copy, Debug)]
struct Segment {
    from: u64,
    run: u64,
    position: i64,
}

impl Tape {
    /// 16 frames.
    pub(super) const SAMPLES: usize = 16 * FRAME_SAMPLES;

    pub(super) fn new() -> Self {
        Self {
            ring: vec![0; Self::SAMPLES * CHANNELS].into_boxed_slice(),
            written: 0,
            kept: 0,
            segments: VecDeque::with_capacity(MOST_SEGMENTS),
        }
    }

    /// Returns how many samples were written since the beginning.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the index of the oldest sample that is there.
    pub(super) fn oldest(&self) -> u64 {
        self.written - self.kept as u64
    }

    /// Forgets the samples, but goes on counting.
    pub(super) fn cut(&mut self) {
        self.kept = 0;
        self.segments.clear();
    }

    /// Appends samples that begin at `position` of a track.
    pub(super) fn write(&mut self, run: u64, position: i64, block: &[f32]) {
        let follows = self.segments.back().is_some_and(|last| {
            last.run == run && last.position + (self.written - last.from) as i64 == position
        });
        if !follows {
            if self.segments.len() == MOST_SEGMENTS {
                self.segments.pop_front();
            }
            self.segments.push_back(Segment {
                from: self.written,
                run,
                position,
            });
        }
        for sample in block.as_chunks::<CHANNELS>().0 {
            let at = (self.written % Self::SAMPLES as u64) as usize * CHANNELS;
            for (place, value) in self.ring[at..at + CHANNELS].iter_mut().zip(sample) {
                *place = (value * SCALE).round().clamp(-32_768.0, 32_767.0) as i16;
            }
            self.written += 1;
        }
        self.kept = (self.kept + block.len() / CHANNELS).min(Self::SAMPLES);
    }

    /// Reads samples from an index on, as many as fit and are there; returns how many.
    pub(super) fn read(&self, from: u64, block: &mut [f32]) -> usize {
        if from < self.oldest() {
            return 0;
        }
        let count = (self.written.saturating_sub(from) as usize).min(block.len() / CHANNELS);
        for (index, sample) in block.as_chunks_mut::<CHANNELS>().0[..count]
            .iter_mut()
            .enumerate()
        {
            let at = ((from + index as u64) % Self::SAMPLES as u64) as usize * CHANNELS;
            for (value, place) in sample.iter_mut().zip(&self.ring[at..at + CHANNELS]) {
                *value = f32::from(*place) / SCALE;
            }
        }
        count
    }

    /// Returns which run and which position are heard at an index.
    pub(super) fn locate(&self, index: f64) -> Option<(u64, i64)> {
        let before = |segment: &&Segment| segment.from as f64 <= index;
        let segment = self.segments.iter().rev().find(before);
        let segment = segment.or_else(|| self.segments.front())?;
        let offset = (index - segment.from as f64).floor() as i64;
        Some((segment.run, segment.position + offset))
    }
}

/// More are never needed within what is kept and the little that is ahead.
const MOST_SEGMENTS: usize = 16;

const SCALE: f32 = 32_768.0 / 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_located() {
        let mut tape = Tape::new();
        let ramp = |from: usize, count: usize| -> Vec<f32> {
            (from..from + count)
                .flat_map(|value| [value as f32 / 40_000.0, -(value as f32) / 40_000.0])
                .collect()
        };
        tape.write(1, 100, &ramp(0, 1_000));
        tape.write(1, 1_100, &ramp(1_000, 500));
        tape.write(2, 0, &ramp(1_500, 20_000));
        assert_eq!((tape.written(), tape.oldest()), (21_500, 21_500 - 15_360));
        let mut block = [0.0; 2_000];
        assert_eq!(tape.read(21_000, &mut block), 500);
        let error = block[..1_000]
            .iter()
            .zip(&ramp(21_000, 500))
            .fold(0.0_f32, |most, (found, expected)| {
                most.max((found - expected).abs())
            });
        assert!(error < 0.000_13, "{error}");
        assert_eq!(tape.read(100, &mut block), 0, "too old");
        assert_eq!(tape.locate(0.0), Some((1, 100)));
        assert_eq!(tape.locate(1_499.5), Some((1, 1_599)));
        assert_eq!(tape.locate(1_500.0), Some((2, 0)));
        assert_eq!(tape.locate(30_000.0), Some((2, 28_500)));
    }
}
