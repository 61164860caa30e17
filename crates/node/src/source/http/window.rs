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

use super::live::{Live, Pace};
use crate::engine::feed::Wake;
use crate::source::alarm::Alarm;

/// Bytes kept in memory ahead of the reader.
const AHEAD: u64 = 256 * 1024;
/// Bytes kept behind the reader, for decoders that look back a little.
const BEHIND: u64 = 32 * 1024;
/// A jump ahead of up to this is read through instead of asking the server again.
const READ_THROUGH: u64 = 192 * 1024;
/// Bytes of a live stream that may wait for their reader: half a minute of the best sound.
const LIVE_AHEAD: u64 = 1024 * 1024;
/// Where a filler goes on that is to fetch what is new.
pub const EDGE: u64 = u64::MAX;

/// The filler's side.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    readable: Condvar,
    wanted: Notify,
    metrics: NodeMetrics,
    alarm: Alarm,
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
    /// Set if what is not read in time is worth nothing.
    live: Option<Live>,
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
    gone: Arc<DropGuard>,
}

impl Window {
    /// Returns both sides of an empty window over a stream of `total` bytes.
    pub fn new(
        total: Option<u64>,
        seekable: bool,
        metrics: NodeMetrics,
        wake: Wake,
    ) -> (Arc<Self>, WindowReader) {
        Self::over(total, seekable, None, metrics, Alarm::new(wake))
    }

    /// Returns both sides of an empty window over a live stream.
    pub fn live(pace: Pace, metrics: NodeMetrics, alarm: Alarm) -> (Arc<Self>, WindowReader) {
        Self::over(None, false, Some(Live::new(pace)), metrics, alarm)
    }

    fn over(
        total: Option<u64>,
        seekable: bool,
        live: Option<Live>,
        metrics: NodeMetrics,
        alarm: Alarm,
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
                live,
            }),
            readable: Condvar::new(),
            wanted: Notify::new(),
            metrics,
            alarm,
            gone: gone.clone(),
        });
        let reader = WindowReader {
            window: Arc::clone(&window),
            seekable,
            gone: Arc::new(gone.drop_guard()),
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
        self.catch_up(&mut state);
        let bytes = bytes.min(AHEAD / 2);
        let ready = state.has_ahead(bytes);
        state.waiting = (!ready).then_some(bytes);
        drop(state);
        if !ready {
            self.wanted.notify_waiters();
        }
        ready
    }

    /// Returns what is called when bytes have come.
    pub fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Whether nobody has wanted anything of a live stream for so long that it need not be
    /// fetched.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.waiting.is_none() && state.live.as_ref().is_some_and(Live::is_idle)
    }

    /// Forgets all bytes and waits until somebody wants new ones. Cancel-safe.
    pub async fn park(&self) {
        {
            let mut state = self.lock();
            let all = state.chunks.len();
            self.drop_oldest(&mut state, all);
        }
        loop {
            let wanted = self.wanted.notified();
            if !self.is_idle() {
                return;
            }
            wanted.await;
        }
    }

    /// Lets a reader begin anew with what the filler fetches for `jump`; an older reader of this
    /// window must not be used any more.
    pub fn restart(&self, jump: u64) {
        let mut state = self.lock();
        self.clear(&mut state);
        (state.start, state.end, state.read) = (0, 0, 0);
        (state.finished, state.total) = (false, None);
        state.failure = None;
        state.jump = Some(jump);
        drop(state);
        self.wanted.notify_waiters();
    }

    /// A live stream that was not read for a while goes on with what is new.
    fn catch_up(&self, state: &mut State) {
        let Some(live) = &mut state.live else { return };
        let is_late = state.waiting.is_some();
        match live.handle_want().filter(|_| !is_late) {
            None => {}
            Some(Pace::Pushed) => {
                let old = live.old();
                self.drop_oldest(state, old);
            }
            // Only the filler knows where the edge is.
            Some(Pace::Pulled) => {
                let all = state.chunks.len();
                self.drop_oldest(state, all);
                state.jump = Some(EDGE);
                self.wanted.notify_waiters();
            }
        }
    }

    /// Drops so many of the oldest chunks.
    fn drop_oldest(&self, state: &mut State, chunks: usize) {
        for _ in 0..chunks {
            self.drop_first(state);
        }
        if state.read < state.start {
            self.metrics.live_skipped.inc();
            state.read = state.start;
        }
    }

    fn drop_first(&self, state: &mut State) {
        if let Some(first) = state.chunks.pop_front() {
            state.start += first.len() as u64;
            self.metrics.buffered.dec_by(first.len() as i64);
            if let Some(live) = &mut state.live {
                live.handle_drop();
            }
        }
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
        let is_pushed = state.live.as_ref().is_some_and(Live::is_pushed);
        let room = is_pushed || ahead < AHEAD;
        (!state.finished && state.failure.is_none() && room).then_some(Demand::More(state.end))
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
        if let Some(live) = &mut state.live {
            live.handle_bytes();
        }
        self.drop_behind(&mut state);
        // A server does not wait for a listener.
        if state.end.saturating_sub(state.read) > LIVE_AHEAD
            && state.live.as_ref().is_some_and(Live::is_pushed)
        {
            let half = state.chunks.len() / 2;
            self.drop_oldest(&mut state, half);
        }
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
                let mut state = self.lock();
                if state.has_ahead(bytes) {
                    state.touch();
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
            state.touch();
        }
        drop(state);
        self.readable.notify_all();
        self.wanted.notify_waiters();
        if woken {
            self.alarm.call();
        }
    }

    fn drop_behind(&self, state: &mut State) {
        while let Some(first) = state.chunks.front() {
            let length = first.len() as u64;
            if state.start + length + BEHIND > state.read {
                break;
            }
            self.drop_first(state);
        }
    }

    fn clear(&self, state: &mut State) {
        self.metrics
            .buffered
            .dec_by((state.end - state.start) as i64);
        state.chunks.clear();
        if let Some(live) = &mut state.live {
            live.handle_clear();
        }
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
    /// The reader was here, or was told that it can come.
    fn touch(&mut self) {
        if let Some(live) = &mut self.live {
            let _old = live.handle_want();
        }
    }

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

    /// Returns another reader of the same window, for after [`Window::restart`].
    pub fn again(&self) -> Self {
        Self {
            window: Arc::clone(&self.window),
            seekable: self.seekable,
            gone: Arc::clone(&self.gone),
        }
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
        self.window.catch_up(&mut state);
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
                state.touch();
                drop(state);
                self.window.wanted.notify_waiters();
                return Ok(count);
            }
            if state.jump.is_none()
                && let Some(Failure(why)) = &state.failure
            {
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
