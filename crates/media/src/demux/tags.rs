//! Title and artist.

/// What a stream says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Title, if there is one.
    pub title: Option<String>,
    /// Artist, if there is one.
    pub artist: Option<String>,
}

impl Tags {
    /// Reads a comment header (`OpusTags`). Whatever cannot be read is left out.
    pub fn parse_opus(bytes: &[u8]) -> Self {
        let mut tags = Self::default();
        let Some(mut rest) = bytes.strip_prefix(b"OpusTags") else {
            return tags;
        };
        let Some(_vendor) = take_text(&mut rest) else {
            return tags;
        };
        let Some((count, mut rest)) = rest.split_first_chunk::<4>() else {
            return tags;
        };
        for _ in 0..u32::from_le_bytes(*count) {
            let Some(comment) = take_text(&mut rest) else {
                break;
            };
            let Some(equals) = memchr::memchr(b'=', comment) else {
                continue;
            };
            let (key, value) = (&comment[..equals], &comment[equals + 1..]);
            if key.eq_ignore_ascii_case(b"title") {
                tags.title = text(value).or(tags.title);
            } else if key.eq_ignore_ascii_case(b"artist") {
                tags.artist = text(value).or(tags.artist);
            }
        }
        tags
    }
}

/// Reads text, without what would spoil a line, and not without end.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(4 * MAX_CHARS)];
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .filter(|char| !char.is_control())
        .take(MAX_CHARS)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some(text)
}

const MAX_CHARS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(comments: &[&str]) -> Vec<u8> {
        let mut bytes = b"OpusTags\x03\0\0\0abc".to_vec();
        bytes.extend((comments.len() as u32).to_le_bytes());
        for comment in comments {
            bytes.extend((comment.len() as u32).to_le_bytes());
            bytes.extend(comment.as_bytes());
        }
        bytes
    }

    #[test]
    fn title_and_artist_are_found_whatever_their_case() {
        let bytes = header(&[
            "nonsense",
            "TITLE= Night \n Bus",
            "artist=Someone",
            "X=y",
            "Title=",
        ]);
        let expected = Tags {
            title: Some("Night  Bus".to_owned()),
            artist: Some("Someone".to_owned()),
        };
        assert_eq!(Tags::parse_opus(&bytes), expected);
    }

    #[test]
    fn cut_and_lying_headers_give_what_is_there() {
        let mut bytes = header(&["TITLE=a", "ARTIST=b"]);
        for length in 0..bytes.len() {
            Tags::parse_opus(&bytes[..length]);
        }
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Tags::parse_opus(&bytes), Tags::default());
    }
}
