//! Opus in Ogg (RFC 7845).

pub(crate) mod page;

use self::page::{CAPTURE, CONTINUED, FIRST, Found, LAST, MAX_PAGE, Page, pages};
use super::{DemuxError, Event, OpusHead, Packet, Seeker, Tags, seek::Landmark, window::Window};
use crate::packet;

/// Finds the packets of the first Opus stream.
///
/// Damaged pages are skipped; positions are found again by the next page. Holds at most two
/// pages of input and one packet.
#[derive(Debug)]
pub struct OggDemuxer {
    window: Window,
    stage: Stage,
    head: OpusHead,
    tags: Tags,
    serial: u32,
    /// Sequence number that the next page should have.
    sequence: Option<u32>,
    page: Option<Cursor>,
    partial: Partial,
    clock: Clock,
    data_start: u64,
    /// Bytes looked at before the first page of an Opus stream.
    searched: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Tags,
    Audio,
}

/// Where in the current page, which begins at the window's start, the next piece is.
#[derive(Debug)]
struct Cursor {
    page: Page,
    segment: usize,
    at: usize,
}

/// A packet that began on an earlier page.
#[derive(Debug, Default)]
struct Partial {
    bytes: Vec<u8>,
    state: PartialState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PartialState {
    /// No packet is under way.
    #[default]
    None,
    /// A packet is under way.
    Open,
    /// A packet is under way whose rest does not matter.
    Skipping,
    /// It was handed out; to be cleared.
    Taken,
}

/// Positions in samples.
#[derive(Debug, Default)]
struct Clock {
    /// Granule position of the next packet, if known.
    next: Option<i64>,
    /// Granule position at which the stream begins, if known.
    base: Option<i64>,
    /// Granule position at which it ends, once its last page is reached.
    end: Option<i64>,
    /// Position in the track of granule position `base` plus pre-skip.
    offset: i64,
}

impl OggDemuxer {
    /// Begins at the first byte of a stream.
    pub fn new() -> Self {
        Self {
            window: Window::new(2 * MAX_PAGE),
            stage: Stage::Head,
            head: OpusHead {
                channels: 2,
                pre_skip: 0,
                input_rate: 48_000,
                gain_q8: 0,
            },
            tags: Tags::default(),
            serial: 0,
            sequence: None,
            page: None,
            partial: Partial::default(),
            clock: Clock::default(),
            data_start: 0,
            searched: 0,
        }
    }

    /// Returns room for input; fill some of it and call [`Self::advance`].
    ///
    /// Never empty after [`Event::NeedData`].
    pub fn room(&mut self) -> &mut [u8] {
        self.window.room()
    }

    /// Says how many bytes of the room were filled.
    pub fn advance(&mut self, count: usize) {
        self.window.advance(count);
    }

    /// Copies in as many bytes as fit, and returns how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        self.window.push(bytes)
    }

    /// Says that no more bytes will come.
    pub fn finish(&mut self) {
        self.window.finish();
    }

    /// Returns title and artist, known from [`Event::Head`] on.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns the offset of the first page with audio, known from [`Event::Head`] on.
    pub fn data_start(&self) -> u64 {
        self.data_start
    }

    /// Returns the plan for finding a position (samples from the track's start) in a stream of
    /// `length` bytes.
    pub fn seeker(&self, position: i64, length: u64) -> Seeker {
        let granule = position + self.granule_base() - self.clock.offset;
        Seeker::new(
            Landmark::OggPage {
                serial: self.serial,
            },
            self.data_start,
            length,
            granule,
        )
    }

    /// Returns how many samples the track has, given the granule position at its end.
    pub fn track_samples(&self, end_granule: u64) -> u64 {
        let end = i64::try_from(end_granule).unwrap_or(i64::MAX);
        u64::try_from(end.saturating_sub(self.granule_base())).unwrap_or(0)
    }

    /// Returns the serial number of the stream.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Forgets all input; the next byte pushed is the one at `offset`, which must be at or behind
    /// [`Self::data_start`].
    pub fn reset(&mut self, offset: u64) {
        self.window.reset(offset);
        self.sequence = None;
        self.page = None;
        self.partial = Partial {
            state: PartialState::None,
            ..std::mem::take(&mut self.partial)
        };
        self.partial.bytes.clear();
        self.clock.next = None;
        self.clock.end = None;
        self.clock.base.get_or_insert(0);
    }

    /// Returns what comes next. Allocates only while pages grow.
    ///
    /// # Errors
    /// The bytes are no Ogg, or have no Opus that can be played.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Event<'_>, DemuxError> {
        if self.partial.state == PartialState::Taken {
            self.partial.bytes.clear();
            self.partial.state = PartialState::None;
        }
        loop {
            if self.page.is_none() {
                match self.load_page()? {
                    Loaded::Page => {}
                    Loaded::NeedData => return Ok(Event::NeedData),
                    Loaded::End => return Ok(Event::End),
                }
            }
            let Some(piece) = self.take_piece() else {
                continue;
            };
            match self.stage {
                Stage::Head => {}
                Stage::Tags => {
                    self.tags = Tags::parse_opus(self.bytes_of(piece));
                    self.stage = Stage::Audio;
                    // Audio begins on a page of its own.
                    self.data_start = self.window.offset()
                        + self
                            .page
                            .as_ref()
                            .map_or(0, |cursor| cursor.page.len() as u64);
                    return Ok(Event::Head(&self.head));
                }
                Stage::Audio => {
                    let Some(samples) = packet::samples(self.bytes_of(piece)) else {
                        continue;
                    };
                    let (position, trim_end) = self.clock.tick(samples, self.head.pre_skip);
                    let data = self.bytes_of(piece);
                    return Ok(Event::Packet(Packet {
                        data,
                        position,
                        samples,
                        trim_end,
                    }));
                }
            }
            if self.partial.state == PartialState::Taken {
                self.partial.bytes.clear();
                self.partial.state = PartialState::None;
            }
        }
    }

    fn granule_base(&self) -> i64 {
        self.clock.base.unwrap_or(0) + i64::from(self.head.pre_skip)
    }

    fn bytes_of(&self, piece: Piece) -> &[u8] {
        match piece {
            Piece::Whole { from, to } => &self.window.bytes()[from..to],
            Piece::Joined => &self.partial.bytes,
        }
    }

    /// Makes the next page of our stream the current one.
    fn load_page(&mut self) -> Result<Loaded, DemuxError> {
        loop {
            if self.stage == Stage::Head && self.searched > MAX_SEARCH {
                return Err(DemuxError::Container { container: "Ogg" });
            }
            let page = match Page::parse(self.window.bytes()) {
                Found::Page(page) => page,
                Found::Incomplete if !self.window.is_finished() => return Ok(Loaded::NeedData),
                Found::Incomplete if self.window.bytes().is_empty() => return self.ended(),
                Found::Incomplete | Found::Damaged => {
                    self.resync();
                    continue;
                }
            };
            if page.is(FIRST) {
                match self.begin_stream(&page) {
                    Some(result) => result?,
                    None => self.window.consume(page.len()),
                }
            } else if self.stage == Stage::Head {
                // All streams of a group begin before any of them goes on.
                return Err(DemuxError::NoOpus { container: "Ogg" });
            } else if page.serial == self.serial {
                self.enter(&page);
                return Ok(Loaded::Page);
            } else {
                self.window.consume(page.len());
            }
        }
    }

    fn ended(&self) -> Result<Loaded, DemuxError> {
        if self.stage == Stage::Head {
            let container = "Ogg";
            return Err(DemuxError::Container { container });
        }
        Ok(Loaded::End)
    }

    /// Drops bytes up to the next place where a page may begin.
    fn resync(&mut self) {
        let bytes = self.window.bytes();
        let skip = memchr::memmem::find(&bytes[1..], CAPTURE).map_or_else(
            || bytes.len().saturating_sub(CAPTURE.len() - 1).max(1),
            |at| at + 1,
        );
        self.searched += skip as u64;
        self.window.consume(skip);
        self.lose_track();
    }

    /// Something is missing: what was begun cannot be ended, and positions are unknown.
    fn lose_track(&mut self) {
        self.sequence = None;
        if self.stage == Stage::Audio {
            self.partial.bytes.clear();
            self.partial.state = PartialState::None;
            self.clock.next = None;
        }
    }

    /// Looks at a first page; takes it over if it is ours, consuming it.
    fn begin_stream(&mut self, page: &Page) -> Option<Result<(), DemuxError>> {
        let body = &self.window.bytes()[page.body_start()..page.len()];
        let head = match OpusHead::parse(body)? {
            Ok(head) => head,
            Err(error) => return Some(Err(error)),
        };
        if self.stage != Stage::Head {
            // A second Opus stream beside ours is not ours; a new link of the chain is.
            if self.stage == Stage::Tags {
                return None;
            }
            let so_far = self.clock.next.map_or(0, |next| next - self.granule_base());
            let end = self
                .clock
                .end
                .map_or(so_far, |end| end - self.granule_base());
            self.clock = Clock {
                offset: self.clock.offset + so_far.min(end).max(0),
                ..Clock::default()
            };
        }
        self.head = head;
        self.serial = page.serial;
        self.sequence = Some(page.sequence.wrapping_add(1));
        self.stage = Stage::Tags;
        self.partial.bytes.clear();
        self.partial.state = PartialState::None;
        self.window.consume(page.len());
        Some(Ok(()))
    }

    fn enter(&mut self, page: &Page) {
        if self
            .sequence
            .is_some_and(|expected| expected != page.sequence)
        {
            self.lose_track();
        }
        self.sequence = Some(page.sequence.wrapping_add(1));
        if page.is(CONTINUED) && self.partial.state == PartialState::None {
            // Its beginning was never seen.
            self.partial.state = PartialState::Skipping;
        } else if !page.is(CONTINUED) {
            // Its end will never be seen.
            self.partial.bytes.clear();
            self.partial.state = PartialState::None;
        }
        if self.stage == Stage::Audio {
            let total = self.samples_on(page);
            self.clock.enter(page, total);
        }
        let at = page.body_start();
        self.page = Some(Cursor {
            page: *page,
            segment: 0,
            at,
        });
    }

    /// Returns how many samples the packets last that end on this page.
    fn samples_on(&self, page: &Page) -> i64 {
        let body = &self.window.bytes()[page.body_start()..page.len()];
        let mut at = 0;
        let mut total = 0;
        let mut open = self.partial.state;
        for (length, ends) in page.pieces() {
            let piece = &body[at..at + length];
            at += length;
            if ends {
                let samples = match open {
                    PartialState::Skipping => None,
                    // Two bytes say how long a packet lasts; it may have begun with only one.
                    PartialState::Open if self.partial.bytes.len() >= 2 => {
                        packet::samples(&self.partial.bytes)
                    }
                    PartialState::Open => {
                        let first = self.partial.bytes.first().or(piece.first());
                        let second = piece.get(1 - self.partial.bytes.len().min(1));
                        first.and_then(|first| {
                            second.map_or_else(
                                || packet::samples(&[*first]),
                                |second| packet::samples(&[*first, *second]),
                            )
                        })
                    }
                    _ => packet::samples(piece),
                };
                total += i64::from(samples.unwrap_or(0));
            }
            open = PartialState::None;
        }
        total
    }

    /// Takes the next piece from the current page; `None` if no packet ended with it.
    fn take_piece(&mut self) -> Option<Piece> {
        let cursor = self.page.as_mut()?;
        let Some((length, ends)) = cursor.page.piece(&mut cursor.segment) else {
            let length = cursor.page.len();
            self.page = None;
            self.window.consume(length);
            return None;
        };
        let (from, to) = (cursor.at, cursor.at + length);
        cursor.at = to;
        match (self.partial.state, ends) {
            (PartialState::Skipping, true) => {
                self.partial.state = PartialState::None;
                None
            }
            (PartialState::Skipping, false) => None,
            (PartialState::None | PartialState::Taken, true) => Some(Piece::Whole { from, to }),
            (_, ends) => {
                let room = MAX_PARTIAL - self.partial.bytes.len().min(MAX_PARTIAL);
                let kept = room.min(length);
                self.partial
                    .bytes
                    .extend_from_slice(&self.window.bytes()[from..from + kept]);
                // Comments may be of any length (pictures); the beginning is enough.
                let too_long = kept < length && self.stage == Stage::Audio;
                self.partial.state = match (too_long, ends) {
                    (true, true) => PartialState::None,
                    (true, false) => PartialState::Skipping,
                    (false, true) => PartialState::Taken,
                    (false, false) => PartialState::Open,
                };
                if too_long {
                    self.partial.bytes.clear();
                }
                (ends && !too_long).then_some(Piece::Joined)
            }
        }
    }
}

impl Default for OggDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A page begins whose packets last `total` samples.
    fn enter(&mut self, page: &Page, total: i64) {
        let Some(granule) = page
            .granule
            .map(|granule| i64::try_from(granule).unwrap_or(0))
        else {
            return;
        };
        let last = page.is(LAST);
        // Counting backwards from the end of a page is right, except on a last page, whose
        // packets may last longer than the stream.
        let start = granule - total;
        self.next = Some(match self.next {
            Some(next) if last => next,
            None if last && self.base.is_none() => start.max(0),
            _ => start,
        });
        self.base.get_or_insert(self.next.unwrap_or(0));
        if last {
            self.end = Some(granule);
        }
    }

    /// Returns position and trimmed samples of a packet.
    fn tick(&mut self, samples: u32, pre_skip: u16) -> (i64, u32) {
        let start = self.next.unwrap_or(0);
        let end = start.saturating_add(i64::from(samples));
        self.next = Some(end);
        let base = *self.base.get_or_insert(start);
        let excess = self.end.map_or(0, |last| end.saturating_sub(last));
        let trim = u32::try_from(excess.max(0)).unwrap_or(samples).min(samples);
        let position = start
            .saturating_sub(base)
            .saturating_sub(i64::from(pre_skip))
            .saturating_add(self.offset);
        (position, trim)
    }
}

/// Returns the granule position at the end of a stream, from its last bytes (64 KiB or more).
///
/// `None` if they hold no page of the stream with this serial number that ends a packet.
pub fn end_granule(tail: &[u8], serial: u32) -> Option<u64> {
    let ours = pages(tail).filter(|(_, page)| page.serial == serial);
    ours.filter_map(|(_, page)| page.granule).last()
}

enum Loaded {
    Page,
    NeedData,
    End,
}

#[derive(Clone, Copy)]
enum Piece {
    Whole { from: usize, to: usize },
    Joined,
}

/// How far to look for the beginning of a stream.
const MAX_SEARCH: u64 = 64 * 1024;

/// Longest packet that is put together from several pages: 48 frames of 1275 bytes, and a head.
const MAX_PARTIAL: usize = 61_440;

#[cfg(test)]
mod tests;
