//! M3U, with the two extensions that everybody writes.

use super::{Entry, MAX_ENTRIES, line_of_text, location};

/// Returns the entries of an M3U list, or of bare addresses, one in a line.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut named = Entry::default();
    for line in text.lines() {
        let line = line.trim();
        if let Some(about) = strip_tag(line, "#EXTINF:") {
            named = about_entry(about);
        } else if !line.is_empty() && !line.starts_with('#') {
            let named = std::mem::take(&mut named);
            if let Some(location) = location(line) {
                entries.push(Entry { location, ..named });
                if entries.len() >= MAX_ENTRIES {
                    break;
                }
            }
        }
    }
    entries
}

/// Reads `<seconds>[ key="value"…],<title>`.
fn about_entry(about: &str) -> Entry {
    let (before, title) = split_title(about);
    let seconds = before.split_ascii_whitespace().next().unwrap_or_default();
    let seconds: Option<f64> = seconds.parse().ok();
    let duration_ms = seconds
        .filter(|seconds| (0.001..=MAX_SECONDS).contains(seconds))
        .map(|seconds| (seconds * 1_000.0) as u64);
    Entry {
        title: title.and_then(line_of_text),
        artwork: attribute(before, "tvg-logo").and_then(location),
        duration_ms,
        ..Entry::default()
    }
}

/// Splits at the first comma that does not stand within quotes.
fn split_title(about: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    for (at, byte) in about.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&about[..at], Some(&about[at + 1..])),
            _ => {}
        }
    }
    // An odd number of quotes: the first comma it is.
    about
        .split_once(',')
        .map_or((about, None), |(before, title)| (before, Some(title)))
}

fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(name)? + name.len();
    let value = text[at..].strip_prefix("=\"")?;
    value.split_once('"').map(|(value, _)| value)
}

fn strip_tag<'a>(line: &'a str, tag: &str) -> Option<&'a str> {
    let start = line.get(..tag.len())?;
    start.eq_ignore_ascii_case(tag).then(|| &line[tag.len()..])
}

/// A week.
const MAX_SECONDS: f64 = 604_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_carry_what_stands_before_them() {
        let text = "#EXTM3U\r\n#EXTINF:-1 tvg-logo=\"http://a/l,1.png\" group=\"x,y\",Radio, One\r\n\
                    http://a/live\r\n\n# a remark\n#EXTINF:12.5,Song\nsongs/b.mp3\n../c.mp3\n\
                    #EXTINF:nonsense\nd.mp3\n#EXTINF:5,nobody follows\n";
        let entries = parse(text);
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.location, entry.title.as_deref(), entry.duration_ms))
            .collect();
        assert_eq!(
            seen,
            [
                ("http://a/live", Some("Radio, One"), None),
                ("songs/b.mp3", Some("Song"), Some(12_500)),
                ("../c.mp3", None, None),
                ("d.mp3", None, None),
            ]
        );
        assert_eq!(entries[0].artwork.as_deref(), Some("http://a/l,1.png"));
    }

    #[test]
    fn long_lists_are_cut_off() {
        assert_eq!(parse(&"a.mp3\n".repeat(5_000)).len(), MAX_ENTRIES);
        assert_eq!(
            parse(&"a".repeat(5_000)).len(),
            0,
            "no address is that long"
        );
    }
}
