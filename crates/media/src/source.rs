//! Where bytes come from.

use std::io::{self, Read, Seek, SeekFrom};

/// The bytes of one track: a file, or a window over a download.
///
/// A `read` that would have to wait for the network returns [`io::ErrorKind::WouldBlock`]
/// (or blocks, on a thread where that is fine). Whoever pulls frames on a thread that must not
/// wait should do so only while enough bytes are there: 64 KiB ahead of the last read are enough
/// for every format's next frame. See [`crate::decode::Decoder::next_packet`] for what happens
/// otherwise.
pub trait Source: Read + Seek + Send + Sync {
    /// Whether `seek` works, in both directions.
    fn is_seekable(&self) -> bool;

    /// Returns the total length in bytes, if it is known.
    fn byte_len(&self) -> Option<u64>;
}

impl Source for std::fs::File {
    fn is_seekable(&self) -> bool {
        self.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    fn byte_len(&self) -> Option<u64> {
        self.metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|metadata| metadata.len())
    }
}

impl<T: AsRef<[u8]> + Send + Sync> Source for io::Cursor<T> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.get_ref().as_ref().len() as u64)
    }
}

/// Opus packets that somebody else makes, in order.
pub trait Packets: Send + Sync {
    /// Writes the next packet and returns where it begins, in samples at 48 kHz from the start of
    /// the track; `None` when no more will come. One that is not there yet is
    /// [`io::ErrorKind::WouldBlock`].
    ///
    /// # Errors
    /// Why no more can come.
    fn next(&mut self, packet: &mut Vec<u8>) -> io::Result<Option<i64>>;
}

/// A track in pieces, at the beginning of each of which it can be opened.
pub trait Pieces: Send + Sync {
    /// Returns the length of the track in milliseconds.
    fn duration_ms(&self) -> u64;

    /// Returns the bytes from the piece on that holds a place, and where in the track that piece
    /// begins, in milliseconds. Behind the end there is nothing to read.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open(&mut self, at_ms: u64) -> io::Result<(Box<dyn Source>, u64)>;
}

/// A source whose first bytes were read already, and are read again from memory.
pub(crate) struct Rewound {
    inner: Box<dyn Source>,
    prefix: Vec<u8>,
    position: u64,
    /// Position of `inner`, if it is known.
    inner_position: Option<u64>,
}

impl Rewound {
    /// Reads up to `length` bytes and goes back to the beginning.
    pub(crate) fn new(mut inner: Box<dyn Source>, length: usize) -> io::Result<Self> {
        let mut prefix = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match inner.read(&mut prefix[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        prefix.truncate(filled);
        Ok(Self {
            inner,
            prefix,
            position: 0,
            inner_position: Some(filled as u64),
        })
    }

    /// Holds nothing.
    pub(crate) fn empty() -> Self {
        Self {
            inner: Box::new(io::Cursor::new([])),
            prefix: Vec::new(),
            position: 0,
            inner_position: Some(0),
        }
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }
}

impl Read for Rewound {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.position).unwrap_or(usize::MAX);
        if let Some(rest) = self.prefix.get(at..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.position += count as u64;
            return Ok(count);
        }
        if self.inner_position != Some(self.position) {
            self.inner_position = None;
            self.inner_position = Some(self.inner.seek(SeekFrom::Start(self.position))?);
        }
        let count = self.inner.read(buffer)?;
        self.position += count as u64;
        self.inner_position = Some(self.position);
        Ok(count)
    }
}

impl Seek for Rewound {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let target = match to {
            SeekFrom::Start(target) => target,
            SeekFrom::Current(by) => self.position.checked_add_signed(by).ok_or_else(invalid)?,
            SeekFrom::End(by) => {
                let length = self.inner.byte_len().ok_or_else(invalid)?;
                length.checked_add_signed(by).ok_or_else(invalid)?
            }
        };
        let in_prefix = target < self.prefix.len() as u64;
        // Whatever cannot be sought can still be gone back to what is in memory, as long as the
        // place behind it has not been left.
        let reachable = in_prefix && self.inner_position == Some(self.prefix.len() as u64);
        if target != self.position && !self.inner.is_seekable() && !reachable {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Told at once, not with the next read: whoever watches over the bytes ahead of the source
        // (see [`Source`]) has to know from where they will be read.
        let place = target.max(self.prefix.len() as u64);
        if self.inner_position != Some(place) && self.inner.is_seekable() {
            self.inner_position = None;
            self.inner_position = Some(self.inner.seek(SeekFrom::Start(place))?);
        }
        self.position = target;
        Ok(target)
    }
}

impl Source for Rewound {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.inner.byte_len()
    }
}
