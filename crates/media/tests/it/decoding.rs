//! Every format decodes to the sound that was encoded.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use backline_media::{
    decode::{Decoder, Hint, Next, OpenError},
    source::Source,
};

use crate::signal::{alignment, asset, decoded, rest, snr, source};

#[test]
fn lossless_formats_are_equal_bit_for_bit() {
    let (flac, flac_rate) = decoded(source("signals/sweep.flac"));
    let (wav, wav_rate) = decoded(source("signals/sweep.wav"));
    assert_eq!(
        (flac_rate, wav_rate, flac.len()),
        (44_100, 44_100, 2 * 2 * 44_100)
    );
    assert!(flac == wav);
}

#[test]
fn lossy_formats_are_close_and_neither_late_nor_early() {
    let (reference, _) = decoded(source("signals/sweep.flac"));
    for (path, least) in [
        ("signals/sweep.mp3", 20.0),
        ("signals/sweep.ogg", 15.0),
        ("signals/sweep.m4a", 20.0),
    ] {
        let (samples, rate) = decoded(source(path));
        assert_eq!(rate, 44_100, "{path}");
        let (lag, likeness) = alignment(&reference, &samples, 60);
        let snr = snr(&reference, &samples);
        println!(
            "{path}: lag {lag}, likeness {likeness:.5}, {snr:.1} dB, {} samples",
            samples.len() / 2
        );
        assert_eq!(lag, 0, "{path}");
        assert!(likeness > 0.99 && snr > least, "{path}: {likeness} {snr}");
        let excess = samples.len() as i64 / 2 - reference.len() as i64 / 2;
        assert!(
            (0..2_048).contains(&excess),
            "{path}: {excess} samples more than encoded"
        );
    }
}

#[test]
fn tags_and_lengths_are_known() {
    let table = [
        ("music/bossa.mp3", "Backline Bossa", 42),
        ("music/arcade.m4a", "Coin Door", 28),
        ("music/waltz.ogg", "Waltz for Strings and a Tin Star", 32),
        ("music/drift.flac", "Drift", 21),
        ("music/chime.wav", "Chime", 6),
    ];
    for (path, title, seconds) in table {
        let decoder = Decoder::open(source(path), &Hint::default()).expect(path);
        assert_eq!(decoder.tags().title.as_deref(), Some(title), "{path}");
        assert_eq!(decoder.tags().artist.as_deref(), Some("Backline"), "{path}");
        let length = decoder.duration_ms().expect(path);
        assert!(length.abs_diff(seconds * 1000) < 1000, "{path}: {length}");
    }
}

#[test]
fn mono_comes_out_on_both_sides() {
    let (samples, _) = decoded(source("music/chime.wav"));
    assert!(samples.chunks(2).all(|sample| sample[0] == sample[1]));
    assert!(samples.iter().any(|value| value.abs() > 0.1));
}

#[test]
fn a_seek_lands_on_the_sample() {
    for path in [
        "music/bossa.mp3",
        "music/arcade.m4a",
        "music/waltz.ogg",
        "music/drift.flac",
        "music/chime.wav",
    ] {
        let (whole, rate) = decoded(source(path));
        let mut decoder = Decoder::open(source(path), &Hint::default()).expect(path);
        for to_ms in [4_321, 1_000, 0] {
            decoder.seek(to_ms).expect(path);
            let Next::Data { position } = decoder.next_packet() else {
                panic!("{path}")
            };
            let start = (to_ms * u64::from(rate) / 1000) as usize;
            assert_eq!(position, start as i64, "{path}");
            let mut found = decoder.samples().to_vec();
            for _ in 0..20 {
                if let Next::Data { .. } = decoder.next_packet() {
                    found.extend_from_slice(decoder.samples());
                }
            }
            let snr = snr(&whole[2 * start..], &found);
            println!("{path} at {to_ms} ms: {snr:.1} dB");
            // AAC fills bands with noise, which is another one every time.
            let least = if path.ends_with("m4a") { 20.0 } else { 60.0 };
            assert!(snr > least, "{path} at {to_ms} ms: {snr}");
        }
    }
}

#[test]
fn behind_the_end_there_is_nothing() {
    for path in [
        "music/chime.wav",
        "music/bossa.mp3",
        "music/waltz.ogg",
        "music/drift.flac",
    ] {
        let mut decoder = Decoder::open(source(path), &Hint::default()).expect(path);
        decoder.seek(10_000_000).expect(path);
        assert!(matches!(decoder.next_packet(), Next::End), "{path}");
        decoder.seek(0).expect(path);
        assert!(
            matches!(decoder.next_packet(), Next::Data { position: 0 }),
            "{path}"
        );
    }
}

#[test]
fn what_is_not_audio_is_a_clear_error() {
    let open = |bytes: &[u8]| {
        Decoder::open(Box::new(Cursor::new(bytes.to_vec())), &Hint::default())
            .err()
            .map(|error| error.to_string())
    };
    let html = b"<!DOCTYPE html><html><body>not found</body></html>".repeat(100);
    assert_eq!(open(&html).as_deref(), Some("not audio: looks like HTML"));
    assert_eq!(open(b"").as_deref(), Some("not audio: the source is empty"));
    let unknown = Some("not audio, or in a format that is not supported");
    assert_eq!(open(b"just some text, again and again").as_deref(), unknown);
    assert_eq!(open(&vec![0; 300_000]).as_deref(), unknown);
}

#[test]
fn a_file_that_was_cut_off_plays_to_the_cut() {
    for (path, keep) in [
        ("music/bossa.mp3", 300_000),
        ("music/waltz.ogg", 200_000),
        ("music/drift.flac", 400_000),
        ("music/chime.wav", 200_001),
    ] {
        let (whole, rate) = decoded(source(path));
        let mut file = asset(path);
        file.truncate(keep);
        let mut decoder = Decoder::open(Box::new(Cursor::new(file)), &Hint::default()).expect(path);
        let samples = rest(&mut decoder);
        let seconds = samples.len() as f64 / 2.0 / f64::from(rate);
        assert!(seconds > 2.0, "{path}: {seconds} s");
        assert!(samples[..rate as usize] == whole[..rate as usize], "{path}");
    }
}

#[test]
fn damage_in_the_middle_is_passed_over() {
    for path in [
        "music/bossa.mp3",
        "music/waltz.ogg",
        "music/drift.flac",
        "music/arcade.m4a",
    ] {
        let (whole, _) = decoded(source(path));
        let mut file = asset(path);
        let middle = file.len() / 2;
        for byte in &mut file[middle..middle + 3_000] {
            *byte = byte.wrapping_mul(31).wrapping_add(7);
        }
        let mut decoder = Decoder::open(Box::new(Cursor::new(file)), &Hint::default()).expect(path);
        let samples = rest(&mut decoder);
        assert!(
            samples.len() > whole.len() * 9 / 10,
            "{path}: {} of {}",
            samples.len(),
            whole.len()
        );
    }
}

/// Gives out `allowance` bytes, then would block, until it is refilled.
struct Drip {
    inner: Cursor<Vec<u8>>,
    allowance: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::sync::atomic::Ordering;
        let allowed = self.allowance.load(Ordering::SeqCst);
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(allowed);
        let count = self.inner.read(&mut buffer[..count])?;
        self.allowance.fetch_sub(count, Ordering::SeqCst);
        Ok(count)
    }
}

impl Seek for Drip {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Source for Drip {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

#[test]
fn a_source_that_stalls_is_waited_for() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    for path in [
        "music/bossa.mp3",
        "music/waltz.ogg",
        "music/drift.flac",
        "music/chime.wav",
    ] {
        let (whole, _) = decoded(source(path));
        let allowance = Arc::new(AtomicUsize::new(100_000));
        let drip = Drip {
            inner: Cursor::new(asset(path)),
            allowance: Arc::clone(&allowance),
        };
        let mut decoder = Decoder::open(Box::new(drip), &Hint::default()).expect(path);
        let (mut samples, mut waits) = (0, 0);
        loop {
            match decoder.next_packet() {
                Next::Data { .. } => samples += decoder.samples().len(),
                Next::NotReady => {
                    waits += 1;
                    allowance.fetch_add(100_000, Ordering::SeqCst);
                }
                Next::End => break,
                Next::Failed(error) => panic!("{path}: {error}"),
            }
        }
        assert!(waits > 2, "{path}");
        // With every wait a packet or two are lost at most; in Ogg a page.
        let lost = if path.ends_with("ogg") { 66_150 } else { 9_216 };
        let most = waits * 2 * lost;
        assert!(
            samples + most >= whole.len() && samples <= whole.len(),
            "{path}: {samples}"
        );
    }
}

#[test]
fn a_source_that_fails_fails_the_track() {
    struct Broken(Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.position() > 100_000 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            self.0.read(buffer)
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    impl Source for Broken {
        fn is_seekable(&self) -> bool {
            false
        }
        fn byte_len(&self) -> Option<u64> {
            None
        }
    }
    let broken = Broken(Cursor::new(asset("music/bossa.mp3")));
    let mut decoder = Decoder::open(Box::new(broken), &Hint::default()).expect("opens");
    let failed = (0..10_000).find_map(|_| match decoder.next_packet() {
        Next::Failed(error) => Some(error.to_string()),
        _ => None,
    });
    assert_eq!(failed.as_deref(), Some("reading the source failed"));
    assert!(matches!(
        Decoder::open(
            Box::new(Broken({
                let mut cursor = Cursor::new(vec![0; 200_000]);
                cursor.set_position(150_000);
                cursor
            })),
            &Hint::default()
        ),
        Err(OpenError::Io(_))
    ));
}
