//! What can go wrong with a file.

use std::io;

use symphonia::core::errors::{Error as Symphonia, SeekErrorKind};

use crate::demux::DemuxError;

/// Why a source cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A web page came instead of audio.
    #[error("not audio: looks like HTML")]
    Html,
    /// Not a single byte came.
    #[error("not audio: the source is empty")]
    Empty,
    /// No format that is known.
    #[error("not audio, or in a format that is not supported")]
    Unrecognised,
    /// The container has no audio track.
    #[error("the file has no audio track")]
    NoAudio,
    /// The file uses something that is not supported.
    #[error("unsupported {what}")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// The head of the file is damaged.
    #[error("the head of the file is damaged: {cause}")]
    Malformed {
        /// What the parser found.
        cause: &'static str,
    },
    /// An Opus stream that cannot be played.
    #[error(transparent)]
    Demux(DemuxError),
    /// The encoder or decoder could not be made.
    #[error(transparent)]
    Opus(#[from] crate::opus::OpusError),
    /// The source failed.
    #[error("reading the source failed")]
    Io(#[source] io::Error),
}

impl OpenError {
    pub(super) fn from_symphonia(error: Symphonia, what: &'static str) -> Self {
        match error {
            Symphonia::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Malformed {
                    cause: "it ends too early",
                }
            }
            Symphonia::IoError(error) => Self::Io(error),
            Symphonia::DecodeError(cause) | Symphonia::LimitError(cause) => {
                Self::Malformed { cause }
            }
            _ => Self::Unsupported { what },
        }
    }
}

/// Why a track cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The source failed.
    #[error("reading the source failed")]
    Io(#[source] io::Error),
    /// Nothing but damage for about a second.
    #[error("the file is too damaged: {cause}")]
    TooDamaged {
        /// What was found last.
        cause: String,
    },
    /// A live stream went on with something that is not audio.
    #[error("the stream went on without audio")]
    TrackGone,
    /// The sample rate changed to one that cannot be converted.
    #[error(transparent)]
    Rate(#[from] crate::resample::UnsupportedRate),
    /// An Opus stream that cannot be played.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// The encoder or decoder failed.
    #[error(transparent)]
    Opus(#[from] crate::opus::OpusError),
}

/// Why a seek failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeekError {
    /// The source can only be read from beginning to end.
    #[error("the source cannot be sought")]
    Unseekable,
    /// There is no such place.
    #[error("the place is out of range")]
    OutOfRange,
    /// The file is damaged where it matters.
    #[error("the file is damaged: {cause}")]
    Malformed {
        /// What was found.
        cause: String,
    },
    /// The source failed.
    #[error("reading the source failed")]
    Io(#[source] io::Error),
}

impl SeekError {
    pub(super) fn from_symphonia(error: Symphonia) -> Self {
        match error {
            Symphonia::SeekError(SeekErrorKind::Unseekable | SeekErrorKind::ForwardOnly) => {
                Self::Unseekable
            }
            Symphonia::SeekError(_) => Self::OutOfRange,
            Symphonia::IoError(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::OutOfRange,
                io::ErrorKind::Unsupported => Self::Unseekable,
                _ => Self::Io(error),
            },
            error => Self::Malformed {
                cause: error.to_string(),
            },
        }
    }
}
