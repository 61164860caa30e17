//! What a player is and does, decided without clock, socket or thread.
//!
//! Inputs are `handle_*`, effects come out of `poll`. Time and what the engine shows come in as
//! a [`Sight`].

use std::collections::VecDeque;

use backline_proto::lavalink::{
    Event, Exception, Filters, Message, Object, Player, PlayerState, Snowflake, Track,
    TrackEndReason, VoiceState,
};

use crate::engine::slot::EventKind;

/// What can be seen of a player from outside at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// Where the engine is in run `run`, if it has begun it.
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
    /// Tell the client where the player is.
    Update,
    /// Open the loaded track at its goal; see [`Control::goal`].
    Open,
    /// Take the loaded track to its new goal.
    Seek,
    /// Drop what is loaded or being opened, and fall silent.
    Silence,
    /// Pause or go on.
    Pause(bool),
    /// Change the gain of the packets to come.
    Gain(f32),
    /// End the track there.
    EndAt(Option<u64>),
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
    volume: u16,
    paused: bool,
    filters: Filters,
    voice: VoiceState,
    stuck_threshold_ms: i64,
    runs: u64,
    playing: Playing,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
struct Loaded {
    track: Track,
    goal: Goal,
    end_ms: Option<u64>,
    heard: bool,
    stuck: bool,
    /// When somebody last listened, or could have.
    pulled_ms: i64,
}

/// Since when frames are expected; gaps of up to 100 ms between tracks do not count.
#[derive(Debug, Default)]
struct Playing {
    since_ms: Option<i64>,
    broke_ms: Option<i64>,
}

/// A track that nobody pulled frames from for this long is dropped.
const CLEANUP_MS: i64 = 60_000;
/// Gaps between tracks up to this do not spoil a minute's frame counts.
const GAP_MS: i64 = 100;
/// The loudest volume, in percent.
const MAX_VOLUME: i64 = 1_000;

impl Control {
    /// Returns an empty player.
    pub fn new(guild_id: Snowflake, stuck_threshold_ms: i64) -> Self {
        Self {
            guild_id,
            track: None,
            volume: 100,
            paused: false,
            filters: Filters::default(),
            voice: VoiceState::default(),
            stuck_threshold_ms,
            runs: 0,
            playing: Playing::default(),
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

    /// Whether a track is loaded and not paused.
    pub fn is_playing(&self) -> bool {
        self.track.is_some() && !self.paused
    }

    /// Whether the frame counts of the minute that began at `minute_ms` mean anything.
    pub fn is_usable_since(&self, minute_ms: i64) -> bool {
        self.is_playing()
            && self
                .playing
                .since_ms
                .is_some_and(|since| since <= minute_ms)
    }

    /// Returns the factor that samples are multiplied by.
    pub fn gain(&self) -> f32 {
        let filter = self.filters.volume.unwrap_or(1.0);
        // The reference treats a filter within two percent of 1 as none.
        let filter = if (filter - 1.0).abs() < 0.02 {
            1.0
        } else {
            filter
        };
        f32::from(self.volume) / 100.0 * filter
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
            next_track: None,
            crossfade: None,
            fading: None,
            loudness_normalizer: None,
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

    /// Pauses or goes on.
    pub fn handle_pause(&mut self, paused: bool, sight: &Sight) {
        if self.paused == paused {
            return;
        }
        self.paused = paused;
        if self.track.is_some() {
            if paused {
                self.playing.stop(sight);
            } else {
                self.playing.start(sight);
            }
        }
        self.effects.push_back(Effect::Pause(paused));
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
        self.effects.push_back(Effect::Gain(self.gain()));
    }

    /// Replaces all filters.
    pub fn handle_filters(&mut self, filters: Filters) {
        self.filters = filters;
        self.effects.push_back(Effect::Gain(self.gain()));
        self.effects.push_back(Effect::Update);
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
        let length = u64::try_from(loaded.track.info.length).unwrap_or(u64::MAX);
        let position_ms = position_ms.min(length);
        if loaded.end_ms.is_some_and(|end| position_ms >= end) {
            self.end(TrackEndReason::Finished, sight);
            self.effects.push_back(Effect::Silence);
            return;
        }
        self.runs += 1;
        loaded.goal.run = self.runs;
        loaded.goal.position_ms = position_ms;
        self.effects.push_back(Effect::Seek);
        self.effects.push_back(Effect::Update);
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
    }

    /// Loads a track; what was loaded ends as replaced.
    pub fn handle_play(&mut self, play: Play, sight: &Sight) {
        if self.paused != play.paused {
            self.paused = play.paused;
            self.effects.push_back(Effect::Pause(play.paused));
        }
        self.end(TrackEndReason::Replaced, sight);
        self.runs += 1;
        let goal = Goal {
            load: self.runs,
            run: self.runs,
            position_ms: play.position_ms,
        };
        let end_ms = play.end_ms.filter(|end| *end > play.position_ms);
        let loaded = Loaded {
            track: play.track,
            goal,
            end_ms,
            heard: false,
            stuck: false,
            pulled_ms: sight.time_ms,
        };
        let track = loaded.live(sight);
        self.track = Some(loaded);
        if !self.paused {
            self.playing.start(sight);
        }
        self.effects.push_back(Effect::Open);
        self.tell(Event::TrackStart {
            guild_id: self.guild_id,
            track,
        });
        self.effects.push_back(Effect::Update);
    }

    /// Stops the track, if there is one.
    pub fn handle_stop(&mut self, sight: &Sight) {
        if self.track.is_some() {
            self.end(TrackEndReason::Stopped, sight);
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
                self.end(TrackEndReason::Finished, sight);
                self.effects.push_back(Effect::Silence);
            }
            EventKind::Failed => {
                let failure = failure.unwrap_or_else(unknown_failure);
                self.fail(failure, sight);
            }
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

    /// Looks after a track that nobody pulls frames from. Call it every few seconds.
    pub fn handle_time(&mut self, sight: &Sight) {
        let Some(loaded) = &mut self.track else {
            return;
        };
        if sight.connected {
            loaded.pulled_ms = sight.time_ms;
        } else if sight.time_ms - loaded.pulled_ms >= CLEANUP_MS {
            self.end(TrackEndReason::Cleanup, sight);
            self.effects.push_back(Effect::Silence);
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
        self.end(reason, sight);
        self.effects.push_back(Effect::Silence);
    }

    fn end(&mut self, reason: TrackEndReason, sight: &Sight) {
        let Some(loaded) = self.track.take() else {
            return;
        };
        self.playing.stop(sight);
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

impl Loaded {
    fn position(&self, sight: &Sight) -> u64 {
        match sight.position {
            Some((run, position_ms)) if run == self.goal.run => position_ms,
            _ => self.goal.position_ms,
        }
    }

    fn live(&self, sight: &Sight) -> Track {
        let mut track = self.track.clone();
        track.info.position = i64::try_from(self.position(sight)).unwrap_or(i64::MAX);
        track
    }
}

impl Playing {
    fn start(&mut self, sight: &Sight) {
        let gap = self.broke_ms.take().map(|broke| sight.time_ms - broke);
        if self.since_ms.is_none() || gap.is_some_and(|gap| gap > GAP_MS) {
            self.since_ms = Some(sight.time_ms);
        }
    }

    fn stop(&mut self, sight: &Sight) {
        self.broke_ms.get_or_insert(sight.time_ms);
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
