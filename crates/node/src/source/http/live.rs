//! How far a live stream may fall behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How the bytes of a live stream come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The server sends them as they come about.
    Pushed,
    /// They are asked for, piece by piece.
    Pulled,
}

/// What a window over a live stream has to know.
#[derive(Debug)]
pub struct Live {
    pace: Pace,
    wanted: Instant,
    /// When each chunk came.
    arrived: VecDeque<Instant>,
}

/// After this long without a reader, what was not read is old.
const STALE: Duration = Duration::from_secs(3);
/// What is not older than this counts as new.
const NEW: Duration = Duration::from_secs(1);
/// After this long without a reader, nothing is fetched any more.
const IDLE: Duration = Duration::from_secs(30);

impl Live {
    /// Begins with a reader that is there.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            wanted: Instant::now(),
            arrived: VecDeque::new(),
        }
    }

    /// Notes that a chunk came.
    pub fn handle_bytes(&mut self) {
        self.arrived.push_back(Instant::now());
    }

    /// Notes that the oldest chunk is gone.
    pub fn handle_drop(&mut self) {
        self.arrived.pop_front();
    }

    /// Notes that all chunks are gone.
    pub fn handle_clear(&mut self) {
        self.arrived.clear();
    }

    /// Returns how many chunks are not new any more.
    pub fn old(&self) -> usize {
        let is_old = |at: &Instant| at.elapsed() > NEW;
        self.arrived.partition_point(is_old)
    }

    /// Notes that somebody wants to read; says how the bytes come if what is there is old.
    pub fn handle_want(&mut self) -> Option<Pace> {
        let now = Instant::now();
        let away = now.duration_since(self.wanted);
        self.wanted = now;
        (away > STALE).then_some(self.pace)
    }

    /// Whether nobody has wanted to read for long.
    pub fn is_idle(&self) -> bool {
        self.wanted.elapsed() > IDLE
    }

    /// Whether the server sends without being asked.
    pub fn is_pushed(&self) -> bool {
        self.pace == Pace::Pushed
    }
}
