//! The bytes of a track, wherever they come from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use super::http::window::WindowReader;
use crate::engine::feed::Wake;

/// The bytes of a track.
#[derive(Debug)]
pub enum Reader {
    /// A file on this machine, whose reads do not wait for anybody.
    File {
        /// The file.
        file: File,
        /// Its length in bytes.
        length: u64,
        /// Never called.
        wake: Wake,
    },
    /// A stream from a server.
    Http(WindowReader),
}

impl Reader {
    /// Returns the length in bytes, if known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::File { length, .. } => Some(*length),
            Self::Http(reader) => reader.length(),
        }
    }

    /// Whether the reader can jump.
    pub fn is_seekable(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Http(reader) => reader.is_seekable(),
        }
    }

    /// Whether `bytes` can be read without waiting; if not, the feed is woken when they can.
    pub fn ready(&self, bytes: u64) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Http(reader) => reader.ready(bytes),
        }
    }

    /// Lets reads wait for bytes, or not at all.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        if let Self::Http(reader) = self {
            reader.set_patience(patience);
        }
    }

    /// Lets at most this many bytes be read from a server, until set otherwise.
    pub fn set_budget(&mut self, bytes: Option<u64>) {
        if let Self::Http(reader) = self {
            reader.set_budget(bytes);
        }
    }

    /// Returns what is called when bytes have come.
    pub fn wake(&self) -> Wake {
        match self {
            Self::File { wake, .. } => wake.clone(),
            Self::Http(reader) => reader.wake(),
        }
    }

    /// Returns why the stream broke off, if it did.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::File { .. } => None,
            Self::Http(reader) => reader.failure().map(|failure| failure.0),
        }
    }

    /// Reads until `into` is full or the stream is over; returns how much.
    pub fn read_full(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.read(into),
            Self::Http(reader) => reader.read(into),
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File { file, .. } => file.seek(to),
            Self::Http(reader) => reader.seek(to),
        }
    }
}
