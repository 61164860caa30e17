//! Title and artist.

/// What a stream says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Title, if there is one.
    pub title: Option<String>,
    /// Artist, if there is one.
    pub artist: Option<String>,
    /// Loudness of the whole track in hundredths of a LUFS, if there is a gain that would bring it
    /// to a reference (`R128_TRACK_GAIN`, ReplayGain).
    pub loudness: Option<i32>,
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
            } else if key.eq_ignore_ascii_case(b"R128_TRACK_GAIN") {
                // RFC 7845, section 5.2.1: 1/256 dB, relative to −23 LUFS.
                let gain = std::str::from_utf8(value).ok();
                let gain = gain.and_then(|gain| gain.trim().parse::<i16>().ok());
                let gain = gain.map(|gain| -2_300 - i32::from(gain) * 100 / 256);
                tags.loudness = gain.or(tags.loudness);
            } else if key.eq_ignore_ascii_case(b"REPLAYGAIN_TRACK_GAIN") {
                let gain = std::str::from_utf8(value).ok().and_then(replay_gain);
                tags.loudness = tags.loudness.or(gain);
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

/// Reads a ReplayGain 2.0 value such as `-7.03 dB`, relative to −18 LUFS; returns hundredths of a
/// LUFS.
pub(crate) fn replay_gain(text: &str) -> Option<i32> {
    let number = text.split_ascii_whitespace().next()?;
    let number = number.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let gain: f32 = number.parse().ok()?;
    (gain.abs() <= 64.0).then(|| -1_800 - (gain * 100.0).round() as i32)
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
            loudness: None,
        };
        assert_eq!(Tags::parse_opus(&bytes), expected);
    }

    #[test]
    fn a_gain_tells_the_loudness() {
        for (comments, expected) in [
            (&["R128_TRACK_GAIN=-2560"][..], Some(-1_300)),
            (&["replaygain_track_gain=-7.03 dB"], Some(-1_097)),
            (&["REPLAYGAIN_TRACK_GAIN=+2dB"], Some(-2_000)),
            (
                &["REPLAYGAIN_TRACK_GAIN=3 dB", "r128_track_gain=0"],
                Some(-2_300),
            ),
            (&["R128_TRACK_GAIN=loud"], None),
            (&["REPLAYGAIN_TRACK_GAIN=1e9 dB"], None),
            (&["REPLAYGAIN_TRACK_GAIN=NaN"], None),
        ] {
            let tags = Tags::parse_opus(&header(comments));
            assert_eq!(tags.loudness, expected, "{comments:?}");
        }
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
