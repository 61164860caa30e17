//! Reads what SponsorBlock's API answers, and makes markers of it. Pure.

use backline_proto::lavalink::Object;
use serde::Serialize;
use serde_json::{Value, json};

use crate::player::markers::Marker;

/// What is known of a video.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What is skipped, in order.
    pub segments: Vec<Segment>,
    /// Its chapters, in order.
    pub chapters: Vec<Chapter>,
}

/// A part of a video that is skipped; times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Why.
    pub category: String,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// A chapter; times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chapter {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// How long it is.
    pub duration: u64,
}

/// Parts of a video that are kept.
const MAX_PARTS: usize = 500;
/// Characters of a chapter's name that are kept.
const MAX_NAME: usize = 300;
/// How far ahead of the present place a segment begins that has begun already: so that it is
/// still ahead when the marker is set.
const AHEAD_MS: u64 = 200;

/// Reads an answer about all videos whose hashes begin alike.
pub fn read(answer: &Value, video: &str, categories: &[String]) -> Found {
    let videos = answer.as_array().into_iter().flatten();
    let mut mine = videos.filter(|one| one.get("videoID").and_then(Value::as_str) == Some(video));
    let parts = mine.next().and_then(|one| one.get("segments")?.as_array());
    let mut found = Found::default();
    for part in parts.into_iter().flatten().take(MAX_PARTS) {
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        let Some((start, end)) = times(part) else {
            continue;
        };
        match text("actionType") {
            "skip" if end > start && categories.iter().any(|one| one == text("category")) => {
                found.segments.push(Segment {
                    category: text("category").to_owned(),
                    start,
                    end,
                });
            }
            "chapter" => found.chapters.push(Chapter {
                name: text("description").chars().take(MAX_NAME).collect(),
                start,
                end,
                duration: end.saturating_sub(start),
            }),
            _ => {}
        }
    }
    found
        .segments
        .sort_by_key(|segment| (segment.start, segment.end));
    found
        .chapters
        .sort_by_key(|chapter| (chapter.start, chapter.end));
    found
}

fn times(part: &Value) -> Option<(u64, u64)> {
    let [start, end] = &part.get("segment")?.as_array()?[..] else {
        return None;
    };
    let ms = |value: &Value| {
        let seconds = value.as_f64()?;
        (0.0..1e7)
            .contains(&seconds)
            .then(|| (seconds * 1e3).round() as u64)
    };
    Some((ms(start)?, ms(end)?))
}

/// Returns the markers that skip `segments` while playing is at `position_ms`. Those that overlap
/// are skipped in one jump, and each is told.
pub fn segment_markers(segments: &[Segment], position_ms: u64) -> Vec<Marker> {
    let mut markers: Vec<Marker> = Vec::new();
    let mut rest = segments
        .iter()
        .filter(|segment| segment.end > position_ms + AHEAD_MS)
        .peekable();
    while let Some(first) = rest.next() {
        let mut skipped = vec![first];
        let mut end = first.end;
        while let Some(next) = rest.next_if(|next| next.start <= end) {
            end = end.max(next.end);
            skipped.push(next);
        }
        let at_ms = if first.start < position_ms {
            position_ms + AHEAD_MS
        } else {
            first.start
        };
        let last = skipped.len() - 1;
        markers.extend(
            skipped
                .into_iter()
                .enumerate()
                .map(|(index, segment)| Marker {
                    at_ms,
                    reached: object(json!({"type": "SegmentSkipped", "segment": segment})),
                    skipped: None,
                    jump_ms: (index == last).then_some(end),
                }),
        );
    }
    markers
}

/// Returns the markers that tell chapters.
pub fn chapter_markers(chapters: &[Chapter]) -> Vec<Marker> {
    let marker = |chapter: &Chapter| Marker {
        at_ms: chapter.start,
        reached: object(json!({"type": "ChapterStarted", "chapter": chapter})),
        skipped: None,
        jump_ms: None,
    };
    chapters.iter().map(marker).collect()
}

/// Returns the event that tells all segments.
pub fn loaded(segments: &[Segment]) -> Object {
    object(json!({"type": "SegmentsLoaded", "segments": segments})).unwrap_or_default()
}

/// Returns the event that tells all chapters.
pub fn chapters_loaded(chapters: &[Chapter]) -> Object {
    object(json!({"type": "ChaptersLoaded", "chapters": chapters})).unwrap_or_default()
}

fn object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start: u64, end: u64) -> Segment {
        Segment {
            category: "sponsor".into(),
            start,
            end,
        }
    }

    #[test]
    fn an_answer_is_read_for_one_video_and_the_wanted_categories() {
        let answer = json!([
            {"videoID": "other", "segments": [
                {"category": "sponsor", "actionType": "skip", "segment": [1, 2]}
            ]},
            {"videoID": "mine", "segments": [
                {"category": "outro", "actionType": "skip", "segment": [100.5, 110]},
                {"category": "sponsor", "actionType": "skip", "segment": [3.25, 7.5], "UUID": "x"},
                {"category": "sponsor", "actionType": "mute", "segment": [1, 2]},
                {"category": "filler", "actionType": "skip", "segment": [1, 2]},
                {"category": "sponsor", "actionType": "skip", "segment": [9, 8]},
                {"category": "sponsor", "actionType": "skip", "segment": [-1, 8]},
                {"category": "sponsor", "actionType": "skip", "segment": ["a", 8]},
                {"category": "sponsor", "actionType": "skip", "segment": [1]},
                {"category": "chapter", "actionType": "chapter", "segment": [10, 20], "description": "Two"},
                {"category": "chapter", "actionType": "chapter", "segment": [0, 10], "description": "One"},
                5, null
            ]}
        ]);
        let wanted = ["sponsor".to_owned(), "outro".to_owned()];
        let found = read(&answer, "mine", &wanted);
        assert_eq!(
            serde_json::to_value(&found.segments).expect("serializes"),
            json!([
                {"category": "sponsor", "start": 3250, "end": 7500},
                {"category": "outro", "start": 100_500, "end": 110_000}
            ])
        );
        assert_eq!(
            serde_json::to_value(&found.chapters).expect("serializes"),
            json!([
                {"name": "One", "start": 0, "end": 10000, "duration": 10000},
                {"name": "Two", "start": 10000, "end": 20000, "duration": 10000}
            ])
        );
        assert_eq!(read(&answer, "third", &wanted), Found::default());
        for broken in [
            json!(null),
            json!({}),
            json!([5]),
            json!([{"videoID": "mine"}]),
        ] {
            assert_eq!(read(&broken, "mine", &wanted), Found::default(), "{broken}");
        }
    }

    #[test]
    fn overlapping_segments_are_one_jump() {
        let segments = [
            segment(1_000, 3_000),
            segment(2_000, 5_000),
            segment(9_000, 10_000),
        ];
        let jumps = |position_ms: u64| {
            let markers = segment_markers(&segments, position_ms).into_iter();
            let jumps = markers.map(|marker| (marker.at_ms, marker.jump_ms));
            jumps.collect::<Vec<_>>()
        };
        assert_eq!(
            jumps(0),
            [(1_000, None), (1_000, Some(5_000)), (9_000, Some(10_000))]
        );
        // What has begun is skipped from here on; what is over is left alone.
        assert_eq!(jumps(4_000), [(4_200, Some(5_000)), (9_000, Some(10_000))]);
        assert_eq!(jumps(4_900), [(9_000, Some(10_000))]);
        assert_eq!(jumps(20_000), []);
    }
}
