//! Opus in WebM and Matroska (RFC 9559).

mod block;
pub(crate) mod ebml;

use self::{
    block::Block,
    ebml::{Found, Header, children, id},
};
use super::{
    DemuxError, Event, OpusHead, Packet, Seeker, Tags, seek::Landmark, tags, window::Window,
};
use crate::packet;

/// Finds the packets of the first Opus track.
///
/// Elements of unknown size are entered like the others: which element follows says where they
/// end. Other tracks and whatever is not needed are skipped without being held.
#[derive(Debug)]
pub struct WebmDemuxer {
    window: Window,
    /// Bytes still to be skipped.
    skip: u64,
    stage: Stage,
    head: OpusHead,
    tags: Tags,
    track: u64,
    /// Nanoseconds in a tick.
    scale: u64,
    duration_ticks: Option<f64>,
    /// Whether [`Event::Head`] was handed out.
    announced: bool,
    segment_start: u64,
    /// Offset of the first cluster.
    data_start: Option<u64>,
    /// Times (ticks) and offsets of clusters.
    cues: Vec<(u64, u64)>,
    cluster_time: Option<u64>,
    delay: i64,
    clock: Clock,
    lace: Lace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Segment,
    Audio,
}

/// The frames of the current block, which begins at the window's start.
#[derive(Debug, Default)]
struct Lace {
    ends: Vec<u32>,
    next: usize,
    /// Offset of the next frame in the window.
    at: usize,
    /// Where the block's body begins in the window.
    body: usize,
    /// Length of the whole element in the window.
    element: usize,
    discard: u32,
}

#[derive(Debug, Default)]
struct Clock {
    /// Samples at 48 kHz, as stored; `None` before the first packet and after a jump.
    next: Option<i64>,
    base: Option<i64>,
}

impl WebmDemuxer {
    /// Begins at the first byte of a file.
    pub fn new() -> Self {
        Self {
            window: Window::new(MAX_HELD + 16),
            skip: 0,
            stage: Stage::Start,
            head: OpusHead {
                channels: 2,
                pre_skip: 0,
                input_rate: 48_000,
                gain_q8: 0,
            },
            tags: Tags::default(),
            track: 0,
            scale: 1_000_000,
            duration_ticks: None,
            announced: false,
            segment_start: 0,
            data_start: None,
            cues: Vec::new(),
            cluster_time: None,
            delay: 0,
            clock: Clock::default(),
            lace: Lace::default(),
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

    /// Returns title and artist as far as they come before the sound, known from
    /// [`Event::Head`] on.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns the length in samples at 48 kHz that the file claims to have.
    pub fn track_samples(&self) -> Option<u64> {
        let seconds = self.duration_ticks? * self.scale as f64 / 1e9;
        (0.0..MAX_SECONDS)
            .contains(&seconds)
            .then_some((seconds * 48_000.0) as u64)
    }

    /// Returns the offset of the first cluster, known from the first packet on.
    pub fn data_start(&self) -> Option<u64> {
        self.data_start
    }

    /// Returns the plan for finding a position (samples from the track's start) in a file of
    /// `length` bytes: by the cues if they came already, else by looking for clusters.
    pub fn seeker(&self, position: i64, length: u64) -> Seeker {
        let samples = position + self.clock.base.unwrap_or(0) + self.delay;
        let nanos = i128::from(samples.max(0)) * 1_000_000 / 48;
        let ticks = u64::try_from(nanos / i128::from(self.scale)).unwrap_or(u64::MAX);
        let start = self.data_start.unwrap_or(self.window.offset());
        let cue = self
            .cues
            .iter()
            .filter(|(time, _)| *time <= ticks)
            .max_by_key(|(time, _)| time);
        match cue {
            Some((_, offset)) if (start..length).contains(offset) => Seeker::found(*offset),
            _ => {
                let target = i64::try_from(ticks).unwrap_or(i64::MAX);
                Seeker::new(Landmark::WebmCluster, start, length, target)
            }
        }
    }

    /// Forgets all input; the next byte pushed is the one at `offset`, the beginning of a cluster.
    pub fn reset(&mut self, offset: u64) {
        self.window.reset(offset);
        self.skip = 0;
        self.cluster_time = None;
        self.clock.next = None;
        self.clock.base.get_or_insert(0);
        self.lace = Lace {
            ends: std::mem::take(&mut self.lace.ends),
            ..Lace::default()
        };
        self.lace.ends.clear();
    }

    /// Returns what comes next. Allocates only while elements grow.
    ///
    /// # Errors
    /// The bytes are no Matroska, or have no Opus that can be played.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Event<'_>, DemuxError> {
        loop {
            if let Some((from, to, last)) = self.take_frame() {
                let Some(samples) = packet::samples(&self.window.bytes()[from..to]) else {
                    continue;
                };
                let trim_end = if last {
                    self.lace.discard.min(samples)
                } else {
                    0
                };
                let position = self.tick(samples);
                let data = &self.window.bytes()[from..to];
                return Ok(Event::Packet(Packet {
                    data,
                    position,
                    samples,
                    trim_end,
                }));
            }
            if self.skip > 0 {
                let held = self.window.bytes().len();
                let now = usize::try_from(self.skip).unwrap_or(held).min(held);
                self.window.consume(now);
                self.skip -= now as u64;
                if self.skip > 0 {
                    return if self.window.is_finished() {
                        self.ended()
                    } else {
                        NEED
                    };
                }
            }
            match ebml::header(self.window.bytes()) {
                Found::Header(header) => match self.element(header)? {
                    Step::Again => {}
                    Step::Head => return Ok(Event::Head(&self.head)),
                    Step::NeedData if self.window.is_finished() => return self.ended(),
                    Step::NeedData => return NEED,
                },
                Found::Incomplete if self.window.is_finished() => return self.ended(),
                Found::Incomplete => return NEED,
                Found::Invalid => self.resync()?,
            }
        }
    }

    fn ended(&self) -> Result<Event<'_>, DemuxError> {
        match self.stage {
            Stage::Start => Err(DemuxError::Container {
                container: CONTAINER,
            }),
            Stage::Segment => Err(DemuxError::NoOpus {
                container: CONTAINER,
            }),
            Stage::Audio => Ok(Event::End),
        }
    }

    /// Goes on at the next cluster after something that is no element.
    fn resync(&mut self) -> Result<(), DemuxError> {
        if self.stage != Stage::Audio {
            return Err(DemuxError::Container {
                container: CONTAINER,
            });
        }
        let bytes = self.window.bytes();
        let marker = id::CLUSTER.to_be_bytes();
        let skip = memchr::memmem::find(&bytes[1..], &marker).map_or_else(
            || bytes.len().saturating_sub(marker.len() - 1).max(1),
            |at| at + 1,
        );
        self.window.consume(skip);
        self.cluster_time = None;
        self.clock.next = None;
        Ok(())
    }

    fn element(&mut self, header: Header) -> Result<Step, DemuxError> {
        if self.stage == Stage::Start && !matches!(header.id, id::EBML | id::SEGMENT) {
            return Err(DemuxError::Container {
                container: CONTAINER,
            });
        }
        match header.id {
            id::SEGMENT => {
                self.stage = Stage::Segment;
                self.window.consume(header.len);
                self.segment_start = self.window.offset();
                return Ok(Step::Again);
            }
            id::CLUSTER => {
                if self.stage != Stage::Audio {
                    return Err(DemuxError::NoOpus {
                        container: CONTAINER,
                    });
                }
                if !self.announced {
                    // Only now: whatever describes the track has come, if it comes before it.
                    self.announced = true;
                    return Ok(Step::Head);
                }
                self.data_start.get_or_insert(self.window.offset());
                self.window.consume(header.len);
                self.cluster_time = None;
                return Ok(Step::Again);
            }
            _ => {}
        }
        let Some(size) = header.size else {
            // Only segments and clusters may have an unknown size.
            self.window.consume(1);
            self.resync()?;
            return Ok(Step::Again);
        };
        let wanted = matches!(
            header.id,
            id::EBML
                | id::INFO
                | id::TRACKS
                | id::CUES
                | id::TAGS
                | id::TIMESTAMP
                | id::SIMPLE_BLOCK
                | id::BLOCK_GROUP
        );
        if !wanted || size > MAX_HELD as u64 {
            if matches!(header.id, id::EBML | id::TRACKS) {
                return Err(DemuxError::TooLong { length: size });
            }
            self.window.consume(header.len);
            self.skip = size;
            return Ok(Step::Again);
        }
        let end = header.len + size as usize;
        let bytes = self.window.bytes();
        if header.id == id::SIMPLE_BLOCK
            && let Some(block) = Block::parse(&bytes[header.len..bytes.len().min(end)])
            && block.track != self.track
        {
            self.window.consume(header.len);
            self.skip = size;
            return Ok(Step::Again);
        }
        let Some(body) = bytes.get(header.len..end) else {
            return Ok(Step::NeedData);
        };
        match header.id {
            id::EBML => {
                let doc_type = children(body).find(|(id, _)| *id == id::DOC_TYPE);
                if !matches!(doc_type, Some((_, b"webm" | b"matroska"))) {
                    return Err(DemuxError::Container {
                        container: CONTAINER,
                    });
                }
            }
            id::INFO => {
                for (id, child) in children(body) {
                    match id {
                        id::TIMESTAMP_SCALE => {
                            self.scale = ebml::uint(child).unwrap_or(0).clamp(1, 1_000_000_000);
                        }
                        id::DURATION => self.duration_ticks = ebml::float(child),
                        id::TITLE => self.tags.title = tags::text(child),
                        _ => {}
                    }
                }
            }
            id::TRACKS if self.stage == Stage::Segment => {
                let track = OpusTrack::find(body)?;
                self.track = track.number;
                self.head = track.head;
                self.delay = track
                    .delay_ns
                    .map_or(i64::from(track.head.pre_skip), |nanos| {
                        samples(i128::from(nanos))
                    });
                self.stage = Stage::Audio;
                self.announced = false;
            }
            id::CUES => self.cues = read_cues(body, self.track, self.segment_start),
            id::TAGS => read_tags(body, &mut self.tags),
            id::TIMESTAMP => self.cluster_time = ebml::uint(body),
            id::SIMPLE_BLOCK => {
                let block = Block::parse(body);
                if self.begin_block(block, header.len, end, end, 0) {
                    return Ok(Step::Again);
                }
            }
            id::BLOCK_GROUP => {
                let discard = children(body).find(|(id, _)| *id == id::DISCARD_PADDING);
                let discard = discard
                    .and_then(|(_, child)| ebml::int(child))
                    .unwrap_or(0)
                    .max(0);
                let discard = u32::try_from(samples(i128::from(discard))).unwrap_or(u32::MAX);
                let inner = children(body)
                    .find(|(id, _)| *id == id::BLOCK)
                    .map(|(_, block)| {
                        let from = block.as_ptr() as usize - bytes.as_ptr() as usize;
                        (Block::parse(block), from, from + block.len())
                    });
                if let Some((block, from, to)) = inner
                    && self.begin_block(block, from, to, end, discard)
                {
                    return Ok(Step::Again);
                }
            }
            _ => {}
        }
        self.window.consume(end);
        Ok(Step::Again)
    }

    /// Makes the block at `from..to` of the window the current one; its element ends at `end`.
    fn begin_block(
        &mut self,
        block: Option<Block>,
        from: usize,
        to: usize,
        end: usize,
        discard: u32,
    ) -> bool {
        let (Some(block), Some(cluster)) = (block, self.cluster_time) else {
            return false;
        };
        if block.track != self.track || self.stage != Stage::Audio {
            return false;
        }
        let mut ends = std::mem::take(&mut self.lace.ends);
        let start = block.frames(&self.window.bytes()[from..to], &mut ends);
        let Some(start) = start else {
            ends.clear();
            self.lace.ends = ends;
            return false;
        };
        self.lace = Lace {
            ends,
            next: 0,
            at: from + start,
            body: from,
            element: end,
            discard,
        };

        // Times are rounded to ticks: as long as they agree with counting, counting is exact.
        let ticks = i128::from(cluster) + i128::from(block.time);
        let stated = samples(ticks * i128::from(self.scale));
        let tolerance = samples(i128::from(self.scale)) + MAX_DRIFT;
        let counted = self
            .clock
            .next
            .filter(|next| next.abs_diff(stated) <= tolerance as u64);
        self.clock.next = Some(counted.unwrap_or(stated));
        self.clock.base.get_or_insert(stated);
        true
    }

    /// Returns the range of the next frame in the window, and whether it is the block's last.
    fn take_frame(&mut self) -> Option<(usize, usize, bool)> {
        if self.lace.ends.is_empty() {
            return None;
        }
        let Some(end) = self.lace.ends.get(self.lace.next) else {
            self.window.consume(self.lace.element);
            self.lace.ends.clear();
            return None;
        };
        let (from, to) = (self.lace.at, self.lace.body + *end as usize);
        self.lace.at = to;
        self.lace.next += 1;
        Some((from, to, self.lace.next == self.lace.ends.len()))
    }

    fn tick(&mut self, samples: u32) -> i64 {
        let start = self.clock.next.unwrap_or(0);
        self.clock.next = Some(start.saturating_add(i64::from(samples)));
        start
            .saturating_sub(self.clock.base.unwrap_or(0))
            .saturating_sub(self.delay)
    }
}

impl Default for WebmDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

struct OpusTrack {
    number: u64,
    head: OpusHead,
    delay_ns: Option<u64>,
}

impl OpusTrack {
    /// Finds the first Opus track that is stored plainly.
    fn find(tracks: &[u8]) -> Result<Self, DemuxError> {
        let none = DemuxError::NoOpus {
            container: CONTAINER,
        };
        for (_, entry) in children(tracks).filter(|(id, _)| *id == id::TRACK_ENTRY) {
            let child = |wanted| {
                children(entry)
                    .find(|(id, _)| *id == wanted)
                    .map(|(_, body)| body)
            };
            if child(id::CODEC_ID) != Some(b"A_OPUS") || child(id::CONTENT_ENCODINGS).is_some() {
                continue;
            }
            let number = child(id::TRACK_NUMBER).and_then(ebml::uint).ok_or(none)?;
            let head = child(id::CODEC_PRIVATE)
                .and_then(OpusHead::parse)
                .ok_or(none)??;
            return Ok(Self {
                number,
                head,
                delay_ns: child(id::CODEC_DELAY).and_then(ebml::uint),
            });
        }
        Err(none)
    }
}

/// Finds the first cluster in some bytes: where it is, where its content begins, its time.
pub(super) fn find_cluster(bytes: &[u8]) -> Option<(usize, usize, i64)> {
    let marker = id::CLUSTER.to_be_bytes();
    memchr::memmem::find_iter(bytes, &marker).find_map(|at| {
        let Found::Header(header) = ebml::header(&bytes[at..]) else {
            return None;
        };
        // A checksum may stand before the time; anything else makes it a coincidence.
        let mut inside = &bytes[at + header.len..];
        for _ in 0..2 {
            let Found::Header(Header {
                id,
                len,
                size: Some(size),
            }) = ebml::header(inside)
            else {
                return None;
            };
            let body = inside.get(len..len + usize::try_from(size).ok()?.min(MAX_HELD))?;
            match id {
                id::TIMESTAMP => {
                    let time = i64::try_from(ebml::uint(body)?).ok()?;
                    return Some((at, header.len, time));
                }
                CRC_32 if size == 4 => inside = &inside[len + 4..],
                _ => return None,
            }
        }
        None
    })
}

fn read_cues(body: &[u8], track: u64, segment_start: u64) -> Vec<(u64, u64)> {
    let points = children(body)
        .filter(|(id, _)| *id == id::CUE_POINT)
        .take(MAX_CUES);
    let cues = points.filter_map(|(_, point)| {
        let child = |body, wanted| {
            children(body)
                .find(|(id, _)| *id == wanted)
                .and_then(|(_, body)| ebml::uint(body))
        };
        let time = child(point, id::CUE_TIME)?;
        let position = children(point)
            .filter(|(id, _)| *id == id::CUE_TRACK_POSITIONS)
            .find(|(_, positions)| child(positions, id::CUE_TRACK) == Some(track))
            .and_then(|(_, positions)| child(positions, id::CUE_CLUSTER_POSITION))?;
        Some((time, segment_start.checked_add(position)?))
    });
    cues.collect()
}

fn read_tags(body: &[u8], tags: &mut Tags) {
    let simple = children(body)
        .filter(|(id, _)| *id == id::TAG)
        .flat_map(|(_, tag)| children(tag))
        .filter(|(id, _)| *id == id::SIMPLE_TAG);
    for (_, tag) in simple {
        let child = |wanted| {
            children(tag)
                .find(|(id, _)| *id == wanted)
                .map(|(_, body)| body)
        };
        let (Some(name), Some(value)) = (child(id::TAG_NAME), child(id::TAG_STRING)) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"title") {
            tags.title = tags::text(value).or(tags.title.take());
        } else if name.eq_ignore_ascii_case(b"artist") {
            tags.artist = tags::text(value).or(tags.artist.take());
        }
    }
}

/// Nanoseconds to samples at 48 kHz, rounded, within the range in which sums cannot overflow.
fn samples(nanos: i128) -> i64 {
    let samples = (nanos * 48 + 500_000).div_euclid(1_000_000);
    samples.clamp(-MAX_POSITION, MAX_POSITION) as i64
}

enum Step {
    Again,
    Head,
    NeedData,
}

const NEED: Result<Event<'static>, DemuxError> = Ok(Event::NeedData);

const CONTAINER: &str = "WebM";

const CRC_32: u32 = 0xBF;

/// Longest element that is held at once.
const MAX_HELD: usize = 256 * 1024;

const MAX_CUES: usize = 16 * 1024;

/// Samples by which counting and stated times may differ beyond rounding.
const MAX_DRIFT: i64 = 48;

const MAX_POSITION: i128 = i64::MAX as i128 / 4;

const MAX_SECONDS: f64 = 1e9;

#[cfg(test)]
mod tests;
