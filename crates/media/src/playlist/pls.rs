//! PLS: `FileN=`, `TitleN=`, `LengthN=`.

use std::collections::BTreeMap;

use super::{Entry, MAX_ENTRIES, line_of_text, location};

/// Returns the entries of a PLS list, by their numbers.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries: BTreeMap<u32, Entry> = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let key = key.trim().to_ascii_lowercase();
        let digits = key.trim_start_matches(|character: char| !character.is_ascii_digit());
        let Ok(number) = digits.parse() else {
            continue;
        };
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&number) {
            continue;
        }
        let entry = entries.entry(number).or_default();
        match key.strip_suffix(digits) {
            Some("file") => entry.location = location(value).unwrap_or_default(),
            Some("title") => entry.title = line_of_text(value),
            Some("length") => {
                let seconds: Option<u64> = value.trim().parse().ok();
                entry.duration_ms = seconds
                    .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
                    .map(|seconds| seconds * 1_000);
            }
            _ => {}
        }
    }
    entries.retain(|_, entry| !entry.location.is_empty());
    entries.into_values().collect()
}

/// A week.
const MAX_SECONDS: u64 = 604_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_number_with_their_titles() {
        let text = "[playlist]\r\nNumberOfEntries=3\r\nFile2=http://b/\r\nTitle2=Two\r\n\
                    file1 = http://a/?x=1\r\nTitle1=One\r\nLength1=-1\r\nLength2=90\r\n\
                    Title7=nothing\r\nFile4294967296=http://c/\r\nVersion=2\r\n";
        let entries = parse(text);
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.location, entry.title.as_deref(), entry.duration_ms))
            .collect();
        assert_eq!(
            seen,
            [
                ("http://a/?x=1", Some("One"), None),
                ("http://b/", Some("Two"), Some(90_000)),
            ]
        );
    }

    #[test]
    fn long_lists_are_cut_off() {
        let numbers = (0..5_000).map(|number| number.to_string());
        let text: String = numbers
            .map(|number| {
                [
                    "File", &number, "=a
",
                ]
                .concat()
            })
            .collect();
        assert_eq!(parse(&text).len(), MAX_ENTRIES);
    }
}
