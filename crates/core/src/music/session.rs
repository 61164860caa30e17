//! One guild's music session: a state machine that takes inputs and yields effects.
//!
//! ```text
//! session.handle(now, input);
//! while let Some(effect) = session.poll() { … }
//! wake_at(session.deadline());          // then handle(now, Input::Tick)
//! ```
//!
//! Times are milliseconds since 1970 UTC. The session never fails: what cannot be done is answered
//! with a refusal, and news about the past is ignored.

mod commands;
mod effect;
mod input;
mod playback;
mod requests;
mod snapshot;
#[cfg(test)]
mod tests;
mod voice;

use std::collections::VecDeque;

use crate::id::ChannelId;

use super::queue::Queue;
use super::{LoopMode, Outcome, Playback, Refusal, Track, View};
use playback::Current;
use requests::Pending;
use voice::Voice;

pub use effect::Effect;
pub use input::{EndReason, Input, PlayId, RequestId, Resolution};
pub use snapshot::{RestoreError, SavedTrack, Snapshot};

/// What an operator decides about sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many tracks a queue holds.
    pub queue_limit: u32,
    /// How many milliseconds the bot stays when nothing plays.
    pub idle_leave_ms: u64,
    /// How many milliseconds the bot stays when nobody listens.
    pub alone_leave_ms: u64,
}

/// One guild's music session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    text_channel: Option<ChannelId>,
    voice: Voice,
    /// `None` until the platform has said.
    listeners: Option<u32>,
    current: Option<Current>,
    queue: Queue,
    /// Latest last, at most [`HISTORY`].
    history: VecDeque<Track>,
    volume: u16,
    loop_mode: LoopMode,
    autoplay: bool,
    pending: VecDeque<Pending>,
    /// Tracks that failed one after another.
    failures: u32,
    plays: u64,
    idle_since: Option<u64>,
    alone_since: Option<u64>,
    effects: VecDeque<Effect>,
    changes: Changes,
}

/// What an input changed, gathered until it is handled.
#[derive(Debug, Default)]
struct Changes {
    save: bool,
    view: bool,
    bring_to_front: bool,
}

/// The volume of a new session, in percent.
pub const DEFAULT_VOLUME: u16 = 100;
/// The highest volume, in percent.
pub const MAX_VOLUME: u16 = 200;

/// Queries of one guild that are looked up or wait for it; further ones are refused, so that a
/// flood in one guild neither fills memory nor holds up the guilds that share its partition.
pub const MAX_PENDING: usize = 200;
/// How many played tracks are remembered.
pub const HISTORY: usize = 50;
/// How many entries a page of the queue has.
pub const PAGE: usize = 10;

const UP_NEXT: usize = 5;

impl Session {
    /// Returns a session that is in no voice channel and has nothing to play.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            text_channel: None,
            voice: Voice::Out,
            listeners: None,
            current: None,
            queue: Queue::new(settings.queue_limit),
            history: VecDeque::new(),
            volume: DEFAULT_VOLUME,
            loop_mode: LoopMode::Off,
            autoplay: false,
            pending: VecDeque::new(),
            failures: 0,
            plays: 0,
            idle_since: None,
            alone_since: None,
            effects: VecDeque::new(),
            changes: Changes::default(),
        }
    }

    /// Returns the session that was saved. It joins its voice channel again and goes on where it was;
    /// the time in between does not count.
    ///
    /// # Errors
    /// A later version of Backline wrote the snapshot.
    pub fn restore(snapshot: Snapshot, settings: Settings, now: u64) -> Result<Self, RestoreError> {
        if snapshot.version > Snapshot::VERSION {
            return Err(RestoreError::Version {
                version: snapshot.version,
            });
        }
        let mut session = Self::new(settings);
        session.text_channel = snapshot.text_channel;
        session.current = snapshot.current.map(|saved| Current::saved(saved, now));
        session.queue.append(snapshot.queue);
        session.history = snapshot.history.into();
        session
            .history
            .drain(..session.history.len().saturating_sub(HISTORY));
        session.volume = snapshot.volume.min(MAX_VOLUME);
        session.loop_mode = snapshot.loop_mode;
        session.autoplay = snapshot.autoplay;
        session.plays = snapshot.plays;
        if let Some(channel) = snapshot.voice_channel {
            session.join(now, channel, voice::FIRST_ATTEMPT);
        }
        session.changes = Changes::default();
        session.settle(now);
        Ok(session)
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: u64, input: Input) {
        let before = self.effects.len();
        match input {
            Input::Command {
                request,
                user,
                user_voice,
                text_channel,
                command,
                seed,
            } => {
                let asker = commands::Asker {
                    request,
                    user,
                    voice: user_voice,
                    text_channel,
                };
                if let Some(outcome) = self.on_command(now, &asker, command, seed) {
                    self.effects.push_back(Effect::Reply { request, outcome });
                }
            }
            Input::Resolved { request, result } => self.on_resolved(now, request, result),
            Input::TrackStarted { play } => self.on_started(now, play),
            Input::TrackEnded { play, reason } => self.on_ended(now, play, reason),
            Input::TrackFailed { play, reason } => self.on_failed(play, reason),
            Input::TrackStuck { play } => self.on_stuck(now, play),
            Input::Position { ms, at } => self.on_position(now, ms, at),
            Input::VoiceJoined { channel } => self.on_voice_joined(channel),
            Input::VoiceLeft => self.on_voice_left(now),
            Input::VoiceCredentials => self.on_voice_credentials(now),
            Input::VoiceReady => self.on_voice_ready(now),
            Input::VoiceFailed => self.on_voice_failed(now),
            Input::Listeners { people } => self.on_listeners(people),
            Input::NodeLost { since } => self.on_node_lost(now, since),
            Input::NodeReady => self.on_node_ready(now),
            Input::Removed => self.on_removed(now),
            Input::Tick => self.on_tick(now),
        }
        self.settle(now);
        let changes = std::mem::take(&mut self.changes);
        if changes.save {
            self.effects.insert(before, Effect::Save);
        }
        if changes.view || changes.bring_to_front {
            let view = (!self.is_over()).then(|| {
                let mut view = self.view(now);
                view.bring_to_front = changes.bring_to_front;
                Box::new(view)
            });
            self.effects.push_back(Effect::View(view));
        }
    }

    /// Returns the next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns when [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<u64> {
        [self.voice.deadline(), self.idle_until(), self.alone_until()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns what survives a restart.
    pub fn snapshot(&self, now: u64) -> Snapshot {
        Snapshot {
            version: Snapshot::VERSION,
            text_channel: self.text_channel,
            voice_channel: self.voice.channel(),
            current: self.current.as_ref().map(|current| current.save(now)),
            queue: self.queue.iter().cloned().collect(),
            history: self.history.iter().cloned().collect(),
            volume: self.volume,
            loop_mode: self.loop_mode,
            autoplay: self.autoplay,
            plays: self.plays,
        }
    }

    /// Returns what people see.
    pub fn view(&self, now: u64) -> View {
        View {
            voice_channel: self.voice.channel(),
            playing: self.current.as_ref().map(|current| Playback {
                track: current.track.clone(),
                position_ms: current.position(now),
                at_ms: now,
                paused: current.paused || self.voice.is_out(),
            }),
            up_next: self.queue.iter().take(UP_NEXT).cloned().collect(),
            queue_length: self.queue.len() as u32,
            queue_ms: self.queue.total_ms(),
            volume: self.volume,
            loop_mode: self.loop_mode,
            autoplay: self.autoplay,
            bring_to_front: false,
        }
    }

    /// Returns where the track is, in milliseconds, while it really plays.
    pub fn playing_position(&self, now: u64) -> Option<u64> {
        self.current
            .as_ref()
            .filter(|current| current.is_running())
            .map(|current| current.position(now))
    }

    /// Returns the text channel of the Now Playing message.
    pub fn text_channel(&self) -> Option<ChannelId> {
        self.text_channel
    }

    /// Whether nothing is left to play and nobody waits.
    pub fn is_over(&self) -> bool {
        self.is_dormant() && self.current.is_none() && self.queue.is_empty()
    }

    /// Whether the session does nothing until the next command: it may be dropped and restored then.
    pub fn is_dormant(&self) -> bool {
        self.voice.is_out() && self.pending.is_empty()
    }

    fn on_listeners(&mut self, people: u32) {
        if !self.voice.is_out() {
            self.listeners = Some(people);
        }
    }

    fn on_removed(&mut self, now: u64) {
        self.forget_requests();
        self.queue.clear();
        self.current = None;
        self.be_out(now);
    }

    fn on_tick(&mut self, now: u64) {
        let due = |until: Option<u64>| until.is_some_and(|until| until <= now);
        if due(self.idle_until()) || due(self.alone_until()) {
            self.leave(now);
        } else if due(self.voice.deadline()) {
            self.on_voice_overdue(now);
        }
    }

    fn idle_until(&self) -> Option<u64> {
        self.idle_since
            .map(|since| since + self.settings.idle_leave_ms)
    }

    fn alone_until(&self) -> Option<u64> {
        self.alone_since
            .map(|since| since + self.settings.alone_leave_ms)
    }

    /// Starts and stops the clocks of leaving.
    fn settle(&mut self, now: u64) {
        let here = !self.voice.is_out();
        let idle = here && self.current.is_none() && self.pending.is_empty();
        let alone = here && self.listeners == Some(0);
        self.idle_since = idle.then(|| self.idle_since.unwrap_or(now));
        self.alone_since = alone.then(|| self.alone_since.unwrap_or(now));
    }

    /// Forgets what belongs to one evening; the volume stays.
    fn reset(&mut self) {
        self.history.clear();
        self.loop_mode = LoopMode::Off;
        self.failures = 0;
    }

    /// Something changed that is saved and seen.
    fn changed(&mut self) {
        self.changes.save = true;
        self.changes.view = true;
    }

    fn notice(&mut self, refusal: Refusal) {
        if let Some(text_channel) = self.text_channel {
            let outcome = Outcome::Refused { refusal };
            self.effects.push_back(Effect::Notice {
                text_channel,
                outcome,
            });
        }
    }
}
