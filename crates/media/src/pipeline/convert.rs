//! Any other source: decode, resample, multiply, frame, encode.

use super::{Next, millis};
use crate::{
    decode::{self, DecodeError, Decoder, Hint, OpenError, SeekError},
    demux::Tags,
    dsp::Volume,
    frame::{CHANNELS, FRAME_SAMPLES, FRAME_VALUES, OpusFrame, SAMPLE_RATE},
    framer::Framer,
    opus::{Encoder, EncoderOptions},
    resample::Resampler,
    source::Rewound,
};

pub(super) struct Converted {
    decoder: Decoder,
    resampler: Resampler,
    volume: Volume,
    framer: Framer,
    options: EncoderOptions,
    /// Made with the first packet: a deck encodes by itself.
    encoder: Option<Encoder>,
    /// Position of the next frame in samples at 48 kHz; unknown after a seek.
    position: Option<i64>,
    /// Where the next decoded sample should be, at the source's rate.
    expected: Option<i64>,
    silence: Vec<f32>,
    ended: bool,
}

impl Converted {
    pub(super) fn open(
        source: Rewound,
        hint: &Hint,
        options: EncoderOptions,
    ) -> Result<Self, OpenError> {
        Self::new(Decoder::open_sniffed(source, hint)?, options)
    }

    pub(super) fn new(decoder: Decoder, options: EncoderOptions) -> Result<Self, OpenError> {
        let resampler = Resampler::new(decoder.rate()).map_err(|_| OpenError::Unsupported {
            what: "sample rate",
        })?;
        Ok(Self {
            decoder,
            resampler,
            volume: Volume::default(),
            framer: Framer::new(),
            options,
            encoder: None,
            position: None,
            expected: None,
            silence: Vec::new(),
            ended: false,
        })
    }

    pub(super) fn options(&self) -> EncoderOptions {
        self.options
    }

    pub(super) fn tags(&self) -> Tags {
        self.decoder.tags().clone()
    }

    pub(super) fn duration_ms(&self) -> Option<u64> {
        self.decoder.duration_ms()
    }

    pub(super) fn is_seekable(&self) -> bool {
        self.decoder.is_seekable()
    }

    pub(super) fn set_gain(&mut self, gain: f32) {
        self.volume.set_gain(gain);
    }

    pub(super) fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        self.decoder.seek(to_ms)?;
        self.resampler.reset();
        self.framer.clear();
        (self.position, self.expected, self.ended) = (None, None, false);
        Ok(())
    }

    pub(super) fn next_frame(&mut self, out: &mut OpusFrame) -> Next {
        let mut frame = [0.0; FRAME_VALUES];
        while !self.framer.pop(&mut frame) {
            if self.ended {
                if self.framer.pop_last(&mut frame) {
                    break;
                }
                return Next::End;
            }
            match self.decoder.next_packet() {
                decode::Next::Data { position } => {
                    if let Err(error) = self.take(position) {
                        return Next::Failed(error);
                    }
                }
                decode::Next::NotReady => return Next::NotReady,
                decode::Next::End => {
                    self.ended = true;
                    self.framer
                        .push_with(|values| self.resampler.finish(values));
                }
                decode::Next::Failed(error) => return Next::Failed(error),
            }
        }
        let position = self.position.unwrap_or(0);
        self.position = Some(position + FRAME_SAMPLES as i64);
        self.volume.apply(&mut frame);
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => match Encoder::new(self.options) {
                Ok(encoder) => self.encoder.insert(encoder),
                Err(error) => return Next::Failed(DecodeError::Opus(error)),
            },
        };
        match encoder.encode(&frame, out) {
            Ok(()) => Next::Frame {
                position_ms: millis(position),
            },
            Err(error) => Next::Failed(DecodeError::Opus(error)),
        }
    }

    /// Returns the gain that was set.
    pub(super) fn gain(&self) -> f32 {
        self.volume.gain()
    }

    /// Appends what comes next to `out`: interleaved stereo at 48 kHz.
    pub(super) fn pull(&mut self, out: &mut Vec<f32>) -> PcmPull {
        loop {
            if self.framer.samples() > 0 {
                let position = self.position.unwrap_or(0);
                self.position = Some(position + self.framer.samples() as i64);
                self.framer.drain(out);
                return PcmPull::Samples { position };
            }
            if self.ended {
                return PcmPull::End;
            }
            match self.decoder.next_packet() {
                decode::Next::Data { position } => {
                    if let Err(error) = self.take(position) {
                        return PcmPull::Failed(error);
                    }
                }
                decode::Next::NotReady => return PcmPull::NotReady,
                decode::Next::End => {
                    self.ended = true;
                    self.framer
                        .push_with(|values| self.resampler.finish(values));
                }
                decode::Next::Failed(error) => return PcmPull::Failed(error),
            }
        }
    }

    /// Takes over what the decoder has.
    fn take(&mut self, position: i64) -> Result<(), DecodeError> {
        let rate = self.decoder.rate();
        if rate != self.resampler.rate() {
            self.framer
                .push_with(|values| self.resampler.finish(values));
            self.resampler = Resampler::new(rate)?;
            self.expected = None;
        }
        // What was damaged stays silent for as long as it would have lasted, within reason.
        let hole = self.expected.map_or(0, |expected| position - expected);
        if (1..=i64::from(rate)).contains(&hole) {
            self.silence.clear();
            self.silence.resize(hole as usize * CHANNELS, 0.0);
            let silence = &self.silence;
            self.framer
                .push_with(|values| self.resampler.process(silence, values));
        }
        let samples = self.decoder.samples();
        self.expected = Some(position + (samples.len() / CHANNELS) as i64);
        if self.position.is_none() {
            let scaled = i128::from(position) * i128::from(SAMPLE_RATE) / i128::from(rate);
            self.position = Some(i64::try_from(scaled).unwrap_or(0));
        }
        self.framer
            .push_with(|values| self.resampler.process(samples, values));
        Ok(())
    }
}

/// What [`Converted::pull`] found.
pub(super) enum PcmPull {
    /// Some were appended; the first one is at this place.
    Samples {
        position: i64,
    },
    NotReady,
    End,
    Failed(DecodeError),
}

impl std::fmt::Debug for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converted")
            .field("decoder", &self.decoder)
            .finish_non_exhaustive()
    }
}
