//! The bytes of a stream that are in memory: a few behind the reader, a bounded number ahead.
//!
//! One side is async and fills ([`Window`]), the other is synchronous and reads
//! ([`WindowReader`]). The reader runs in two ways: on a blocking thread it waits for bytes; on
//! a thread of the pool it never does.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backline_runtime::metrics::node::NodeMetrics;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::feed::Wake;

/// Bytes kept in memory ahead of the reader.
const AHEAD: u64 = 256 * 1024;
/// Bytes kept behind the reader, for decoders that look back a little.
const BEHIND: u64 = 32 * 1024;
/// A jump ahead of up to this is read through instead of asking the server again.
const READ_THROUGH: u64 = 192 * 1024;

/// The filler's side.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    readable: Condvar,
    wanted: Notify,
    metrics: NodeMetrics,
    wake: Wake,
    /// Cancelled when nobody reads any more.
    pub gone: CancellationToken,
}

#[derive(Debug)]
struct State {
    /// Offset of the first byte in `chunks`.
    start: u64,
    chunks: VecDeque<Bytes>,
    /// Offset behind the last byte in `chunks`.
    end: u64,
    read: u64,
    /// Where the stream ends, if known.
    total: Option<u64>,
    finished: bool,
    failure: Option<Failure>,
    /// Where the filler is to go on instead, because the reader jumped.
    jump: Option<u64>,
    /// The pool waits for this many bytes ahead.
    waiting: Option<u64>,
    /// How long reads wait for bytes; `None` for not at all.
    patience: Option<Duration>,
    /// Bytes that may still be read while probing.
    budget: Option<u64>,
}

/// Why a stream broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

/// What the filler has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Append the bytes from this offset on.
    More(u64),
    /// Drop what is under way and begin again at this offset.
    Jump(u64),
}

/// The reader's side.
#[derive(Debug)]
pub struct WindowReader {
    window: Arc<Window>,
    seekable: bool,
    _gone: DropGuard,
}

impl Window {
    /// Returns both sides of an empty window over a stream of `total` bytes.
    pub fn new(
        total: Option<u64>,
        seekable: bool,
        metrics: NodeMetrics,
        wake: Wake,
    ) -> (Arc<Self>, WindowReader) {
        let gone = CancellationToken::new();
        let window = Arc::new(Self {
            state: Mutex::new(State {
                start: 0,
                chunks: VecDeque::new(),
                end: 0,
                read: 0,
                total,
                finished: false,
                failure: None,
                jump: None,
                waiting: None,
                patience: None,
                budget: None,
            }),
            readable: Condvar::new(),
            wanted: Notify::new(),
            metrics,
            wake,
            gone: gone.clone(),
        });
        let reader = WindowReader {
            window: Arc::clone(&window),
            seekable,
            _gone: gone.drop_guard(),
        };
        (window, reader)
    }

    /// Lets reads wait this long for bytes, or not at all.
    pub fn set_patience(&self, patience: Option<Duration>) {
        self.lock().patience = patience;
    }

    /// Lets at most this many bytes be read, until set otherwise.
    pub fn set_budget(&self, bytes: Option<u64>) {
        self.lock().budget = bytes;
    }

    /// Returns why the stream broke off, if it did.
    pub fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    /// Whether `bytes` are there ahead of the reader, or all there will ever be; if not, the
    /// feed is woken when they are.
    pub fn ready(&self, bytes: u64) -> bool {
        let mut state = self.lock();
        let bytes = bytes.min(AHEAD / 2);
        let ready = state.has_ahead(bytes);
        state.waiting = (!ready).then_some(bytes);
        ready
    }

    /// Waits until there is something to do. Cancel-safe.
    pub async fn demand(&self) -> Demand {
        loop {
            let wanted = self.wanted.notified();
            if let Some(demand) = self.demand_now() {
                return demand;
            }
            wanted.await;
        }
    }

    /// Waits until the reader has jumped; the next [`Self::demand`] tells where to.
    pub async fn jumped(&self) {
        loop {
            let wanted = self.wanted.notified();
            if self.lock().jump.is_some() {
                return;
            }
            wanted.await;
        }
    }

    fn demand_now(&self) -> Option<Demand> {
        let mut state = self.lock();
        if let Some(offset) = state.jump.take() {
            return Some(Demand::Jump(offset));
        }
        let ahead = state.end.saturating_sub(state.read);
        (!state.finished && state.failure.is_none() && ahead < AHEAD)
            .then_some(Demand::More(state.end))
    }

    /// Appends bytes that were asked for; ignored if the reader has jumped meanwhile.
    pub fn append(&self, bytes: Bytes) {
        let mut state = self.lock();
        if state.jump.is_some() || bytes.is_empty() {
            return;
        }
        self.metrics.buffered.inc_by(bytes.len() as i64);
        state.end += bytes.len() as u64;
        state.chunks.push_back(bytes);
        self.drop_behind(&mut state);
        self.tell(state);
    }

    /// Says that the stream ends where it is.
    pub fn finish(&self) {
        let mut state = self.lock();
        if state.jump.is_none() {
            state.finished = true;
            state.total = Some(state.end);
            self.tell(state);
        }
    }

    /// Says that no more bytes can be had.
    pub fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        state.failure = Some(failure);
        self.tell(state);
    }

    /// Waits until `bytes` are there, or all there will ever be.
    pub async fn buffered(&self, bytes: u64) {
        loop {
            let wanted = self.wanted.notified();
            {
                let state = self.lock();
                if state.has_ahead(bytes) {
                    return;
                }
            }
            wanted.await;
        }
    }

    fn tell(&self, mut state: MutexGuard<'_, State>) {
        let woken = state.waiting.is_some_and(|bytes| state.has_ahead(bytes));
        if woken {
            state.waiting = None;
        }
        drop(state);
        self.readable.notify_all();
        self.wanted.notify_waiters();
        if woken {
            self.wake.call();
        }
    }

    fn drop_behind(&self, state: &mut State) {
        while let Some(first) = state.chunks.front() {
            let length = first.len() as u64;
            if state.start + length + BEHIND > state.read {
                break;
            }
            state.start += length;
            state.chunks.pop_front();
            self.metrics.buffered.dec_by(length as i64);
        }
    }

    fn clear(&self, state: &mut State) {
        self.metrics
            .buffered
            .dec_by((state.end - state.start) as i64);
        state.chunks.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.metrics
            .buffered
            .dec_by((state.end - state.start) as i64);
    }
}

impl State {
    fn has_ahead(&self, bytes: u64) -> bool {
        self.finished || self.failure.is_some() || self.end.saturating_sub(self.read) >= bytes
    }
}

impl WindowReader {
    /// Whether the reader can jump.
    pub fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// Returns the length of the stream, if known.
    pub fn length(&self) -> Option<u64> {
        self.window.lock().total
    }

    /// Returns the window, for waiting asynchronously.
    pub fn window(&self) -> &Arc<Window> {
        &self.window
    }

    fn read_now(state: &mut State, into: &mut [u8]) -> usize {
        let mut at = state.start;
        for chunk in &state.chunks {
            let next = at + chunk.len() as u64;
            if state.read < next {
                let from = (state.read - at) as usize;
                let count = (chunk.len() - from).min(into.len());
                into[..count].copy_from_slice(&chunk[from..from + count]);
                state.read += count as u64;
                return count;
            }
            at = next;
        }
        0
    }
}

impl Read for WindowReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let mut state = self.window.lock();
        if state.budget == Some(0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no audio found"));
        }
        let limit = state
            .budget
            .map_or(into.len(), |left| into.len().min(left as usize));
        let until = state.patience.map(|patience| Instant::now() + patience);
        loop {
            let inside = state.read >= state.start;
            let count = if inside {
                Self::read_now(&mut state, &mut into[..limit])
            } else {
                0
            };
            if count > 0 {
                self.window.drop_behind(&mut state);
                if let Some(left) = &mut state.budget {
                    *left -= count as u64;
                }
                drop(state);
                self.window.wanted.notify_waiters();
                return Ok(count);
            }
            if let Some(Failure(why)) = &state.failure {
                return Err(io::Error::other(why.clone()));
            }
            if state.finished || state.total.is_some_and(|total| state.read >= total) {
                return Ok(0);
            }
            let Some(until) = until else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let waited = self.window.readable.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Seek for WindowReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut state = self.window.lock();
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => state.read.checked_add_signed(by),
            SeekFrom::End(by) => state.total.ok_or_else(invalid)?.checked_add_signed(by),
        };
        let target = target.ok_or_else(invalid)?;
        let near = target >= state.start && target <= state.end + READ_THROUGH;
        let at_end = state.total.is_some_and(|total| target >= total);
        if !near && !at_end {
            if !self.seekable {
                return Err(io::ErrorKind::Unsupported.into());
            }
            self.window.clear(&mut state);
            state.start = target;
            state.end = target;
            state.finished = false;
            state.failure = None;
            state.jump = Some(target);
        }
        state.read = target;
        drop(state);
        self.window.wanted.notify_waiters();
        Ok(target)
    }
}

#[cfg(test)]
mod tests;
