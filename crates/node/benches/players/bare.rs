//! The bare loops: what nobody who sends or encodes can go below.

use std::hint::black_box;
use std::io::{self, Cursor};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use backline_media::decode::{Decoder, Hint, Next};
use backline_media::dsp::Volume;
use backline_media::frame::{FRAME_VALUES, OpusFrame};
use backline_media::framer::Framer;
use backline_media::opus::{Encoder, EncoderOptions};
use backline_media::pipeline::{self, Pipeline};
use backline_media::resample::Resampler;
use backline_media::voice::{MAX_DATAGRAM, Mode, RtpHeader, Sealer};

use crate::meter;
use crate::report::Bare;
use crate::stage::{Sinks, Track};

/// Sockets of our own, as many as there are players, and the packets that the players send.
pub struct Senders {
    lines: Vec<Line>,
    packets: Vec<OpusFrame>,
    /// The packet that comes next.
    at: usize,
    datagram: [u8; MAX_DATAGRAM],
    _sinks: Sinks,
}

struct Line {
    socket: UdpSocket,
    sealer: Sealer,
    header: RtpHeader,
}

impl Senders {
    pub fn new(count: usize, track: &Track) -> io::Result<Self> {
        let sinks = Sinks::open()?;
        let line = |index: usize| {
            Ok(Line {
                socket: sinks.connect(index)?,
                sealer: Sealer::new(Mode::Aes256GcmRtpsize, &[7; 32]),
                header: RtpHeader {
                    sequence: 0,
                    timestamp: 0,
                    ssrc: index as u32,
                },
            })
        };
        let lines: io::Result<Vec<_>> = (0..count).map(line).collect();
        Ok(Self {
            lines: lines?,
            packets: packets(track),
            at: 0,
            datagram: [0x55; MAX_DATAGRAM],
            _sinks: sinks,
        })
    }

    /// `send` and nothing else, from one socket to the next.
    pub fn send(&mut self, players: usize, budget: Duration) -> Bare {
        let micros = meter::micros_each(budget, || {
            (0..players).for_each(|player| self.send_one(player));
            players
        });
        Bare::new("send", micros)
    }

    /// The same with encryption.
    pub fn seal_and_send(&mut self, players: usize, budget: Duration) -> Bare {
        let micros = meter::micros_each(budget, || {
            for player in 0..players {
                let packet = next(&self.packets, &mut self.at);
                let line = &mut self.lines[player];
                line.header = line.header.advanced(1);
                let length = line
                    .sealer
                    .seal_into(&line.header, packet.as_bytes(), &mut self.datagram)
                    .expect("nonces are left, and it fits");
                line.socket
                    .send(&self.datagram[..length])
                    .expect("loopback takes it");
            }
            players
        });
        Bare::new("seal + send", micros)
    }

    /// `send` and nothing else, but spread over time as the players are: every millisecond a
    /// twentieth of them, and sleep in between. Waking up and cold memory are part of the price.
    pub fn send_paced(&mut self, players: usize, duration: Duration) -> Bare {
        let (start, cpu) = (Instant::now(), meter::own_cpu());
        let mut sent = 0;
        for slot in 0..duration.as_millis() as usize {
            for player in (slot % 20..players).step_by(20) {
                self.send_one(player);
                sent += 1;
            }
            let due = Duration::from_millis(slot as u64 + 1);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        let used = meter::own_cpu().saturating_sub(cpu);
        Bare::new("send, paced", used.as_secs_f64() * 1e6 / f64::from(sent))
    }

    fn send_one(&mut self, player: usize) {
        let packet = next(&self.packets, &mut self.at);
        let length = Sealer::packet_len(packet.as_bytes().len());
        self.lines[player]
            .socket
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
}

impl Codec {
    pub fn new(track: &Track, gain: f32) -> Self {
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
