//! Time-stretching by overlapping pieces that fit (WSOLA: W. Verhelst and M. Roelands, 1993).
//!
//! The output is made of pieces of the input, `piece` samples each, that overlap by `OVERLAP`. The
//! next piece is taken `tempo` times further on in the input than in the output, give or take half
//! of `SEEK`: wherever the sound is most like the natural continuation of the piece before. Both
//! channels are moved together, so that they stay in phase.

use crate::frame::CHANNELS;

/// Stretches interleaved stereo at 48 kHz.
///
/// Latency is about a piece, 40..=90 ms.
#[derive(Debug)]
pub(super) struct Stretch {
    tempo: f64,
    /// Interleaved input that may still be needed.
    input: Vec<f32>,
    /// Where in `input`, in samples, the next piece would begin if it had not to fit. May lie
    /// behind what was pushed so far.
    place: f64,
    /// The natural continuation of the piece before.
    tail: Vec<f32>,
    /// How far the last piece was moved.
    moved: isize,
    /// The last piece was one at the original tempo.
    exact: bool,
}

impl Stretch {
    pub(super) fn new() -> Self {
        Self {
            tempo: 1.0,
            input: Vec::new(),
            place: 0.0,
            tail: Vec::new(),
            moved: 0,
            exact: false,
        }
    }

    pub(super) fn tempo(&self) -> f64 {
        self.tempo
    }

    /// Changes the tempo from the next piece on.
    pub(super) fn set_tempo(&mut self, tempo: f64) {
        self.tempo = tempo.clamp(0.05, 20.0);
    }

    pub(super) fn reset(&mut self) {
        self.input.clear();
        self.tail.clear();
        (self.place, self.moved, self.exact) = (0.0, 0, false);
    }

    /// Returns how many samples of input were not heard yet.
    pub(super) fn lag(&self) -> f64 {
        (self.input.len() / CHANNELS) as f64 - self.place
    }

    pub(super) fn push(&mut self, block: &[f32]) {
        self.input.extend_from_slice(block);
    }

    /// Whether what comes out is what came in.
    pub(super) fn is_exact(&self) -> bool {
        self.exact && self.tempo == 1.0
    }

    /// Appends every piece for which there is enough input.
    pub(super) fn pull(&mut self, out: &mut Vec<f32>) {
        let piece = self.piece();
        while self.place.floor() as usize + SEEK / 2 + piece <= self.input.len() / CHANNELS {
            let place = self.place.floor() as usize;
            let start = if self.tail.is_empty() {
                place
            } else if self.is_exact() {
                // The natural continuation itself: nothing is changed any more.
                place.saturating_add_signed(self.moved)
            } else {
                self.best(place)
            };
            self.moved = start as isize - place as isize;
            self.exact = self.tempo == 1.0;
            let piece = &self.input[start * CHANNELS..(start + piece) * CHANNELS];
            let (over, body) = piece.split_at(OVERLAP * CHANNELS);
            let (body, tail) = body.split_at(body.len() - OVERLAP * CHANNELS);
            append_overlap(&self.tail, over, out);
            out.extend_from_slice(body);
            self.tail.clear();
            self.tail.extend_from_slice(tail);
            self.place += self.tempo * ((body.len() / CHANNELS + OVERLAP) as f64);
            self.forget();
        }
    }

    /// Appends everything that is left, unchanged.
    pub(super) fn drain(&mut self, out: &mut Vec<f32>) {
        let place = (self.place.floor() as usize).saturating_add_signed(self.moved);
        let rest = self.input.get(place * CHANNELS..).unwrap_or_default();
        if rest.len() >= self.tail.len() {
            let (over, body) = rest.split_at(self.tail.len());
            append_overlap(&self.tail, over, out);
            out.extend_from_slice(body);
        }
        self.reset();
    }

    /// Slow tempos need long pieces, lest they stutter; fast ones short ones, lest words are lost.
    fn piece(&self) -> usize {
        let tempo = self.tempo.clamp(0.5, 2.0);
        let ms = 90.0 - (tempo - 0.5) * (90.0 - 40.0) / 1.5;
        (ms * 48.0) as usize
    }

    /// Returns where near `place` the input is most like the tail of the piece before.
    fn best(&self, place: usize) -> usize {
        let first = place.saturating_sub(SEEK / 2);
        let last = place + SEEK / 2;
        let like = |start: usize| {
            let window = &self.input[start * CHANNELS..][..OVERLAP * CHANNELS];
            let (product, energy) = correlation(&self.tail, window);
            product / (energy + 1e-9).sqrt()
        };
        // Every fourth place first, then those around the best one: sounds are likest at their
        // slow waves, and those do not change within four samples.
        let coarse = (first..=last).step_by(COARSE).map(|at| (at, like(at)));
        let (near, _) = max((place, like(place)), coarse);
        let fine = (near.saturating_sub(COARSE - 1).max(first)..=(near + COARSE - 1).min(last))
            .map(|at| (at, like(at)));
        max((near, like(near)), fine).0
    }

    /// Drops input that no piece will need.
    fn forget(&mut self) {
        let keep_from = (self.place.floor() as usize).saturating_sub(SEEK / 2);
        let drop = keep_from.min(self.input.len() / CHANNELS);
        self.input.drain(..drop * CHANNELS);
        self.place -= drop as f64;
    }
}

/// Returns the best place; the first one, if others are only as good.
fn max(first: (usize, f32), places: impl Iterator<Item = (usize, f32)>) -> (usize, f32) {
    places.fold(
        first,
        |best, next| if next.1 > best.1 { next } else { best },
    )
}

/// Fades from `tail` to `over`; without a tail, `over` alone.
fn append_overlap(tail: &[f32], over: &[f32], out: &mut Vec<f32>) {
    if tail.is_empty() {
        out.extend_from_slice(over);
        return;
    }
    let samples = over.len() / CHANNELS;
    for (index, (old, new)) in tail.iter().zip(over).enumerate() {
        let weight = (index / CHANNELS) as f32 / samples as f32;
        out.push(old + (new - old) * weight);
    }
}

/// Returns the sum of products, and the sum of squares of the second.
fn correlation(first: &[f32], second: &[f32]) -> (f32, f32) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { correlation_avx2(first, second) };
    }
    correlation_of(first, second)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn correlation_avx2(first: &[f32], second: &[f32]) -> (f32, f32) {
    correlation_of(first, second)
}

#[inline]
fn correlation_of(first: &[f32], second: &[f32]) -> (f32, f32) {
    const LANES: usize = 32;
    let (mut products, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let blocks = first.as_chunks::<LANES>().0.iter();
    for (first, second) in blocks.zip(second.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            products[lane] += first[lane] * second[lane];
            squares[lane] += second[lane] * second[lane];
        }
    }
    (products.iter().sum(), squares.iter().sum())
}

/// 8 ms; a multiple of 16.
const OVERLAP: usize = 384;

/// 16 ms: a whole wave of 62 Hz.
const SEEK: usize = 768;

/// Step of the first search.
const COARSE: usize = 4;
