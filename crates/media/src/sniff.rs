//! What a stream is, from its first bytes.

use crate::demux::{OpusHead, Tags, mpegts, tag_text};

/// A guess at what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ogg whose first page begins an Opus stream.
    OggOpus,
    /// WebM or Matroska, with whatever inside.
    Matroska,
    /// An MPEG transport stream.
    MpegTs,
    /// A web page.
    Html,
    /// Nothing at all.
    Empty,
    /// Anything else.
    Other,
}

/// How many bytes [`kind`] wants to see.
pub(crate) const LENGTH: usize = 4096;

pub(crate) fn kind(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        Kind::Empty
    } else if bytes.starts_with(b"OggS") && memchr::memmem::find(bytes, OpusHead::MAGIC).is_some() {
        Kind::OggOpus
    } else if bytes.starts_with(&[0x1A, 0x45, 0xDF, 0xA3]) {
        Kind::Matroska
    } else if mpegts::is_mpegts(bytes) {
        Kind::MpegTs
    } else if is_html(bytes) {
        Kind::Html
    } else {
        Kind::Other
    }
}

/// Returns title and artist of a WAV file whose tags stand before its sound.
// WIRE: the container's reader parses them and then forgets them.
pub(crate) fn wav_tags(bytes: &[u8]) -> Option<Tags> {
    let mut rest = bytes
        .strip_prefix(b"RIFF")?
        .get(4..)?
        .strip_prefix(b"WAVE")?;
    loop {
        let (name, body, after) = riff_chunk(rest)?;
        if let (b"LIST", Some(mut list)) = (name, body.strip_prefix(b"INFO")) {
            let mut tags = Tags::default();
            while let Some((name, body, after)) = riff_chunk(list) {
                match name {
                    b"INAM" => tags.title = tag_text(body),
                    b"IART" => tags.artist = tag_text(body),
                    _ => {}
                }
                list = after;
            }
            return Some(tags);
        }
        rest = after;
    }
}

/// Splits off a chunk that is all there: name, body, what follows.
fn riff_chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length)?;
    // Chunks are padded to an even length.
    Some((
        name,
        body,
        rest.get(length + length % 2..).unwrap_or_default(),
    ))
}

fn is_html(bytes: &[u8]) -> bool {
    let bytes = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii_start();
    // A comment may stand before everything else.
    let starts = |prefix: &[u8]| {
        bytes
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let markers: [&[u8]; 7] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<!--",
        b"<?xml",
    ];
    markers.into_iter().any(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_pages_are_recognised_and_sound_is_not_one() {
        let table: &[(&[u8], Kind)] = &[
            (b"", Kind::Empty),
            (b"<!DOCTYPE html><html>", Kind::Html),
            (b"\xEF\xBB\xBF\r\n  <HTML lang=en>", Kind::Html),
            (b"<!-- moved --><html>", Kind::Html),
            (b"ID3\x04<html>", Kind::Other),
            (b"RIFF\0\0\0\0WAVE", Kind::Other),
            (b"\x1A\x45\xDF\xA3", Kind::Matroska),
            (b"OggS\0\x02 \x01vorbis", Kind::Other),
            (b"OggS\0\x02 OpusHead", Kind::OggOpus),
        ];
        for (bytes, expected) in table {
            assert_eq!(kind(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }
}
