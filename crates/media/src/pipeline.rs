//! From a source's bytes to Opus packets of 20 ms, whatever the source holds.
//!
//! Opus in 20 ms packets is passed through untouched while the volume is 100 %. Everything else is
//! decoded, resampled, multiplied, framed and encoded. The volume may change at any time, and
//! with it the way.

mod convert;
mod deck;
mod effects;
mod passthrough;
mod reader;

use std::io;

use self::{convert::Converted, passthrough::Passthrough};
pub use self::{
    deck::{Deck, DeckNext},
    effects::{Duck, Effects, Fade, Loudness, Transition},
};
use crate::{
    decode::{DecodeError, Decoder, Hint, OpenError, SeekError},
    demux::Tags,
    frame::OpusFrame,
    opus::EncoderOptions,
    sniff,
    source::{Packets, Pieces, Rewound, Source},
};

/// One track on its way from bytes to packets.
#[derive(Debug)]
pub struct Pipeline {
    way: Way,
    end_ms: Option<u64>,
    over: bool,
    /// How loud the track is, in LUFS, if somebody knows.
    loudness: Option<f32>,
}

#[derive(Debug)]
enum Way {
    Opus(Box<Passthrough>),
    Other(Box<Converted>),
}

/// What [`Pipeline::next_frame`] found.
#[derive(Debug)]
pub enum Next {
    /// A packet was written.
    Frame {
        /// Where it begins, in milliseconds from the track's start.
        position_ms: u64,
    },
    /// The source would have had to wait. Nothing is lost but what
    /// [`crate::decode::Decoder::next_packet`] says; try again when more bytes are there.
    NotReady,
    /// The track is over.
    End,
    /// It cannot go on.
    Failed(DecodeError),
}

/// What is known about a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// Title, if the file says.
    pub title: Option<String>,
    /// Artist, if the file says.
    pub artist: Option<String>,
    /// Length, if it is known. A live stream has none.
    pub duration_ms: Option<u64>,
    /// Whether [`Pipeline::seek`] works.
    pub seekable: bool,
}

impl Pipeline {
    /// Finds out what the source holds and prepares everything.
    ///
    /// Reads from the source until the first audio is in sight, and possibly its end to learn the
    /// length: call it where waiting is allowed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        source: Box<dyn Source>,
        hint: &Hint,
        options: EncoderOptions,
    ) -> Result<Self, OpenError> {
        let source = Rewound::new(source, sniff::LENGTH).map_err(OpenError::Io)?;
        let kind = sniff::kind(source.prefix());
        let way = match kind {
            sniff::Kind::Html => return Err(OpenError::Html),
            sniff::Kind::Empty => return Err(OpenError::Empty),
            sniff::Kind::OggOpus => Way::Opus(Box::new(Passthrough::open_ogg(source, options)?)),
            sniff::Kind::Matroska => match Passthrough::open_webm(source, options) {
                Ok(passthrough) => Way::Opus(Box::new(passthrough)),
                // Vorbis or AAC in Matroska: begin again, if the source can.
                Err((OpenError::Demux(_), Some(source))) => {
                    Way::Other(Box::new(Converted::open(source, hint, options)?))
                }
                Err((error, _)) => return Err(error),
            },
            sniff::Kind::Other | sniff::Kind::MpegTs => {
                Way::Other(Box::new(Converted::open(source, hint, options)?))
            }
        };
        Ok(Self::new(way))
    }

    /// Opens a track in pieces at its first one; seeking opens it anew at another. Otherwise as
    /// [`Pipeline::open`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_pieces(
        pieces: Box<dyn Pieces>,
        hint: &Hint,
        options: EncoderOptions,
    ) -> Result<Self, OpenError> {
        let decoder = Decoder::open_pieces(pieces, hint)?;
        let way = Converted::new(decoder, options)?;
        Ok(Self::new(Way::Other(Box::new(way))))
    }

    /// Returns a pipeline over Opus packets that somebody else makes.
    pub fn of_packets(packets: Box<dyn Packets>, options: EncoderOptions) -> Self {
        Self::new(Way::Opus(Box::new(Passthrough::packets(packets, options))))
    }

    fn new(way: Way) -> Self {
        let tags = match &way {
            Way::Opus(way) => way.tags(),
            Way::Other(way) => way.tags(),
        };
        Self {
            way,
            end_ms: None,
            over: false,
            loudness: tags.loudness.map(|hundredths| hundredths as f32 / 100.0),
        }
    }

    /// Returns what is known about the track.
    pub fn info(&self) -> TrackInfo {
        let (Tags { title, artist, .. }, duration_ms, seekable) = match &self.way {
            Way::Opus(way) => (way.tags(), way.duration_ms(), way.is_seekable()),
            Way::Other(way) => (way.tags(), way.duration_ms(), way.is_seekable()),
        };
        TrackInfo {
            title,
            artist,
            duration_ms,
            seekable,
        }
    }

    fn options(&self) -> EncoderOptions {
        match &self.way {
            Way::Opus(way) => way.options(),
            Way::Other(way) => way.options(),
        }
    }

    /// Whether the next packet will be one of the source's own, as far as can be known.
    pub fn is_passthrough(&self) -> bool {
        match &self.way {
            Way::Opus(way) => way.is_untouched(),
            Way::Other(_) => false,
        }
    }

    /// Changes the gain (1.0 is unchanged) from the next packet on.
    pub fn set_gain(&mut self, gain: f32) {
        match &mut self.way {
            Way::Opus(way) => way.set_gain(gain),
            Way::Other(way) => way.set_gain(gain),
        }
    }

    /// Changes the volume in percent, 0..=1000, from the next packet on.
    pub fn set_volume(&mut self, percent: u16) {
        self.set_gain(f32::from(percent.min(1000)) / 100.0);
    }

    /// Ends the track early: no packet that begins at or behind this place will come.
    pub fn set_end(&mut self, end_ms: Option<u64>) {
        self.end_ms = end_ms;
    }

    /// Says how loud the track is as a whole, in LUFS, so that a deck need not measure it. What its
    /// tags say (`R128_TRACK_GAIN`, ReplayGain) is known already.
    pub fn set_loudness(&mut self, lufs: Option<f32>) {
        self.loudness = lufs.filter(|lufs| (-70.0..=5.0).contains(lufs));
    }

    /// Writes the next packet to `out`.
    ///
    /// Passing through never allocates once a few packets went by.
    pub fn next_frame(&mut self, out: &mut OpusFrame) -> Next {
        if self.over {
            return Next::End;
        }
        let next = match &mut self.way {
            Way::Opus(way) => way.next_frame(out),
            Way::Other(way) => way.next_frame(out),
        };
        match (&next, self.end_ms) {
            (Next::Frame { position_ms }, Some(end_ms)) if *position_ms >= end_ms => {
                // Not `over`: the end may be moved, or a seek may go back.
                Next::End
            }
            (Next::End | Next::Failed(_), _) => {
                self.over = true;
                next
            }
            _ => next,
        }
    }

    /// Goes to a place. The next packet is the one that holds it (passing through), or begins with
    /// it (converting). Behind the end, the track is over.
    ///
    /// May read a lot: call it where waiting is allowed.
    ///
    /// # Errors
    /// The source cannot go there; the pipeline is then of no more use.
    pub fn seek(&mut self, to_ms: u64) -> Result<(), SeekError> {
        self.over = false;
        match &mut self.way {
            Way::Opus(way) => way.seek(to_ms),
            Way::Other(way) => way.seek(to_ms),
        }
    }
}

/// Sorts the errors of a source.
fn not_ready(error: io::Error) -> Next {
    match error.kind() {
        io::ErrorKind::WouldBlock => Next::NotReady,
        _ => Next::Failed(DecodeError::Io(error)),
    }
}

/// Samples at 48 kHz to milliseconds; what is before the beginning counts as the beginning.
fn millis(samples: i64) -> u64 {
    u64::try_from(samples).unwrap_or(0) / 48
}
