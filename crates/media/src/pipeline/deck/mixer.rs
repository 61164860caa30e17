//! Samples through filters, gains and limiter to packets.

use std::collections::VecDeque;

use super::{
    LOOK_AHEAD,
    line::{Filled, Line},
    tape::Tape,
    track::{Ready, Track},
};
use crate::{
    decode::DecodeError,
    dsp::{Declick, FilterSet, Limiter, Rack, Ramp},
    frame::{CHANNELS, FRAME_SAMPLES, FRAME_VALUES, OpusFrame},
    opus::{Encoder, EncoderOptions},
    pipeline::{Duck, Effects},
};

/// Makes packets of a line of tracks.
///
/// Takes about 150 KiB: the encoder 50, the tape 61, buffers and filters; a timescale 200 more.
pub(super) struct Mixer {
    tape: Tape,
    /// Index on the tape of the next sample that goes into the filters.
    input: u64,
    /// Up to there the sound before is repeated only to warm up.
    warm_until: u64,
    /// What the sound is like, and what it is to be like from `warm_until` on.
    applied: Effects,
    /// The rack has still to be told so.
    due: bool,
    rack: Rack,
    gain: Ramp,
    duck: Ramp,
    overlay: Option<Track>,
    limiter: Limiter,
    declick: Declick,
    /// Lets what ends suddenly fade away.
    ending: Declick,
    encoder: Encoder,
    /// What comes next does not follow what was encoded last, but is heard again first.
    forget_encoded: bool,
    /// Filtered, interleaved.
    ready: Vec<f32>,
    /// How many values of `ready` the last gains and the overlay were applied to.
    mixed: usize,
    /// Where on the tape some samples of `ready` come from.
    marks: VecDeque<Mark>,
    /// Samples to be dropped, and then frames to be encoded but not sent: what was heard already.
    drop: usize,
    prime: usize,
    /// How far ahead of what a packet says the samples in it are.
    lead: i64,
    /// Where on the tape the last packets began.
    sent: VecDeque<u64>,
    /// Index on the tape at which everything is over.
    over: Option<u64>,
    last_position: Option<(u64, u64)>,
    scratch: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Value in `ready`, from its start.
    at: usize,
    tape: f64,
    speed: f64,
}

/// What [`Mixer::next_frame`] found.
#[derive(Debug)]
pub(super) enum Mixed {
    Frame { run: u64, position: i64 },
    NotReady,
    End,
    Failed { run: u64, error: DecodeError },
}

impl Mixer {
    pub(super) fn new(options: EncoderOptions, effects: &Effects) -> Result<Self, DecodeError> {
        Ok(Self {
            tape: Tape::new(),
            input: 0,
            warm_until: 0,
            applied: effects.clone(),
            due: false,
            rack: Rack::new(),
            gain: Ramp::new(effects.gain),
            duck: Ramp::new(1.0),
            overlay: None,
            limiter: Limiter::default(),
            declick: Declick::default(),
            ending: Declick::default(),
            encoder: Encoder::new(options)?,
            forget_encoded: false,
            ready: Vec::with_capacity(4 * FRAME_VALUES),
            mixed: 0,
            marks: VecDeque::with_capacity(64),
            drop: 0,
            prime: 0,
            lead: 0,
            sent: VecDeque::with_capacity(SENT),
            over: None,
            last_position: None,
            scratch: vec![0.0; Rack::BLOCK * CHANNELS],
        })
    }

    /// Begins after sound that was heard already (`before` holds up to 80 ms of it, which end at
    /// `position` of `run`), as if it had gone through here.
    pub(super) fn begin_after(&mut self, run: u64, position: i64, before: &[f32]) {
        let samples = before.len() / CHANNELS;
        self.tape.cut();
        self.input = self.tape.written();
        self.tape.write(run, position - samples as i64, before);
        self.lead = LOOK_AHEAD;
        self.enter(self.tape.written(), samples + LOOK_AHEAD as usize);
    }

    /// Begins at a place, after nothing.
    pub(super) fn begin_fresh(&mut self, effects: &Effects, lead: i64) {
        self.lead = lead;
        self.applied = effects.clone();
        self.rack.set(&effects.filters);
        self.rack.reset();
        self.gain = Ramp::new(effects.gain);
    }

    /// Goes on at another place (after a seek).
    pub(super) fn jump(&mut self, lead: i64) {
        self.tape.cut();
        self.input = self.tape.written();
        self.warm_until = self.input;
        self.rack.reset();
        self.forget_ready();
        self.lead = lead;
        self.sent.clear();
        self.last_position = None;
        self.forget_encoded = false;
        self.declick.arm();
    }

    fn forget_ready(&mut self) {
        self.ready.clear();
        self.marks.clear();
        (self.mixed, self.drop, self.prime) = (0, 0, 0);
        self.over = None;
    }

    /// Warms filters and encoder up with the tape from `input` on: `heard` samples of what comes
    /// out were heard already, and from `until` on new effects may come.
    fn enter(&mut self, until: u64, heard: usize) {
        self.warm_until = until;
        self.forget_ready();
        let without_timescale = FilterSet {
            timescale: None,
            ..(*self.applied.filters).clone()
        };
        self.rack.set(&without_timescale);
        self.rack.reset();
        self.due = self.applied.filters.timescale.is_some();
        self.gain = Ramp::new(self.applied.gain);
        self.drop = heard % FRAME_SAMPLES;
        self.prime = heard / FRAME_SAMPLES;
    }

    /// Goes back by up to `frames` packets; returns by how many.
    pub(super) fn rewind(&mut self, frames: usize) -> usize {
        if self.overlay.is_some() {
            return 0;
        }
        let oldest = self.tape.oldest();
        let mut back = frames.min(self.sent.len());
        let start = loop {
            let Some(index) = self.sent.len().checked_sub(back).filter(|_| back > 0) else {
                return 0;
            };
            let start = self.sent[index];
            // At least one frame is needed to warm the encoder up.
            if start >= oldest + FRAME_SAMPLES as u64 {
                break start;
            }
            back -= 1;
        };
        self.sent.truncate(self.sent.len() - back);
        let from = start.saturating_sub(WARM).max(oldest);
        self.rack.turn_back(self.input.saturating_sub(from));
        self.input = from;
        self.last_position = None;
        let heard = (start - from) as usize;
        self.enter(start.saturating_sub(LOOK_AHEAD as u64), heard);
        self.forget_encoded = true;
        self.declick = Declick::default();
        back
    }

    /// Whether nothing is left to be done but to encode what comes.
    pub(super) fn is_plain(&self) -> bool {
        self.rack.is_idle()
            && self.gain.is_unity()
            && self.duck.is_unity()
            && self.overlay.is_none()
            && !self.limiter.is_busy()
            && self.prime == 0
            && self.drop == 0
            && self.input >= self.warm_until
            && self.input == self.tape.written()
    }

    /// Returns where on the tape, and in which run at which position, the next packet begins to
    /// be heard; only when [`Self::is_plain`].
    pub(super) fn heard_until(&self) -> Option<(u64, i64)> {
        let start = self.input - (self.ready.len() / CHANNELS) as u64;
        self.tape.locate(start as f64 - LOOK_AHEAD as f64)
    }

    pub(super) fn set_overlay(&mut self, track: Track, duck: Duck) {
        let gain = 10_f32.powf(duck.gain_db.clamp(-60.0, 0.0) / 20.0);
        self.duck.set(gain, duck.fade_ms.min(5_000) as usize * 48);
        self.overlay = Some(track);
    }

    pub(super) fn clear_overlay(&mut self, duck: Duck) {
        if self.overlay.take().is_some() {
            self.duck.set(1.0, duck.fade_ms.min(5_000) as usize * 48);
        }
    }

    pub(super) fn has_overlay(&self) -> bool {
        self.overlay.is_some()
    }

    /// Whether peaks above full scale may come.
    fn needs_limiter(&self) -> bool {
        self.gain.gain() > 1.0
            || self.gain.target() > 1.0
            || self.overlay.is_some()
            || self.applied.loudness.is_some()
            || !self.rack.is_idle()
            || self.limiter.is_busy()
    }

    /// Encodes the next packet.
    pub(super) fn next_frame(
        &mut self,
        line: &mut Line,
        wanted: &Effects,
        duck: Duck,
        fade: &mut Ramp,
        out: &mut OpusFrame,
    ) -> Mixed {
        loop {
            let ahead = if self.needs_limiter() {
                Limiter::AHEAD + Limiter::MARGIN
            } else {
                0
            };
            let need = (FRAME_SAMPLES + self.drop + ahead) * CHANNELS;
            while self.ready.len() < need {
                if let Some(stop) = self.feed(line, wanted) {
                    return stop;
                }
            }
            if self.drop > 0 {
                self.take(self.drop);
                self.drop = 0;
                continue;
            }
            if self.prime == 0
                && let Some(over) = self.over
                && self.tape_at_start() - LOOK_AHEAD as f64 >= over as f64
            {
                return Mixed::End;
            }
            if let Some(stop) = self.mix(need, duck, fade) {
                return stop;
            }
            return match self.send(ahead > 0, out) {
                Ok(None) => continue,
                Ok(Some((run, position))) => Mixed::Frame { run, position },
                Err(error) => Mixed::Failed {
                    run: line.current.run,
                    error,
                },
            };
        }
    }

    /// Filters one more block. Returns why there is none.
    fn feed(&mut self, line: &mut Line, wanted: &Effects) -> Option<Mixed> {
        if self.input >= self.warm_until {
            if self.applied != *wanted {
                self.applied = wanted.clone();
                self.gain.set(wanted.gain.clamp(0.0, 10.0), FRAME_SAMPLES);
                self.due = true;
            }
            if std::mem::take(&mut self.due) {
                self.rack.set(&self.applied.filters);
            }
        }
        let mut block = std::mem::take(&mut self.scratch);
        let until_warm = self.warm_until.saturating_sub(self.input) as usize;
        let most = match until_warm {
            0 => Rack::BLOCK,
            left => left.min(Rack::BLOCK),
        };
        let mut count = self.tape.read(self.input, &mut block[..most * CHANNELS]);
        let mut stop = None;
        if count == 0 {
            line.loudness = wanted.loudness;
            match line.fill(&mut block[..most * CHANNELS]) {
                Filled::Samples {
                    count: filled,
                    run,
                    position,
                } => {
                    self.over = None;
                    self.ending.follow(last(&block[..filled * CHANNELS]));
                    self.tape.write(run, position, &block[..filled * CHANNELS]);
                    self.input = self.tape.written() - filled as u64;
                    count = filled;
                }
                Filled::End => {
                    // Silence, until everything that filters and encoder hold is out.
                    if self.over.is_none() {
                        self.over = Some(self.tape.written());
                        self.ending.arm();
                    }
                    block[..most * CHANNELS].fill(0.0);
                    self.ending.process(&mut block[..most * CHANNELS]);
                    count = most;
                }
                Filled::NotReady => stop = Some(Mixed::NotReady),
                Filled::Failed { run, error } => stop = Some(Mixed::Failed { run, error }),
            }
        }
        if stop.is_none() {
            self.filter(&mut block[..count * CHANNELS]);
        }
        self.scratch = block;
        stop
    }

    fn filter(&mut self, block: &mut [f32]) {
        let (at, tape) = (self.ready.len(), self.input as f64 - self.rack.lag());
        self.rack.process(block, &mut self.ready);
        self.input += (block.len() / CHANNELS) as u64;
        let speed = self.rack.speed();
        self.gain.apply(&mut self.ready[at..]);
        if self.ready.len() > at {
            self.marks.push_back(Mark { at, tape, speed });
        }
    }

    /// Applies what lies over the music to the values up to `until`.
    fn mix(&mut self, until: usize, duck: Duck, fade: &mut Ramp) -> Option<Mixed> {
        while self.mixed < until {
            let mut end = until;
            if let Some(track) = &mut self.overlay {
                match track.prepare() {
                    Ready::Yes => end = until.min(self.mixed + track.available() * CHANNELS),
                    Ready::NotYet => return Some(Mixed::NotReady),
                    // Broken or over: the music comes back.
                    Ready::End | Ready::Failed(_) => {
                        self.overlay = None;
                        self.duck.set(1.0, duck.fade_ms.min(5_000) as usize * 48);
                    }
                }
            }
            let music = &mut self.ready[self.mixed..end];
            self.duck.apply(music);
            if let Some(track) = &mut self.overlay {
                self.scratch.resize(Rack::BLOCK * CHANNELS, 0.0);
                for music in music.chunks_mut(Rack::BLOCK * CHANNELS) {
                    let speech = &mut self.scratch[..music.len()];
                    track.take(speech, None);
                    for (music, speech) in music.iter_mut().zip(speech) {
                        *music += *speech;
                    }
                }
            }
            if self.prime == 0 {
                fade.apply(music);
            }
            self.mixed = end;
        }
        None
    }

    /// Encodes a frame of what is ready. `None` if it is only for warming up.
    fn send(
        &mut self,
        limited: bool,
        out: &mut OpusFrame,
    ) -> Result<Option<(u64, i64)>, DecodeError> {
        if limited {
            self.limiter.apply(&mut self.ready, FRAME_SAMPLES);
        }
        let frame: &mut [f32; FRAME_VALUES] = self
            .ready
            .first_chunk_mut()
            .expect("as many were made ready");
        if limited {
            // Ahead of a peak that came with the limiter there was no time to become softer.
            for value in frame.iter_mut() {
                *value = value.clamp(-1.0, 1.0);
            }
        }
        self.declick.process(frame);
        let tape = self.tape_at_start();
        let frame: &[f32; FRAME_VALUES] = self.ready.first_chunk().expect("just seen");
        if std::mem::take(&mut self.forget_encoded) {
            self.encoder.reset();
        }
        self.encoder.encode(frame, out)?;
        self.take(FRAME_SAMPLES);
        if self.prime > 0 {
            self.prime -= 1;
            return Ok(None);
        }
        if self.sent.len() == SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(tape.max(0.0) as u64);
        let place = self.tape.locate(tape - self.lead as f64);
        let (run, position) = place.unwrap_or_default();
        // A change of speed must not turn the place back.
        let last = self.last_position.filter(|(last, _)| *last == run);
        let position = position.max(last.map_or(0, |(_, position)| position as i64));
        self.last_position = Some((run, position as u64));
        Ok(Some((run, position)))
    }

    /// Returns where on the tape the first sample that is ready comes from.
    fn tape_at_start(&self) -> f64 {
        self.marks.front().map_or(self.input as f64, |mark| {
            mark.tape - (mark.at / CHANNELS) as f64 * mark.speed
        })
    }

    /// Removes samples from the start of what is ready.
    fn take(&mut self, samples: usize) {
        let values = samples * CHANNELS;
        // The mark that the new start lies behind becomes the first one.
        while self.marks.get(1).is_some_and(|mark| mark.at <= values) {
            self.marks.pop_front();
        }
        for (index, mark) in self.marks.iter_mut().enumerate() {
            if index == 0 && mark.at < values {
                mark.tape += ((values - mark.at) / CHANNELS) as f64 * mark.speed;
                mark.at = 0;
            } else {
                mark.at -= values.min(mark.at);
            }
        }
        self.ready.drain(..values);
        self.mixed = self.mixed.saturating_sub(values);
    }

    /// Makes the next frame one that begins as the sound goes on, and ends as it is heard before
    /// `skipped` more samples: what comes next may then be a packet that begins there. False if
    /// the two are not alike enough and `patience` (0.0..=1.0) is left.
    pub(super) fn splice(
        &mut self,
        line: &mut Line,
        wanted: &Effects,
        skipped: usize,
        patience: f32,
    ) -> Result<bool, Mixed> {
        while self.ready.len() < FRAME_VALUES {
            if let Some(stop) = self.feed(line, wanted) {
                return Err(stop);
            }
        }
        let start = self.input - (self.ready.len() / CHANNELS) as u64;
        let mut other = [0.0; FRAME_VALUES];
        let from = (start + skipped as u64).saturating_sub(FRAME_SAMPLES as u64);
        if self.tape.read(from, &mut other) < FRAME_SAMPLES {
            return Ok(false);
        }
        let frame: &mut [f32] = &mut self.ready[..FRAME_VALUES];
        let (mut product, mut first, mut second) = (0.0, 1e-9_f32, 1e-9_f32);
        for (one, two) in frame.iter().zip(&other) {
            product += one * two;
            first += one * one;
            second += two * two;
        }
        let silent = first.max(second) < 1e-6 * FRAME_VALUES as f32;
        if !silent && product / (first * second).sqrt() < patience {
            return Ok(false);
        }
        let samples = frame.as_chunks_mut::<CHANNELS>().0.iter_mut();
        for (index, (one, two)) in samples.zip(other.as_chunks::<CHANNELS>().0).enumerate() {
            let weight = (index as f32 + 0.5) / FRAME_SAMPLES as f32;
            for (one, two) in one.iter_mut().zip(two) {
                *one += (two - *one) * weight;
            }
        }
        Ok(true)
    }
}

impl std::fmt::Debug for Mixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixer")
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

fn last(block: &[f32]) -> [f32; CHANNELS] {
    block.last_chunk().copied().unwrap_or_default()
}

/// How many packets can be gone back by.
const SENT: usize = 16;

/// 80 ms.
const WARM: u64 = 3_840;
