//! The bytes that a demuxer was given and has not used up.

/// A bounded first-in-first-out buffer that hands out contiguous slices.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
    /// Stream offset of `start`.
    offset: u64,
    finished: bool,
}

impl Window {
    /// Never holds more than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            limit,
            offset: 0,
            finished: false,
        }
    }

    /// Returns room to write into. Empty only if `limit` unused bytes are held already.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < MIN_ROOM {
            let grown = (self.bytes.len() * 2).max(FIRST_ROOM).min(self.limit);
            self.bytes.resize(grown.max(self.bytes.len()), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Takes over what was written into the room.
    pub(super) fn advance(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    /// Copies in as much as fits and returns how much that was.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let room = self.room();
            let count = room.len().min(bytes.len() - done);
            if count == 0 {
                break;
            }
            room[..count].copy_from_slice(&bytes[done..done + count]);
            self.advance(count);
            done += count;
        }
        done
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Stream offset of the first unused byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Forgets everything; the next byte is the one at `offset` of the stream.
    pub(super) fn reset(&mut self, offset: u64) {
        (self.start, self.end, self.offset, self.finished) = (0, 0, offset, false);
    }
}

const FIRST_ROOM: usize = 16 * 1024;
const MIN_ROOM: usize = 4 * 1024;
