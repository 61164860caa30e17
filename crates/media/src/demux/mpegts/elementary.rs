//! A transport stream read as if it were the sound that is in it.

use std::io::{self, Read, Seek, SeekFrom};

use super::{NoSound, TsDemuxer};
use crate::source::Source;

/// The sound in a transport stream, as a source.
///
/// It can be sought if the stream can, though slowly: by reading from the beginning.
pub struct Elementary {
    inner: Box<dyn Source>,
    demuxer: TsDemuxer,
    sound: Vec<u8>,
    /// What of `sound` was read already.
    read: usize,
    position: u64,
    chunk: Box<[u8; CHUNK]>,
}

/// Bytes read from the stream at a time.
const CHUNK: usize = 16 * super::PACKET;

impl Elementary {
    /// Returns the sound in `inner`, which is at its beginning.
    pub fn new(inner: Box<dyn Source>) -> Self {
        Self {
            inner,
            demuxer: TsDemuxer::new(),
            sound: Vec::new(),
            read: 0,
            position: 0,
            chunk: Box::new([0; CHUNK]),
        }
    }
}

impl Read for Elementary {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.read == self.sound.len() {
            self.sound.clear();
            self.read = 0;
            let count = self.inner.read(&mut self.chunk[..])?;
            if count == 0 {
                return Ok(0);
            }
            self.demuxer
                .push(&self.chunk[..count], &mut self.sound)
                .map_err(|error: NoSound| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let rest = &self.sound[self.read..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Elementary {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            // Nobody knows how much sound there is.
            SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let back = self.position.saturating_sub(target);
        if back > 0 && back <= self.read as u64 {
            self.read -= back as usize;
            self.position = target;
        } else if back > 0 {
            if !self.inner.is_seekable() {
                return Err(io::ErrorKind::Unsupported.into());
            }
            self.inner.seek(SeekFrom::Start(0))?;
            self.demuxer = TsDemuxer::new();
            self.sound.clear();
            (self.read, self.position) = (0, 0);
        }
        let ahead = target - self.position;
        io::copy(&mut self.by_ref().take(ahead), &mut io::sink())?;
        Ok(self.position)
    }
}

impl Source for Elementary {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

impl std::fmt::Debug for Elementary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elementary")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
