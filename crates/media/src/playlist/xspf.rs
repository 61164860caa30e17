//! XSPF, the XML among the lists (<https://www.xspf.org/spec>).

use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::{Entry, MAX_ENTRIES, line_of_text, location};

/// Returns the entries of an XSPF list; those before the first mistake.
///
/// Entities are never expanded from a document type, only the five that XML has built in, and
/// characters by number.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut reader = Reader::from_str(text);
    let mut entries = Vec::new();
    let mut entry: Option<Entry> = None;
    let mut value = String::new();
    let mut depth = 0_u32;
    // Depth of the `track` that is open: only its own children belong to it.
    let mut track_depth = 0;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Eof | Event::DocType(_) => break,
            Event::Start(start) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    break;
                }
                if entry.is_none() && start.local_name().as_ref() == "track" {
                    entry = Some(Entry::default());
                    track_depth = depth;
                }
                value.clear();
            }
            Event::Text(text) => push(&mut value, &text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => push(&mut value, &text),
            Event::GeneralRef(reference) => {
                let known = match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                if let Some(character) = known {
                    push(&mut value, character.encode_utf8(&mut [0; 4]));
                }
            }
            Event::End(end) => {
                let name = end.local_name();
                if depth == track_depth
                    && let Some(done) = entry.take()
                    && !done.location.is_empty()
                {
                    entries.push(done);
                    if entries.len() >= MAX_ENTRIES {
                        break;
                    }
                } else if depth == track_depth + 1
                    && let Some(entry) = &mut entry
                {
                    fill(entry, name.as_ref(), &value);
                }
                depth = depth.saturating_sub(1);
                value.clear();
            }
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    entries
}

fn fill(entry: &mut Entry, name: &str, value: &str) {
    match name {
        // A track may be in several places; the first is the one preferred.
        "location" if entry.location.is_empty() => {
            entry.location = location(value).unwrap_or_default();
        }
        "title" => entry.title = line_of_text(value),
        "creator" => entry.artist = line_of_text(value),
        "image" => entry.artwork = location(value),
        "duration" => {
            let millis: Option<u64> = value.trim().parse().ok();
            entry.duration_ms = millis.filter(|millis| (1..=MAX_MS).contains(millis));
        }
        _ => {}
    }
}

fn push(value: &mut String, text: &str) {
    if value.len() + text.len() <= super::MAX_LOCATION * 2 {
        value.push_str(text);
    }
}

/// How deep elements may be nested; a list needs five levels.
const MAX_DEPTH: u32 = 32;
/// A week.
const MAX_MS: u64 = 604_800_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_come_with_all_that_is_said_about_them() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <playlist version="1" xmlns="http://xspf.org/ns/0/">
              <title>not a track</title><location>http://list/</location>
              <trackList>
                <track>
                  <location>http://a/b?c=1&amp;d=2</location><location>http://mirror/</location>
                  <title>Rock &#38; <![CDATA[Roll]]></title><creator>Somebody</creator>
                  <duration>271066</duration><image>http://a/i.png</image>
                  <extension application="x"><title>inner</title></extension>
                </track>
                <track><title>nowhere</title></track>
                <x:track xmlns:x="y"><x:location>songs/c.mp3</x:location></x:track>
              </trackList>
            </playlist>"#;
        let entries = parse(text);
        assert_eq!(
            entries,
            [
                Entry {
                    location: "http://a/b?c=1&d=2".to_owned(),
                    title: Some("Rock & Roll".to_owned()),
                    artist: Some("Somebody".to_owned()),
                    duration_ms: Some(271_066),
                    artwork: Some("http://a/i.png".to_owned()),
                },
                Entry {
                    location: "songs/c.mp3".to_owned(),
                    ..Entry::default()
                },
            ]
        );
    }

    #[test]
    fn entities_of_a_document_type_are_never_expanded() {
        let text = r#"<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "aaaaaaaaaa">]>
            <playlist><trackList><track><location>&a;&a;</location></track></trackList></playlist>"#;
        assert_eq!(parse(text), []);
        let unknown =
            "<playlist><trackList><track><location>x&a;y</location></track></trackList></playlist>";
        assert_eq!(parse(unknown)[0].location, "xy");
    }

    #[test]
    fn deep_and_broken_documents_end_early() {
        assert_eq!(parse(&"<track>".repeat(10_000)), []);
        let good = "<playlist><trackList><track><location>a</location></track>";
        for broken in ["<track><location>b</title>", "</wrong>", "<", "&", ""] {
            assert_eq!(parse(&format!("{good}{broken}")).len(), 1, "{broken}");
        }
        let many = "<track><location>a</location></track>".repeat(3_000);
        assert_eq!(
            parse(&format!("<playlist>{many}</playlist>")).len(),
            MAX_ENTRIES
        );
    }
}
