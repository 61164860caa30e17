//! What follows the loaded track by itself, without a gap or with both overlapping.

use backline_proto::lavalink::beyond::Crossfade;
use backline_proto::lavalink::{Object, Track, TrackEndReason};

use super::loaded::Loaded;
use super::{Control, Effect, Goal, Play, Sight};

/// The track that follows.
#[derive(Debug)]
pub(super) struct Next {
    track: Track,
    goal: Goal,
    /// The shell was asked to open it.
    prepared: bool,
}

/// So long before the end of a track the one that follows is opened: servers that are slow get
/// their time, and none has to keep a connection open for long before that.
const LEAD_MS: u64 = 30_000;

impl Control {
    /// Returns what follows and where it starts.
    pub fn next(&self) -> Option<(&Track, Goal)> {
        self.next.as_ref().map(|next| (&next.track, next.goal))
    }

    /// Returns how long the loaded track and the one that follows overlap, in milliseconds.
    pub fn crossfade_ms(&self) -> u32 {
        self.crossfade.map_or(0, Crossfade::ms)
    }

    /// Sets how tracks go over into each other.
    pub fn handle_crossfade(&mut self, crossfade: Option<Crossfade>, sight: &Sight) {
        let before = self.crossfade_ms();
        self.crossfade = crossfade;
        if self.crossfade_ms() != before
            && let Some(next) = &mut self.next
            && std::mem::take(&mut next.prepared)
        {
            self.effects.push_back(Effect::Forget);
            self.prepare_in_time(sight);
        }
    }

    /// Sets what follows the loaded track, or that nothing does. Without a loaded track it starts
    /// at once: as if the request had come a moment earlier.
    pub fn handle_next(&mut self, track: Option<Track>, sight: &Sight) {
        self.forget_next();
        let Some(track) = track else { return };
        let position_ms = u64::try_from(track.info.position).unwrap_or(0);
        if self.track.is_none() {
            let play = Play {
                track,
                position_ms,
                end_ms: None,
                paused: self.paused,
            };
            return self.handle_play(play, sight);
        }
        self.runs += 1;
        let goal = Goal {
            load: self.runs,
            run: self.runs,
            position_ms,
        };
        self.next = Some(Next {
            track,
            goal,
            prepared: false,
        });
        self.prepare_in_time(sight);
    }

    /// Replaces the user data of the track that follows.
    pub fn handle_next_user_data(&mut self, user_data: Object) {
        if let Some(next) = &mut self.next {
            next.track.user_data = user_data;
        }
    }

    /// Takes the news that what was prepared is gone; it will be prepared again.
    pub fn handle_next_lost(&mut self, sight: &Sight) {
        if let Some(next) = &mut self.next {
            next.prepared = false;
            self.prepare_in_time(sight);
        }
    }

    pub(super) fn forget_next(&mut self) {
        if self.next.take().is_some_and(|next| next.prepared) {
            self.effects.push_back(Effect::Forget);
        }
    }

    /// Asks for the track that follows when it is time.
    pub(super) fn prepare_in_time(&mut self, sight: &Sight) {
        let (Some(loaded), Some(next)) = (&self.track, &mut self.next) else {
            return;
        };
        // Nobody knows when a stream ends; nothing waits for that with an open connection.
        if next.prepared || loaded.track.info.is_stream {
            return;
        }
        let end = loaded.end_ms.unwrap_or(u64::MAX).min(loaded.length_ms());
        let left = end.saturating_sub(loaded.position(sight));
        let crossfade = self.crossfade.map_or(0, Crossfade::ms);
        let speed = self
            .filters
            .timescale
            .map_or(1.0, |scale| scale.speed * scale.rate);
        let lead = (LEAD_MS + u64::from(crossfade)) as f32 * speed.max(1.0);
        if end == u64::MAX || left <= lead as u64 {
            next.prepared = true;
            self.effects.push_back(Effect::Prepare);
        }
    }

    /// Ends the loaded track by itself; what follows begins, or has begun.
    pub(super) fn finish(&mut self, reason: TrackEndReason, sight: &Sight) {
        self.end(reason, sight);
        let Some(next) = self.next.take() else {
            self.effects.push_back(Effect::Silence);
            return;
        };
        let mut loaded = Loaded::new(next.track, next.goal, sight);
        // The engine tells where it is: in the track that follows, when that was ready in time.
        loaded.heard = sight.position.is_some_and(|(run, _)| run == next.goal.run);
        if !loaded.heard {
            self.effects.push_back(Effect::Open);
        }
        self.start(loaded, sight);
    }
}
