//! Opus packets of a source, through whichever demuxer.

use std::io::{self, Read, Seek, SeekFrom};

use crate::{
    decode::SeekError,
    demux::{
        DemuxError, Event, OpusHead, SeekStep, Tags,
        ogg::{OggDemuxer, end_granule},
        webm::WebmDemuxer,
    },
    packet,
    source::{Packets, Rewound, Source},
};

/// Reads packets one by one; the last one stays here.
pub(super) struct Reader {
    source: Rewound,
    demuxer: Demuxer,
    head: OpusHead,
    packet: Vec<u8>,
    position: i64,
    samples: u32,
    trim_end: u32,
    total_samples: Option<u64>,
    /// The packet was only looked at: it comes once more.
    held: bool,
}

enum Demuxer {
    Ogg(Box<OggDemuxer>),
    Webm(Box<WebmDemuxer>),
    /// Nothing to take apart.
    Packets(Box<dyn Packets>),
}

/// What [`Reader::advance`] found.
pub(super) enum Step {
    Packet,
    /// The stream goes on with another head.
    Head,
    End,
    Io(io::Error),
    Demux(DemuxError),
}

impl Reader {
    pub(super) fn ogg(source: Rewound) -> Self {
        Self::new(source, Demuxer::Ogg(Box::default()))
    }

    pub(super) fn webm(source: Rewound) -> Self {
        Self::new(source, Demuxer::Webm(Box::default()))
    }

    pub(super) fn packets(packets: Box<dyn Packets>) -> Self {
        let nothing = Rewound::empty();
        Self::new(nothing, Demuxer::Packets(packets))
    }

    fn new(source: Rewound, demuxer: Demuxer) -> Self {
        let head = OpusHead {
            channels: 2,
            pre_skip: 0,
            input_rate: 48_000,
            gain_q8: 0,
        };
        Self {
            source,
            demuxer,
            head,
            packet: Vec::new(),
            position: 0,
            samples: 0,
            trim_end: 0,
            total_samples: None,
            held: false,
        }
    }

    pub(super) fn into_source(self) -> Rewound {
        self.source
    }

    pub(super) fn head(&self) -> OpusHead {
        self.head
    }

    pub(super) fn tags(&self) -> &Tags {
        match &self.demuxer {
            Demuxer::Ogg(demuxer) => demuxer.tags(),
            Demuxer::Webm(demuxer) => demuxer.tags(),
            Demuxer::Packets(_) => &NO_TAGS,
        }
    }

    pub(super) fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Returns position, length and what to cut off at the end, in samples.
    pub(super) fn place(&self) -> (i64, u32, u32) {
        (self.position, self.samples, self.trim_end)
    }

    pub(super) fn total_samples(&self) -> Option<u64> {
        self.total_samples
    }

    pub(super) fn is_seekable(&self) -> bool {
        self.source.is_seekable() && self.source.byte_len().is_some()
    }

    /// Lets the packet that came last come once more.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Moves on to the next packet. After an I/O error it may be called again.
    pub(super) fn advance(&mut self) -> Step {
        if std::mem::take(&mut self.held) {
            return Step::Packet;
        }
        loop {
            let event = match &mut self.demuxer {
                Demuxer::Ogg(demuxer) => demuxer.next(),
                Demuxer::Webm(demuxer) => demuxer.next(),
                Demuxer::Packets(packets) => {
                    return match packets.next(&mut self.packet) {
                        Ok(Some(position)) => {
                            self.position = position;
                            self.samples = packet::samples(&self.packet).unwrap_or(0);
                            self.trim_end = 0;
                            Step::Packet
                        }
                        Ok(None) => Step::End,
                        Err(error) => Step::Io(error),
                    };
                }
            };
            match event {
                Ok(Event::Packet(packet)) => {
                    self.packet.clear();
                    self.packet.extend_from_slice(packet.data);
                    self.position = packet.position;
                    self.samples = packet.samples;
                    self.trim_end = packet.trim_end;
                    return Step::Packet;
                }
                Ok(Event::Head(head)) => {
                    self.head = *head;
                    return Step::Head;
                }
                Ok(Event::End) => return Step::End,
                Ok(Event::NeedData) => {
                    if let Err(error) = self.feed() {
                        return Step::Io(error);
                    }
                }
                Err(error) => return Step::Demux(error),
            }
        }
    }

    fn feed(&mut self) -> io::Result<()> {
        let room = match &mut self.demuxer {
            Demuxer::Ogg(demuxer) => demuxer.room(),
            Demuxer::Webm(demuxer) => demuxer.room(),
            Demuxer::Packets(_) => return Ok(()),
        };
        let count = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        match (&mut self.demuxer, count) {
            (Demuxer::Ogg(demuxer), 0) => demuxer.finish(),
            (Demuxer::Webm(demuxer), 0) => demuxer.finish(),
            (Demuxer::Ogg(demuxer), count) => demuxer.advance(count),
            (Demuxer::Webm(demuxer), count) => demuxer.advance(count),
            (Demuxer::Packets(_), _) => {}
        }
        Ok(())
    }

    /// Finds out how long the track is; for Ogg this reads the end of the source and comes back.
    pub(super) fn measure(&mut self) -> io::Result<()> {
        match &self.demuxer {
            Demuxer::Packets(_) => Ok(()),
            Demuxer::Webm(demuxer) => {
                self.total_samples = demuxer.track_samples();
                Ok(())
            }
            Demuxer::Ogg(demuxer) => {
                let Some(length) = self.source.byte_len().filter(|_| self.source.is_seekable())
                else {
                    return Ok(());
                };
                let back = self.source.stream_position()?;
                self.source
                    .seek(SeekFrom::Start(length.saturating_sub(TAIL as u64)))?;
                let tail = read_up_to(&mut self.source, TAIL)?;
                self.source.seek(SeekFrom::Start(back))?;
                self.total_samples = end_granule(&tail, demuxer.serial())
                    .map(|granule| demuxer.track_samples(granule));
                Ok(())
            }
        }
    }

    /// Goes to the packet at or before a position.
    pub(super) fn seek(&mut self, position: i64) -> Result<(), SeekError> {
        let length = self.source.byte_len().filter(|_| self.source.is_seekable());
        let length = length.ok_or(SeekError::Unseekable)?;
        let mut seeker = match &self.demuxer {
            Demuxer::Ogg(demuxer) => demuxer.seeker(position, length),
            Demuxer::Webm(demuxer) => demuxer.seeker(position, length),
            Demuxer::Packets(_) => return Err(SeekError::Unseekable),
        };
        let offset = loop {
            match seeker.poll() {
                SeekStep::Read { offset, length } => {
                    self.source
                        .seek(SeekFrom::Start(offset))
                        .map_err(SeekError::Io)?;
                    let bytes = read_up_to(&mut self.source, length).map_err(SeekError::Io)?;
                    seeker.handle_bytes(&bytes);
                }
                SeekStep::Done { offset } => break offset,
            }
        };
        self.held = false;
        self.source
            .seek(SeekFrom::Start(offset))
            .map_err(SeekError::Io)?;
        match &mut self.demuxer {
            Demuxer::Ogg(demuxer) => demuxer.reset(offset),
            Demuxer::Webm(demuxer) => demuxer.reset(offset),
            Demuxer::Packets(_) => {}
        }
        Ok(())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn read_up_to(source: &mut Rewound, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

static NO_TAGS: Tags = Tags {
    title: None,
    artist: None,
    loudness: None,
};

/// Holds at least one whole page.
const TAIL: usize = 2 * 65_536;
