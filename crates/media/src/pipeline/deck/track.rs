//! One track of a deck: as packets, or as samples.

use super::{
    LOOK_AHEAD,
    history::{History, Place},
    leveler::Leveler,
};
use crate::{
    decode::{DecodeError, SeekError},
    frame::CHANNELS,
    opus::{Decoder, MAX_PACKET_VALUES, Pcm, pcm},
    packet,
    pipeline::{
        Loudness, Pipeline, Way,
        convert::PcmPull,
        passthrough::{PacketPull, Passthrough},
    },
};

/// A track with its place.
pub(super) struct Track {
    pub(super) pipeline: Pipeline,
    pub(super) run: u64,
    /// Where it is to end, in samples.
    end: Option<i64>,
    history: History,
    /// Packets that end at or before this place were read only to warm up.
    from: i64,
    /// It cannot be passed through: a packet is not 20 ms long.
    odd: bool,
    decoder: Option<Box<Warm>>,
    /// Interleaved samples that were not taken yet, from `start` on.
    waiting: Vec<f32>,
    start: usize,
    /// Position of the first one.
    position: i64,
    /// Samples before this place are dropped.
    aim: Option<i64>,
    ended: bool,
    leveler: Leveler,
}

/// A decoder of Opus that knows what came before.
struct Warm {
    decoder: Decoder,
    pcm: Pcm,
}

/// Whether there is something.
#[derive(Debug)]
pub(super) enum Ready {
    Yes,
    NotYet,
    End,
    Failed(DecodeError),
}

impl Track {
    pub(super) fn new(mut pipeline: Pipeline, run: u64) -> Self {
        let end = pipeline.end_ms.take().map(samples);
        // It may have been sought before it came here.
        let from = match &pipeline.way {
            Way::Opus(way) => way.from(),
            Way::Other(_) => i64::MIN,
        };
        Self {
            pipeline,
            run,
            end,
            history: History::default(),
            from,
            odd: false,
            decoder: None,
            waiting: Vec::new(),
            start: 0,
            position: from.max(0),
            aim: None,
            ended: false,
            leveler: Leveler::default(),
        }
    }

    pub(super) fn set_end(&mut self, end_ms: Option<u64>) {
        self.end = end_ms.map(samples);
    }

    /// Whether a place is behind the end that was set.
    pub(super) fn is_behind_end(&self, position: i64) -> bool {
        self.end.is_some_and(|end| position >= end)
    }

    fn opus(&mut self) -> Option<&mut Passthrough> {
        match &mut self.pipeline.way {
            Way::Opus(way) => Some(way),
            Way::Other(_) => None,
        }
    }

    /// Whether its packets can be sent as they are.
    pub(super) fn is_passable(&self) -> bool {
        matches!(&self.pipeline.way, Way::Opus(way) if way.gain() == 1.0) && !self.odd
    }

    /// Returns the place of the next packet.
    pub(super) fn next_place(&mut self) -> Option<Place> {
        matches!(self.look(), Ready::Yes)
            .then(|| self.history.place())
            .flatten()
    }

    /// Makes sure that the next packet is there, whether or not it belongs to the track.
    fn look(&mut self) -> Ready {
        if self.history.place().is_some() {
            return Ready::Yes;
        }
        let Way::Opus(way) = &mut self.pipeline.way else {
            return Ready::End;
        };
        match way.pull() {
            PacketPull::Packet {
                position,
                samples,
                trim_end,
            } => {
                let place = Place {
                    position,
                    samples,
                    trim_end,
                };
                self.odd |= !packet::is_sendable(way.packet());
                self.history.push(place, way.packet());
                Ready::Yes
            }
            PacketPull::NotReady => Ready::NotYet,
            PacketPull::End => Ready::End,
            PacketPull::Failed(error) => Ready::Failed(error),
        }
    }

    /// Makes sure that the next packet that belongs to the track is there.
    pub(super) fn look_at_packet(&mut self) -> Ready {
        loop {
            match self.look() {
                Ready::Yes => {}
                other => return other,
            }
            let Some(place) = self.history.place() else {
                return Ready::End;
            };
            if place.end() > self.from && place.trim_end < place.samples {
                return if self.is_behind_end(place.position) {
                    Ready::End
                } else {
                    Ready::Yes
                };
            }
            self.history.advance();
        }
    }

    /// Returns the packet that was looked at.
    pub(super) fn packet(&mut self) -> &[u8] {
        self.history.packet()
    }

    /// Goes on behind it.
    pub(super) fn pass(&mut self) {
        self.history.advance();
    }

    /// Goes back by up to `count` packets that went by; returns by how many.
    pub(super) fn back(&mut self, count: usize) -> usize {
        let mut done = 0;
        while done < count {
            match self.history.place_before() {
                Some(place) if place.end() > self.from && self.history.back() => done += 1,
                _ => break,
            }
        }
        done
    }

    /// Returns the place at which the track as packets has come.
    pub(super) fn packet_position(&self) -> i64 {
        match (self.history.place(), self.history.place_before()) {
            (Some(place), _) => place.position,
            (None, Some(place)) => place.end(),
            (None, None) => self.position,
        }
    }

    /// Stops being samples: the next packet is the one at `position`. False if it is gone.
    pub(super) fn become_packets(&mut self, position: i64) -> bool {
        if !self.history.find(position) {
            return false;
        }
        self.decoder = None;
        (self.waiting, self.start) = (Vec::new(), 0);
        self.ended = false;
        true
    }

    /// Becomes samples, from the packet at the cursor on. Up to 80 ms before it are appended to
    /// `before`, and their number is returned.
    ///
    /// # Errors
    /// No memory for a decoder.
    pub(super) fn become_samples(&mut self, before: &mut Vec<f32>) -> Result<usize, DecodeError> {
        self.waiting.clear();
        self.start = 0;
        self.ended = false;
        if self.opus().is_none() {
            return Ok(0);
        }
        // Leads past the packets of the pre-roll.
        let _ = self.look_at_packet();
        self.position = self.packet_position();
        let mut steps = 0;
        while steps < WARM_PACKETS && self.history.back() {
            steps += 1;
        }
        let mut warm = Box::new(Warm {
            decoder: Decoder::new()?,
            pcm: pcm(),
        });
        let start = before.len();
        for _ in 0..steps {
            let place = self.history.place().expect("went back by this many");
            let values = warm.decode(self.history.packet(), place);
            before.extend_from_slice(&warm.pcm[..values]);
            self.history.advance();
        }
        let gain = self.gain();
        for value in &mut before[start..] {
            *value *= gain;
        }
        self.decoder = Some(warm);
        Ok((before.len() - start) / CHANNELS)
    }

    /// Returns where samples should begin, so that packets could follow them later: at the
    /// present packet, as far ahead as the encoder looks.
    pub(super) fn aligned_start(&mut self) -> i64 {
        let wanted = if self.from > 0 { self.from } else { 0 };
        if self.opus().is_none() {
            return self.from.max(self.position);
        }
        let mut at = self.packet_position() + LOOK_AHEAD;
        while at + 960 <= wanted {
            at += 960;
        }
        at
    }

    /// Returns the first position that is wanted.
    pub(super) fn first(&self) -> i64 {
        self.from.max(0)
    }

    /// Drops samples before a place.
    pub(super) fn aim(&mut self, position: i64) {
        self.aim = Some(position);
    }

    /// Makes sure that a sample is waiting.
    pub(super) fn prepare(&mut self) -> Ready {
        loop {
            let skip = self.aim.map_or(0, |aim| aim - self.position);
            if skip > 0 {
                let skip = skip.min(self.waiting_samples() as i64);
                self.start += skip as usize * CHANNELS;
                self.position += skip;
            }
            if self.waiting_samples() > 0 {
                self.aim = None;
                return if self.is_behind_end(self.position) {
                    Ready::End
                } else {
                    Ready::Yes
                };
            }
            if self.ended {
                return Ready::End;
            }
            self.waiting.clear();
            self.start = 0;
            match self.fill() {
                Ready::Yes => {}
                Ready::End => self.ended = true,
                other => return other,
            }
        }
    }

    fn waiting_samples(&self) -> usize {
        (self.waiting.len() - self.start) / CHANNELS
    }

    fn fill(&mut self) -> Ready {
        if let Way::Other(way) = &mut self.pipeline.way {
            return match way.pull(&mut self.waiting) {
                PcmPull::Samples { position } => {
                    self.position = position;
                    Ready::Yes
                }
                PcmPull::NotReady => Ready::NotYet,
                PcmPull::End => Ready::End,
                PcmPull::Failed(error) => Ready::Failed(error),
            };
        }
        match self.look() {
            Ready::Yes => {}
            other => return other,
        }
        let place = self.history.place().expect("just looked");
        if self.decoder.is_none() {
            match Decoder::new() {
                Ok(decoder) => {
                    self.decoder = Some(Box::new(Warm {
                        decoder,
                        pcm: pcm(),
                    }));
                }
                Err(error) => return Ready::Failed(error.into()),
            }
        }
        let warm = self.decoder.as_mut().expect("just made");
        let values = warm.decode(self.history.packet(), place);
        let keep = values.saturating_sub(place.trim_end as usize * CHANNELS);
        self.waiting.extend_from_slice(&warm.pcm[..keep]);
        // What comes before the beginning is there only for the decoder.
        let silent = usize::try_from(-place.position).unwrap_or(0) * CHANNELS;
        let silent = silent.min(self.waiting.len());
        self.waiting[..silent].fill(0.0);
        self.position = place.position;
        self.history.advance();
        Ready::Yes
    }

    /// Returns how many samples can be taken at once, after [`Self::prepare`].
    pub(super) fn available(&self) -> usize {
        let most = self.waiting_samples();
        let end = self.end.map(|end| end.saturating_sub(self.position));
        end.map_or(most, |left| most.min(usize::try_from(left).unwrap_or(0)))
    }

    /// Returns the position of the next sample.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Returns how many samples are left, as far as it is known.
    pub(super) fn remaining(&self, position: i64) -> Option<i64> {
        let length = match &self.pipeline.way {
            Way::Opus(way) => way.duration_ms(),
            Way::Other(way) => way.duration_ms(),
        };
        let length = length.map(samples);
        let end = match (length, self.end) {
            (Some(length), Some(end)) => Some(length.min(end)),
            (length, end) => length.or(end),
        };
        end.map(|end| end - position)
    }

    fn gain(&self) -> f32 {
        match &self.pipeline.way {
            Way::Opus(way) => way.gain(),
            Way::Other(way) => way.gain(),
        }
    }

    /// Writes the next samples to `block`, at the loudness that is wanted.
    pub(super) fn take(&mut self, block: &mut [f32], loudness: Option<&Loudness>) {
        let from = &self.waiting[self.start..self.start + block.len()];
        let gain = self.gain();
        for (value, from) in block.iter_mut().zip(from) {
            // A file may hold anything; what is not finite would stay in every filter for good.
            *value = if from.is_finite() {
                (from * gain).clamp(-LOUDEST, LOUDEST)
            } else {
                0.0
            };
        }
        self.start += block.len();
        self.position += (block.len() / CHANNELS) as i64;
        let known = self.pipeline.loudness;
        self.leveler.apply(block, loudness, known);
    }

    /// Goes to a place.
    pub(super) fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        self.pipeline.seek(to_ms)?;
        self.history.clear();
        self.decoder = None;
        self.waiting.clear();
        (self.start, self.ended, self.aim) = (0, false, None);
        self.from = samples(to_ms);
        self.position = self.from;
        Ok(())
    }
}

impl Warm {
    /// Decodes a packet and returns how many values that are; something plausible if it is
    /// damaged.
    fn decode(&mut self, packet: &[u8], place: Place) -> usize {
        let wanted = (place.samples as usize * CHANNELS).min(MAX_PACKET_VALUES);
        if let Ok(values) = self.decoder.decode(packet, &mut self.pcm)
            && values == wanted
        {
            return values;
        }
        self.pcm[..wanted].fill(0.0);
        let _ = self.decoder.conceal(place.samples as usize, &mut self.pcm);
        wanted
    }
}

impl std::fmt::Debug for Track {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Track")
            .field("run", &self.run)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn samples(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(48)).unwrap_or(i64::MAX / 2)
}

/// 80 ms: what a decoder wants to hear before it is right (RFC 7845, section 4.6).
const WARM_PACKETS: usize = 4;

/// No sound is louder than this inside.
const LOUDEST: f32 = 8.0;
