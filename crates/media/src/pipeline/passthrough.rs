//! Opus sources: packets as they are, or decoded and encoded again while that is necessary.

use std::io::Seek;

use super::{
    Next, millis, not_ready,
    reader::{Reader, Step},
};
use crate::{
    decode::{DecodeError, OpenError, SeekError},
    demux::Tags,
    dsp::Volume,
    frame::{CHANNELS, FRAME_VALUES, OpusFrame},
    framer::Framer,
    opus::{self, Decoder, Encoder, EncoderOptions, MAX_PACKET_VALUES},
    packet,
    source::{Packets, Rewound},
};

pub(super) struct Passthrough {
    reader: Reader,
    options: EncoderOptions,
    volume: Volume,
    /// The gain that the stream's head demands.
    head_gain: f32,
    /// A packet was not 20 ms long: the rest of this track is converted.
    odd: bool,
    /// Packets before this position are not wanted.
    from: i64,
    /// What went by last, so that a decoder that starts in the middle sounds right at once.
    history: History,
    converter: Option<Box<Converter>>,
}

impl Passthrough {
    pub(super) fn open_ogg(source: Rewound, options: EncoderOptions) -> Result<Self, OpenError> {
        Self::open(Reader::ogg(source), options).map_err(|failed| failed.0)
    }

    /// Gives the source back, at its beginning, if it holds something else.
    pub(super) fn open_webm(
        source: Rewound,
        options: EncoderOptions,
    ) -> Result<Self, (OpenError, Option<Rewound>)> {
        Self::open(Reader::webm(source), options).map_err(|failed| {
            let (error, reader) = *failed;
            let mut source = reader.into_source();
            let rewound = source.rewind().is_ok();
            (error, rewound.then_some(source))
        })
    }

    fn open(mut reader: Reader, options: EncoderOptions) -> Result<Self, Box<(OpenError, Reader)>> {
        // Tags, and where the track begins, are known only once its first packet was seen.
        let first = match reader.advance() {
            Step::Head => reader.advance(),
            step => step,
        };
        let error = match first {
            Step::Packet => {
                reader.hold();
                reader.measure().err().map(OpenError::Io)
            }
            Step::Io(error) => Some(OpenError::Io(error)),
            Step::Demux(error) => Some(OpenError::Demux(error)),
            Step::Head | Step::End => Some(OpenError::NoAudio),
        };
        if let Some(error) = error {
            return Err(Box::new((error, reader)));
        }
        Ok(Self::new(reader, options))
    }

    /// Passes on what somebody else has made.
    pub(super) fn packets(packets: Box<dyn Packets>, options: EncoderOptions) -> Self {
        Self::new(Reader::packets(packets), options)
    }

    fn new(reader: Reader, options: EncoderOptions) -> Self {
        let head_gain = head_gain(&reader);
        Self {
            reader,
            options,
            volume: Volume::new(head_gain),
            head_gain,
            odd: false,
            from: i64::MIN,
            history: History::default(),
            converter: None,
        }
    }

    pub(super) fn options(&self) -> EncoderOptions {
        self.options
    }

    pub(super) fn tags(&self) -> Tags {
        self.reader.tags().clone()
    }

    pub(super) fn duration_ms(&self) -> Option<u64> {
        self.reader.total_samples().map(|samples| samples / 48)
    }

    pub(super) fn is_seekable(&self) -> bool {
        self.reader.is_seekable()
    }

    pub(super) fn is_untouched(&self) -> bool {
        !self.odd && self.volume.is_unity() && self.converter.is_none()
    }

    pub(super) fn set_gain(&mut self, gain: f32) {
        self.volume.set_gain(gain * self.head_gain);
    }

    /// Returns the gain of the stream's head times the one that was set.
    pub(super) fn gain(&self) -> f32 {
        self.volume.gain()
    }

    /// Returns the first position that is wanted, or a number before all.
    pub(super) fn from(&self) -> i64 {
        self.from
    }

    /// Moves on to the next packet, which is then [`Self::packet`].
    pub(super) fn pull(&mut self) -> PacketPull {
        loop {
            return match self.reader.advance() {
                Step::Packet => {
                    let (position, samples, trim_end) = self.reader.place();
                    PacketPull::Packet {
                        position,
                        samples,
                        trim_end,
                    }
                }
                Step::Head => {
                    let gain = self.volume.gain() / self.head_gain;
                    self.head_gain = head_gain(&self.reader);
                    self.volume.set_gain(gain * self.head_gain);
                    continue;
                }
                Step::End => PacketPull::End,
                Step::Io(error) => match not_ready(error) {
                    Next::Failed(error) => PacketPull::Failed(error),
                    _ => PacketPull::NotReady,
                },
                Step::Demux(error) => PacketPull::Failed(DecodeError::Demux(error)),
            };
        }
    }

    /// Returns the packet that came last.
    pub(super) fn packet(&self) -> &[u8] {
        self.reader.packet()
    }

    pub(super) fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        let target = i64::try_from(to_ms.saturating_mul(48)).unwrap_or(i64::MAX / 2);
        self.reader.seek((target - PREROLL).max(0))?;
        self.from = target;
        self.history.clear();
        self.converter = None;
        Ok(())
    }

    pub(super) fn next_frame(&mut self, out: &mut OpusFrame) -> Next {
        loop {
            if let Some(converter) = &mut self.converter
                && let Some(next) = converter.pop(&mut self.volume, out)
            {
                return next;
            }
            match self.reader.advance() {
                Step::Packet => {}
                Step::Head => {
                    let gain = self.volume.gain() / self.head_gain;
                    self.head_gain = head_gain(&self.reader);
                    self.volume.set_gain(gain * self.head_gain);
                    continue;
                }
                Step::End => {
                    let rest = self.converter.as_mut();
                    let rest = rest.and_then(|rest| rest.pop_last(&mut self.volume, out));
                    return rest.unwrap_or(Next::End);
                }
                Step::Io(error) => return not_ready(error),
                Step::Demux(error) => return Next::Failed(DecodeError::Demux(error)),
            }
            let (position, samples, trim_end) = self.reader.place();
            let end = position.saturating_add(i64::from(samples));
            if end <= self.from {
                self.history.push(self.reader.packet());
                continue;
            }
            if trim_end >= samples {
                continue;
            }
            self.odd |= !packet::is_sendable(self.reader.packet());
            if !self.odd && self.volume.is_unity() {
                // Back at 100 %: what the converter still holds is less than a frame.
                self.converter = None;
                self.history.push(self.reader.packet());
                let Ok(()) = out.set(self.reader.packet()) else {
                    continue;
                };
                return Next::Frame {
                    position_ms: millis(position),
                };
            }
            let converter = match &mut self.converter {
                Some(converter) => converter,
                None => match Converter::new(self.options, &self.history) {
                    Ok(converter) => self.converter.insert(Box::new(converter)),
                    Err(error) => return Next::Failed(error),
                },
            };
            let wanted = self.from.max(0);
            converter.push(self.reader.packet(), position, samples, trim_end, wanted);
            self.history.push(self.reader.packet());
        }
    }
}

/// What [`Passthrough::pull`] found.
pub(super) enum PacketPull {
    Packet {
        position: i64,
        samples: u32,
        trim_end: u32,
    },
    NotReady,
    End,
    Failed(DecodeError),
}

impl std::fmt::Debug for Passthrough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passthrough")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

/// Decodes and encodes again.
struct Converter {
    decoder: Decoder,
    encoder: Encoder,
    framer: Framer,
    pcm: opus::Pcm,
    /// Position of the next frame; unknown until the first samples came.
    position: Option<i64>,
}

impl Converter {
    /// Starts with both codecs in the state they would be in, had they been at work all the time.
    fn new(options: EncoderOptions, history: &History) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new()?;
        let mut encoder = Encoder::new(options)?;
        let mut pcm = opus::pcm();
        let mut thrown_away = OpusFrame::empty();
        for packet in history.iter() {
            if let Ok(FRAME_VALUES) = decoder.decode(packet, &mut pcm)
                && let Some(frame) = pcm.first_chunk()
            {
                // The encoder looks 6.5 ms ahead: without this the first ones would be silent.
                encoder.encode(frame, &mut thrown_away)?;
            }
        }
        Ok(Self {
            decoder,
            encoder,
            framer: Framer::new(),
            pcm,
            position: None,
        })
    }

    fn push(&mut self, packet: &[u8], position: i64, samples: u32, trim_end: u32, wanted: i64) {
        let decoded = self.decoder.decode(packet, &mut self.pcm);
        let values = decoded.unwrap_or_else(|_| {
            // Damaged: something plausible instead, and if even that fails, silence.
            let values = samples as usize * CHANNELS;
            self.pcm[..values.min(MAX_PACKET_VALUES)].fill(0.0);
            self.decoder
                .conceal(samples as usize, &mut self.pcm)
                .unwrap_or(values)
        });
        let skip = wanted.saturating_sub(position).clamp(0, i64::from(samples)) as usize;
        let end = (values / CHANNELS).saturating_sub(trim_end as usize);
        if skip < end {
            self.position.get_or_insert(position + skip as i64);
            self.framer.push(&self.pcm[skip * CHANNELS..end * CHANNELS]);
        }
    }

    fn pop(&mut self, volume: &mut Volume, out: &mut OpusFrame) -> Option<Next> {
        let mut frame = [0.0; FRAME_VALUES];
        self.framer
            .pop(&mut frame)
            .then(|| self.encode(&mut frame, volume, out))
    }

    fn pop_last(&mut self, volume: &mut Volume, out: &mut OpusFrame) -> Option<Next> {
        let mut frame = [0.0; FRAME_VALUES];
        self.framer
            .pop_last(&mut frame)
            .then(|| self.encode(&mut frame, volume, out))
    }

    fn encode(
        &mut self,
        frame: &mut [f32; FRAME_VALUES],
        volume: &mut Volume,
        out: &mut OpusFrame,
    ) -> Next {
        let position = self.position.unwrap_or(0);
        self.position = Some(position + (FRAME_VALUES / CHANNELS) as i64);
        volume.apply(frame);
        match self.encoder.encode(frame, out) {
            Ok(()) => Next::Frame {
                position_ms: millis(position),
            },
            Err(error) => Next::Failed(DecodeError::Opus(error)),
        }
    }
}

/// The last 80 ms.
#[derive(Default)]
struct History {
    packets: [OpusFrame; 4],
    next: usize,
}

impl History {
    fn push(&mut self, packet: &[u8]) {
        if self.packets[self.next].set(packet).is_ok() {
            self.next = (self.next + 1) % self.packets.len();
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    /// Oldest first; those that were never filled are left out.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let (newer, older) = self.packets.split_at(self.next);
        older
            .iter()
            .chain(newer)
            .map(OpusFrame::as_bytes)
            .filter(|packet| !packet.is_empty())
    }
}

fn head_gain(reader: &Reader) -> f32 {
    10_f32.powf(f32::from(reader.head().gain_q8) / (20.0 * 256.0))
}

/// How much a decoder wants to hear before it is right (RFC 7845, section 4.6).
const PREROLL: i64 = 3840;
