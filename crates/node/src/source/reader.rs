//! The bytes of a track, wherever they come from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use backline_media::source::Source;
use tokio::sync::watch;

use super::alarm::Alarm;
use super::http::window::{Window, WindowReader};
use super::shared::Listener;

/// The bytes of a track.
#[derive(Debug)]
pub enum Reader {
    /// A file on this machine, whose reads do not wait for anybody.
    File {
        /// The file.
        file: File,
        /// Its length in bytes.
        length: u64,
    },
    /// A stream from a server.
    Http(WindowReader),
}

/// What is known of the bytes of a track, and said to whoever brings them, after they were handed
/// to a decoder.
#[derive(Debug, Clone)]
pub enum Supply {
    /// They are there.
    File,
    /// They come from a server.
    Window(Arc<Window>),
    /// Packets come from a stream that others hear, too.
    Shared(Arc<Listener>),
}

impl Reader {
    /// Returns what stays reachable when the reader is handed on.
    pub fn supply(&self) -> Supply {
        match self {
            Self::File { .. } => Supply::File,
            Self::Http(reader) => Supply::Window(Arc::clone(reader.window())),
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

impl Supply {
    /// Whether bytes come from a server.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Self::File)
    }

    /// Whether `bytes` can be read without waiting; if not, the feed is woken when they can.
    pub fn ready(&self, bytes: u64) -> bool {
        match self {
            Self::File => true,
            Self::Window(window) => window.ready(bytes),
            Self::Shared(listener) => listener.ready(),
        }
    }

    /// Lets reads wait for bytes, or not at all.
    pub fn set_patience(&self, patience: Option<Duration>) {
        if let Self::Window(window) = self {
            window.set_patience(patience);
        }
    }

    /// Lets at most this many bytes be read from a server, until set otherwise.
    pub fn set_budget(&self, bytes: Option<u64>) {
        if let Self::Window(window) = self {
            window.set_budget(bytes);
        }
    }

    /// Returns why the stream broke off, if it did.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::File => None,
            Self::Window(window) => window.failure().map(|failure| failure.0),
            Self::Shared(listener) => listener.failure(),
        }
    }

    /// Returns what a radio station plays, if it is one.
    pub fn titles(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        match self {
            Self::Shared(listener) => listener.titles(),
            Self::File | Self::Window(_) => None,
        }
    }

    /// Returns what is called when bytes of a server have come.
    pub fn alarm(&self) -> Option<&Alarm> {
        match self {
            Self::Window(window) => Some(window.alarm()),
            Self::File | Self::Shared(_) => None,
        }
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

impl Source for Reader {
    fn is_seekable(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Http(reader) => reader.is_seekable(),
        }
    }

    fn byte_len(&self) -> Option<u64> {
        match self {
            Self::File { length, .. } => Some(*length),
            Self::Http(reader) => reader.length(),
        }
    }
}
