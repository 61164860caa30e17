//! What a player is and does, decided without clock, socket or thread.
//!
//! Inputs are `handle_*`, effects come out of `poll`. Time and what the engine shows come in as
//! a [`Sight`].

mod fades;
mod follow;
mod loaded;

use std::collections::VecDeque;

use backline_media::pipeline;
use backline_proto::lavalink::beyond::{Crossfade, Fading, LoudnessNormalizer};
use backline_proto::lavalink::{
    Event, Exception, Filters, Message, Object, Player, PlayerState, Snowflake, Track,
    TrackEndReason, VoiceState,
};

use super::markers::{Marker, MarkerKind, Passed};
use super::sound;
use crate::engine::slot::EventKind;
use fades::Fades;
use follow::Next;
use loaded::{Loaded, Playing};

/// What can be seen of a player from outside at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Which run the engine is in, and where, if it has begun one.
    pub position: Option<(u64, u64)>,
    /// Whether the voice gateway is connected.
    pub connected: bool,
    /// Round trip of the last voice heartbeat in milliseconds.
    pub ping_ms: Option<u64>,
}

/// Something the shell has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell the client.
    Send(Box<Message>),
    /// Tell the client what a plugin has to say: a whole message.
    Tell(Object),
    /// Tell the client where the player is.
    Update,
    /// Let what is heard fade out for so many milliseconds before the [`Effect::Open`] or
    /// [`Effect::Silence`] that follows takes hold.
    Leave(u32),
    /// Open the loaded track at its goal; see [`Control::goal`].
    Open,
    /// Take the loaded track to its new goal.
    Seek,
    /// Drop what is loaded or being opened, and fall silent.
    Silence,
    /// Pause or go on.
    Pause(bool),
    /// Change the sound of the packets to come; see [`Control::effects`].
    Sound,
    /// End the track there.
    EndAt(Option<u64>),
    /// Tell [`EventKind::Reached`] when the track comes there.
    Alarm(Option<u64>),
    /// Fade what is heard.
    Fade {
        /// To silence, or back to full loudness.
        up: bool,
        /// How long it takes, in milliseconds.
        ms: u32,
    },
    /// Call [`Control::handle_later`] with `turn` after so many milliseconds.
    Later {
        /// When.
        ms: u32,
        /// Which of the waits it is.
        turn: u64,
    },
    /// Open the track that follows, so that it can follow without a gap; see [`Control::next`].
    Prepare,
    /// Drop what was prepared.
    Forget,
    /// A track begins: those who watch the player are told.
    Started,
}

/// Where a loaded track is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// Which load it is; a new track is a new load.
    pub load: u64,
    /// Which run it is; a seek is a new run.
    pub run: u64,
    /// Where the run starts, in milliseconds.
    pub position_ms: u64,
}

/// A new track and what comes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Play {
    /// The track, with its user data.
    pub track: Track,
    /// Where to start, in milliseconds.
    pub position_ms: u64,
    /// Where to end, in milliseconds.
    pub end_ms: Option<u64>,
    /// Whether to start paused.
    pub paused: bool,
}

/// The state of one player.
#[derive(Debug)]
pub struct Control {
    guild_id: Snowflake,
    track: Option<Loaded>,
    next: Option<Next>,
    volume: u16,
    paused: bool,
    filters: Filters,
    crossfade: Option<Crossfade>,
    fading: Option<Fading>,
    loudness: Option<LoudnessNormalizer>,
    effects_now: pipeline::Effects,
    voice: VoiceState,
    stuck_threshold_ms: i64,
    runs: u64,
    playing: Playing,
    fades: Fades,
    alarm_ms: Option<u64>,
    effects: VecDeque<Effect>,
}

/// A track that nobody pulled frames from for this long is dropped.
const CLEANUP_MS: i64 = 60_000;
/// The loudest volume, in percent.
const MAX_VOLUME: i64 = 1_000;

impl Control {
    /// Returns an empty player.
    pub fn new(guild_id: Snowflake, stuck_threshold_ms: i64) -> Self {
        Self {
            guild_id,
            track: None,
            next: None,
            volume: 100,
            paused: false,
            filters: Filters::default(),
            crossfade: None,
            fading: None,
            loudness: None,
            effects_now: pipeline::Effects::default(),
            voice: VoiceState::default(),
            stuck_threshold_ms,
            runs: 0,
            playing: Playing::default(),
            fades: Fades::default(),
            alarm_ms: None,
            effects: VecDeque::new(),
        }
    }

    /// Returns the next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns where the loaded track is to be.
    pub fn goal(&self) -> Option<Goal> {
        self.track.as_ref().map(|loaded| loaded.goal)
    }

    /// Returns the loaded track.
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref().map(|loaded| &loaded.track)
    }

    /// Returns where the loaded track ends early.
    pub fn end_ms(&self) -> Option<u64> {
        self.track.as_ref().and_then(|loaded| loaded.end_ms)
    }

    /// Returns where the next marker of the loaded track is.
    pub fn alarm_ms(&self) -> Option<u64> {
        self.alarm_ms
    }

    /// Whether a track is loaded and not paused.
    pub fn is_playing(&self) -> bool {
        self.track.is_some() && !self.paused
    }

    /// Whether the frame counts of the minute that began at `minute_ms` mean anything.
    pub fn is_usable_since(&self, minute_ms: i64) -> bool {
        self.is_playing() && self.playing.is_since(minute_ms)
    }

    /// Returns what the sound is to be like.
    pub fn effects(&self) -> &pipeline::Effects {
        &self.effects_now
    }

    /// Returns the player as clients see it.
    pub fn view(&self, sight: &Sight) -> Player {
        Player {
            guild_id: self.guild_id,
            track: self.track.as_ref().map(|loaded| loaded.live(sight)),
            volume: self.volume,
            paused: self.paused,
            state: self.state(sight),
            voice: self.voice.clone(),
            filters: self.filters.clone(),
            next_track: self.next().map(|(track, _)| track.clone()),
            crossfade: self.crossfade,
            fading: self.fading,
            loudness_normalizer: self.loudness,
        }
    }

    /// Returns where the player is.
    pub fn state(&self, sight: &Sight) -> PlayerState {
        let position = self
            .track
            .as_ref()
            .map_or(0, |loaded| loaded.position(sight));
        let ping = sight.ping_ms.filter(|_| sight.connected);
        PlayerState {
            time: sight.time_ms,
            position: i64::try_from(position).unwrap_or(i64::MAX),
            connected: sight.connected,
            ping: ping.map_or(-1, |ping| i64::try_from(ping).unwrap_or(i64::MAX)),
        }
    }

    /// Takes voice credentials; the shell connects.
    pub fn handle_voice(&mut self, voice: VoiceState) {
        self.voice = voice;
    }

    /// Replaces the user data of the loaded track.
    pub fn handle_user_data(&mut self, user_data: Object) {
        if let Some(loaded) = &mut self.track {
            loaded.track.user_data = user_data;
        }
    }

    /// Sets the volume in percent; out of range is clamped.
    pub fn handle_volume(&mut self, percent: i64) {
        self.volume = percent.clamp(0, MAX_VOLUME) as u16;
        self.sound();
    }

    /// Replaces all filters.
    pub fn handle_filters(&mut self, filters: Filters) {
        self.filters = filters;
        self.sound();
        self.effects.push_back(Effect::Update);
    }

    /// Brings all tracks to one loudness, or leaves them as they are.
    pub fn handle_loudness(&mut self, loudness: Option<LoudnessNormalizer>) {
        self.loudness = loudness;
        self.sound();
    }

    fn sound(&mut self) {
        let target = self.loudness.and_then(LoudnessNormalizer::target);
        let effects = sound::effects(self.volume, &self.filters, target);
        // Packets are made again for a change: not when there is none.
        if effects != self.effects_now {
            self.effects_now = effects;
            self.effects.push_back(Effect::Sound);
        }
    }

    /// Goes to another place of the track. Ignored without a track, or when it cannot seek.
    pub fn handle_seek(&mut self, position_ms: i64, sight: &Sight) {
        let Some(loaded) = &mut self.track else {
            return;
        };
        if !loaded.track.info.is_seekable {
            return;
        }
        let position_ms = u64::try_from(position_ms).unwrap_or(0);
        let position_ms = position_ms.min(loaded.length_ms());
        if loaded.end_ms.is_some_and(|end| position_ms >= end) {
            self.finish(TrackEndReason::Finished, sight);
            return;
        }
        self.runs += 1;
        loaded.goal.run = self.runs;
        loaded.goal.position_ms = position_ms;
        let skipped = loaded.markers.handle_seek(position_ms);
        self.effects.push_back(Effect::Seek);
        self.effects.push_back(Effect::Update);
        for passed in skipped {
            self.tell_plugin(passed.tell);
        }
        self.watch_markers();
        self.prepare_in_time(sight);
    }

    /// Ends the track at `end_ms`, or no longer early. At or before the position does nothing.
    pub fn handle_end_time(&mut self, end_ms: Option<u64>, sight: &Sight) {
        let Some(loaded) = &mut self.track else {
            return;
        };
        if end_ms.is_some_and(|end| end <= loaded.position(sight)) {
            return;
        }
        loaded.end_ms = end_ms;
        self.effects.push_back(Effect::EndAt(end_ms));
        self.prepare_in_time(sight);
    }

    /// Loads a track; what was loaded ends as replaced, and nothing follows any more.
    pub fn handle_play(&mut self, play: Play, sight: &Sight) {
        self.forget_next();
        if !play.paused {
            self.leave(sight);
        }
        self.set_paused_at_once(play.paused);
        self.end(TrackEndReason::Replaced, sight);
        self.runs += 1;
        let goal = Goal {
            load: self.runs,
            run: self.runs,
            position_ms: play.position_ms,
        };
        let mut loaded = Loaded::new(play.track, goal, sight);
        loaded.end_ms = play.end_ms.filter(|end| *end > play.position_ms);
        self.effects.push_back(Effect::Open);
        self.start(loaded, sight);
    }

    /// Tells that a track begins, which is being opened or already heard.
    fn start(&mut self, loaded: Loaded, sight: &Sight) {
        let track = loaded.live(sight);
        self.track = Some(loaded);
        if !self.paused {
            self.playing.start(sight);
        }
        self.tell(Event::TrackStart {
            guild_id: self.guild_id,
            track,
        });
        self.effects.push_back(Effect::Update);
        self.watch_markers();
        self.effects.push_back(Effect::Started);
    }

    /// Stops the track, if there is one; nothing follows.
    pub fn handle_stop(&mut self, sight: &Sight) {
        self.stop(TrackEndReason::Stopped, sight);
    }

    fn stop(&mut self, reason: TrackEndReason, sight: &Sight) {
        self.forget_next();
        if self.track.is_some() {
            self.leave(sight);
            self.end(reason, sight);
            self.effects.push_back(Effect::Silence);
        }
    }

    /// Takes what the clock told about a run; late news of older runs is ignored.
    pub fn handle_event(
        &mut self,
        run: u64,
        kind: EventKind,
        failure: Option<Exception>,
        sight: &Sight,
    ) {
        let Some(loaded) = self.track.as_mut().filter(|loaded| loaded.goal.run == run) else {
            return;
        };
        match kind {
            EventKind::Started => loaded.heard = true,
            EventKind::Finished => {
                loaded.rest_at_end(sight);
                self.finish(TrackEndReason::Finished, sight);
            }
            EventKind::Failed => {
                let failure = failure.unwrap_or_else(unknown_failure);
                self.fail(failure, sight);
            }
            EventKind::Reached => self.pass_markers(sight),
            EventKind::Stuck if loaded.stuck => {}
            EventKind::Stuck => {
                loaded.stuck = true;
                let track = loaded.live(sight);
                let threshold_ms = self.stuck_threshold_ms;
                let guild_id = self.guild_id;
                self.tell(Event::TrackStuck {
                    guild_id,
                    track,
                    threshold_ms,
                });
                self.effects.push_back(Effect::Update);
            }
        }
    }

    /// Takes the news that a load could not be opened, or not be taken to its goal.
    pub fn handle_open_failed(&mut self, load: u64, failure: Exception, sight: &Sight) {
        if self
            .track
            .as_ref()
            .is_some_and(|loaded| loaded.goal.load == load)
        {
            self.fail(failure, sight);
        }
    }

    /// Takes the news that the voice gateway closed for good.
    pub fn handle_voice_closed(&mut self, code: u16, reason: String, by_remote: bool) {
        let guild_id = self.guild_id;
        self.effects.push_back(Effect::Update);
        self.tell(Event::WebSocketClosed {
            guild_id,
            code: i32::from(code),
            reason,
            by_remote,
        });
    }

    /// Takes the news that the voice gateway is ready.
    pub fn handle_voice_ready(&mut self) {
        self.effects.push_back(Effect::Update);
    }

    /// Looks after a track that nobody pulls frames from, and after the one that follows. Call it
    /// every second.
    pub fn handle_time(&mut self, sight: &Sight) {
        let Some(loaded) = &mut self.track else {
            return;
        };
        if sight.connected {
            loaded.pulled_ms = sight.time_ms;
        } else if sight.time_ms - loaded.pulled_ms >= CLEANUP_MS {
            self.stop(TrackEndReason::Cleanup, sight);
            return;
        }
        self.prepare_in_time(sight);
    }

    /// Replaces one kind of markers of load `load`; false when it is not loaded any more.
    pub fn set_markers(
        &mut self,
        load: u64,
        kind: MarkerKind,
        markers: Vec<Marker>,
        sight: &Sight,
    ) -> bool {
        let Some(loaded) = self
            .track
            .as_mut()
            .filter(|loaded| loaded.goal.load == load)
        else {
            return false;
        };
        let position_ms = loaded.position(sight);
        loaded.markers.set(kind, markers, position_ms);
        self.watch_markers();
        true
    }

    /// Tells the client what a plugin has to say: the event's `type` and fields.
    pub fn tell_plugin(&mut self, tell: Option<Object>) {
        if let Some(mut message) = tell {
            message.insert("op".to_owned(), "event".into());
            message.insert("guildId".to_owned(), self.guild_id.0.to_string().into());
            self.effects.push_back(Effect::Tell(message));
        }
    }

    fn pass_markers(&mut self, sight: &Sight) {
        let Some(loaded) = &mut self.track else {
            return;
        };
        // The alarm that rang is spent.
        self.alarm_ms = None;
        let passed = loaded.markers.handle_position(loaded.position(sight));
        let mut jump_to = None;
        for Passed { tell, jump_ms, .. } in passed {
            self.tell_plugin(tell);
            jump_to = jump_ms;
        }
        self.watch_markers();
        if let Some(to) = jump_to {
            self.handle_seek(i64::try_from(to).unwrap_or(i64::MAX), sight);
        }
    }

    fn watch_markers(&mut self) {
        let ahead = self
            .track
            .as_ref()
            .and_then(|loaded| loaded.markers.next_ms());
        if self.alarm_ms != ahead {
            self.alarm_ms = ahead;
            self.effects.push_back(Effect::Alarm(ahead));
        }
    }

    fn fail(&mut self, exception: Exception, sight: &Sight) {
        let Some(loaded) = &self.track else { return };
        let reason = if loaded.heard {
            TrackEndReason::Finished
        } else {
            TrackEndReason::LoadFailed
        };
        let track = loaded.live(sight);
        let guild_id = self.guild_id;
        self.tell(Event::TrackException {
            guild_id,
            track,
            exception,
        });
        self.finish(reason, sight);
    }

    fn end(&mut self, reason: TrackEndReason, sight: &Sight) {
        let Some(loaded) = self.track.take() else {
            return;
        };
        self.playing.stop(sight);
        self.watch_markers();
        let track = loaded.live(sight);
        self.tell(Event::TrackEnd {
            guild_id: self.guild_id,
            track,
            reason,
        });
    }

    fn tell(&mut self, event: Event) {
        self.effects
            .push_back(Effect::Send(Box::new(Message::Event(event))));
    }
}

fn unknown_failure() -> Exception {
    Exception {
        message: Some("Something broke when playing the track".to_owned()),
        severity: backline_proto::lavalink::Severity::Fault,
        cause: "the source ended without telling why".to_owned(),
        cause_stack_trace: String::new(),
    }
}

#[cfg(test)]
mod tests;
