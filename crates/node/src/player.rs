//! A player: its control state, its seat in the engine, its voice connection and its source.
//!
//! No task belongs to a player as such: REST handlers, the engine's event task, the ticker and
//! jobs that open sources call in, and everything is decided under one short lock.

pub mod control;
pub mod markers;
pub mod sound;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use backline_media::voice::{EndToEnd, Mode};
use backline_proto::lavalink::{
    Exception, Filters, Message, Object, Player as View, Snowflake, VoiceState,
};
use backline_proto::voice::session::{Closed, Options, VoiceSession};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::app::App;
use crate::engine::Seat;
use crate::engine::feed::{Feed, PacketSource, Settings};
use crate::engine::slot::{Counters, Event};
use crate::engine::transport::Transport;
use crate::session::Session;
use crate::voice::connection::{Connection, Owner};
use crate::voice::dave::Desk;
use crate::voice::{Status, VoiceLink};
use control::{Control, Effect, Goal, Play, Sight};

/// A player.
pub struct Player {
    /// Its number in this process; events of the engine carry it.
    pub id: u64,
    /// Its guild.
    pub guild_id: Snowflake,
    app: Arc<App>,
    session: Weak<Session>,
    seat: Seat,
    state: Mutex<State>,
    this: Weak<Self>,
}

struct State {
    control: Control,
    feed: Option<Arc<Feed>>,
    job: Option<Job>,
    voice: Option<VoiceLink>,
    /// Counts voice connections, so that a late word of an old one is told apart.
    voice_epoch: u64,
    destroyed: bool,
}

/// The task that opens or seeks the loaded track.
struct Job {
    load: u64,
    task: AbortHandle,
}

/// The voice connection did not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Failed to connect to voice server")]
pub struct VoiceFailed;

impl Player {
    /// Returns an empty player of `session`.
    pub fn new(app: &Arc<App>, session: &Arc<Session>, guild_id: Snowflake) -> Arc<Self> {
        let id = app.players.next_id();
        let threshold = i64::from(app.config.track_stuck_threshold_ms);
        let player = Arc::new_cyclic(|this| Self {
            id,
            guild_id,
            app: Arc::clone(app),
            session: Arc::downgrade(session),
            seat: app.engine.seat(id),
            state: Mutex::new(State {
                control: Control::new(guild_id, threshold),
                feed: None,
                job: None,
                voice: None,
                voice_epoch: 0,
                destroyed: false,
            }),
            this: Weak::clone(this),
        });
        app.players.insert(&player);
        player
    }

    /// Returns the player as clients see it.
    pub fn view(&self) -> View {
        let state = self.lock();
        let sight = sight(&state);
        state.control.view(&sight)
    }

    /// Whether a track is loaded.
    pub fn has_track(&self) -> bool {
        self.lock().control.track().is_some()
    }

    /// Whether a track is loaded and not paused.
    pub fn is_playing(&self) -> bool {
        self.lock().control.is_playing()
    }

    /// Whether the frame counts of the minute that began at `minute_ms` mean anything.
    pub fn is_usable_since(&self, minute_ms: i64) -> bool {
        self.lock().control.is_usable_since(minute_ms)
    }

    /// Returns the frames counted so far.
    pub fn counters(&self) -> &Counters {
        self.seat.counters()
    }

    /// Pauses or goes on.
    pub fn pause(&self, paused: bool) {
        self.change(|control, sight| control.handle_pause(paused, sight));
    }

    /// Replaces the user data of the loaded track.
    pub fn set_user_data(&self, user_data: Object) {
        self.change(|control, _| control.handle_user_data(user_data));
    }

    /// Sets the volume in percent.
    pub fn set_volume(&self, percent: i64) {
        self.change(|control, _| control.handle_volume(percent));
    }

    /// Replaces all filters.
    pub fn set_filters(&self, filters: Filters) {
        self.change(|control, _| control.handle_filters(filters));
    }

    /// Goes to another place of the loaded track.
    pub fn seek(&self, position_ms: i64) {
        self.change(|control, sight| control.handle_seek(position_ms, sight));
    }

    /// Ends the loaded track there.
    pub fn set_end(&self, end_ms: Option<u64>) {
        self.change(|control, sight| control.handle_end_time(end_ms, sight));
    }

    /// Loads a track.
    pub fn play(&self, play: Play) {
        self.change(|control, sight| control.handle_play(play, sight));
    }

    /// Stops the loaded track.
    pub fn stop(&self) {
        self.change(Control::handle_stop);
    }

    /// Takes an event of the engine.
    pub fn handle_event(&self, event: Event) {
        let mut state = self.lock();
        let feed = state
            .feed
            .as_ref()
            .filter(|feed| feed.place().0 == event.generation);
        let failure = feed
            .and_then(|feed| feed.take_failure())
            .map(|failure| *failure);
        let sight = sight(&state);
        state
            .control
            .handle_event(event.generation, event.kind, failure, &sight);
        self.run(&mut state);
    }

    /// Looks after what only time shows; called once a second.
    pub fn handle_time(&self) {
        self.change(Control::handle_time);
    }

    /// Tells the client where the player is, if a track is loaded.
    pub fn tell_position(&self) {
        let state = self.lock();
        if state.control.track().is_some() {
            self.tell_update(&state);
        }
    }

    /// Tells the client where the player is.
    pub fn tell_state(&self) {
        let state = self.lock();
        self.tell_update(&state);
    }

    /// Ends the player: the track ends as stopped, the call is left, the engine forgets it.
    pub fn destroy(&self) {
        let mut state = self.lock();
        let sight = sight(&state);
        state.control.handle_stop(&sight);
        self.run(&mut state);
        state.destroyed = true;
        state.voice = None;
        state.voice_epoch += 1;
        self.seat.stop();
        self.seat.connect(None);
        drop(state);
        self.app.players.remove(self.id);
    }

    /// Connects with `credentials` unless that is already so, and waits until packets can be
    /// sent.
    ///
    /// # Errors
    /// When the connection does not come up within the time configured.
    pub async fn connect(&self, credentials: VoiceState) -> Result<(), VoiceFailed> {
        let mut status = {
            let mut state = self.lock();
            state.control.handle_voice(credentials.clone());
            match state
                .voice
                .as_ref()
                .filter(|link| link.serves(&credentials))
            {
                Some(link) => link.status(),
                None => self.dial(&mut state, credentials)?,
            }
        };
        let limit = Duration::from_millis(self.app.config.voice.connect_timeout_ms.into());
        let settled = status.wait_for(|status| *status != Status::Connecting);
        match tokio::time::timeout(limit, settled).await {
            Ok(Ok(status)) if *status == Status::Live => Ok(()),
            _ => Err(VoiceFailed),
        }
    }

    fn dial(
        &self,
        state: &mut State,
        credentials: VoiceState,
    ) -> Result<tokio::sync::watch::Receiver<Status>, VoiceFailed> {
        if state.destroyed {
            return Err(VoiceFailed);
        }
        let Some(session) = self.session.upgrade() else {
            return Err(VoiceFailed);
        };
        let channel_id = credentials.channel_id.as_deref();
        let channel_id = channel_id.and_then(|id| id.trim().parse().ok());
        let (Some(channel_id), Some(url)) =
            (channel_id, self.app.dialer.url(&credentials.endpoint))
        else {
            return Err(VoiceFailed);
        };
        // The old link goes first: the same user cannot be in the same call twice.
        state.voice = None;
        state.voice_epoch += 1;
        self.seat.connect(None);
        let started = Instant::now();
        let options = Options {
            url,
            server_id: self.guild_id.0.into(),
            user_id: session.user_id.into(),
            session_id: credentials.session_id.clone(),
            token: credentials.token.clone(),
            max_dave_protocol_version: backline_media::voice::dave::MAX_VERSION,
            modes: Mode::ALL
                .iter()
                .map(|mode| mode.name().to_owned())
                .collect(),
        };
        let (link, status, leave) = VoiceLink::new(credentials);
        let connection = Connection {
            session: VoiceSession::new(options, Duration::ZERO),
            desk: Desk::new(
                session.user_id,
                channel_id,
                Arc::clone(&self.app.dialer.keywork),
                self.app.metrics.voice.clone(),
            ),
            metrics: self.app.metrics.voice.clone(),
            dialer: self.app.dialer.clone(),
            owner: Caller {
                player: Weak::clone(&self.this),
                epoch: state.voice_epoch,
            },
            pulse: Arc::clone(link.pulse()),
            status,
            leave,
            started,
        };
        let waiting = link.status();
        state.voice = Some(link);
        let count = self.app.metrics.voice_connections.clone();
        self.app.tasks.spawn(async move {
            count.inc();
            connection.run().await;
            count.dec();
        });
        Ok(waiting)
    }

    fn change(&self, decide: impl FnOnce(&mut Control, &Sight)) {
        let mut state = self.lock();
        let sight = sight(&state);
        decide(&mut state.control, &sight);
        self.run(&mut state);
    }

    fn run(&self, state: &mut State) {
        while let Some(effect) = state.control.poll() {
            match effect {
                Effect::Send(message) => {
                    if let Some(session) = self.session.upgrade() {
                        session.send(&message);
                    }
                }
                Effect::Update => self.tell_update(state),
                Effect::Pause(paused) => self.seat.pause(paused),
                Effect::Sound => {
                    if let Some(feed) = &state.feed {
                        self.app
                            .engine
                            .pool()
                            .apply(feed, settings(&state.control));
                    }
                }
                Effect::EndAt(end_ms) => {
                    if let Some(feed) = &state.feed {
                        feed.set_end(feed.place().0, end_ms);
                    }
                }
                Effect::Silence => {
                    if let Some(job) = state.job.take() {
                        job.task.abort();
                    }
                    if let Some(feed) = state.feed.take() {
                        self.app.engine.pool().dispose(&feed);
                    }
                    self.seat.stop();
                }
                Effect::Tell(_)
                | Effect::Leave(_)
                | Effect::Alarm(_)
                | Effect::Fade { .. }
                | Effect::Later { .. }
                | Effect::Prepare
                | Effect::Forget
                | Effect::Started => {}
                Effect::Open => {
                    if let Some(feed) = state.feed.take() {
                        // What is buffered of the old track plays until the new one yields.
                        self.app.engine.pool().dispose(&feed);
                    }
                    self.start_job(state, None);
                }
                Effect::Seek => {
                    let load = state.control.goal().map(|goal| goal.load);
                    if state.job.as_ref().is_none_or(|job| Some(job.load) != load) {
                        let feed = state.feed.take();
                        if let Some(feed) = &feed {
                            feed.retire();
                        }
                        self.start_job(state, feed);
                    }
                }
            }
        }
    }

    fn start_job(&self, state: &mut State, running: Option<Arc<Feed>>) {
        if let Some(job) = state.job.take() {
            job.task.abort();
        }
        let (Some(goal), Some(this)) = (state.control.goal(), self.this.upgrade()) else {
            return;
        };
        let task = tokio::spawn(async move { this.reach(goal, running).await });
        state.job = Some(Job {
            load: goal.load,
            task: task.abort_handle(),
        });
    }

    /// Opens the loaded track, or takes it over from a feed, and brings it to its goal; the goal
    /// may move meanwhile.
    async fn reach(self: Arc<Self>, mut goal: Goal, running: Option<Arc<Feed>>) {
        let load = goal.load;
        let mut opened: Option<Box<dyn PacketSource>> = None;
        if let Some(feed) = running {
            // Waits for a turn of the pool that may be under way.
            opened = tokio::task::spawn_blocking(move || feed.take_source())
                .await
                .ok()
                .flatten();
        }
        loop {
            let result = if let Some(source) = opened.take() {
                self.app.sources.seek(source, goal.position_ms).await
            } else {
                let track = self.lock().control.track().cloned();
                let Some(track) = track else { return };
                self.app.sources.open(&track, goal.position_ms).await
            };
            let mut state = self.lock();
            let Some(now) = state.control.goal().filter(|now| now.load == load) else {
                return;
            };
            match result {
                Ok(done) if now.run != goal.run => opened = Some(done),
                Ok(source) => {
                    self.start_feed(&mut state, goal, source);
                    return;
                }
                Err(failure) => {
                    state.job = None;
                    self.fail(&mut state, load, *failure);
                    return;
                }
            }
            goal = now;
        }
    }

    fn start_feed(&self, state: &mut State, goal: Goal, source: Box<dyn PacketSource>) {
        let wake = source.wake();
        let settings = settings(&state.control);
        let (feed, line) = Feed::new(self.id, goal.run, goal.position_ms, settings, source);
        feed.set_end(goal.run, state.control.end_ms());
        wake.aim(&feed);
        state.feed = Some(feed);
        state.job = None;
        self.seat.play(line);
    }

    fn fail(&self, state: &mut State, load: u64, failure: Exception) {
        let sight = sight(state);
        state.control.handle_open_failed(load, failure, &sight);
        self.run(state);
    }

    fn tell_update(&self, state: &State) {
        if let Some(session) = self.session.upgrade() {
            let state = state.control.state(&sight(state));
            session.send_unless_parked(&Message::PlayerUpdate {
                guild_id: self.guild_id,
                state,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Player {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Player")
            .field("guild_id", &self.guild_id)
            .finish_non_exhaustive()
    }
}

fn settings(control: &Control) -> Settings {
    Settings {
        effects: Arc::new(control.effects().clone()),
    }
}

fn sight(state: &State) -> Sight {
    let pulse = state.voice.as_ref().map(VoiceLink::pulse);
    Sight {
        time_ms: crate::app::wall_ms(),
        position: state.feed.as_ref().map(|feed| feed.place()),
        connected: pulse.is_some_and(|pulse| pulse.is_connected()),
        ping_ms: pulse.and_then(|pulse| pulse.ping_ms()),
    }
}

/// A player as its voice connection knows it.
struct Caller {
    player: Weak<Player>,
    epoch: u64,
}

impl Caller {
    fn with(&self, act: impl FnOnce(&Player, &mut State)) {
        if let Some(player) = self.player.upgrade() {
            let mut state = player.lock();
            if state.voice_epoch == self.epoch && !state.destroyed {
                act(&player, &mut state);
            }
        }
    }
}

impl Owner for Caller {
    fn handle_transport(&self, transport: Box<Transport>) {
        self.with(|player, _| player.seat.connect(Some(transport)));
    }

    fn handle_protection(&self, end_to_end: EndToEnd) {
        self.with(|player, _| player.seat.protect(end_to_end));
    }

    fn handle_ready(&self) {
        self.with(|player, state| {
            state.control.handle_voice_ready();
            player.run(state);
        });
    }

    fn handle_closed(&self, closed: &Closed) {
        self.with(|player, state| {
            if closed.will_retry {
                player.tell_update(state);
                return;
            }
            player.seat.connect(None);
            let reason = closed.reason.clone();
            state
                .control
                .handle_voice_closed(closed.code.0, reason, closed.by_remote);
            player.run(state);
        });
    }
}
