use std::net::UdpSocket;
use std::sync::atomic::Ordering;

use backline_media::voice::{EndToEnd, Mode, Opener, Sealer};
use backline_proto::lavalink::Exception;
use rtrb::{Consumer, RingBuffer};

use super::*;
use crate::counting;
use crate::engine::bell::Bell;
use crate::engine::feed::{PacketSource, Settings, Step, Wake};
use crate::engine::packet::Packet;
use crate::engine::pool::Pool;
use crate::engine::slot::EventKind;

/// Yields `left` packets that carry their number; can go back as far as it came.
struct Numbers {
    next: u64,
    left: u64,
    first: u64,
    /// The number from which on packets belong to the next run.
    turn: u64,
    wake: Wake,
}

impl PacketSource for Numbers {
    fn next(&mut self, packet: &mut Packet) -> Step {
        if self.left == 0 {
            return Step::End;
        }
        self.left -= 1;
        packet
            .opus
            .set(&self.next.to_be_bytes())
            .expect("it is short");
        packet.position_ms = self.next * 20;
        packet.run += u64::from(self.next >= self.turn);
        self.next += 1;
        Step::Packet
    }

    fn apply(&mut self, _: &Settings) {}

    fn rewind(&mut self, frames: usize) -> usize {
        let back = (frames as u64).min(self.next - self.first);
        self.next -= back;
        self.left += back;
        back as usize
    }

    fn waits(&self) -> bool {
        false
    }

    fn ready(&mut self) -> bool {
        true
    }

    fn seek(&mut self, position_ms: u64) -> Result<(), Box<Exception>> {
        self.next = position_ms / 20;
        Ok(())
    }

    fn wake(&self) -> Wake {
        self.wake.clone()
    }
}

/// A clock without a thread, and the other ends of everything it touches.
struct Bench {
    clock: Clock,
    events: Consumer<Event>,
    errands: Consumer<Errand>,
    pool: Pool,
    receiver: UdpSocket,
    metrics: NodeMetrics,
    now_ms: u64,
}

const KEY: [u8; 32] = [7; 32];

impl Bench {
    fn new() -> Self {
        let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
        let (mut bells, _ears) = Bell::pairs(1).expect("a bell");
        let (told, events) = RingBuffer::new(256);
        let (asked, errands) = RingBuffer::new(256);
        let metrics = NodeMetrics::default();
        let outlets = Outlets::new(
            (told, bells.remove(0)),
            (asked, pool.waker()),
            metrics.clone(),
            10,
        );
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        receiver.set_nonblocking(true).expect("set");
        Self {
            clock: Clock::new(outlets),
            events,
            errands,
            pool,
            receiver,
            metrics,
            now_ms: 0,
        }
    }

    fn seat(&mut self, place: u32) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        let player = u64::from(place);
        self.tell(Command::Add {
            place,
            player,
            counters: Arc::clone(&counters),
        });
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .connect(self.receiver.local_addr().expect("bound"))
            .expect("connected");
        socket.set_nonblocking(true).expect("set");
        let sealer = Sealer::new(Mode::Aes256GcmRtpsize, &KEY);
        let transport = Transport::new(socket, sealer, EndToEnd::Off, place, (0, 0));
        self.tell(Command::Connect {
            place,
            transport: Some(Box::new(transport)),
        });
        counters
    }

    /// Makes a feed of `packets` packets and stages it.
    fn play(&mut self, place: u32, run: u64, packets: u64) -> Arc<Feed> {
        self.play_on(place, run, packets, u64::MAX)
    }

    /// The same, but from the packet `turn` on it is the next run.
    fn play_on(&mut self, place: u32, run: u64, packets: u64, turn: u64) -> Arc<Feed> {
        let source = Numbers {
            next: run * 1_000,
            first: run * 1_000,
            left: packets,
            turn,
            wake: Wake::new(&self.pool),
        };
        let settings = Settings {
            effects: Arc::default(),
        };
        let (feed, line) = Feed::new(u64::from(place), run, 0, settings, Box::new(source));
        self.tell(Command::Play {
            place,
            line: Box::new(line),
        });
        feed
    }

    fn tell(&mut self, command: Command) {
        assert!(self.clock.handle(command).is_continue());
    }

    /// Lets 20 ms pass and returns what was sent.
    fn frame(&mut self) -> Vec<Vec<u8>> {
        for _ in 0..PHASES {
            self.clock.walk(self.now_ms, || Duration::ZERO);
            self.now_ms += 1;
        }
        let opener = Opener::new(Mode::Aes256GcmRtpsize, &KEY);
        let mut datagram = [0; 2_048];
        let mut opened = Vec::new();
        let mut heard = Vec::new();
        while let Ok(length) = self.receiver.recv(&mut datagram) {
            let (_, range) = opener
                .open(&datagram[..length], &mut opened)
                .expect("sealed for us");
            heard.push(opened[range].to_vec());
        }
        heard
    }

    /// Does the pool's work; returns how many lines were over.
    fn serve(&mut self) -> usize {
        let mut buried = 0;
        while let Ok(errand) = self.errands.pop() {
            match errand {
                Errand::Turn(feed) => {
                    feed.take_turn();
                }
                Errand::Bury(line) => {
                    line.feed.take_turn();
                    buried += 1;
                }
            }
        }
        buried
    }

    fn told(&mut self) -> Vec<EventKind> {
        self.told_of().into_iter().map(|(_, kind)| kind).collect()
    }

    /// Returns what was told, and of which run.
    fn told_of(&mut self) -> Vec<(u64, EventKind)> {
        std::iter::from_fn(|| self.events.pop().ok())
            .map(|event| (event.generation, event.kind))
            .collect()
    }
}

fn number(packet: &[u8]) -> u64 {
    u64::from_be_bytes(packet.try_into().expect("a number"))
}

#[tokio::test]
async fn nothing_on_the_tick_path_touches_the_allocator() {
    let mut bench = Bench::new();
    let mut feeds = Vec::new();
    for place in 0..60 {
        bench.seat(place);
        // Half of them go on with another track, half of them are replaced by one.
        let turn = if place % 2 == 0 { 1_020 } else { u64::MAX };
        feeds.push(bench.play_on(place, 1, 40, turn));
    }
    let mut heard = 0;
    for round in 0..80 {
        bench.serve();
        match round {
            // Settings change: packets are made again and pass the old ones.
            10 => {
                for feed in &feeds {
                    feed.wish();
                    feed.take_turn();
                }
            }
            // Keys change, and with them what every packet looks like.
            15 => {
                for place in 0..60 {
                    let end_to_end = Box::new(EndToEnd::Pending);
                    bench.tell(Command::Protect { place, end_to_end });
                }
            }
            // Another track is staged.
            30 => {
                for place in (1..60).step_by(2) {
                    feeds[place as usize].retire();
                    let feed = bench.play(place, 3, 20);
                    feed.take_turn();
                }
            }
            _ => {}
        }
        let before = counting::calls();
        for _ in 0..PHASES {
            bench
                .clock
                .walk(bench.now_ms, || Duration::from_micros(300));
            bench.now_ms += 1;
        }
        assert_eq!(counting::calls() - before, 0, "round {round}");
        let mut datagram = [0; 2_048];
        while bench.receiver.recv(&mut datagram).is_ok() {
            heard += 1;
        }
    }
    // Starved at first, sound, five frames of silence, the end, rest: all of it was walked.
    let told = bench.told();
    let count = |kind: EventKind| told.iter().filter(|other| **other == kind).count();
    assert_eq!(count(EventKind::Started), 120);
    assert_eq!(count(EventKind::Finished), 30 + 60);
    assert_eq!(bench.clock.active, 0, "nobody is left to be walked");
    assert_eq!(heard, bench.metrics.frames_sent.get());
    assert_eq!(bench.metrics.frame_lateness.count(), heard);
    assert!(heard > 60 * 45, "{heard}");
}

#[tokio::test]
async fn packets_that_are_made_again_replace_the_old_ones_without_gap_or_repetition() {
    let mut bench = Bench::new();
    bench.seat(0);
    let feed = bench.play(0, 1, 200);
    bench.frame();
    bench.serve();
    let mut heard = Vec::new();
    for round in 0..60 {
        bench.serve();
        if round % 7 == 3 {
            feed.wish();
        }
        if round % 7 == 3 + round % 3 {
            feed.take_turn();
        }
        heard.extend(bench.frame().iter().map(|packet| number(packet)));
    }
    let expected: Vec<u64> = (1_000..1_060).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_line_that_goes_on_with_another_run_tells_the_end_and_the_start() {
    let mut bench = Bench::new();
    bench.seat(0);
    let feed = bench.play_on(0, 1, 10, 1_004);
    bench.frame();
    for round in 0..4 {
        bench.serve();
        assert_eq!(number(&bench.frame()[0]), 1_000 + round);
        assert_eq!(feed.place(), (1, (1_000 + round) * 20));
    }
    assert_eq!(bench.told_of(), [(1, EventKind::Started)]);
    assert_eq!(number(&bench.frame()[0]), 1_004);
    assert_eq!(
        bench.told_of(),
        [(1, EventKind::Finished), (2, EventKind::Started)]
    );
    assert_eq!(feed.place(), (2, 1_004 * 20));
    // An end marker of the run that is over says nothing about the one that plays.
    feed.set_end(1, Some(0));
    assert_eq!(number(&bench.frame()[0]), 1_005);
    feed.set_end(2, Some(1_006 * 20));
    assert_eq!(bench.frame(), [SILENCE.to_vec()]);
    assert_eq!(bench.told_of(), [(2, EventKind::Finished)]);
}

#[tokio::test]
async fn a_timeline_that_moves_counts_what_it_leaves_out() {
    let mut bench = Bench::new();
    for place in 0..3 {
        bench.seat(place);
        bench.play(place, 1, 100);
    }
    bench.tell(Command::Pause {
        place: 2,
        paused: true,
    });
    bench.clock.resync(1_000);
    assert_eq!(bench.metrics.frames_missed.get(), 2 * 50);
    assert_eq!(bench.metrics.clock_resyncs.get(), 1);
}

#[tokio::test]
async fn a_clock_that_was_late_sends_every_frame_it_owes() {
    let mut bench = Bench::new();
    bench.seat(0);
    bench.play(0, 1, 12);
    bench.frame();
    bench.serve();
    bench.serve();
    // Three frames are due at once: the loop walks every millisecond it missed.
    for _ in 0..3 * PHASES {
        bench.clock.walk(bench.now_ms, || Duration::from_millis(60));
        bench.now_ms += 1;
    }
    let heard = bench.frame();
    assert_eq!(heard.len(), 4, "three late ones and the next");
    assert_eq!(bench.metrics.frames_late.get(), 3);
}

#[tokio::test]
async fn a_staged_line_takes_over_without_a_gap_once_it_yields() {
    let mut bench = Bench::new();
    bench.seat(0);
    let old = bench.play(0, 1, 100);
    bench.frame();
    bench.serve();
    assert_eq!(number(&bench.frame()[0]), 1_000);
    old.retire();
    let new = bench.play(0, 2, 3);
    assert_eq!(
        number(&bench.frame()[0]),
        1_001,
        "what is buffered of the old one"
    );
    assert!(new.claim());
    new.take_turn();
    assert_eq!(number(&bench.frame()[0]), 2_000);
    assert_eq!(bench.told(), [EventKind::Started, EventKind::Started]);
    assert_eq!(bench.serve(), 1, "the old line is over");
}

#[tokio::test]
async fn a_line_that_yields_nothing_is_nulled_and_stuck_once() {
    let mut bench = Bench::new();
    let counters = bench.seat(0);
    bench.play(0, 1, 100);
    for _ in 0..30 {
        assert!(bench.frame().is_empty());
    }
    assert_eq!(counters.nulled.load(Ordering::Relaxed), 30);
    assert_eq!(bench.told(), [EventKind::Stuck]);
    bench.serve();
    assert_eq!(
        number(&bench.frame()[0]),
        1_000,
        "and goes on when packets come"
    );
}

#[tokio::test]
async fn pause_and_stop_trail_off_and_a_removed_player_is_gone() {
    let mut bench = Bench::new();
    bench.seat(0);
    bench.play(0, 1, 100);
    bench.frame();
    bench.serve();
    bench.frame();
    bench.tell(Command::Pause {
        place: 0,
        paused: true,
    });
    for _ in 0..5 {
        assert_eq!(bench.frame(), [SILENCE.to_vec()]);
    }
    assert!(bench.frame().is_empty());
    assert_eq!(bench.clock.active, 0);
    bench.tell(Command::Pause {
        place: 0,
        paused: false,
    });
    assert_eq!(number(&bench.frame()[0]), 1_001);
    bench.tell(Command::Stop { place: 0 });
    assert_eq!(bench.frame(), [SILENCE.to_vec()]);
    bench.tell(Command::Remove { place: 0 });
    assert!(bench.frame().is_empty());
    assert_eq!(bench.clock.active, 0);
    assert!(
        bench.told() == [EventKind::Started],
        "stopping is no end of the track"
    );
}

#[tokio::test]
async fn an_end_marker_ends_the_track_where_it_stands() {
    let mut bench = Bench::new();
    bench.seat(0);
    let feed = bench.play(0, 1, 100);
    feed.set_end(1, Some(20_060));
    bench.frame();
    bench.serve();
    let heard: Vec<u64> = (0..3).map(|_| number(&bench.frame()[0])).collect();
    assert_eq!(heard, [1_000, 1_001, 1_002]);
    assert_eq!(bench.frame(), [SILENCE.to_vec()]);
    assert_eq!(feed.place(), (1, 20_060));
    assert_eq!(bench.told(), [EventKind::Started, EventKind::Finished]);
}

#[tokio::test]
async fn players_are_spread_over_the_slots() {
    let mut bench = Bench::new();
    for place in 0..200 {
        bench.seat(place);
        bench.play(place, 1, 10);
    }
    let sizes: Vec<usize> = bench.clock.phases.iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 200);
    assert!(
        sizes.iter().all(|size| (5..=20).contains(size)),
        "{sizes:?}"
    );
}
