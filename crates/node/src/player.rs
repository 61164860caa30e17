//! A player: its control state, its seat in the engine, its voice connection and its source.
//!
//! No task belongs to a player as such: REST handlers, the engine's event task, the ticker and
//! jobs that open sources call in, and everything is decided under one short lock.

pub mod control;
pub mod markers;
pub mod mix;
mod open;
mod perform;
mod radio;
pub mod sound;
pub mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use backline_media::voice::{EndToEnd, Mode};
use backline_proto::lavalink::beyond::{Crossfade, Fading, LoudnessNormalizer};
use backline_proto::lavalink::{Filters, Object, Player as View, Snowflake, Track, VoiceState};
use backline_proto::voice::session::{Closed, Options, VoiceSession};
use tokio::time::Instant;

use crate::app::App;
use crate::engine::Seat;
use crate::engine::feed::Feed;
use crate::engine::slot::{Counters, Event};
use crate::engine::transport::Transport;
use crate::session::Session;
use crate::source::piped::orders::Orders;
use crate::voice::connection::{Connection, Owner};
use crate::voice::dave::Desk;
use crate::voice::{Status, VoiceLink};
use control::{Control, Play, Sight};
use markers::MarkerKind;
use mix::Over;
use open::{Ahead, Job};
use perform::Leaving;
use watch::Watcher;

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
    /// Where the tracks of the feed are told what to do.
    orders: Option<Orders>,
    job: Option<Job>,
    ahead: Option<Ahead>,
    leaving: Option<Leaving>,
    /// What is heard over the present track.
    over: Option<Over>,
    watchers: Vec<(MarkerKind, Arc<dyn Watcher>)>,
    /// What plays, if the track is a radio station.
    titles: Option<radio::Titles>,
    voice: Option<VoiceLink>,
    /// Counts voice connections, so that a late word of an old one is told apart.
    voice_epoch: u64,
    destroyed: bool,
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
                orders: None,
                job: None,
                ahead: None,
                leaving: None,
                over: None,
                watchers: Vec::new(),
                titles: None,
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
    pub fn set_filters(&self, mut filters: Filters) {
        // No plugin has any: unknown ones are ignored, and not echoed.
        filters.plugin_filters.clear();
        self.change(|control, _| control.handle_filters(filters));
    }

    /// Sets how tracks go over into each other.
    pub fn set_crossfade(&self, crossfade: Option<Crossfade>) {
        self.change(|control, sight| control.handle_crossfade(crossfade, sight));
    }

    /// Sets which fades there are.
    pub fn set_fading(&self, fading: Option<Fading>) {
        self.change(|control, _| control.handle_fading(fading));
    }

    /// Brings all tracks to one loudness, or leaves them as they are.
    pub fn set_loudness(&self, loudness: Option<LoudnessNormalizer>) {
        self.change(|control, _| control.handle_loudness(loudness));
    }

    /// Sets what follows the loaded track, or that nothing does.
    pub fn set_next(&self, track: Option<Track>) {
        self.change(|control, sight| control.handle_next(track, sight));
    }

    /// Replaces the user data of the track that follows.
    pub fn set_next_user_data(&self, user_data: Object) {
        self.change(|control, _| control.handle_next_user_data(user_data));
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
        let mut state = self.lock();
        let sight = sight(&state);
        state.control.handle_time(&sight);
        state.tell_title();
        Self::look_after_mix(&mut state);
        self.run(&mut state);
    }

    /// Ends the player: the track ends as stopped, the call is left, the engine forgets it.
    pub fn destroy(&self) {
        let mut state = self.lock();
        let sight = sight(&state);
        state.control.handle_fading(None);
        state.control.handle_stop(&sight);
        self.run(&mut state);
        self.left(&mut state);
        state.watchers.clear();
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
