use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;
use crate::engine::pool::Pool;

/// Yields packets of its number and the present gain; remembers the last few.
struct Loud {
    next: u64,
    end: u64,
    gain: f32,
    history: usize,
    cheap: bool,
    dry: Arc<AtomicBool>,
    rewound: Arc<AtomicUsize>,
    pool: Pool,
}

impl PacketSource for Loud {
    fn next(&mut self, packet: &mut Packet) -> Step {
        if self.next >= self.end {
            return Step::End;
        }
        let mut bytes = self.next.to_be_bytes().to_vec();
        bytes.extend(self.gain.to_be_bytes());
        packet.opus.set(&bytes).expect("short");
        packet.position_ms = self.next * 20;
        self.next += 1;
        Step::Packet
    }

    fn apply(&mut self, settings: &Settings) {
        self.gain = settings.effects.gain;
    }

    fn rewind(&mut self, frames: usize) -> usize {
        let back = frames.min(self.history).min(self.next as usize);
        self.next -= back as u64;
        self.rewound.store(back, Ordering::Relaxed);
        back
    }

    fn is_cheap(&self) -> bool {
        self.cheap
    }

    fn ready(&mut self) -> bool {
        !self.dry.load(Ordering::Relaxed)
    }

    fn waits(&self) -> bool {
        true
    }

    fn seek(&mut self, _: u64) -> Result<(), Box<Exception>> {
        Ok(())
    }

    fn wake(&self) -> Wake {
        Wake::new(&self.pool)
    }
}

struct Bench {
    feed: Arc<Feed>,
    line: Line,
    dry: Arc<AtomicBool>,
    rewound: Arc<AtomicUsize>,
}

impl Bench {
    fn new(cheap: bool, history: usize, end: u64) -> Self {
        let (dry, rewound) = (Arc::default(), Arc::default());
        let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
        let source = Loud {
            next: 0,
            end,
            gain: 0.0,
            history,
            cheap,
            dry: Arc::clone(&dry),
            rewound: Arc::clone(&rewound),
            pool,
        };
        let (feed, line) = Feed::new(1, 1, 0, gain(1.0), Box::new(source));
        Self {
            feed,
            line,
            dry,
            rewound,
        }
    }

    /// Takes the packet that is due, as a clock would; returns number and gain.
    fn hear(&mut self) -> Option<(u64, f32)> {
        let front = self.line.eye.find()?;
        let (number, gain) = self.line.eye.opus().split_at(8);
        let heard = (
            u64::from_be_bytes(number.try_into().expect("eight bytes")),
            f32::from_be_bytes(gain.try_into().expect("four bytes")),
        );
        self.line.eye.pass(&front);
        if self.line.eye.is_low() && self.feed.claim() {
            self.feed.take_turn();
        }
        Some(heard)
    }
}

fn gain(gain: f32) -> Settings {
    let effects = Effects {
        gain,
        ..Effects::default()
    };
    Settings {
        effects: Arc::new(effects),
    }
}

#[test]
fn a_change_is_heard_within_a_tenth_of_a_second_and_nothing_else_changes() {
    for (cheap, history) in [(true, 64), (false, 64)] {
        let mut bench = Bench::new(cheap, history, 1_000);
        bench.feed.take_turn();
        let mut gains = Vec::new();
        for round in 0..300_u64 {
            if round % 50 == 40 {
                bench.feed.set_settings(gain(round as f32));
                assert!(bench.feed.claim_wish(), "a turn is wanted at once");
                bench.feed.take_turn();
                assert!(!bench.feed.has_wish());
                assert!(bench.rewound.load(Ordering::Relaxed) > 0);
            }
            let (number, heard) = bench.hear().expect("there is always something");
            assert_eq!(number, round, "no gap, no repetition");
            gains.push(heard);
        }
        for (round, heard) in gains.iter().enumerate().skip(43) {
            let asked = (round - 40) / 50 * 50 + 40;
            if round - asked >= 2 {
                assert_eq!(
                    *heard, asked as f32,
                    "packet {round}: 40 ms after the change"
                );
            }
        }
    }
}

#[test]
fn a_source_that_goes_back_less_joins_later() {
    let mut bench = Bench::new(true, 5, 1_000);
    bench.feed.take_turn();
    bench.feed.set_settings(gain(2.0));
    bench.feed.take_turn();
    let heard: Vec<_> = (0..60).map(|_| bench.hear().expect("something")).collect();
    let first = heard.iter().position(|(_, gain)| *gain == 2.0);
    assert_eq!(first, Some(CHEAP.packets as usize - 5));
    assert!(
        heard
            .iter()
            .enumerate()
            .all(|(at, (number, _))| *number == at as u64)
    );
}

#[test]
fn a_track_whose_last_packets_wait_can_still_change() {
    let mut bench = Bench::new(true, 64, 20);
    assert_eq!(bench.feed.take_turn(), Turn::Over);
    assert_eq!(bench.line.eye.lane().ended(), Some(End::Finished));
    bench.feed.set_settings(gain(3.0));
    assert!(bench.feed.claim_wish());
    assert_eq!(bench.feed.take_turn(), Turn::Over);
    let heard: Vec<_> = std::iter::from_fn(|| bench.hear()).collect();
    assert_eq!(heard.len(), 20);
    assert_eq!(heard[1], (1, 1.0));
    assert_eq!(heard[2], (2, 3.0));
    assert_eq!(heard[19], (19, 3.0));
    assert_eq!(bench.line.eye.lane().ended(), Some(End::Finished));
}

#[test]
fn packets_are_made_again_while_the_source_waits_for_bytes() {
    let mut bench = Bench::new(true, 64, 1_000);
    bench.feed.take_turn();
    bench.dry.store(true, Ordering::Relaxed);
    bench.feed.set_settings(gain(2.0));
    assert!(bench.feed.claim_wish(), "though it waits for bytes");
    assert_eq!(bench.feed.take_turn(), Turn::Done);
    assert_eq!(bench.hear(), Some((0, 1.0)));
    assert_eq!(bench.hear(), Some((1, 1.0)));
    assert_eq!(bench.hear(), Some((2, 2.0)));
}

#[test]
fn cheap_packets_are_made_far_ahead_and_dear_ones_not() {
    for (cheap, packets) in [(true, CHEAP.packets), (false, DEAR_TURN)] {
        let mut bench = Bench::new(cheap, 0, 1_000);
        bench.feed.take_turn();
        let mut ready = 0;
        while let Some(front) = bench.line.eye.find() {
            bench.line.eye.pass(&front);
            ready += 1;
        }
        assert_eq!(ready, packets);
    }
}

#[test]
fn threads_of_the_pool_treat_denormals_as_zero() {
    /// Says what becomes of a number that is too small.
    struct Tiny(std::sync::mpsc::Sender<f32>, Pool);

    impl PacketSource for Tiny {
        fn next(&mut self, _: &mut Packet) -> Step {
            let tiny = std::hint::black_box(f32::MIN_POSITIVE);
            let told = self.0.send(tiny * std::hint::black_box(0.5));
            told.expect("the test listens");
            Step::End
        }

        fn apply(&mut self, _: &Settings) {}

        fn ready(&mut self) -> bool {
            true
        }

        fn waits(&self) -> bool {
            false
        }

        fn seek(&mut self, _: u64) -> Result<(), Box<Exception>> {
            Ok(())
        }

        fn wake(&self) -> Wake {
            Wake::new(&self.1)
        }
    }

    let (pool, threads) = Pool::start(3, Vec::new()).expect("threads");
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..12 {
        let source = Tiny(tell.clone(), pool.clone());
        let (feed, _line) = Feed::new(1, 1, 0, gain(1.0), Box::new(source));
        pool.schedule(&feed);
    }
    drop(tell);
    let heard: Vec<f32> = (0..12)
        .map_while(|_| told.recv_timeout(std::time::Duration::from_secs(20)).ok())
        .collect();
    pool.stop();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(heard, [0.0; 12]);
}
