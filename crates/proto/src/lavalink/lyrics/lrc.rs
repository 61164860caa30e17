//! The LRC format: lines with times in brackets, such as `[01:23.45]words`.
//!
//! A line may have several times; `[offset:500]` moves all lines half a second ahead; other
//! brackets (`[ar:…]`) and the times of words (`<01:23.45>`) are left out.

use super::Line;
use crate::lavalink::Object;

/// Lines that are kept.
const MAX_LINES: usize = 5_000;
/// Times that one line may have.
const MAX_TIMES: usize = 64;
/// The latest time, in milliseconds: a day.
const LATEST_MS: u64 = 86_400_000;

/// Returns the lines that have a time, in order; none if the text is not LRC.
pub fn parse(text: &str) -> Vec<Line> {
    let mut offset_ms = 0;
    let mut found: Vec<(u64, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let mut rest = line.trim();
        let mut times = Vec::new();
        while let Some((inner, after)) = bracket(rest) {
            if let Some(time) = time_ms(inner) {
                if times.len() < MAX_TIMES {
                    times.push(time);
                }
            } else if let Some(offset) = inner.strip_prefix("offset:") {
                offset_ms = offset.trim().parse().unwrap_or(0_i64);
            } else if times.is_empty() && !inner.contains(':') {
                // Words in brackets, such as `[Chorus]`.
                break;
            }
            rest = after.trim_start();
        }
        if found.len() + times.len() > MAX_LINES {
            break;
        }
        let words = without_word_times(rest);
        found.extend(times.into_iter().map(|time| (time, words.clone())));
    }
    for (time, _) in &mut found {
        *time = time.saturating_add_signed(-offset_ms).min(LATEST_MS);
    }
    // Stable: lines of one time stay as they were.
    found.sort_by_key(|(time, _)| *time);
    let next: Vec<u64> = found.iter().skip(1).map(|(time, _)| *time).collect();
    let lines = found
        .into_iter()
        .enumerate()
        .map(|(index, (time, words))| Line {
            timestamp: time,
            duration: next.get(index).map(|next| next - time),
            words,
            plugin: Object::new(),
        });
    lines.collect()
}

/// Splits off a bracket at the beginning of a line.
fn bracket(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('[')?.split_once(']')
}

/// Reads `mm:ss`, `mm:ss.x` up to `mm:ss.xxx`, `hh:mm:ss.xx`, and `mm:ss:xx`.
fn time_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<u64> = whole.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    let (seconds, hundredths) = match (&parts[..], fraction) {
        (&[minutes, seconds], _) => (minutes.checked_mul(60)?.checked_add(seconds)?, 0),
        (&[hours, minutes, seconds], Some(_)) => {
            let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
            (minutes.checked_mul(60)?.checked_add(seconds)?, 0)
        }
        (&[minutes, seconds, hundredths], None) => {
            (minutes.checked_mul(60)?.checked_add(seconds)?, hundredths)
        }
        _ => return None,
    };
    let milliseconds = match fraction {
        None => hundredths.checked_mul(10)?,
        Some(digits) => {
            let value = number(digits)?;
            match digits.len() {
                1 => value * 100,
                2 => value * 10,
                3 => value,
                _ => return None,
            }
        }
    };
    let time = seconds.checked_mul(1_000)?.checked_add(milliseconds)?;
    (time <= LATEST_MS).then_some(time)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn without_word_times(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        words.push_str(before);
        match after.split_once('>') {
            Some((inner, behind)) if time_ms(inner).is_some() => rest = behind,
            _ => {
                words.push('<');
                rest = after;
            }
        }
    }
    words.push_str(rest);
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(u64, String)> {
        let lines = parse(text).into_iter();
        lines.map(|line| (line.timestamp, line.words)).collect()
    }

    fn line(time: u64, words: &str) -> (u64, String) {
        (time, words.to_owned())
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (text, expected) in [
            ("00:01", Some(1_000)),
            ("1:02", Some(62_000)),
            ("01:02.5", Some(62_500)),
            ("01:02.50", Some(62_500)),
            ("01:02,503", Some(62_503)),
            ("01:02:50", Some(62_500)),
            ("01:00:02.50", Some(3_602_500)),
            ("100:00.00", Some(6_000_000)),
            ("ar:Somebody", None),
            ("00", None),
            ("00:1x", None),
            ("-1:00", None),
            ("+1:00", None),
            ("00:01.", None),
            ("00:01.1234", None),
            ("99999999999999999999:00", None),
            ("18446744073709551615:59", None),
            ("9999:00", None),
            ("", None),
        ] {
            assert_eq!(time_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_come_in_order_with_their_length() {
        let lines = parse("[00:03.00]three\n[00:01.00][00:02.00] twice \nwithout a time");
        let times: Vec<_> = lines
            .iter()
            .map(|line| (line.timestamp, line.duration, line.words.as_str()))
            .collect();
        assert_eq!(
            times,
            [
                (1_000, Some(1_000), "twice"),
                (2_000, Some(1_000), "twice"),
                (3_000, None, "three")
            ]
        );
    }

    #[test]
    fn heads_offsets_and_word_times_are_understood() {
        let text = "\u{feff}[ti:A song]\r\n[offset:+500]\r\n[00:01.00]<00:01.00>one <00:01.50>two\r\n\
                    [00:00.20]early\r\n[00:02.00]a < b > c\r\n[00:03.00][Chorus] words";
        assert_eq!(
            shown(text),
            [
                line(0, "early"),
                line(500, "one two"),
                line(1_500, "a < b > c"),
                line(2_500, "words"),
            ]
        );
        assert_eq!(shown("[offset:-500]\n[00:01.00]x"), [line(1_500, "x")]);
        assert_eq!(shown("[offset:junk]\n[00:01.00]x"), [line(1_000, "x")]);
    }

    #[test]
    fn plain_texts_have_no_lines() {
        for text in [
            "",
            "words\nmore words",
            "[Chorus]\nla la",
            "[",
            "[]",
            "[[]]",
            "][",
        ] {
            assert_eq!(parse(text), Vec::new(), "{text}");
        }
    }

    #[test]
    fn a_text_has_no_more_lines_than_are_kept() {
        let many: String = (0..10_000).map(|_| "[00:01.00]x\n").collect();
        assert_eq!(parse(&many).len(), MAX_LINES);
        let wide = "[00:01.00]".repeat(10_000);
        assert_eq!(parse(&wide).len(), MAX_TIMES);
    }
}
