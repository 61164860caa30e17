//! MP3, FLAC, WAV, Vorbis and AAC to interleaved stereo.
//!
//! Symphonia does the work; this wraps what the node needs around it: clear errors, stereo from
//! any layout, positions, exact seeks, and tolerance for files that are damaged or cut off.

mod container;
mod downmix;
mod error;
pub mod lyrics;
mod pieces;

use std::io;

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error as Symphonia,
    formats::{FormatReader, SeekMode, SeekTo, Track, TrackType, well_known::FORMAT_ID_ISOMP4},
    units::{Time, TimeBase, Timestamp},
};

pub use container::Hint;
pub use error::{DecodeError, OpenError, SeekError};

use crate::{
    demux::{Tags, mpegts::Elementary},
    sniff,
    source::{Rewound, Source},
};

/// Decodes one audio track, packet by packet.
pub struct Decoder {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track: u32,
    time_base: Option<TimeBase>,
    rate: u32,
    /// Samples at the beginning that the encoder put there and nobody wants to hear.
    priming: u64,
    total_samples: Option<u64>,
    tags: Tags,
    /// Position of the next sample decoded; unknown after a seek.
    position: Option<i64>,
    /// Samples before this position are dropped.
    from: i64,
    interleaved: Vec<f32>,
    stereo: Vec<f32>,
    /// Where in `stereo` the wanted samples begin and end.
    wanted: std::ops::Range<usize>,
    errors_in_a_row: u32,
    seekable: bool,
    /// An MP4 reader that has met the end of the file cannot go back, so it is not led there.
    is_mp4: bool,
    /// If there are any, what the container says about places is not true for the whole track.
    places: Option<pieces::Places>,
}

/// What [`Decoder::next_packet`] found.
#[derive(Debug)]
pub enum Next {
    /// Samples are there: [`Decoder::samples`].
    Data {
        /// Position of the first one, in samples at [`Decoder::rate`] from the track's start.
        position: i64,
    },
    /// The source would have had to wait. Try again when more bytes are there.
    NotReady,
    /// The track is over; also when the file was cut off.
    End,
    /// It cannot go on.
    Failed(DecodeError),
}

impl Decoder {
    /// Finds out what the source holds and prepares to decode it.
    ///
    /// Reads a few KiB, or up to 1 MiB of a file that begins with large tags; on a source that
    /// would block, this fails with an I/O error: call it where waiting is allowed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(source: Box<dyn Source>, hint: &Hint) -> Result<Self, OpenError> {
        let source = Rewound::new(source, sniff::LENGTH).map_err(OpenError::Io)?;
        match sniff::kind(source.prefix()) {
            sniff::Kind::Html => Err(OpenError::Html),
            sniff::Kind::Empty => Err(OpenError::Empty),
            _ => Self::open_sniffed(source, hint),
        }
    }

    pub(crate) fn open_sniffed(source: Rewound, hint: &Hint) -> Result<Self, OpenError> {
        if sniff::kind(source.prefix()) == sniff::Kind::MpegTs {
            // From here on it is bare AAC or MPEG audio.
            let sound = Box::new(Elementary::new(Box::new(source)));
            let sound = Rewound::new(sound, sniff::LENGTH).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => OpenError::NoAudio,
                _ => OpenError::Io(error),
            })?;
            if sound.prefix().is_empty() {
                return Err(OpenError::NoAudio);
            }
            return Self::open_bare(sound, &Hint::default());
        }
        Self::open_bare(source, hint)
    }

    fn open_bare(source: Rewound, hint: &Hint) -> Result<Self, OpenError> {
        let seekable = source.is_seekable();
        let wav_tags = sniff::wav_tags(source.prefix());
        let mut format = container::probe(Box::new(source), hint)?;
        let tags = wav_tags.unwrap_or_else(|| container::tags(&mut *format));
        let track = format
            .default_track(TrackType::Audio)
            .ok_or(OpenError::NoAudio)?;
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|parameters| parameters.audio())
            .ok_or(OpenError::NoAudio)?;
        let codec = container::codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|error| OpenError::from_symphonia(error, "codec"))?;
        let rate = parameters.sample_rate.ok_or(OpenError::Unsupported {
            what: "sample rate",
        })?;
        let (id, time_base, frames) = (track.id, track.time_base, total_samples(track, rate));
        let priming = container::priming(parameters.codec, &mut *format);
        let is_mp4 = format.format_info().format == FORMAT_ID_ISOMP4;
        Ok(Self {
            format,
            codec,
            track: id,
            time_base,
            rate,
            priming,
            total_samples: frames.map(|frames| frames.saturating_sub(priming)),
            tags,
            position: Some(-(priming as i64)),
            from: 0,
            interleaved: Vec::new(),
            stereo: Vec::new(),
            wanted: 0..0,
            errors_in_a_row: 0,
            seekable,
            is_mp4,
            places: None,
        })
    }

    /// Returns title and artist.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns samples per second and channel of what was decoded last.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Returns the length of the track, if the file says or lets guess.
    pub fn duration_ms(&self) -> Option<u64> {
        self.total_samples.map(|samples| {
            u64::try_from(u128::from(samples) * 1000 / u128::from(self.rate)).unwrap_or(u64::MAX)
        })
    }

    /// Whether seeking backwards works.
    pub fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// Returns what the last [`Next::Data`] announced: interleaved stereo.
    pub fn samples(&self) -> &[f32] {
        &self.stereo[self.wanted.clone()]
    }

    /// Decodes the next packet that holds wanted samples.
    ///
    /// Damaged packets are skipped, [`MAX_ERRORS`] in a row end the track.
    ///
    /// When the source returns [`io::ErrorKind::WouldBlock`], the answer is [`Next::NotReady`] and
    /// the call may be repeated. But a container reader that was interrupted in the middle loses
    /// what it was reading (20 to 200 ms; in Ogg a page, up to a second) and looks for what follows.
    /// So call this only while the source has enough bytes ahead, and take `NotReady` for the rare
    /// case where a packet was larger or lay elsewhere.
    pub fn next_packet(&mut self) -> Next {
        if self.from == NOWHERE {
            return Next::End;
        }
        loop {
            if self.is_mp4 && self.places.is_none() && self.is_over() {
                return Next::End;
            }
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) => return Next::End,
                Err(Symphonia::ResetRequired) => {
                    if let Err(error) = self.restart() {
                        return Next::Failed(error);
                    }
                    continue;
                }
                Err(error) => match self.failure(error) {
                    Some(next) => return next,
                    None => continue,
                },
            };
            if self.position.is_none() {
                // Samples that the codec trims come before those that it hands out.
                let start = packet.pts.saturating_add(packet.trim_start);
                self.position = Some(self.samples_at(start) - self.priming as i64);
            }
            match self.codec.decode(&packet) {
                Ok(decoded) => {
                    self.rate = decoded.spec().rate();
                    decoded.copy_to_vec_interleaved(&mut self.interleaved);
                    let channels = decoded.spec().channels().clone();
                    downmix::to_stereo(&channels, &self.interleaved, &mut self.stereo);
                }
                Err(error) => {
                    // The hole stays a hole: what follows keeps its place.
                    self.lose_place();
                    match self.failure(error) {
                        Some(next) => return next,
                        None => continue,
                    }
                }
            }
            self.errors_in_a_row = 0;
            if self.stereo.is_empty() {
                // A codec that warms up keeps a packet to itself; the next one says where it is.
                self.lose_place();
            } else if let Some(position) = self.take_wanted() {
                return Next::Data { position };
            }
        }
    }

    /// Lets the next packet say where it is, if it knows.
    fn lose_place(&mut self) {
        if self.places.is_none() {
            self.position = None;
        }
    }

    /// Whether every sample that the file announces was handed out.
    fn is_over(&self) -> bool {
        match (self.position, self.total_samples) {
            (Some(position), Some(total)) => u64::try_from(position).is_ok_and(|at| at >= total),
            _ => false,
        }
    }

    /// Goes to a place, so that the next sample is the one at `to_ms`.
    ///
    /// May read a lot: call it where waiting is allowed. A place behind the end is no error, the
    /// track is then over.
    ///
    /// # Errors
    /// The source cannot go there; the decoder is then of no more use.
    pub fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        let target = i64::try_from(u128::from(to_ms) * u128::from(self.rate) / 1000)
            .map_err(|_| SeekError::OutOfRange)?;
        if self
            .total_samples
            .is_some_and(|total| target as u64 >= total)
        {
            self.from = NOWHERE;
            return Ok(());
        }
        if let Some(places) = self.places.take() {
            return self.seek_piece(places, to_ms, target);
        }
        // Decoders need a packet or two before their output is right.
        let nanos = (u128::from(to_ms.saturating_sub(PREROLL_MS)) * 1_000_000)
            + u128::from(self.priming) * 1_000_000_000 / u128::from(self.rate);
        let time = Time::try_from_nanos_u128(nanos).ok_or(SeekError::OutOfRange)?;
        let to = SeekTo::Time {
            time,
            track_id: Some(self.track),
        };
        match self.format.seek(SeekMode::Accurate, to) {
            Ok(_) => {
                self.codec.reset();
                self.position = None;
                self.from = target;
                self.wanted = 0..0;
                self.errors_in_a_row = 0;
                Ok(())
            }
            Err(error) => match SeekError::from_symphonia(error) {
                SeekError::OutOfRange => {
                    self.from = NOWHERE;
                    Ok(())
                }
                error => Err(error),
            },
        }
    }

    /// Says where a packet stands, in samples.
    fn samples_at(&self, pts: Timestamp) -> i64 {
        let Some(base) = self.time_base else {
            return pts.get();
        };
        let nanos = base.calc_time_saturating(pts).as_nanos();
        let samples = (nanos * i128::from(self.rate) + 500_000_000).div_euclid(1_000_000_000);
        i64::try_from(samples).unwrap_or(i64::MAX / 2)
    }

    /// Narrows what was decoded down to what is wanted; `None` if nothing is.
    fn take_wanted(&mut self) -> Option<i64> {
        let samples = (self.stereo.len() / 2) as i64;
        let start = self.position.unwrap_or(0);
        self.position = Some(start.saturating_add(samples));
        let skip = self.from.saturating_sub(start).clamp(0, samples);
        // Encoders pad the last packet; the container knows how much was wanted.
        let end = self.total_samples.map_or(samples, |total| {
            i64::try_from(total)
                .unwrap_or(i64::MAX)
                .saturating_sub(start)
                .clamp(0, samples)
        });
        // Guessed lengths must not cut anything off.
        let is_exact = self.priming > 0 && self.places.is_none();
        let end = if is_exact { end } else { samples };
        if skip >= end {
            return None;
        }
        self.wanted = 2 * skip as usize..2 * end as usize;
        Some(start + skip)
    }

    /// A live stream went on with another track: takes that one.
    fn restart(&mut self) -> Result<(), DecodeError> {
        let track = self
            .format
            .default_track(TrackType::Audio)
            .ok_or(DecodeError::TrackGone)?;
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|parameters| parameters.audio())
            .ok_or(DecodeError::TrackGone)?;
        self.codec = container::codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|_| DecodeError::TrackGone)?;
        self.track = track.id;
        self.time_base = track.time_base;
        // Time goes on where it was; what is known about the first track is true no more.
        self.total_samples = None;
        self.priming = 0;
        Ok(())
    }

    /// Says what an error means for the caller; `None` if it is to be overlooked.
    fn failure(&mut self, error: Symphonia) -> Option<Next> {
        match error {
            Symphonia::IoError(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Some(Next::NotReady),
                // The file ends in the middle of something.
                io::ErrorKind::UnexpectedEof => Some(Next::End),
                io::ErrorKind::Interrupted => None,
                _ => Some(Next::Failed(DecodeError::Io(error))),
            },
            error => {
                self.errors_in_a_row += 1;
                (self.errors_in_a_row > MAX_ERRORS).then(|| {
                    Next::Failed(DecodeError::TooDamaged {
                        cause: error.to_string(),
                    })
                })
            }
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("format", &self.format.format_info().short_name)
            .field("rate", &self.rate)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn total_samples(track: &Track, rate: u32) -> Option<u64> {
    track.num_frames.or_else(|| {
        let nanos = track.time_base?.calc_duration(track.duration?)?.as_nanos();
        u64::try_from(nanos * i128::from(rate) / 1_000_000_000).ok()
    })
}

/// Damaged packets in a row after which a track is given up: about a second.
pub const MAX_ERRORS: u32 = 50;

/// A place behind every end.
const NOWHERE: i64 = i64::MAX;

/// How far before a place decoding begins.
const PREROLL_MS: u64 = 80;
