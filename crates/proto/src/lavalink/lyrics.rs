//! Lyrics, as LavaLyrics hands them out: `GET /v4/lyrics` and its events.

pub mod lrc;

use serde::{Deserialize, Serialize};

use super::Object;

/// The name and the version under which clients look for lyrics in `/v4/info`.
pub const PLUGIN: (&str, &str) = ("lavalyrics-plugin", "1.1.0");

/// The lyrics of a track.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lyrics {
    /// The source they come from.
    pub source_name: String,
    /// Who provided them to the source.
    #[serde(default)]
    pub provider: Option<String>,
    /// All of them in one text.
    #[serde(default)]
    pub text: Option<String>,
    /// Line by line, with times.
    #[serde(default)]
    pub lines: Option<Vec<Line>>,
    /// What plugins add; always there, at least `{}`.
    #[serde(default)]
    pub plugin: Object,
}

/// A line and its time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it begins, in milliseconds.
    pub timestamp: u64,
    /// How long it lasts, in milliseconds.
    #[serde(default)]
    pub duration: Option<u64>,
    /// The words.
    #[serde(rename = "line")]
    pub words: String,
    /// What plugins add; always there, at least `{}`.
    #[serde(default)]
    pub plugin: Object,
}

/// The longest text that becomes lyrics, in bytes.
pub const MAX_TEXT: usize = 256 * 1024;

impl Lyrics {
    /// Returns lyrics for a text: line by line if it is LRC, and as it is if not; nothing if it
    /// has no words.
    pub fn from_text(source_name: &str, text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let lines = lrc::parse(text);
        let plain = if lines.is_empty() {
            text.trim().to_owned()
        } else {
            let words: Vec<&str> = lines.iter().map(|line| line.words.as_str()).collect();
            words.join("\n").trim().to_owned()
        };
        if plain.is_empty() {
            return None;
        }
        Some(Self {
            source_name: source_name.to_owned(),
            provider: None,
            text: Some(plain),
            lines: (!lines.is_empty()).then_some(lines),
            plugin: Object::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_with_times_becomes_lines_and_any_other_stays_a_text() {
        let timed = Lyrics::from_text("local", "[00:01.00]one\n[00:02.50]two").expect("lyrics");
        assert_eq!(
            serde_json::to_value(&timed).expect("serializes"),
            json!({
                "sourceName": "local", "provider": null, "text": "one\ntwo", "plugin": {},
                "lines": [
                    {"timestamp": 1000, "duration": 1500, "line": "one", "plugin": {}},
                    {"timestamp": 2500, "duration": null, "line": "two", "plugin": {}}
                ]
            })
        );
        let plain = Lyrics::from_text("local", " one\ntwo ").expect("lyrics");
        assert_eq!(plain.text.as_deref(), Some("one\ntwo"));
        assert_eq!(plain.lines, None);
    }

    #[test]
    fn what_has_no_words_is_nothing() {
        for text in ["", " \n ", "[00:01.00]\n[00:02.00] "] {
            assert_eq!(Lyrics::from_text("local", text), None, "{text}");
        }
        assert_eq!(Lyrics::from_text("local", &"x".repeat(MAX_TEXT + 1)), None);
    }

    #[test]
    fn what_may_be_missing_may_be_missing() {
        let lyrics: Lyrics = serde_json::from_value(json!({"sourceName": "x"})).expect("reads");
        assert_eq!(lyrics.source_name, "x");
        assert_eq!(lyrics.lines, None);
    }
}
