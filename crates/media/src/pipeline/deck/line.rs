//! One track after another, as samples: gapless, or cross-faded.

use std::f32::consts::FRAC_PI_2;

use super::track::{Ready, Track};
use crate::{
    decode::DecodeError,
    frame::CHANNELS,
    pipeline::{Loudness, Transition},
};

/// The track that plays, and the one that follows.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) current: Track,
    next: Option<Queued>,
    /// How much of the crossfade is done, in samples, once it has begun.
    crossfade: Option<(u64, u64)>,
    pub(super) loudness: Option<Loudness>,
    /// The track that comes in while two are heard.
    scratch: Vec<f32>,
}

#[derive(Debug)]
struct Queued {
    track: Track,
    /// Length of the crossfade in samples.
    crossfade: u64,
}

/// What [`Line::fill`] found.
#[derive(Debug)]
pub(super) enum Filled {
    /// So many samples, beginning at that place of that track.
    Samples {
        count: usize,
        run: u64,
        position: i64,
    },
    NotReady,
    End,
    Failed {
        run: u64,
        error: DecodeError,
    },
}

impl Line {
    pub(super) fn new(current: Track) -> Self {
        Self {
            current,
            next: None,
            crossfade: None,
            loudness: None,
            scratch: Vec::new(),
        }
    }

    pub(super) fn queue(&mut self, track: Track, transition: Transition) {
        if self.crossfade.is_some() {
            self.finish_crossfade();
        }
        let ms = transition.crossfade_ms.min(Transition::MAX_MS);
        self.next = Some(Queued {
            track,
            crossfade: u64::from(ms) * 48,
        });
    }

    pub(super) fn clear(&mut self) {
        if self.crossfade.is_none() {
            self.next = None;
        }
    }

    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn is_crossfading(&self) -> bool {
        self.crossfade.is_some()
    }

    /// Returns the track that is heard; of two, the one that comes.
    pub(super) fn heard(&self) -> &Track {
        match (&self.crossfade, &self.next) {
            (Some(_), Some(next)) => &next.track,
            _ => &self.current,
        }
    }

    /// The same.
    pub(super) fn heard_mut(&mut self) -> &mut Track {
        match (&self.crossfade, &mut self.next) {
            (Some(_), Some(next)) => &mut next.track,
            _ => &mut self.current,
        }
    }

    /// Whether two tracks will be heard at `position` of the present one, or soon after.
    pub(super) fn is_crossfade_near(&self, position: i64) -> bool {
        let Some(next) = &self.next else { return false };
        let soon = next.crossfade as i64 + NEAR;
        next.crossfade > 0
            && self
                .current
                .remaining(position)
                .is_some_and(|left| left <= soon)
    }

    /// Lets the track that comes in be the only one.
    pub(super) fn finish_crossfade(&mut self) {
        self.crossfade = None;
        if let Some(next) = self.next.take() {
            self.current = next.track;
        }
    }

    /// Begins the next track at its first sample; false if there is none.
    pub(super) fn switch(&mut self) -> bool {
        let Some(mut next) = self.next.take() else {
            return false;
        };
        self.crossfade = None;
        begin(&mut next.track);
        self.current = next.track;
        true
    }

    /// Begins the crossfade now, over at most `samples`.
    pub(super) fn hurry(&mut self, samples: u64) {
        if let (Some(next), None) = (&mut self.next, self.crossfade) {
            begin(&mut next.track);
            // A cut would click.
            self.crossfade = Some((0, samples.max(240)));
        }
    }

    /// Writes what comes next to `block`: interleaved stereo. Real-time except for decoding.
    pub(super) fn fill(&mut self, block: &mut [f32]) -> Filled {
        loop {
            if self.crossfade.is_some() {
                if let Some(filled) = self.fill_from_both(block) {
                    return filled;
                }
                continue;
            }
            match self.current.prepare() {
                Ready::Yes => {}
                Ready::NotYet => return Filled::NotReady,
                Ready::End => {
                    if self.switch() {
                        continue;
                    }
                    return Filled::End;
                }
                Ready::Failed(error) => {
                    let run = self.current.run;
                    return Filled::Failed { run, error };
                }
            }
            let position = self.current.position();
            let mut count = self.current.available().min(block.len() / CHANNELS);
            if let Some(next) = &mut self.next
                && next.crossfade > 0
                && let Some(left) = self.current.remaining(position)
            {
                let until = left - next.crossfade as i64;
                if until > 0 {
                    count = count.min(usize::try_from(until).unwrap_or(usize::MAX));
                } else {
                    begin(&mut next.track);
                    match next.track.prepare() {
                        Ready::Yes if left > 0 => {
                            self.crossfade = Some((0, left as u64));
                            continue;
                        }
                        // Not there yet: the crossfade becomes shorter.
                        Ready::Yes | Ready::NotYet => {}
                        Ready::End => self.next = None,
                        Ready::Failed(error) => {
                            let run = next.track.run;
                            self.next = None;
                            return Filled::Failed { run, error };
                        }
                    }
                }
            }
            self.current
                .take(&mut block[..count * CHANNELS], self.loudness.as_ref());
            return Filled::Samples {
                count,
                run: self.current.run,
                position,
            };
        }
    }

    /// Mixes both tracks; `None` if the crossfade is over.
    fn fill_from_both(&mut self, block: &mut [f32]) -> Option<Filled> {
        let (done, total) = self.crossfade?;
        let Some(next) = &mut self.next else {
            self.crossfade = None;
            return None;
        };
        if done >= total {
            self.finish_crossfade();
            return None;
        }
        // A track that ends or breaks while it goes is silent from there on.
        let old = match self.current.prepare() {
            Ready::Yes => Some(self.current.available()),
            Ready::NotYet => return Some(Filled::NotReady),
            Ready::End | Ready::Failed(_) => None,
        };
        let run = next.track.run;
        let new = match next.track.prepare() {
            Ready::Yes => next.track.available(),
            Ready::NotYet => return Some(Filled::NotReady),
            Ready::End => {
                self.finish_crossfade();
                return None;
            }
            Ready::Failed(error) => {
                self.finish_crossfade();
                return Some(Filled::Failed { run, error });
            }
        };
        let position = next.track.position();
        let count = new
            .min(old.unwrap_or(usize::MAX))
            .min(block.len() / CHANNELS)
            .min((total - done) as usize);
        let block = &mut block[..count * CHANNELS];
        block.fill(0.0);
        if old.is_some() {
            self.current.take(block, self.loudness.as_ref());
        }
        self.scratch.resize(block.len(), 0.0);
        next.track.take(&mut self.scratch, self.loudness.as_ref());
        let new = self.scratch.as_chunks::<CHANNELS>().0;
        for (index, (old, new)) in block
            .as_chunks_mut::<CHANNELS>()
            .0
            .iter_mut()
            .zip(new)
            .enumerate()
        {
            // Equal power: the sum of the squares of both gains is one.
            let place = (done + index as u64) as f32 / total as f32;
            let (coming, going) = (place * FRAC_PI_2).sin_cos();
            for (old, new) in old.iter_mut().zip(new) {
                *old = *old * going + new * coming;
            }
        }
        self.crossfade = Some((done + count as u64, total));
        Some(Filled::Samples {
            count,
            run,
            position,
        })
    }
}

/// Without what its decoder needs to warm up.
fn begin(track: &mut Track) {
    if track.position() <= track.first() {
        track.aim(track.first());
    }
}

/// 100 ms: how long before a crossfade samples are needed.
const NEAR: i64 = 4_800;
