//! Everything that one player is heard playing.

use super::{Duck, Effects, Fade, Next, Pipeline, TrackInfo, Transition};
use crate::{
    decode::{DecodeError, SeekError},
    frame::OpusFrame,
};

/// Plays one player's sound and owns every transition.
#[derive(Debug)]
pub struct Deck {
    current: Pipeline,
    run: u64,
    next: Option<(Pipeline, u64, Transition)>,
    over: bool,
}

/// What [`Deck::next_frame`] found.
#[derive(Debug)]
pub enum DeckNext {
    /// A packet was written. A run other than that of the packet before says that the track
    /// before is over and the queued one has begun.
    Frame {
        /// The run of the track that is heard; during a crossfade, of the one that comes.
        run: u64,
        /// The place in the track that is heard, in milliseconds from its start.
        position_ms: u64,
    },
    /// A source would have had to wait. Nothing is lost; try again when more bytes are there.
    NotReady,
    /// The last track is over. A track queued now begins with the next call.
    End {
        /// Its run.
        run: u64,
    },
    /// A track cannot go on. If another one is queued, the next call begins it.
    Failed {
        /// The run of the track that failed.
        run: u64,
        /// Why.
        error: DecodeError,
    },
}

impl Deck {
    /// Begins with a track; `run` is how the caller knows it again.
    pub fn new(pipeline: Pipeline, run: u64) -> Self {
        Self {
            current: pipeline,
            run,
            next: None,
            over: false,
        }
    }

    /// Returns the run of the track that is playing.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Returns what is known about the track that is playing.
    pub fn info(&self) -> TrackInfo {
        self.current.info()
    }

    /// Whether the next packet will be one of the source's own, as far as can be known.
    pub fn is_passthrough(&self) -> bool {
        self.current.is_passthrough()
    }

    /// Changes what the sound is like, from the next packet on.
    pub fn set_effects(&mut self, effects: &Effects) {
        self.current.set_gain(effects.gain);
    }

    /// Ends the present track early: no packet that begins at or behind this place will come.
    pub fn set_end(&mut self, end_ms: Option<u64>) {
        self.current.set_end(end_ms);
    }

    /// Says what follows when the present track is over, in place of what was queued before.
    pub fn queue_next(&mut self, pipeline: Pipeline, run: u64, transition: Transition) {
        self.next = Some((pipeline, run, transition));
    }

    /// Takes back [`Self::queue_next`]. A track that is being faded in already stays.
    pub fn clear_next(&mut self) {
        self.next = None;
    }

    /// Lets another sound (speech) be heard over the music, in place of the one before.
    #[expect(clippy::unused_self, reason = "comes with the mixer")]
    pub fn overlay(&mut self, _pipeline: Pipeline, _duck: Duck) {}

    /// Fades everything, from the next packet on.
    #[expect(clippy::unused_self, reason = "comes with the mixer")]
    pub fn fade(&mut self, _fade: Fade) {}

    /// Goes to a place in the present track.
    ///
    /// May read a lot: call it where waiting is allowed.
    ///
    /// # Errors
    /// The source cannot go there; the track is then over.
    pub fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        self.over = false;
        self.current.seek(to_ms)
    }

    /// Goes back by up to `frames` packets that were yielded already, so that they come once more
    /// with the effects set since; returns by how many.
    #[expect(clippy::unused_self, reason = "comes with the mixer")]
    pub fn rewind(&mut self, _frames: usize) -> usize {
        0
    }

    /// Writes the next packet to `out`.
    pub fn next_frame(&mut self, out: &mut OpusFrame) -> DeckNext {
        if self.over {
            let Some((pipeline, run, _)) = self.next.take() else {
                return DeckNext::End { run: self.run };
            };
            (self.current, self.run, self.over) = (pipeline, run, false);
        }
        match self.current.next_frame(out) {
            Next::Frame { position_ms } => DeckNext::Frame {
                run: self.run,
                position_ms,
            },
            Next::NotReady => DeckNext::NotReady,
            Next::End => {
                self.over = self.next.is_some();
                if self.over {
                    return self.next_frame(out);
                }
                DeckNext::End { run: self.run }
            }
            Next::Failed(error) => {
                self.over = true;
                DeckNext::Failed {
                    run: self.run,
                    error,
                }
            }
        }
    }
}
