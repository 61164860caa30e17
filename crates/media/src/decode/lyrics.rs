//! Lyrics that stand in the tags of a file.

use symphonia::core::meta::{RawValue, StandardTag};

use super::{Hint, container};
use crate::source::Source;

/// The longest lyrics that are read, in bytes.
pub const MAX_LYRICS: usize = 256 * 1024;
/// Tags that hold lyrics, where the container's reader has no name for them.
const KEYS: [&str; 4] = [
    "lyrics",
    "unsyncedlyrics",
    "syncedlyrics",
    "unsynced lyrics",
];

/// Returns the lyrics in the tags of a file, as they are: plain, or in the LRC format. Waits for
/// what it reads.
pub fn embedded(source: Box<dyn Source>, hint: &Hint) -> Option<String> {
    let mut format = container::probe(source, hint).ok()?;
    let mut metadata = format.metadata();
    let revision = metadata.skip_to_latest()?;
    let per_track = revision
        .per_track
        .iter()
        .flat_map(|track| &track.metadata.tags);
    let mut tags = revision.media.tags.iter().chain(per_track);
    tags.find_map(|tag| {
        if let Some(StandardTag::Lyrics(text)) = &tag.std {
            return kept(text);
        }
        let named = |name: &&str| tag.raw.key.eq_ignore_ascii_case(name);
        match &tag.raw.value {
            RawValue::String(text) if KEYS.iter().any(named) => kept(text),
            _ => None,
        }
    })
}

fn kept(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= MAX_LYRICS).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::demux::OpusHead;
    use crate::mux::ogg::OggMuxer;

    const HEAD: OpusHead = OpusHead {
        channels: 2,
        pre_skip: 312,
        input_rate: 48_000,
        gain_q8: 0,
    };

    fn read(file: Vec<u8>) -> Option<String> {
        embedded(Box::new(Cursor::new(file)), &Hint::default())
    }

    #[test]
    fn lyrics_of_ogg_comments_are_found() {
        for (comments, expected) in [
            (
                &["TITLE=t", "LYRICS=[00:01.00]one\n[00:02.00]two"][..],
                Some("[00:01.00]one\n[00:02.00]two"),
            ),
            (&["unsyncedlyrics= plain\nwords "], Some("plain\nwords")),
            (&["TITLE=t"], None),
            (&["LYRICS= "], None),
        ] {
            let mut file = Vec::new();
            let mut muxer = OggMuxer::new(7, HEAD, comments, 1, &mut file);
            for _ in 0..50 {
                muxer.packet(&[0xF8, 0xFF, 0xFE], &mut file);
            }
            assert_eq!(read(file).as_deref(), expected, "{comments:?}");
        }
    }

    #[test]
    fn lyrics_of_id3_are_found() {
        let text = b"\x03eng\0line one\nline two";
        let mut frame = b"USLT".to_vec();
        frame.extend((text.len() as u32).to_be_bytes());
        frame.extend(b"\0\0");
        frame.extend(text);
        let mut file = b"ID3\x03\0\0\0\0\0".to_vec();
        file.push(frame.len() as u8);
        file.extend(frame);
        // Silent frames of MPEG-1 layer III, 128 kbit/s at 44.1 kHz.
        for _ in 0..20 {
            file.extend([0xFF, 0xFB, 0x90, 0x64]);
            file.extend([0; 413]);
        }
        assert_eq!(read(file).as_deref(), Some("line one\nline two"));
    }

    #[test]
    fn what_is_no_sound_has_no_lyrics() {
        assert_eq!(read(Vec::new()), None);
        assert_eq!(read(vec![0; 10_000]), None);
        assert_eq!(read(b"OggS and then nothing".to_vec()), None);
    }
}
