//! The playing track: starting, ending, failing, and what comes next.

use crate::music::{LoopMode, Refusal, Track};

use super::voice::Voice;
use super::{Effect, EndReason, HISTORY, PlayId, SavedTrack, Session};

/// The track that plays, or will once voice is there.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) track: Track,
    pub(super) paused: bool,
    stage: Stage,
    /// The position that was true at `anchor_at`.
    anchor_ms: u64,
    anchor_at: u64,
    /// What the node said went wrong, until the end that follows.
    failure: Option<String>,
    /// Whether it is in the history of the guild already.
    recorded: bool,
}

/// How far a node got with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No node knows of it.
    Waiting,
    /// A node was told.
    Sent(PlayId),
    /// A node plays it.
    Started(PlayId),
}

/// What a player that loses its track is to do when nothing comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Player {
    /// It has stopped by itself.
    Silent,
    /// It still plays the old track.
    Sounding,
}

/// Tracks that may fail one after another before playback stops.
const MAX_FAILURES: u32 = 10;
/// The same while looping, where nothing else would end it.
const MAX_FAILURES_IN_LOOP: u32 = 3;
/// A track that got this far plays, in milliseconds.
const PLAYS: u64 = 10_000;
/// What people see may be off by this much before they are shown again, in milliseconds.
const DRIFT: u64 = 2_000;

impl Current {
    pub(super) fn new(track: Track, now: u64) -> Self {
        Self {
            track,
            paused: false,
            stage: Stage::Waiting,
            anchor_ms: 0,
            anchor_at: now,
            failure: None,
            recorded: false,
        }
    }

    pub(super) fn saved(saved: SavedTrack, now: u64) -> Self {
        let mut current = Self::new(saved.track, now);
        current.paused = saved.paused;
        current.recorded = true;
        current.put(saved.position_ms, now);
        current
    }

    pub(super) fn save(&self, now: u64) -> SavedTrack {
        SavedTrack {
            track: self.track.clone(),
            position_ms: self.position(now),
            paused: self.paused,
        }
    }

    pub(super) fn position(&self, now: u64) -> u64 {
        let run = if self.is_running() {
            now.saturating_sub(self.anchor_at)
        } else {
            0
        };
        self.anchor_ms
            .saturating_add(run)
            .min(self.track.length_ms.unwrap_or(u64::MAX))
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Started(_)) && !self.paused
    }

    /// Whether a node has it, so that it must be told of changes.
    pub(super) fn is_on_node(&self) -> bool {
        self.stage != Stage::Waiting
    }

    /// Whether it can be sought.
    pub(super) fn is_seekable(&self) -> bool {
        self.track.seekable && self.track.length_ms.is_some()
    }

    pub(super) fn put(&mut self, position_ms: u64, now: u64) {
        self.anchor_ms = position_ms.min(self.track.length_ms.unwrap_or(u64::MAX));
        self.anchor_at = now;
    }

    pub(super) fn set_paused(&mut self, paused: bool, now: u64) {
        self.put(self.position(now), now);
        self.paused = paused;
    }

    /// Keeps the position of that moment; no node has it any more.
    pub(super) fn hold(&mut self, at: u64) {
        self.put(self.position(at), at);
        self.stage = Stage::Waiting;
    }

    fn is(&self, play: PlayId) -> bool {
        matches!(self.stage, Stage::Sent(this) | Stage::Started(this) if this == play)
    }
}

impl Session {
    /// Hands the current track to the node, once there is one and it is connected.
    pub(super) fn start(&mut self, now: u64) {
        let Voice::Connected { .. } = self.voice else {
            return;
        };
        let Some(current) = &mut self.current else {
            return;
        };
        if current.is_on_node() {
            return;
        }
        self.plays += 1;
        let play = PlayId(self.plays);
        current.stage = Stage::Sent(play);
        current.anchor_at = now;
        current.failure = None;
        self.effects.push_back(Effect::Play {
            play,
            track: Box::new(current.track.clone()),
            start_ms: current.anchor_ms,
            paused: current.paused,
            volume: self.volume,
        });
    }

    /// Makes the next track of the queue the current one, and starts it.
    pub(super) fn next(&mut self, now: u64, player: Player) {
        self.current = self.queue.pop().map(|track| Current::new(track, now));
        if self.current.is_some() {
            self.start(now);
        } else if player == Player::Sounding {
            self.effects.push_back(Effect::StopPlayer);
        }
        self.changed();
    }

    /// Takes the current track away, to where its loop mode and history want it.
    pub(super) fn retire(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        if self.loop_mode == LoopMode::Queue {
            self.queue.append([current.track.clone()]);
        }
        self.history.push_back(current.track);
        self.history
            .drain(..self.history.len().saturating_sub(HISTORY));
    }

    /// Whether the node still plays something.
    pub(super) fn player(&self) -> Player {
        if self.current.as_ref().is_some_and(Current::is_on_node) {
            Player::Sounding
        } else {
            Player::Silent
        }
    }

    pub(super) fn on_started(&mut self, now: u64, play: PlayId) {
        let Some(current) = self
            .current
            .as_mut()
            .filter(|current| current.stage == Stage::Sent(play))
        else {
            return;
        };
        current.stage = Stage::Started(play);
        current.anchor_at = now;
        self.changes.view = true;
        if !current.recorded {
            current.recorded = true;
            let track = Box::new(current.track.clone());
            self.effects.push_back(Effect::RecordHistory { track });
        }
        if let Some(next) = self
            .queue
            .front()
            .filter(|_| self.loop_mode != LoopMode::Track)
        {
            let track = Box::new(next.clone());
            self.effects.push_back(Effect::Preload { track });
        }
    }

    pub(super) fn on_position(&mut self, now: u64, ms: u64, at: u64) {
        // Before its start is told, a position can only be that of the track before.
        let Some(current) = self
            .current
            .as_mut()
            .filter(|current| matches!(current.stage, Stage::Started(_)))
        else {
            return;
        };
        let expected = current.position(at);
        current.put(ms, at.min(now));
        if ms >= PLAYS {
            self.failures = 0;
        }
        self.changes.view |= ms.abs_diff(expected) > DRIFT;
    }

    pub(super) fn on_ended(&mut self, now: u64, play: PlayId, reason: EndReason) {
        let Some(current) = self.current.as_mut().filter(|current| current.is(play)) else {
            return;
        };
        match (reason, current.failure.take()) {
            (EndReason::Finished, None) => {
                self.failures = 0;
                self.finished(now);
            }
            (EndReason::Finished, Some(why)) => self.failed(now, Player::Silent, why),
            (EndReason::LoadFailed, why) => {
                self.failed(
                    now,
                    Player::Silent,
                    why.unwrap_or_else(|| "the source gave no audio".to_owned()),
                );
            }
            (EndReason::Cleanup, _) => {
                current.hold(now);
                self.start(now);
            }
            // Nobody but this session stops or replaces its tracks, and then they are current no more.
            // A node that shuts down stops them too: they go on after it was lost.
            (EndReason::Stopped | EndReason::Replaced, _) => {}
        }
    }

    pub(super) fn on_failed(&mut self, play: PlayId, reason: String) {
        if let Some(current) = self.current.as_mut().filter(|current| current.is(play)) {
            current.failure = Some(reason);
        }
    }

    pub(super) fn on_stuck(&mut self, now: u64, play: PlayId) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.is(play))
        {
            self.failed(
                now,
                Player::Sounding,
                "the source stopped giving audio".to_owned(),
            );
        }
    }

    fn finished(&mut self, now: u64) {
        if self.loop_mode == LoopMode::Track
            && let Some(current) = self.current.take()
        {
            self.repeat(now, current.track);
        } else {
            self.retire();
            self.next(now, Player::Silent);
        }
    }

    fn failed(&mut self, now: u64, player: Player, reason: String) {
        let Some(current) = self.current.take() else {
            return;
        };
        self.notice(Refusal::LoadFailed {
            query: current.track.title.clone(),
            reason,
        });
        self.failures += 1;
        let looping = self.loop_mode != LoopMode::Off;
        let enough = self.failures
            >= if looping {
                MAX_FAILURES_IN_LOOP
            } else {
                MAX_FAILURES
            };
        match self.loop_mode {
            LoopMode::Track if !enough => return self.repeat(now, current.track),
            LoopMode::Queue => self.queue.append([current.track]),
            LoopMode::Track | LoopMode::Off => {}
        }
        if enough {
            self.failures = 0;
            if player == Player::Sounding {
                self.effects.push_back(Effect::StopPlayer);
            }
            self.changed();
        } else {
            self.next(now, player);
        }
    }

    fn repeat(&mut self, now: u64, track: Track) {
        let mut current = Current::new(track, now);
        current.recorded = true;
        self.current = Some(current);
        self.start(now);
        self.changed();
    }
}
