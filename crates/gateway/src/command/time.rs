//! Positions and lengths as people write and read them.

use std::fmt;

/// Where to go in a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// To a position, in milliseconds from the start.
    To(u64),
    /// Forward (positive) or back (negative), in milliseconds.
    By(i64),
}

/// Reads a position such as `1:23`, `1:02:03`, `83`, `1m23s`, `+10` or `-1:00`.
///
/// Returns `None` for anything else, and for more than 100 hours.
pub fn parse(text: &str) -> Option<Seek> {
    let text = text.trim();
    // People on phones type a minus sign where a hyphen is meant.
    if let Some(rest) = text.strip_prefix('+') {
        return length(rest)
            .and_then(|ms| i64::try_from(ms).ok())
            .map(Seek::By);
    }
    if let Some(rest) = text.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
        return length(rest)
            .and_then(|ms| i64::try_from(ms).ok())
            .map(|ms| Seek::By(-ms));
    }
    length(text).map(Seek::To)
}

/// Reads an unsigned length into milliseconds.
fn length(text: &str) -> Option<u64> {
    let text = text.trim();
    let seconds = if text.contains(':') {
        colons(text)?
    } else {
        units(text)?
    };
    (seconds <= MAX_SECONDS).then_some(seconds * 1000)
}

/// Reads `m:ss` or `h:mm:ss`; the parts after the first are below 60.
fn colons(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let mut seconds: u64 = 0;
    for (index, part) in parts.iter().enumerate() {
        let value = number(part)?;
        if index > 0 && (value >= 60 || part.len() > 2) {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(value)?;
    }
    Some(seconds)
}

/// Reads `83`, `83s`, `1m23s`, `1h 2m`: units in falling order, each at most once; a last number
/// without a unit means seconds.
fn units(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let value = number(&rest[..digits])?;
        rest = rest[digits..].trim_start();
        let mut letters = rest.chars();
        let unit = match letters.next() {
            Some('h' | 'H') => 3600,
            Some('m' | 'M') => 60,
            Some('s' | 'S') | None => 1,
            Some(_) => return None,
        };
        rest = letters.as_str().trim_start();
        if unit >= smallest {
            return None;
        }
        smallest = unit;
        seconds = seconds.checked_add(value.checked_mul(unit)?)?;
    }
    (smallest != u64::MAX).then_some(seconds)
}

/// Reads a bare decimal number.
fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// A position on a clock: `1:23`, `1:02:03`.
#[derive(Debug, Clone, Copy)]
pub struct Clock(
    /// Milliseconds.
    pub u64,
);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if hours > 0 {
            write!(f, "{hours}:{minutes:02}:{seconds:02}")
        } else {
            write!(f, "{minutes}:{seconds:02}")
        }
    }
}

/// A rough length: `40 s`, `12 min`, `3 h 05 min`.
#[derive(Debug, Clone, Copy)]
pub struct Span(
    /// Milliseconds.
    pub u64,
);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3600 => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        }
    }
}

/// 100 hours: longer than any track, small enough for every arithmetic below.
const MAX_SECONDS: u64 = 360_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_people_write_them() {
        let rows: &[(&str, Option<Seek>)] = &[
            ("1:23", Some(Seek::To(83_000))),
            ("83", Some(Seek::To(83_000))),
            ("0", Some(Seek::To(0))),
            ("1m23s", Some(Seek::To(83_000))),
            ("1m 23s", Some(Seek::To(83_000))),
            ("1m23", Some(Seek::To(83_000))),
            ("1M", Some(Seek::To(60_000))),
            ("1:02:03", Some(Seek::To(3_723_000))),
            ("90:00", Some(Seek::To(5_400_000))),
            ("2h", Some(Seek::To(7_200_000))),
            (" 1:05 ", Some(Seek::To(65_000))),
            ("+10", Some(Seek::By(10_000))),
            ("-10", Some(Seek::By(-10_000))),
            ("\u{2212}1:00", Some(Seek::By(-60_000))),
            ("+1m", Some(Seek::By(60_000))),
            ("", None),
            ("+", None),
            ("abc", None),
            ("1:75", None),
            ("1:2:3:4", None),
            ("1:", None),
            (":30", None),
            ("1:123", None),
            ("1s2m", None),
            ("5m5m", None),
            ("--5", None),
            ("1.5", None),
            ("100h", Some(Seek::To(360_000_000))),
            ("101h", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
            ("١:٢", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn lengths_are_written_short() {
        assert_eq!(Clock(0).to_string(), "0:00");
        assert_eq!(Clock(83_999).to_string(), "1:23");
        assert_eq!(Clock(3_723_000).to_string(), "1:02:03");
        assert_eq!(Span(40_000).to_string(), "40 s");
        assert_eq!(Span(725_000).to_string(), "12 min");
        assert_eq!(Span(11_100_000).to_string(), "3 h 05 min");
    }
}
