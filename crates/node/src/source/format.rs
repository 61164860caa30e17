//! What kind of file the first bytes belong to.

use backline_media::demux::mpegts::is_mpegts;

/// A container that can be played, by the name that encoded tracks carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// MPEG layer III, perhaps behind an ID3 tag.
    Mp3,
    /// Ogg with Vorbis or FLAC.
    Ogg,
    /// Ogg with Opus, which can be passed through.
    OggOpus,
    /// FLAC.
    Flac,
    /// WAV.
    Wav,
    /// MP4 and M4A.
    Mp4,
    /// Bare AAC.
    Adts,
    /// Matroska and WebM.
    Matroska,
    /// MPEG transport stream.
    MpegTs,
    /// HLS, whatever its segments are.
    Hls,
}

/// What the first bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// A container that can be played.
    Format(Format),
    /// A web page.
    Page,
    /// Something else.
    Unknown,
}

/// Bytes that [`sniff`] wants to see, if the file has as many.
pub const SNIFF: usize = 4_096;

impl Format {
    /// Returns the name that encoded tracks carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Ogg | Self::OggOpus => "ogg",
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Mp4 => "mp4",
            Self::Adts => "adts",
            Self::Matroska => "matroska/webm",
            Self::MpegTs => "mpegts-adts",
            Self::Hls => "m3u|hls-outer",
        }
    }

    /// Returns how many bytes a decoder may need at once: it is not asked for more audio with
    /// fewer ahead.
    pub fn stretch(self) -> u64 {
        match self {
            // Segments come as a whole; between them there may be little.
            Self::Mp3 | Self::Adts | Self::Hls => 16 * 1024,
            Self::Wav | Self::OggOpus => 32 * 1024,
            Self::Mp4 | Self::Ogg | Self::Flac | Self::Matroska | Self::MpegTs => 64 * 1024,
        }
    }
}

/// Looks at the first bytes of a file.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    use Format::{Flac, Matroska, Mp3, Mp4, MpegTs, Ogg, OggOpus, Wav};
    let format = match bytes {
        [b'O', b'g', b'g', b'S', ..] => {
            let opus = bytes[..bytes.len().min(512)]
                .windows(8)
                .any(|bytes| bytes == b"OpusHead");
            if opus { OggOpus } else { Ogg }
        }
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Matroska,
        [b'f', b'L', b'a', b'C', ..] => Flac,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => Wav,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Mp4,
        [b'I', b'D', b'3', ..] => Mp3,
        bytes if is_mpegts(bytes) => MpegTs,
        _ => match frame(bytes) {
            Some(format) => format,
            None if is_page(bytes) => return Sniffed::Page,
            None => return Sniffed::Unknown,
        },
    };
    Sniffed::Format(format)
}

/// Looks for the sync word of MPEG audio, perhaps behind some padding.
fn frame(bytes: &[u8]) -> Option<Format> {
    let start = bytes.iter().position(|byte| *byte != 0)?;
    let [first, second, third, ..] = bytes[start..] else {
        return None;
    };
    if first != 0xFF {
        return None;
    }
    // ADTS has layer bits of zero; MPEG layer III has 01, and neither a reserved version, nor a
    // forbidden bit rate, nor a reserved sample rate.
    if second & 0xF6 == 0xF0 {
        return Some(Format::Adts);
    }
    let layer_three = second & 0xE6 == 0xE2;
    let version = second >> 3 & 3;
    let valid = layer_three && version != 1 && third >> 4 != 15 && third >> 2 & 3 != 3;
    valid.then_some(Format::Mp3)
}

fn is_page(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1_024)]).to_ascii_lowercase();
    let text = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<!--",
        "<?xml",
        "<script",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        for (bytes, expected) in [
            (
                &b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"[..],
                "ogg",
            ),
            (
                b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1e\x01vorbis",
                "ogg",
            ),
            (b"\x1A\x45\xDF\xA3\x01", "matroska/webm"),
            (b"fLaC\0\0\0\x22", "flac"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "wav"),
            (b"\0\0\0\x20ftypM4A ", "mp4"),
            (b"ID3\x04\0", "mp3"),
            (b"\xFF\xFB\x90\x64", "mp3"),
            (b"\0\0\0\xFF\xFB\x90\x64", "mp3"),
            (b"\xFF\xF1\x50\x80", "adts"),
        ] {
            let Sniffed::Format(format) = sniff(bytes) else {
                panic!("{expected}")
            };
            assert_eq!(format.name(), expected);
        }
        assert_eq!(sniff(b" \n<!DOCTYPE html><html>"), Sniffed::Page);
        for bytes in [
            &b""[..],
            b"\0\0\0\0",
            b"\xFF",
            b"\xFF\xFF\xFF\xFF",
            b"RIFF",
            b"{\"a\":1}",
        ] {
            assert_eq!(sniff(bytes), Sniffed::Unknown, "{bytes:?}");
        }
    }
}
