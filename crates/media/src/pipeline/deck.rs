//! Everything that one player is heard playing.
//!
//! While nothing changes the sound, Opus packets of the source pass untouched, and the last ones
//! are kept. As soon as something does (effects, an overlay, a fade, two tracks that meet), a
//! [`mixer`] takes over: it hears the last 80 ms again, so that decoder, filters and encoder are in
//! the state they would be in had they been at work all the time, and begins where the listener
//! is. When all of that is over, packets pass again from the first one that begins where the
//! mixer has come to.

mod history;
mod leveler;
mod line;
mod mixer;
mod tape;
mod track;

use self::{
    line::Line,
    mixer::{Mixed, Mixer},
    track::{Ready, Track},
};
use super::{Duck, Effects, Fade, Pipeline, TrackInfo, Transition, Way, millis};
use crate::{
    decode::{DecodeError, SeekError},
    dsp::Ramp,
    frame::OpusFrame,
    opus::EncoderOptions,
};

/// Plays one player's sound and owns every transition.
///
/// Passing Opus through takes about 15 KiB and never allocates once a few packets went by.
/// Anything else takes about 150 KiB more, for the mixer.
#[derive(Debug)]
pub struct Deck {
    options: EncoderOptions,
    line: Line,
    mixer: Option<Box<Mixer>>,
    effects: Effects,
    neutral: bool,
    fade: Ramp,
    /// An overlay that waits for the mixer.
    overlay: Option<Track>,
    duck: Duck,
    /// Run of the last packet.
    run: u64,
    /// A packet went out since the beginning or the last seek.
    heard: bool,
    ended: bool,
    /// The run that the mixer was called for to join the next one to.
    joining: Option<u64>,
    /// Where packets can pass again after the next frame.
    exit: Option<i64>,
    /// For how many frames the mixer has been waiting for a good place to leave.
    waited: u32,
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
    /// A source would have had to wait. Nothing is lost but what
    /// [`crate::decode::Decoder::next_packet`] says; try again when more bytes are there.
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
            options: pipeline.options(),
            line: Line::new(Track::new(pipeline, run)),
            mixer: None,
            effects: Effects::default(),
            neutral: true,
            fade: Ramp::new(1.0),
            overlay: None,
            duck: Duck::default(),
            run,
            heard: false,
            ended: false,
            joining: None,
            exit: None,
            waited: 0,
        }
    }

    /// Returns the run of the last packet.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Returns what is known about the track that is heard.
    pub fn info(&self) -> TrackInfo {
        self.line.heard().pipeline.info()
    }

    /// Whether the next packet will be one of the source's own, as far as can be known.
    pub fn is_passthrough(&self) -> bool {
        self.mixer.is_none() && !self.needs_mixer()
    }

    /// Whether an overlay is heard, or about to be.
    pub fn has_overlay(&self) -> bool {
        self.overlay.is_some() || self.mixer.as_ref().is_some_and(|mixer| mixer.has_overlay())
    }

    /// Whether a fade is still going on.
    pub fn is_fading(&self) -> bool {
        !self.fade.is_settled()
    }

    /// Changes what the sound is like, from the next packet on: the gain within 20 ms, filters
    /// within 10 ms.
    pub fn set_effects(&mut self, effects: &Effects) {
        if self.effects != *effects {
            self.effects = effects.sane();
            self.neutral = self.effects.is_neutral();
        }
    }

    /// Ends the track that is heard early: no packet that begins at or behind this place will
    /// come, give or take one.
    pub fn set_end(&mut self, end_ms: Option<u64>) {
        self.line.heard_mut().set_end(end_ms);
    }

    /// Says what follows when the present track is over, in place of what was queued before.
    pub fn queue_next(&mut self, pipeline: Pipeline, run: u64, transition: Transition) {
        self.line.queue(Track::new(pipeline, run), transition);
    }

    /// Takes back [`Self::queue_next`]. A track that is being faded in already stays.
    pub fn clear_next(&mut self) {
        self.line.clear();
    }

    /// Goes over to the queued track now; without one, does nothing.
    pub fn skip(&mut self, transition: Transition) {
        let ms = transition.crossfade_ms.min(Transition::MAX_MS);
        self.line.hurry(u64::from(ms) * 48);
    }

    /// Lets another sound (speech) be heard over the music, in place of the one before. It is
    /// neither filtered nor does the gain of the effects apply to it; its own does
    /// ([`Pipeline::set_gain`]).
    pub fn overlay(&mut self, pipeline: Pipeline, duck: Duck) {
        self.overlay = Some(Track::new(pipeline, self.run));
        self.duck = Duck {
            gain_db: if duck.gain_db.is_nan() {
                0.0
            } else {
                duck.gain_db
            },
            ..duck
        };
    }

    /// Ends the overlay, if there is one.
    pub fn clear_overlay(&mut self) {
        self.overlay = None;
        if let Some(mixer) = &mut self.mixer {
            mixer.clear_overlay(self.duck);
        }
    }

    /// Begins in silence, to be faded up; once something was heard, does nothing.
    pub fn begin_silent(&mut self) {
        if !self.heard {
            self.fade = Ramp::new(0.0);
        }
    }

    /// Fades everything, from the next packet on, from the gain that is heard to another one.
    pub fn fade(&mut self, fade: Fade) {
        let samples = fade.ms.min(60_000) as usize * 48;
        // A jump would click.
        let to = if fade.to.is_nan() { 1.0 } else { fade.to };
        self.fade.set(to.clamp(0.0, 1.0), samples.max(240));
    }

    /// Goes to a place in the track that is heard. Of an Opus source the packet that holds it
    /// comes next; any other begins at the sample.
    ///
    /// May read a lot: call it where waiting is allowed.
    ///
    /// # Errors
    /// The source cannot go there; the track is then over.
    pub fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        if self.line.is_crossfading() {
            self.line.finish_crossfade();
        }
        (self.ended, self.joining, self.exit) = (false, None, None);
        self.heard = false;
        if let Err(error) = self.line.current.seek(to_ms) {
            self.ended = true;
            self.mixer = None;
            return Err(error);
        }
        // A mixer that is not needed any more leaves by itself; it may hold an overlay.
        if self.mixer.is_some() {
            self.start_samples();
        }
        Ok(())
    }

    /// Goes back by up to `frames` packets that were yielded already, so that they come once more
    /// with the effects set since; returns by how many.
    ///
    /// Up to 32 packets if they were passed through, about 10 if they were made here, none while
    /// an overlay is heard.
    pub fn rewind(&mut self, frames: usize) -> usize {
        self.exit = None;
        let back = match &mut self.mixer {
            Some(mixer) => mixer.rewind(frames),
            None => self.line.current.back(frames.min(MOST_BACK)),
        };
        if back > 0 {
            self.ended = false;
        }
        back
    }

    fn needs_mixer(&self) -> bool {
        !self.neutral
            || self.overlay.is_some()
            || !self.fade.is_unity()
            || self.line.is_crossfading()
            || self.joining == Some(self.line.current.run)
            || !self.line.current.is_passable()
            || self
                .line
                .is_crossfade_near(self.line.current.packet_position())
    }

    /// Writes the next packet to `out`.
    ///
    /// Passing through never allocates once a few packets went by; mixing allocates only when it
    /// begins, when buffers grow, and what decoders need.
    pub fn next_frame(&mut self, out: &mut OpusFrame) -> DeckNext {
        loop {
            if self.ended {
                if !self.line.switch() {
                    return DeckNext::End { run: self.run };
                }
                (self.ended, self.heard, self.mixer) = (false, false, None);
            }
            if self.mixer.is_none() && self.needs_mixer() {
                if let Err(error) = self.begin_mixing() {
                    return self.fail(self.line.current.run, error);
                }
            } else if self.mixer.is_some() && !self.needs_mixer() {
                self.leave_mixing();
            }
            let next = if self.mixer.is_some() {
                self.mix(out)
            } else {
                self.pass(out)
            };
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// Passes a packet. `None` if something changed, so that it is to be tried again.
    fn pass(&mut self, out: &mut OpusFrame) -> Option<DeckNext> {
        let has_next = self.line.has_next();
        let track = &mut self.line.current;
        match track.look_at_packet() {
            Ready::Yes => {}
            Ready::NotYet => return Some(DeckNext::NotReady),
            Ready::End if self.heard && has_next => {
                self.joining = Some(track.run);
                return None;
            }
            Ready::End => {
                self.ended = true;
                return None;
            }
            Ready::Failed(error) => {
                let run = track.run;
                return Some(self.fail(run, error));
            }
        }
        if !track.is_passable() {
            return None;
        }
        let place = track.next_place()?;
        if place.trim_end > 0 && has_next {
            // The last one, and not all of it belongs to the track.
            self.joining = Some(self.line.current.run);
            return None;
        }
        let track = &mut self.line.current;
        let copied = out.set(track.packet());
        track.pass();
        copied.ok()?;
        self.heard = true;
        self.run = track.run;
        Some(DeckNext::Frame {
            run: self.run,
            position_ms: millis(place.position),
        })
    }

    fn mix(&mut self, out: &mut OpusFrame) -> Option<DeckNext> {
        let mixer = self.mixer.as_mut()?;
        if let Some(track) = self.overlay.take() {
            mixer.set_overlay(track, self.duck);
        }
        match mixer.next_frame(
            &mut self.line,
            &self.effects,
            self.duck,
            &mut self.fade,
            out,
        ) {
            Mixed::Frame { run, position } => {
                if let Some(position) = self.exit.take()
                    && self.line.current.become_packets(position)
                {
                    self.mixer = None;
                    self.waited = 0;
                }
                self.heard = true;
                self.run = run;
                Some(DeckNext::Frame {
                    run,
                    position_ms: millis(position),
                })
            }
            Mixed::NotReady => Some(DeckNext::NotReady),
            Mixed::End => {
                (self.ended, self.mixer, self.joining) = (true, None, None);
                None
            }
            Mixed::Failed { run, error } => Some(self.fail(run, error)),
        }
    }

    fn fail(&mut self, run: u64, error: DecodeError) -> DeckNext {
        if run == self.line.current.run {
            // What follows begins afresh.
            (self.ended, self.mixer, self.joining) = (true, None, None);
        }
        DeckNext::Failed { run, error }
    }

    /// Lets the mixer go on from where packets have come to.
    fn begin_mixing(&mut self) -> Result<(), DecodeError> {
        self.waited = 0;
        if !self.heard {
            self.mixer = Some(Box::new(Mixer::new(self.options, &self.effects)?));
            self.start_samples();
            return Ok(());
        }
        let mut mixer = Box::new(Mixer::new(self.options, &Effects::default())?);
        let track = &mut self.line.current;
        let mut before = Vec::new();
        track.become_samples(&mut before)?;
        mixer.begin_after(track.run, track.packet_position(), &before);
        self.mixer = Some(mixer);
        Ok(())
    }

    /// Lets the mixer begin at the track's place, after nothing.
    fn start_samples(&mut self) {
        let track = &mut self.line.current;
        let mut lead = 0;
        if matches!(track.pipeline.way, Way::Opus(_)) {
            // Without memory for a decoder it is made later, or the track fails then.
            let _ = track.become_samples(&mut Vec::new());
            let start = track.aligned_start();
            track.aim(start);
            lead = LOOK_AHEAD;
        }
        let Some(mixer) = &mut self.mixer else { return };
        mixer.jump(lead);
        mixer.begin_fresh(&self.effects, lead);
    }

    /// Lets packets pass again, if this is a place for it.
    fn leave_mixing(&mut self) {
        let Some(mixer) = &mut self.mixer else { return };
        let track = &mut self.line.current;
        if self.exit.is_some() || !mixer.is_plain() {
            return;
        }
        let Some((run, position)) = mixer.heard_until() else {
            return;
        };
        if run != track.run {
            return;
        }
        let skipped = (track.packet_position() - position).rem_euclid(960);
        if skipped == 0 {
            if track.become_packets(position) {
                self.mixer = None;
                self.waited = 0;
            }
            return;
        }
        // The packets do not begin where the frames did. What is between is heard twice, at a
        // moment when that is least noticed.
        self.waited += 1;
        let patience = 0.95 - 2.0 * self.waited as f32 / MOST_WAITED as f32;
        let spliced = mixer.splice(&mut self.line, &self.effects, skipped as usize, patience);
        if matches!(spliced, Ok(true)) {
            self.exit = Some(position + skipped);
        }
    }
}

/// How many samples libopus' encoder looks ahead: what goes into it is heard as much later.
const LOOK_AHEAD: i64 = 312;

/// Most packets to go back by.
const MOST_BACK: usize = 32;

/// Most frames to wait for a good place to leave the mixer: 10 s.
const MOST_WAITED: u32 = 500;
