//! What runs every 20 ms for every player does not allocate.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use backline_media::{
    decode::Hint,
    dsp::{BANDS, FilterSet, Karaoke, LowPass, Rack, Rotation, Timescale, Tremolo, Vibrato},
    frame::OpusFrame,
    framer::Framer,
    opus::{self, Decoder, Encoder, EncoderOptions},
    pipeline::{Deck, DeckNext, Effects, Loudness, Next, Pipeline},
    resample::Resampler,
    voice::{EndToEnd, MAX_DATAGRAM, Mode, RtpHeader, Sealer, SenderKey},
};

use crate::signal::source;

/// The system's allocator, counting per thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no count any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract, which is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn the_count_counts() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))),
        1
    );
}

#[test]
fn sealing_does_not_allocate() {
    for mode in Mode::ALL {
        let mut sealer = Sealer::new(mode, &[7; 32]);
        let mut header = RtpHeader {
            sequence: 1,
            timestamp: 2,
            ssrc: 3,
        };
        let (mut scratch, mut datagram) = (Vec::new(), Vec::with_capacity(MAX_DATAGRAM));
        let mut end_to_end = EndToEnd::Off;
        let found = allocations(|| {
            for length in [3, 160, 400, 1275] {
                let payload = [0x55; 1275];
                let frame = end_to_end
                    .protect(&payload[..length], &mut scratch)
                    .expect("off");
                sealer.seal(&header, frame, &mut datagram).expect("sealed");
                header = header.advanced(1);
            }
        });
        assert_eq!(found, 0, "{mode:?}");
    }
}

#[test]
fn encrypting_end_to_end_does_not_allocate() {
    let mut end_to_end = EndToEnd::Keyed(SenderKey::first([7; 16]));
    let mut scratch = Vec::with_capacity(MAX_DATAGRAM);
    let payload = [0x55; 1275];
    let found = allocations(|| {
        for length in [3, 160, 400, 1275] {
            end_to_end
                .protect(&payload[..length], &mut scratch)
                .expect("keyed");
        }
    });
    assert_eq!(found, 0);
}

#[test]
fn passing_through_does_not_allocate() {
    for path in ["music/nocturne.opus", "music/rain.webm"] {
        let mut pipeline =
            Pipeline::open(source(path), &Hint::default(), EncoderOptions::default()).expect(path);
        let mut frame = OpusFrame::empty();
        let mut run = |count: usize| {
            for _ in 0..count {
                assert!(matches!(
                    pipeline.next_frame(&mut frame),
                    Next::Frame { .. }
                ));
            }
        };
        // The first pages and packets make buffers grow.
        run(500);
        assert_eq!(allocations(|| run(1_000)), 0, "{path}");
    }
}

#[test]
fn resampling_framing_and_coding_do_not_allocate() {
    let mut resampler = Resampler::new(44_100).expect("supported");
    let mut framer = Framer::new();
    let mut encoder = Encoder::new(EncoderOptions::default()).expect("an encoder");
    let mut decoder = Decoder::new().expect("a decoder");
    let (mut pcm, mut packet) = ([0.0; 1920], OpusFrame::empty());
    let mut heard = opus::pcm();
    let input: Vec<f32> = (0..2304).map(|value| (value as f32 / 20.0).sin()).collect();
    let mut run = |count: usize| {
        for _ in 0..count {
            framer.push_with(|values| resampler.process(&input, values));
            while framer.pop(&mut pcm) {
                encoder.encode(&pcm, &mut packet).expect("encoded");
                decoder
                    .decode(packet.as_bytes(), &mut heard)
                    .expect("decoded");
            }
        }
    };
    run(20);
    assert_eq!(allocations(|| run(50)), 0);
}

fn everything() -> FilterSet {
    FilterSet {
        volume: Some(1.5),
        equalizer: Some([0.1; BANDS]),
        karaoke: Some(Karaoke {
            level: 0.3,
            ..Karaoke::default()
        }),
        timescale: Some(Timescale {
            speed: 1.2,
            pitch: 0.9,
            rate: 1.1,
        }),
        tremolo: Some(Tremolo::default()),
        vibrato: Some(Vibrato::default()),
        rotation: Some(Rotation { hz: 0.3 }),
        low_pass: Some(LowPass::default()),
        ..FilterSet::default()
    }
}

#[test]
fn filters_do_not_allocate() {
    let mut rack = Rack::new();
    rack.set(&everything());
    let sound: Vec<f32> = (0..960).map(|value| (value as f32 / 20.0).sin()).collect();
    let (mut block, mut out) = (sound.clone(), Vec::new());
    let mut run = |count: usize| {
        for _ in 0..count {
            block.copy_from_slice(&sound);
            out.clear();
            rack.process(&mut block, &mut out);
        }
    };
    run(200);
    assert_eq!(allocations(|| run(500)), 0);
}

#[test]
fn a_deck_does_not_allocate() {
    let mixed = Effects {
        gain: 0.7,
        filters: std::sync::Arc::new(everything()),
        loudness: Some(Loudness::default()),
    };
    for effects in [Effects::default(), mixed] {
        let pipeline = Pipeline::open(
            source("music/nocturne.opus"),
            &Hint::default(),
            EncoderOptions::default(),
        )
        .expect("opens");
        let mut deck = Deck::new(pipeline, 1);
        deck.set_effects(&effects);
        let mut frame = OpusFrame::empty();
        let mut run = |count: usize| {
            for _ in 0..count {
                assert!(matches!(
                    deck.next_frame(&mut frame),
                    DeckNext::Frame { .. }
                ));
            }
        };
        run(300);
        assert_eq!(allocations(|| run(500)), 0, "{effects:?}");
    }
}
