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
    /// Where it has come to its end.
    rest_ms: Option<u64>,
}

/// Since when frames are expected; gaps of up to 100 ms between tracks do not count.
#[derive(Debug, Default)]
pub(super) struct Playing {
    since_ms: Option<i64>,
    broke_ms: Option<i64>,
}

/// How long a packet is.
const PACKET_MS: u64 = 20;
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
            rest_ms: None,
        }
    }

    pub(super) fn position(&self, sight: &Sight) -> u64 {
        if let Some(rest_ms) = self.rest_ms {
            return rest_ms;
        }
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

    /// It has come to its end: behind the last packet, also if the engine is in another run
    /// already.
    pub(super) fn rest_at_end(&mut self, sight: &Sight) {
        let end = self.end_ms.unwrap_or(u64::MAX).min(self.length_ms());
        let rest = match sight.position {
            Some((run, _)) if run != self.goal.run && end != u64::MAX => end,
            _ => end.min(self.position(sight) + PACKET_MS),
        };
        self.rest_ms = Some(rest);
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
