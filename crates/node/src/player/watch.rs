//! What plugin surfaces hang on to: the start of tracks, markers, and events of their own.

use std::sync::Arc;

use backline_proto::lavalink::{Object, Track};

use super::markers::{Marker, MarkerKind};
use super::{Player, State};

/// Somebody who wants to hear of a player's tracks.
pub trait Watcher: Send + Sync {
    /// A track was loaded, or has followed the one before. Called outside the player's lock, on a
    /// thread of the runtime: what takes time belongs into a task of its own.
    fn handle_track_start(&self, player: &Arc<Player>, load: u64, track: Track);
}

impl Player {
    /// Tells `watcher` of tracks from the next one on, in place of who watched for `kind` before.
    pub fn watch(&self, kind: MarkerKind, watcher: Option<Arc<dyn Watcher>>) {
        let mut state = self.lock();
        state.watchers.retain(|(other, _)| *other != kind);
        if let Some(watcher) = watcher {
            state.watchers.push((kind, watcher));
        }
    }

    /// Returns the loaded track, with its live position, and which load it is.
    pub fn loaded(&self) -> Option<(u64, Track)> {
        let state = self.lock();
        let load = state.control.goal()?.load;
        let track = state.control.view(&super::sight(&state)).track?;
        Some((load, track))
    }

    /// Replaces the markers of one kind on load `load`; false when it is not loaded any more.
    ///
    /// Kinds do not disturb each other nor the end time. Markers before the present position
    /// count as passed. What is told when a marker is passed comes in order with all events; it
    /// comes with the packet of 20 ms that holds the place.
    pub fn set_markers(&self, load: u64, kind: MarkerKind, markers: Vec<Marker>) -> bool {
        let mut loaded = false;
        self.change(|control, sight| loaded = control.set_markers(load, kind, markers, sight));
        loaded
    }

    /// Tells the client an event: its `type` and fields; `op` and `guildId` are added.
    pub fn tell(&self, event: Object) {
        self.change(|control, _| control.tell_plugin(Some(event)));
    }

    pub(super) fn tell_watchers(&self, state: &State) {
        let (Some(goal), Some(track)) = (state.control.goal(), state.control.track()) else {
            return;
        };
        for (_, watcher) in &state.watchers {
            let (watcher, track) = (Arc::clone(watcher), track.clone());
            let Some(player) = self.this.upgrade() else {
                return;
            };
            tokio::spawn(async move { watcher.handle_track_start(&player, goal.load, track) });
        }
    }
}
