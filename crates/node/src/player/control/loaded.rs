//! The loaded track, and since when frames are expected.

use backline_proto::lavalink::Track;

use super::{Goal, Sight};
use crate::player::markers::Markers;

#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) track: Track,
    pub(super) goal: Goal,
    pub(super) end_ms: Option<u64>,
    pub(super) heard: bool,
    pub(super) stuck: bool,
    /// When somebody last listened, or could have.
    pub(super) pulled_ms: i64,
    pub(super) markers: Markers,
}

/// Since when frames are expected; gaps of up to 100 ms between tracks do not count.
#[derive(Debug, Default)]
pub(super) struct Playing {
    since_ms: Option<i64>,
    broke_ms: Option<i64>,
}

/// Gaps between tracks up to this do not spoil a minute's frame counts.
const GAP_MS: i64 = 100;

impl Loaded {
    pub(super) fn new(track: Track, goal: Goal, sight: &Sight) -> Self {
        Self {
            track,
            goal,
            end_ms: None,
            heard: false,
            stuck: false,
            pulled_ms: sight.time_ms,
            markers: Markers::default(),
        }
    }

    pub(super) fn position(&self, sight: &Sight) -> u64 {
        match sight.position {
            Some((run, position_ms)) if run == self.goal.run => position_ms,
            _ => self.goal.position_ms,
        }
    }

    /// Returns the track with its present position.
    pub(super) fn live(&self, sight: &Sight) -> Track {
        let mut track = self.track.clone();
        track.info.position = i64::try_from(self.position(sight)).unwrap_or(i64::MAX);
        track
    }

    /// Returns the length in milliseconds; `u64::MAX` where it is not known.
    pub(super) fn length_ms(&self) -> u64 {
        match u64::try_from(self.track.info.length) {
            Ok(length) if length < i64::MAX as u64 => length,
            _ => u64::MAX,
        }
    }

    /// The engine is in another run already: this one is where it had to end.
    pub(super) fn rest_at_end(&mut self, sight: &Sight) {
        if sight.position.is_some_and(|(run, _)| run != self.goal.run) {
            let end = self.end_ms.unwrap_or(u64::MAX).min(self.length_ms());
            if end != u64::MAX {
                self.goal.position_ms = end;
            }
        }
    }
}

impl Playing {
    pub(super) fn start(&mut self, sight: &Sight) {
        let gap = self.broke_ms.take().map(|broke| sight.time_ms - broke);
        if self.since_ms.is_none() || gap.is_some_and(|gap| gap > GAP_MS) {
            self.since_ms = Some(sight.time_ms);
        }
    }

    pub(super) fn stop(&mut self, sight: &Sight) {
        self.broke_ms.get_or_insert(sight.time_ms);
    }

    pub(super) fn is_since(&self, minute_ms: i64) -> bool {
        self.since_ms.is_some_and(|since| since <= minute_ms)
    }
}
