//! The bare loops: what nobody who sends or encodes can go below.

use std::hint::black_box;
use std::io::{self, Cursor};
use std::net::UdpSocket;
use std::ops::Range;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use backline_media::decode::{Decoder, Hint, Next};
use backline_media::dsp::Volume;
use backline_media::frame::{FRAME_VALUES, OpusFrame};
use backline_media::framer::Framer;
use backline_media::opus::{Encoder, EncoderOptions};
use backline_media::pipeline::{self, Pipeline};
use backline_media::resample::Resampler;
use backline_media::voice::{EndToEnd, MAX_DATAGRAM, Mode, RtpHeader, Sealer, SenderKey};
use backline_node::inside::prefer_huge_pages as advise;

use crate::meter;
use crate::report::Bare;
use crate::stage::{Sinks, Track};

/// The leanest sender of the same work: sockets of our own, as many as there are players, each
/// with five seconds of packets on huge pages.
pub struct Senders {
    lines: Vec<Line>,
    store: Vec<u8>,
    /// Packets for the loops that keep everything warm, and the one that comes next.
    packets: Vec<OpusFrame>,
    at: usize,
    datagram: [u8; MAX_DATAGRAM],
    protected: Vec<u8>,
    _sinks: Sinks,
}

struct Line {
    socket: UdpSocket,
    sealer: Sealer,
    end_to_end: EndToEnd,
    header: RtpHeader,
    /// Where in the store its packets are, and where the next one is.
    packets: Range<usize>,
    next: usize,
}

/// What a frame passes on its way to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crypto {
    /// AES-256-GCM.
    Transport,
    /// DAVE, then AES-256-GCM.
    EndToEnd,
}

impl Crypto {
    /// Returns what protects the frames of one player.
    pub fn end_to_end(self) -> EndToEnd {
        match self {
            Self::Transport => EndToEnd::Off,
            Self::EndToEnd => EndToEnd::Keyed(SenderKey::for_measuring()),
        }
    }
}

impl Senders {
    pub fn new(count: usize, track: &Track) -> io::Result<Self> {
        let sinks = Sinks::open()?;
        let packets = packets(track);
        let each: usize = packets
            .iter()
            .map(|packet| 2 + packet.as_bytes().len())
            .sum();
        let each = each / packets.len() * STORED * 9 / 8;
        let mut store = Vec::with_capacity(each * count);
        prefer_huge_pages(&mut store);
        let mut lines = Vec::with_capacity(count);
        prefer_huge_pages(&mut lines);
        for index in 0..count {
            let start = store.len();
            // Everybody is somewhere else in the music, and so in memory.
            for packet in packets
                .iter()
                .cycle()
                .skip(index * 37 % packets.len())
                .take(STORED)
            {
                let bytes = packet.as_bytes();
                store.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
                store.extend_from_slice(bytes);
            }
            lines.push(Line {
                socket: sinks.connect(index)?,
                sealer: Sealer::new(Mode::Aes256GcmRtpsize, &[7; 32]),
                end_to_end: EndToEnd::Off,
                header: RtpHeader {
                    sequence: 0,
                    timestamp: 0,
                    ssrc: index as u32,
                },
                packets: start..store.len(),
                next: start,
            });
        }
        Ok(Self {
            lines,
            store,
            packets,
            at: 0,
            datagram: [0x55; MAX_DATAGRAM],
            protected: Vec::with_capacity(MAX_DATAGRAM),
            _sinks: sinks,
        })
    }

    /// Decides what frames pass from now on.
    pub fn set_crypto(&mut self, crypto: Crypto) {
        for line in &mut self.lines {
            line.end_to_end = crypto.end_to_end();
        }
    }

    /// `send` and nothing else, from one socket to the next, as fast as it goes.
    pub fn send(&mut self, players: usize, budget: Duration) -> Bare {
        let micros = meter::micros_each(budget, || {
            for player in 0..players {
                let packet = next(&self.packets, &mut self.at);
                let length = Sealer::packet_len(packet.as_bytes().len());
                self.lines[player]
                    .socket
                    .send(&self.datagram[..length])
                    .expect("loopback takes it");
            }
            players
        });
        Bare::new("send, flat out", micros)
    }

    /// The whole work as a loop without a node: every millisecond a twentieth of the players, each
    /// from its own store, encrypted, sent; sleep in between.
    pub fn paced(&mut self, players: usize, duration: Duration) -> Bare {
        let (start, cpu) = (Instant::now(), meter::own_cpu());
        let mut sent = 0_u32;
        for slot in 0..duration.as_millis() as usize {
            for player in (slot % 20..players).step_by(20) {
                self.serve(player);
                sent += 1;
            }
            let due = Duration::from_millis(slot as u64 + 1);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        let used = meter::own_cpu().saturating_sub(cpu);
        Bare::new(
            "store + seal + send, paced",
            used.as_secs_f64() * 1e6 / f64::from(sent),
        )
    }

    fn serve(&mut self, player: usize) {
        let line = &mut self.lines[player];
        let length = self.store[line.next..][..2].try_into().expect("two bytes");
        let start = line.next + 2;
        let end = start + usize::from(u16::from_le_bytes(length));
        let packet = &self.store[start..end];
        line.next = if end == line.packets.end {
            line.packets.start
        } else {
            end
        };
        line.header = line.header.advanced(1);
        let payload = line
            .end_to_end
            .protect(packet, &mut self.protected)
            .expect("keys are there");
        let length = line
            .sealer
            .seal_into(&line.header, payload, &mut self.datagram)
            .expect("nonces are left, and it fits");
        line.socket
            .send(&self.datagram[..length])
            .expect("loopback takes it");
    }
}

/// The codecs without a node around them, on the music that the players play.
pub struct Codec {
    chain: Chain,
    track: Track,
    gain: f32,
    pcm: Vec<[f32; FRAME_VALUES]>,
    encoder: Encoder,
    at: usize,
    packet: OpusFrame,
    /// As many chains as there are players, each with an encoder, and whose turn it is.
    many: Vec<(Chain, Encoder)>,
    turn: usize,
}

impl Codec {
    pub fn new(track: &Track, gain: f32, players: usize) -> Self {
        let mut chain = Chain::new(track, gain);
        let mut pcm = Vec::new();
        let mut frame = [0.0; FRAME_VALUES];
        while chain.next(&mut frame) {
            pcm.push(frame);
        }
        Self {
            chain: Chain::new(track, gain),
            track: track.clone(),
            gain,
            pcm,
            encoder: encoder(),
            at: 0,
            packet: OpusFrame::empty(),
            many: (0..players)
                .map(|_| (Chain::new(track, gain), encoder()))
                .collect(),
            turn: 0,
        }
    }

    /// libopus and nothing else.
    pub fn encode(&mut self, budget: Duration) -> Bare {
        let micros = meter::micros_each(budget, || {
            self.encoder
                .encode(next(&self.pcm, &mut self.at), &mut self.packet)
                .expect("a frame");
            black_box(self.packet.as_bytes().len());
            1
        });
        Bare::new("encode", micros)
    }

    /// Decoder, resampler, volume and encoder, called one after the other.
    pub fn chain(&mut self, budget: Duration) -> Bare {
        let mut frame = [0.0; FRAME_VALUES];
        let micros = meter::micros_each(budget, || {
            if !self.chain.next(&mut frame) {
                self.chain = Chain::new(&self.track, self.gain);
                return 0;
            }
            self.encoder
                .encode(&frame, &mut self.packet)
                .expect("a frame");
            black_box(self.packet.as_bytes().len());
            1
        });
        Bare::new("decode + resample + encode", micros)
    }
}

impl Codec {
    /// The same as [`Self::chain`] for as many players as there are, five frames of each in turn:
    /// their states do not stay in the processor's caches.
    pub fn chains(&mut self, budget: Duration) -> Bare {
        let mut frame = [0.0; FRAME_VALUES];
        let micros = meter::micros_each(budget, || {
            self.turn = (self.turn + 1) % self.many.len();
            let (chain, encoder) = &mut self.many[self.turn];
            for done in 0..FRAMES_A_TURN {
                if !chain.next(&mut frame) {
                    *chain = Chain::new(&self.track, self.gain);
                    return done;
                }
                encoder.encode(&frame, &mut self.packet).expect("a frame");
                black_box(self.packet.as_bytes().len());
            }
            FRAMES_A_TURN
        });
        Bare::new("the same, all players in turn", micros)
    }
}

struct Chain {
    decoder: Decoder,
    resampler: Resampler,
    volume: Volume,
    framer: Framer,
}

impl Chain {
    fn new(track: &Track, gain: f32) -> Self {
        let source = Box::new(Cursor::new(track.bytes.clone()));
        let decoder = Decoder::open(source, &Hint::default()).expect("playable");
        Self {
            resampler: Resampler::new(decoder.rate()).expect("a usual rate"),
            decoder,
            volume: Volume::new(gain),
            framer: Framer::new(),
        }
    }

    fn next(&mut self, frame: &mut [f32; FRAME_VALUES]) -> bool {
        while !self.framer.pop(frame) {
            let Next::Data { .. } = self.decoder.next_packet() else {
                return false;
            };
            let samples = self.decoder.samples();
            self.framer
                .push_with(|values| self.resampler.process(samples, values));
        }
        self.volume.apply(frame);
        true
    }
}

fn encoder() -> Encoder {
    Encoder::new(EncoderOptions::default()).expect("there is memory")
}

/// Returns all Opus packets of a track.
fn packets(track: &Track) -> Vec<OpusFrame> {
    let source = Box::new(Cursor::new(track.bytes.clone()));
    let mut pipeline =
        Pipeline::open(source, &Hint::default(), EncoderOptions::default()).expect("playable");
    let mut packets = Vec::new();
    let mut packet = OpusFrame::empty();
    while let pipeline::Next::Frame { .. } = pipeline.next_frame(&mut packet) {
        packets.push(packet.clone());
    }
    packets
}

fn next<'a, T>(all: &'a [T], at: &mut usize) -> &'a T {
    *at = (*at + 1) % all.len();
    &all[*at]
}

/// Asks for huge pages for all that a vector may hold.
fn prefer_huge_pages<T>(values: &mut Vec<T>) {
    if let Some(start) = NonNull::new(values.as_mut_ptr()) {
        advise(start.cast(), values.capacity() * size_of::<T>());
    }
}

/// Frames that one of many players encodes before it is the next one's turn.
const FRAMES_A_TURN: usize = 5;
/// Packets in a player's store: five seconds.
const STORED: usize = 250;
