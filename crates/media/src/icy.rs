//! Titles that radio servers put between the bytes of a stream.
//!
//! A server that is asked with `Icy-MetaData: 1` answers with `icy-metaint: N`: after every N
//! bytes of sound comes one byte, the length of what follows in units of 16 bytes, and then that
//! many bytes of text, `StreamTitle='…';StreamUrl='…';`, filled up with zeros.

use std::num::NonZeroUsize;

/// Tells sound from titles in a stream that comes in pieces of any size.
///
/// Holds no sound and at most one block of text, 4,080 bytes.
#[derive(Debug, Clone)]
pub struct Splitter {
    interval: NonZeroUsize,
    state: State,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// This much sound until the next block.
    Sound(usize),
    /// The byte that says how long the block is.
    Length,
    /// This much text until the block is over.
    Text(usize),
}

/// What the bytes that [`Splitter::handle`] used were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Sound: hand exactly these bytes on.
    Sound,
    /// A part of a block, or one that says nothing.
    Block,
    /// The end of a block that names what plays now; empty if the server took the title back.
    Title(String),
}

impl Splitter {
    /// Returns a splitter for a stream with `interval` bytes of sound between the blocks.
    pub fn new(interval: NonZeroUsize) -> Self {
        Self {
            interval,
            state: State::Sound(interval.get()),
            text: Vec::new(),
        }
    }

    /// Looks at the front of `input`; says how many bytes of it were used, and what they were.
    ///
    /// Uses at least one byte unless `input` is empty.
    pub fn handle(&mut self, input: &[u8]) -> (usize, Piece) {
        match self.state {
            State::Sound(left) => {
                let used = left.min(input.len());
                self.state = match left - used {
                    0 => State::Length,
                    left => State::Sound(left),
                };
                (used, Piece::Sound)
            }
            State::Length => {
                let Some(units) = input.first() else {
                    return (0, Piece::Block);
                };
                self.text.clear();
                self.state = match usize::from(*units) * UNIT {
                    0 => State::Sound(self.interval.get()),
                    left => State::Text(left),
                };
                (1, Piece::Block)
            }
            State::Text(left) => {
                let used = left.min(input.len());
                self.text.extend_from_slice(&input[..used]);
                if used < left {
                    self.state = State::Text(left - used);
                    return (used, Piece::Block);
                }
                self.state = State::Sound(self.interval.get());
                (used, title(&self.text).map_or(Piece::Block, Piece::Title))
            }
        }
    }
}

/// Returns what a block names as playing; `None` if it does not say.
pub fn title(block: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"StreamTitle='";
    let start = memchr::memmem::find(block, KEY)? + KEY.len();
    let rest = block.get(start..)?;
    let end = block_end(rest);
    // A title may hold quotes and even `';`: it ends where another key follows, or nothing.
    let mut from = 0;
    let length = loop {
        let Some(found) = memchr::memmem::find(&rest[from..end], b"';") else {
            // Cut off: take what is there.
            break rest[..end].strip_suffix(b"'").map_or(end, <[u8]>::len);
        };
        let after = &rest[from + found + 2..end];
        if after.is_empty() || begins_with_key(after) {
            break from + found;
        }
        from += found + 2;
    };
    Some(text(&rest[..length]))
}

/// Where the zeros that fill up a block begin.
fn block_end(block: &[u8]) -> usize {
    block
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

fn begins_with_key(bytes: &[u8]) -> bool {
    let name = bytes
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    name.is_some_and(|length| length > 0 && bytes[length..].starts_with(b"='"))
}

/// Returns bytes of an unknown character set as a line of text of at most 500 characters: UTF-8
/// if they are that, or else Latin-1.
pub fn text(bytes: &[u8]) -> String {
    let keep = |characters: &mut dyn Iterator<Item = char>| {
        let line: String = characters
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .take(MAX_TEXT)
            .collect();
        line.trim().to_owned()
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => keep(&mut text.chars()),
        Err(_) => keep(&mut bytes.iter().copied().map(char::from)),
    }
}

/// What the length of a block is counted in.
const UNIT: usize = 16;
/// Longest text, in characters.
const MAX_TEXT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(interval: usize, blocks: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let (mut bytes, mut sound) = (Vec::new(), Vec::new());
        for (number, block) in blocks.iter().enumerate() {
            let part = (0..interval).map(|at| (number * 31 + at) as u8);
            sound.extend(part.clone());
            bytes.extend(part);
            let units = block.len().div_ceil(UNIT);
            bytes.push(units as u8);
            bytes.extend(block.bytes());
            bytes.resize(bytes.len() + units * UNIT - block.len(), 0);
        }
        (bytes, sound)
    }

    #[test]
    fn sound_comes_out_whole_and_titles_in_order_whatever_the_pieces() {
        let blocks = ["StreamTitle='One';", "", "StreamTitle='Two';StreamUrl='';"];
        let (bytes, sound) = stream(100, &blocks);
        for size in [1, 2, 7, 100, 101, 1_000] {
            let mut splitter = Splitter::new(NonZeroUsize::new(100).expect("not zero"));
            let (mut heard, mut titles) = (Vec::new(), Vec::new());
            for mut piece in bytes.chunks(size) {
                while !piece.is_empty() {
                    let (used, what) = splitter.handle(piece);
                    match what {
                        Piece::Sound => heard.extend_from_slice(&piece[..used]),
                        Piece::Block => {}
                        Piece::Title(title) => titles.push(title),
                    }
                    piece = &piece[used..];
                }
            }
            assert_eq!(heard, sound, "{size}");
            assert_eq!(titles, ["One", "Two"], "{size}");
        }
    }

    #[test]
    fn titles_are_read_as_stations_write_them() {
        let table: &[(&[u8], Option<&str>)] = &[
            (b"StreamTitle='Artist - Song';\0\0\0", Some("Artist - Song")),
            (b"StreamTitle='';StreamUrl='';", Some("")),
            (b"StreamUrl='x';StreamTitle='Song';", Some("Song")),
            (b"StreamTitle='Don't Stop';", Some("Don't Stop")),
            (b"StreamTitle='A';B';StreamUrl='x';", Some("A';B")),
            (b"StreamTitle='cut off", Some("cut off")),
            (b"StreamTitle='cut'", Some("cut")),
            ("StreamTitle='Café';".as_bytes(), Some("Café")),
            (b"StreamTitle='Caf\xE9';", Some("Café")),
            (b"StreamTitle='line\nbreak';", Some("line break")),
            (b"StreamUrl='x';", None),
            (b"", None),
        ];
        for (block, expected) in table {
            assert_eq!(
                title(block).as_deref(),
                *expected,
                "{}",
                block.escape_ascii()
            );
        }
    }
}
