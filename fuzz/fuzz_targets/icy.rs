#![no_main]
//! Any stream with titles in it: the sound and the titles are the same whatever the pieces.

use std::num::NonZeroUsize;

use backline_media::icy::{Piece, Splitter};
use libfuzzer_sys::fuzz_target;

fn split(interval: NonZeroUsize, stream: &[u8], size: usize) -> (Vec<u8>, Vec<String>) {
    let (mut sound, mut titles) = (Vec::new(), Vec::new());
    let mut splitter = Splitter::new(interval);
    for mut piece in stream.chunks(size) {
        while !piece.is_empty() {
            let (used, what) = splitter.handle(piece);
            assert!(used > 0, "it goes on");
            match what {
                Piece::Sound => sound.extend_from_slice(&piece[..used]),
                Piece::Block => {}
                Piece::Title(title) => titles.push(title),
            }
            piece = &piece[used..];
        }
    }
    (sound, titles)
}

fuzz_target!(|data: &[u8]| {
    let [interval, size, stream @ ..] = data else {
        return;
    };
    let interval = NonZeroUsize::new(usize::from(*interval) + 1).expect("not zero");
    let (sound, titles) = split(interval, stream, stream.len().max(1));
    assert!(titles.iter().all(|title| title.chars().count() <= 500));
    assert_eq!(split(interval, stream, usize::from(*size) + 1), (sound, titles));
});
