//! The sound of HLS segments, one after another, as one stream.
//!
//! A segment is a piece of an MPEG transport stream, of fragmented MP4, or bare AAC or MP3 behind
//! an ID3 tag that tells the time (RFC 8216, section 3).

use super::mpegts::{NoSound, TsDemuxer};

/// Takes the sound out of segments.
///
/// Holds a few bytes of each, and what [`TsDemuxer`] holds.
#[derive(Debug, Default)]
pub struct SegmentDemuxer {
    transport: TsDemuxer,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not enough came yet to say what it is.
    Begin(Vec<u8>),
    /// This much of a tag is left.
    Tag(usize),
    /// A piece of a transport stream.
    Transport,
    /// Sound as it is, or MP4.
    Bare,
}

impl Default for State {
    fn default() -> Self {
        Self::Begin(Vec::new())
    }
}

/// Why a segment cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A transport stream without sound.
    #[error(transparent)]
    NoSound(#[from] NoSound),
    /// Subtitles, or a web page.
    #[error("the segments are text")]
    Text,
}

/// Bytes that say what a segment is: the head of a tag.
const HEAD: usize = 10;

impl SegmentDemuxer {
    /// Begins anew, with nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next segment; `is_discontinuous` if it has nothing to do with the one before.
    pub fn begin(&mut self, is_discontinuous: bool) {
        if is_discontinuous {
            self.transport = TsDemuxer::new();
        }
        self.state = State::default();
    }

    /// Takes the next bytes of a segment in and appends the sound in them to `sound`.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn push(&mut self, mut input: &[u8], sound: &mut Vec<u8>) -> Result<(), SegmentError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Begin(head) => {
                    let count = (HEAD - head.len()).min(input.len());
                    head.extend_from_slice(&input[..count]);
                    input = &input[count..];
                    if head.len() == HEAD {
                        let head = std::mem::take(head);
                        self.state = self.decide(&head, sound)?;
                    }
                }
                State::Tag(left) => {
                    let count = (*left).min(input.len());
                    *left -= count;
                    input = &input[count..];
                    if *left == 0 {
                        // There may be another one.
                        self.state = State::default();
                    }
                }
                State::Transport => {
                    self.transport.push(input, sound)?;
                    break;
                }
                State::Bare => {
                    sound.extend_from_slice(input);
                    break;
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, head: &[u8], sound: &mut Vec<u8>) -> Result<State, SegmentError> {
        Ok(match *head {
            [b'I', b'D', b'3', _, _, _, a, b, c, d] => {
                let length = [a, b, c, d].iter().fold(0_usize, |length, byte| {
                    length << 7 | usize::from(byte & 0x7F)
                });
                match length {
                    0 => State::default(),
                    length => State::Tag(length),
                }
            }
            [0x47, ..] => {
                self.transport.push(head, sound)?;
                State::Transport
            }
            [b'W', b'E', b'B', b'V', b'T', b'T', ..] | [b'<', ..] => {
                return Err(SegmentError::Text);
            }
            _ => {
                sound.extend_from_slice(head);
                State::Bare
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(segments: &[&[u8]], size: usize) -> Result<Vec<u8>, SegmentError> {
        let (mut demuxer, mut sound) = (SegmentDemuxer::new(), Vec::new());
        for segment in segments {
            demuxer.begin(false);
            for piece in segment.chunks(size) {
                demuxer.push(piece, &mut sound)?;
            }
        }
        Ok(sound)
    }

    #[test]
    fn tags_before_packed_sound_are_left_out() {
        let tagged =
            b"ID3\x04\0\0\0\0\x00\x05taglyID3\x04\0\0\0\0\x00\x00\xFF\xF1 and what follows";
        let bare = b"\xFF\xF1 nothing before this";
        for size in [1, 3, 10, 100] {
            assert_eq!(
                joined(&[tagged, bare], size).expect("sound"),
                b"\xFF\xF1 and what follows\xFF\xF1 nothing before this",
                "{size}"
            );
        }
    }

    #[test]
    fn text_is_refused() {
        assert_eq!(joined(&[b"WEBVTT\n\n00:01"], 4), Err(SegmentError::Text));
        assert_eq!(joined(&[b"<!doctype html>"], 4), Err(SegmentError::Text));
    }
}
