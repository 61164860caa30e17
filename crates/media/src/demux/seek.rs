//! Finding a position by bisection over byte offsets.

use super::{ogg, webm};

/// Finds the offset from which to read in order to get the packet at a position.
///
/// Ask [`Seeker::poll`] what to do; hand what was read to [`Seeker::handle_bytes`].
#[derive(Debug)]
pub struct Seeker {
    landmark: Landmark,
    /// In units of the landmark.
    target: i64,
    low: u64,
    high: u64,
    best: u64,
    steps: u32,
}

/// What a [`Seeker`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekStep {
    /// Read this range (less at the end of the stream).
    Read {
        /// Where to begin.
        offset: u64,
        /// How many bytes.
        length: usize,
    },
    /// Reset the demuxer to this offset and go on reading from it; drop packets that come before
    /// the position.
    Done {
        /// Beginning of a page or cluster.
        offset: u64,
    },
}

/// What tells a position in the middle of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Landmark {
    /// The granule position of a page.
    OggPage { serial: u32 },
    /// The time of a cluster.
    WebmCluster,
}

impl Landmark {
    /// Returns where the first one is, where it ends at the earliest, and its position.
    fn find(self, bytes: &[u8]) -> Option<(usize, usize, i64)> {
        match self {
            Self::OggPage { serial } => ogg::page::pages(bytes)
                .filter(|(_, page)| page.serial == serial)
                .find_map(|(at, page)| Some((at, page.len(), i64::try_from(page.granule?).ok()?))),
            Self::WebmCluster => webm::find_cluster(bytes),
        }
    }
}

impl Seeker {
    pub(super) fn new(landmark: Landmark, start: u64, length: u64, target: i64) -> Self {
        Self {
            landmark,
            target,
            low: start,
            high: length.max(start),
            best: start,
            steps: 0,
        }
    }

    /// A seeker that knows already.
    pub(super) fn found(offset: u64) -> Self {
        Self::new(Landmark::WebmCluster, offset, offset, 0)
    }

    /// Returns the next step.
    pub fn poll(&self) -> SeekStep {
        // The number of steps is bounded by arithmetic already; the count is a second lock.
        if self.high - self.low <= CLOSE_ENOUGH || self.steps >= 64 {
            return SeekStep::Done { offset: self.best };
        }
        SeekStep::Read {
            offset: self.middle(),
            length: READ,
        }
    }

    /// Takes what was read at the offset of the last [`SeekStep::Read`].
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        let middle = self.middle();
        self.steps += 1;
        match self.landmark.find(bytes) {
            Some((at, length, position))
                if position <= self.target && middle + (at as u64) < self.high =>
            {
                self.best = middle + at as u64;
                self.low = (self.best + length as u64).min(self.high);
            }
            _ => self.high = middle,
        }
    }

    fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

/// Reading on from here is cheaper than another step.
const CLOSE_ENOUGH: u64 = 64 * 1024;

/// Enough for a whole page from anywhere, and for most clusters of audio.
const READ: usize = 128 * 1024;
