//! Places of a track at which something happens: segments that are skipped, chapters, lines of
//! lyrics. Kinds do not know of each other, so they can be there at the same time.
//!
//! Pure: positions come in, what was passed comes out.

use backline_proto::lavalink::Object;

/// Who set the markers; each kind has a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerKind {
    /// Segments that are jumped over.
    Segments,
    /// Chapters.
    Chapters,
    /// Lines of lyrics.
    Lyrics,
}

/// A place of a track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marker {
    /// Where, in milliseconds from the start of the track.
    pub at_ms: u64,
    /// What the client is told when playing comes to the place: the event's `type` and fields.
    /// `op` and `guildId` are added.
    pub reached: Option<Object>,
    /// What the client is told when a seek or a jump goes over the place.
    pub skipped: Option<Object>,
    /// Where playing goes on when it comes to the place, in milliseconds; only ahead.
    pub jump_ms: Option<u64>,
}

/// Something that was passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// Who set the marker.
    pub kind: MarkerKind,
    /// What the client is told.
    pub tell: Option<Object>,
    /// Where playing goes on.
    pub jump_ms: Option<u64>,
}

/// All markers of a track, and which of them are still ahead.
#[derive(Debug, Default)]
pub struct Markers {
    lists: [List; KINDS],
}

#[derive(Debug, Default)]
struct List {
    markers: Vec<Marker>,
    /// The first that has not been passed.
    next: usize,
}

const KINDS: usize = 3;
const ALL: [MarkerKind; KINDS] = [
    MarkerKind::Segments,
    MarkerKind::Chapters,
    MarkerKind::Lyrics,
];
/// Markers a list holds; those that are further back are left out.
const MAX: usize = 5_000;

impl Markers {
    /// Replaces the markers of one kind while playing is at `position_ms`. Those before it count
    /// as passed; one at it is still ahead.
    pub fn set(&mut self, kind: MarkerKind, mut markers: Vec<Marker>, position_ms: u64) {
        markers.sort_by_key(|marker| marker.at_ms);
        markers.truncate(MAX);
        let next = markers.partition_point(|marker| marker.at_ms < position_ms);
        self.lists[kind as usize] = List { markers, next };
    }

    /// Returns where the next marker is, in milliseconds.
    pub fn next_ms(&self) -> Option<u64> {
        let ahead = self.lists.iter().filter_map(|list| {
            let marker = list.markers.get(list.next)?;
            Some(marker.at_ms)
        });
        ahead.min()
    }

    /// Takes the news that playing has come to `position_ms`; returns what was passed, in order.
    ///
    /// After a marker that jumps nothing more is passed: playing goes on elsewhere.
    pub fn handle_position(&mut self, position_ms: u64) -> Vec<Passed> {
        let mut passed = Vec::new();
        while let Some((kind, at_ms)) = self.earliest()
            && at_ms <= position_ms
        {
            let list = &mut self.lists[kind as usize];
            let marker = &list.markers[list.next];
            list.next += 1;
            let jump_ms = marker.jump_ms.filter(|to| *to > position_ms);
            passed.push(Passed {
                kind,
                tell: marker.reached.clone(),
                jump_ms,
            });
            if jump_ms.is_some() {
                break;
            }
        }
        passed
    }

    /// Takes the news that a seek or a jump goes to `position_ms`; returns what was skipped, in
    /// order. Backwards, markers are ahead again.
    pub fn handle_seek(&mut self, position_ms: u64) -> Vec<Passed> {
        let mut passed = Vec::new();
        while let Some((kind, at_ms)) = self.earliest()
            && at_ms < position_ms
        {
            let list = &mut self.lists[kind as usize];
            let marker = &list.markers[list.next];
            list.next += 1;
            if marker.skipped.is_some() {
                passed.push(Passed {
                    kind,
                    tell: marker.skipped.clone(),
                    jump_ms: None,
                });
            }
        }
        for list in &mut self.lists {
            list.next = list
                .markers
                .partition_point(|marker| marker.at_ms < position_ms);
        }
        passed
    }

    /// Returns the kind and the place of the earliest marker ahead; of two at one place the kind
    /// that is declared first.
    fn earliest(&self) -> Option<(MarkerKind, u64)> {
        let ahead = ALL.into_iter().filter_map(|kind| {
            let list = &self.lists[kind as usize];
            Some((kind, list.markers.get(list.next)?.at_ms))
        });
        ahead.min_by_key(|(_, at_ms)| *at_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tell(text: &str) -> Option<Object> {
        json!({ "type": text }).as_object().cloned()
    }

    fn at(at_ms: u64, text: &str) -> Marker {
        Marker {
            at_ms,
            reached: tell(text),
            skipped: tell(&format!("no {text}")),
            jump_ms: None,
        }
    }

    fn words(passed: &[Passed]) -> Vec<String> {
        passed
            .iter()
            .map(|passed| {
                let what = passed
                    .tell
                    .as_ref()
                    .map_or("-", |tell| tell["type"].as_str().expect("a text"));
                match passed.jump_ms {
                    Some(to) => format!("{what} > {to}"),
                    None => what.to_owned(),
                }
            })
            .collect()
    }

    #[test]
    fn kinds_live_side_by_side_and_are_passed_in_order() {
        let mut markers = Markers::default();
        markers.set(MarkerKind::Lyrics, vec![at(3_000, "c"), at(1_000, "a")], 0);
        markers.set(
            MarkerKind::Chapters,
            vec![at(2_000, "b"), at(0, "start")],
            0,
        );
        assert_eq!(markers.next_ms(), Some(0));
        assert_eq!(words(&markers.handle_position(0)), ["start"]);
        assert_eq!(words(&markers.handle_position(999)), [""; 0]);
        assert_eq!(words(&markers.handle_position(2_500)), ["a", "b"]);
        assert_eq!(markers.next_ms(), Some(3_000));
        markers.set(
            MarkerKind::Chapters,
            vec![at(1_500, "late"), at(2_800, "x")],
            2_500,
        );
        assert_eq!(
            words(&markers.handle_position(3_000)),
            ["x", "c"],
            "what lies behind is not told"
        );
        assert_eq!(markers.next_ms(), None);
    }

    #[test]
    fn a_seek_skips_what_it_goes_over_and_brings_back_what_it_goes_before() {
        let mut markers = Markers::default();
        let lines = vec![at(1_000, "a"), at(2_000, "b"), at(3_000, "c")];
        markers.set(MarkerKind::Lyrics, lines, 0);
        assert_eq!(words(&markers.handle_seek(2_000)), ["no a"]);
        assert_eq!(words(&markers.handle_position(2_000)), ["b"]);
        assert_eq!(words(&markers.handle_seek(500)), [""; 0]);
        assert_eq!(words(&markers.handle_position(3_500)), ["a", "b", "c"]);
        assert_eq!(words(&markers.handle_seek(60_000)), [""; 0]);
    }

    #[test]
    fn a_jump_ends_a_round_and_only_goes_ahead() {
        let mut markers = Markers::default();
        let segment = |from, to| Marker {
            jump_ms: Some(to),
            ..at(from, "segment")
        };
        markers.set(MarkerKind::Segments, vec![segment(1_000, 5_000)], 0);
        markers.set(
            MarkerKind::Lyrics,
            vec![at(1_000, "a"), at(2_000, "b"), at(5_000, "c")],
            0,
        );
        assert_eq!(words(&markers.handle_position(1_010)), ["segment > 5000"]);
        assert_eq!(words(&markers.handle_seek(5_000)), ["no a", "no b"]);
        assert_eq!(words(&markers.handle_position(5_000)), ["c"]);
        markers.handle_seek(0);
        assert_eq!(
            words(&markers.handle_position(7_000)),
            ["segment", "a", "b", "c"],
            "there is nothing left to jump over"
        );
    }

    #[test]
    fn a_track_that_starts_in_the_middle_has_nothing_behind_it() {
        let mut markers = Markers::default();
        markers.set(
            MarkerKind::Lyrics,
            vec![at(1_000, "a"), at(2_000, "b")],
            2_000,
        );
        assert_eq!(words(&markers.handle_position(2_000)), ["b"]);
    }

    #[test]
    fn a_list_has_a_bound() {
        let mut markers = Markers::default();
        let many = (0..10_000).map(|ms| at(ms, "x")).collect();
        markers.set(MarkerKind::Chapters, many, 0);
        assert_eq!(markers.handle_position(20_000).len(), MAX);
    }
}
