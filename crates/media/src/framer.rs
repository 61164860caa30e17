//! Any number of samples in, frames of 960 out.

use crate::frame::{CHANNELS, FRAME_VALUES};

/// Cuts a stream of interleaved stereo into frames of 20 ms at 48 kHz.
#[derive(Debug, Default)]
pub struct Framer {
    values: Vec<f32>,
    start: usize,
}

impl Framer {
    /// Begins empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds interleaved stereo. Allocates only until it has grown to the largest piece pushed.
    pub fn push(&mut self, values: &[f32]) {
        debug_assert_eq!(values.len() % CHANNELS, 0, "whole samples only");
        self.compact();
        self.values.extend_from_slice(values);
    }

    /// Lets `write` append interleaved stereo.
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<f32>) -> T) -> T {
        self.compact();
        write(&mut self.values)
    }

    /// Returns how many samples per channel are waiting.
    pub fn samples(&self) -> usize {
        (self.values.len() - self.start) / CHANNELS
    }

    /// Takes a frame, if one is complete. Real-time: never allocates.
    pub fn pop(&mut self, frame: &mut [f32; FRAME_VALUES]) -> bool {
        let Some(next) = self.values.get(self.start..self.start + FRAME_VALUES) else {
            return false;
        };
        frame.copy_from_slice(next);
        self.start += FRAME_VALUES;
        true
    }

    /// Takes what is left, filled up with silence; false if nothing is.
    pub fn pop_last(&mut self, frame: &mut [f32; FRAME_VALUES]) -> bool {
        if self.pop(frame) {
            return true;
        }
        let rest = &self.values[self.start..];
        if rest.is_empty() {
            return false;
        }
        frame[..rest.len()].copy_from_slice(rest);
        frame[rest.len()..].fill(0.0);
        self.clear();
        true
    }

    /// Appends everything that is waiting to `out`.
    pub fn drain(&mut self, out: &mut Vec<f32>) {
        out.extend_from_slice(&self.values[self.start..]);
        self.clear();
    }

    /// Drops everything that is waiting.
    pub fn clear(&mut self) {
        self.values.clear();
        self.start = 0;
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.values.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_out_once_and_in_order() {
        for piece in [2, 4, 882, 1152, 1920, 2304, 9216] {
            let all: Vec<f32> = (0..40_000).map(|value| value as f32).collect();
            let (mut framer, mut frame, mut out) = (Framer::new(), [0.0; FRAME_VALUES], Vec::new());
            for values in all.chunks(piece) {
                framer.push(values);
                while framer.pop(&mut frame) {
                    out.extend(frame);
                }
            }
            assert!(framer.samples() < 960, "{piece}");
            assert!(
                framer.pop_last(&mut frame) && !framer.pop_last(&mut frame),
                "{piece}"
            );
            out.extend(frame);
            assert_eq!(out[..all.len()], all, "{piece}");
            assert_eq!(
                out.len(),
                all.len().next_multiple_of(FRAME_VALUES),
                "{piece}"
            );
            assert!(
                out[all.len()..].iter().all(|value| *value == 0.0),
                "{piece}"
            );
        }
    }

    #[test]
    fn cleared_means_empty() {
        let (mut framer, mut frame) = (Framer::new(), [0.0; FRAME_VALUES]);
        framer.push(&[1.0; 100]);
        framer.clear();
        assert_eq!((framer.samples(), framer.pop_last(&mut frame)), (0, false));
    }
}
