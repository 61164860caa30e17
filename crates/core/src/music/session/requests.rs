//! Queries that are being looked up. They are added in the order in which they were asked.

use crate::id::UserId;
use crate::music::{LoopMode, Outcome, Placement, Refusal, Track};

use super::{Effect, RequestId, Resolution, Session};

/// A query that is being looked up, or waits for an earlier one.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: RequestId,
    pub(super) user: UserId,
    pub(super) query: String,
    pub(super) placement: Placement,
    pub(super) result: Option<Resolution>,
}

impl Session {
    pub(super) fn on_resolved(&mut self, now: u64, request: RequestId, result: Resolution) {
        let Some(pending) = self
            .pending
            .iter_mut()
            .find(|pending| pending.request == request)
        else {
            return;
        };
        pending.result = Some(result);
        while let Some(pending) = self.pending.pop_front_if(|first| first.result.is_some()) {
            let request = pending.request;
            let outcome = self.add(now, pending);
            self.effects.push_back(Effect::Reply { request, outcome });
        }
    }

    /// Answers everybody whose query is still being looked up: it will not be played.
    pub(super) fn forget_requests(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let outcome = Outcome::Stopped { cleared: 0 };
            self.effects.push_back(Effect::Reply {
                request: pending.request,
                outcome,
            });
        }
    }

    fn add(&mut self, now: u64, pending: Pending) -> Outcome {
        let Pending {
            user,
            query,
            placement,
            result,
            ..
        } = pending;
        match result {
            Some(Resolution::Found(tracks)) if !tracks.is_empty() => {
                self.add_found(now, user, placement, tracks)
            }
            Some(Resolution::Found(_) | Resolution::Empty) => {
                refused(Refusal::NothingFound { query })
            }
            Some(Resolution::Failed { reason }) => refused(Refusal::LoadFailed { query, reason }),
            Some(Resolution::NoNode) => refused(Refusal::NoNode),
            None => refused(Refusal::Internal),
        }
    }

    fn add_found(
        &mut self,
        now: u64,
        user: UserId,
        placement: Placement,
        mut tracks: Vec<Track>,
    ) -> Outcome {
        let replaces = placement == Placement::Now && self.loop_mode != LoopMode::Queue;
        // What plays at once takes no place in the queue.
        let room = self.queue.room() + usize::from(self.current.is_none() || replaces);
        tracks.truncate(room);
        for track in &mut tracks {
            track.requester = Some(user);
        }
        let Some(first) = tracks.first().cloned() else {
            return refused(Refusal::QueueFull {
                limit: self.queue.limit() as u32,
            });
        };
        let count = tracks.len() as u32;
        let silent = self.current.is_none();
        let position = match placement {
            Placement::Last => self.queue.len() as u32 + u32::from(!silent),
            Placement::Next => u32::from(!silent),
            Placement::Now => 0,
        };
        match placement {
            Placement::Last => self.queue.append(tracks),
            Placement::Next | Placement::Now => self.queue.prepend(tracks),
        }
        self.failures = 0;
        if silent || placement == Placement::Now {
            let player = self.player();
            self.leave_track_loop();
            self.retire();
            self.next(now, player);
        }
        self.changed();
        Outcome::Added {
            track: first,
            count,
            position,
            placement,
        }
    }
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused { refusal }
}
