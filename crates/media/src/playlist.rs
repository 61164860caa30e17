//! Lists of addresses: what kind a text is, and what stands in it.
//!
//! Everything here reads text that strangers wrote: sizes and counts are bounded, nothing
//! panics, and addresses come out as they stand there (relative ones too).

pub mod hls;
pub mod m3u;
pub mod pls;
pub mod xspf;

/// What kind of list a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Segments or variants of one stream.
    Hls,
    /// M3U with or without extensions.
    M3u,
    /// PLS.
    Pls,
    /// XSPF.
    Xspf,
    /// Bare addresses, one in a line.
    Plain,
}

/// An entry of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, as it stands in the list.
    pub location: String,
    /// What it is called.
    pub title: Option<String>,
    /// Who made it.
    pub artist: Option<String>,
    /// How long it lasts; radio stations have no length.
    pub duration_ms: Option<u64>,
    /// A picture, as it stands in the list.
    pub artwork: Option<String>,
}

/// Bytes of a text that are looked at; what is behind them is not read.
pub const MAX_BYTES: usize = 8 << 20;
/// Entries of a list; more are left out.
pub const MAX_ENTRIES: usize = 1_000;
/// Longest address in bytes; entries with longer ones are left out.
pub const MAX_LOCATION: usize = 4_096;

/// Says what kind of list begins with `bytes`, if any; the first 512 are enough.
///
/// [`Kind::M3u`] may turn out as [`Kind::Hls`] further down: see [`hls::is_hls`].
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes).trim_ascii_start();
    let starts = |prefix: &[u8]| {
        bytes
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if starts(b"#EXTM3U") || starts(b"#EXTINF") {
        return Some(if hls::is_hls(bytes) {
            Kind::Hls
        } else {
            Kind::M3u
        });
    }
    if starts(b"[playlist]") {
        return Some(Kind::Pls);
    }
    if starts(b"<") {
        let head = &bytes[..bytes.len().min(2_048)];
        let is_xspf = memchr::memmem::find(head, b"<playlist").is_some();
        return is_xspf.then_some(Kind::Xspf);
    }
    (starts(b"http://") || starts(b"https://") || starts(b"icy://")).then_some(Kind::Plain)
}

/// Returns the entries of a list that is not [`Kind::Hls`].
pub fn entries(kind: Kind, bytes: &[u8]) -> Vec<Entry> {
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    match kind {
        Kind::Hls | Kind::M3u | Kind::Plain => m3u::parse(&decode(bytes)),
        Kind::Pls => pls::parse(&decode(bytes)),
        Kind::Xspf => xspf::parse(&decode(bytes)),
    }
}

/// Returns text in UTF-8, or else in Latin-1, without a byte order mark.
fn decode(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn line_of_text(text: &str) -> Option<String> {
    let text = crate::icy::text(text.as_bytes());
    (!text.is_empty()).then_some(text)
}

fn location(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= MAX_LOCATION).then(|| text.to_owned())
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_by_their_first_bytes() {
        let table: &[(&[u8], Option<Kind>)] = &[
            (b"#EXTM3U\n#EXTINF:-1,Radio\nhttp://a/b", Some(Kind::M3u)),
            (b"\xEF\xBB\xBF\r\n#extm3u\r\n", Some(Kind::M3u)),
            (b"#EXTINF:1,x\na.mp3", Some(Kind::M3u)),
            (b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n", Some(Kind::Hls)),
            (b"[Playlist]\nFile1=http://a/", Some(Kind::Pls)),
            (
                b"<?xml version='1.0'?>\n<playlist version='1'>",
                Some(Kind::Xspf),
            ),
            (b"<?xml version='1.0'?>\n<html>", None),
            (b"https://example.com/a.mp3\n", Some(Kind::Plain)),
            (b"ID3\x04", None),
            (b"hello", None),
            (b"", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(sniff(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn texts_in_latin_1_are_read_as_well() {
        let entries = entries(Kind::M3u, b"#EXTM3U\n#EXTINF:3,Caf\xE9\nhttp://a/b\n");
        assert_eq!(entries[0].title.as_deref(), Some("Café"));
    }
}
