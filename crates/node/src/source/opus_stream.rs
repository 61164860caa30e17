//! Opus in Ogg and WebM: packets go out as they are, unless the volume or a filter changes them.

use std::io::{self, Read, Seek, SeekFrom};

use backline_media::demux::ogg::{self, OggDemuxer};
use backline_media::demux::webm::WebmDemuxer;
use backline_media::demux::{DemuxError, Event, SeekStep, Seeker, Tags};
use backline_media::frame::OpusFrame;
use backline_media::packet::is_sendable;
use backline_proto::lavalink::Exception;

use super::failure;
use super::reader::Reader;
use crate::engine::feed::{PacketSource, Settings, Step, Wake};
use crate::engine::packet::Packet;

/// A track of Opus packets.
pub struct OpusStream {
    reader: Reader,
    demuxer: Demuxer,
    /// Packets that end at or before this are dropped: the rest of a seek.
    skip_to: Option<i64>,
    starved: bool,
    finished: bool,
    sent: u64,
}

enum Demuxer {
    Ogg(Box<OggDemuxer>),
    Webm(Box<WebmDemuxer>),
}

/// What an Opus file says about itself.
#[derive(Debug, Clone, Default)]
pub struct OpusInfo {
    /// Title and artist.
    pub tags: Tags,
    /// Length in milliseconds, if known.
    pub length_ms: Option<u64>,
}

/// Why an Opus file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpusError {
    /// The container is broken, or has no Opus.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// Its bytes cannot be had.
    #[error("reading the file")]
    Read(#[from] io::Error),
    /// It ends before its first packet.
    #[error("the file holds no audio")]
    Empty,
}

/// Samples per millisecond.
const PER_MS: i64 = 48;
/// Bytes at the end of an Ogg file in which its last page is looked for.
const TAIL: u64 = 128 * 1024;

impl Demuxer {
    fn next(&mut self) -> Result<Event<'_>, DemuxError> {
        match self {
            Self::Ogg(demuxer) => demuxer.next(),
            Self::Webm(demuxer) => demuxer.next(),
        }
    }

    fn room(&mut self) -> &mut [u8] {
        match self {
            Self::Ogg(demuxer) => demuxer.room(),
            Self::Webm(demuxer) => demuxer.room(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Ogg(demuxer) => demuxer.advance(count),
            Self::Webm(demuxer) => demuxer.advance(count),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Ogg(demuxer) => demuxer.finish(),
            Self::Webm(demuxer) => demuxer.finish(),
        }
    }

    fn reset(&mut self, offset: u64) {
        match self {
            Self::Ogg(demuxer) => demuxer.reset(offset),
            Self::Webm(demuxer) => demuxer.reset(offset),
        }
    }

    fn seeker(&self, position: i64, length: u64) -> Seeker {
        match self {
            Self::Ogg(demuxer) => demuxer.seeker(position, length),
            Self::Webm(demuxer) => demuxer.seeker(position, length),
        }
    }

    fn tags(&self) -> Tags {
        match self {
            Self::Ogg(demuxer) => demuxer.tags().clone(),
            Self::Webm(demuxer) => demuxer.tags().clone(),
        }
    }

    /// Reads more; false at the end of the stream.
    fn feed(&mut self, reader: &mut Reader) -> io::Result<bool> {
        let count = reader.read(self.room())?;
        self.advance(count);
        if count == 0 {
            self.finish();
        }
        Ok(count > 0)
    }
}

impl OpusStream {
    /// Opens an Ogg file at its first byte. May wait for bytes.
    ///
    /// # Errors
    /// See [`OpusError`].
    pub fn open_ogg(reader: Reader) -> Result<(Self, OpusInfo), OpusError> {
        Self::open(reader, Demuxer::Ogg(Box::default()))
    }

    /// Opens a WebM file at its first byte. May wait for bytes.
    ///
    /// # Errors
    /// See [`OpusError`]; [`DemuxError::NoOpus`] means that somebody else may be able to play it.
    pub fn open_webm(reader: Reader) -> Result<(Self, OpusInfo), OpusError> {
        Self::open(reader, Demuxer::Webm(Box::default()))
    }

    fn open(mut reader: Reader, mut demuxer: Demuxer) -> Result<(Self, OpusInfo), OpusError> {
        // Read up to the first packet: only then head, tags and lengths are known.
        loop {
            match demuxer.next()? {
                Event::Packet(_) => break,
                Event::Head(_) => {}
                Event::End => return Err(OpusError::Empty),
                Event::NeedData => {
                    demuxer.feed(&mut reader)?;
                }
            }
        }
        let length_ms = length_ms(&mut demuxer, &mut reader)?;
        let info = OpusInfo {
            tags: demuxer.tags(),
            length_ms,
        };
        let mut stream = Self {
            reader,
            demuxer,
            skip_to: None,
            starved: false,
            finished: false,
            sent: 0,
        };
        // The first packet was looked at, not played.
        stream.rewind()?;
        Ok((stream, info))
    }

    /// Ends probing: from now on reads neither wait nor are counted.
    pub fn settle(&mut self) {
        self.reader.set_patience(None);
        self.reader.set_budget(None);
    }

    fn rewind(&mut self) -> Result<(), OpusError> {
        let fresh = match &self.demuxer {
            Demuxer::Ogg(_) => Demuxer::Ogg(Box::default()),
            Demuxer::Webm(_) => Demuxer::Webm(Box::default()),
        };
        self.reader.seek(SeekFrom::Start(0))?;
        self.demuxer = fresh;
        self.skip_to = None;
        self.finished = false;
        self.starved = false;
        Ok(())
    }

    /// Goes to a position, in samples. May wait for bytes.
    fn seek_to(&mut self, target: i64) -> Result<(), OpusError> {
        let length = self.reader.length();
        if target <= 0 {
            return self.rewind();
        }
        let (Some(length), true) = (length, self.reader.is_seekable()) else {
            // Read through from the start; a live stream has no positions to go to.
            self.rewind()?;
            self.skip_to = Some(target);
            return Ok(());
        };
        let mut seeker = self.demuxer.seeker(target, length);
        let mut bytes = Vec::new();
        let offset = loop {
            match seeker.poll() {
                SeekStep::Done { offset } => break offset,
                SeekStep::Read { offset, length } => {
                    self.reader.seek(SeekFrom::Start(offset))?;
                    bytes.resize(length, 0);
                    let read = self.reader.read_full(&mut bytes)?;
                    seeker.handle_bytes(&bytes[..read]);
                }
            }
        };
        self.reader.seek(SeekFrom::Start(offset))?;
        self.demuxer.reset(offset);
        self.skip_to = Some(target);
        self.finished = false;
        self.starved = false;
        Ok(())
    }
}

impl PacketSource for OpusStream {
    fn next(&mut self, settings: &Settings) -> Step {
        let _ = settings;
        loop {
            match self.demuxer.next() {
                Ok(Event::Packet(packet)) => {
                    let end = packet.position + i64::from(packet.samples);
                    if self.skip_to.is_some_and(|target| end <= target) {
                        continue;
                    }
                    self.skip_to = None;
                    let position_ms = u64::try_from(packet.position / PER_MS).unwrap_or(0);
                    if !is_sendable(packet.data) {
                        continue;
                    }
                    let Ok(opus) = OpusFrame::try_from(packet.data) else {
                        continue;
                    };
                    self.sent += 1;
                    return Step::Packet(Packet { position_ms, opus });
                }
                Ok(Event::Head(_)) => {}
                Ok(Event::End) => return Step::End,
                Ok(Event::NeedData) => {
                    if self.finished {
                        return Step::End;
                    }
                    match self.demuxer.feed(&mut self.reader) {
                        Ok(more) => self.finished = !more,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            self.starved = true;
                            return Step::Starved;
                        }
                        Err(error) => return Step::Failed(failure::of_stream(error.to_string())),
                    }
                }
                Err(error) => return Step::Failed(failure::of_stream(error.to_string())),
            }
        }
    }

    fn ready(&mut self) -> bool {
        self.starved = self.starved && !self.reader.ready(1);
        !self.starved
    }

    fn seek(&mut self, position_ms: u64) -> Result<(), Box<Exception>> {
        let target = i64::try_from(position_ms)
            .unwrap_or(i64::MAX)
            .saturating_mul(PER_MS);
        self.reader.set_patience(Some(super::PATIENCE));
        let sought = self.seek_to(target);
        self.reader.set_patience(None);
        sought.map_err(|error| failure::of_stream(error.to_string()))
    }

    fn wake(&self) -> Wake {
        self.reader.wake()
    }
}

/// Returns the length of the track; for Ogg that needs a look at its end.
fn length_ms(demuxer: &mut Demuxer, reader: &mut Reader) -> io::Result<Option<u64>> {
    let samples = match demuxer {
        Demuxer::Webm(demuxer) => demuxer.track_samples(),
        Demuxer::Ogg(demuxer) => {
            let (Some(length), true) = (reader.length(), reader.is_seekable()) else {
                return Ok(None);
            };
            reader.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut tail = vec![0; TAIL.min(length) as usize];
            let read = reader.read_full(&mut tail)?;
            let end = ogg::end_granule(&tail[..read], demuxer.serial());
            end.map(|end| demuxer.track_samples(end))
        }
    };
    Ok(samples.map(|samples| samples / PER_MS as u64))
}
