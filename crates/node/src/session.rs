//! Client sessions: their players, their settings, and where their messages go.

pub mod outbox;
pub mod registry;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use backline_proto::lavalink::{Message, Object, Session as View, Snowflake, UpdateSession};
use serde::Serialize;

use crate::app::App;
use crate::player::Player;
use crate::tenants::Owner;
use outbox::{Inbox, Outbox};

/// One client's session.
#[derive(Debug)]
pub struct Session {
    /// Its name, as the client knows it.
    pub id: String,
    /// The bot's user.
    pub user_id: u64,
    /// To whom it belongs.
    pub owner: Owner,
    state: Mutex<State>,
    players: Mutex<BTreeMap<Snowflake, Arc<Player>>>,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    view: View,
    /// Changes whenever the session is parked or taken up again.
    epoch: u64,
    /// When the last regular stats were sent, in milliseconds since 1970.
    stats_ms: i64,
}

impl Session {
    /// Returns a session that is live, and where its messages come out.
    pub fn new(id: String, user_id: u64) -> (Arc<Self>, Inbox) {
        let (outbox, inbox) = Outbox::live();
        let state = State {
            outbox,
            view: View::default(),
            epoch: 0,
            stats_ms: crate::app::wall_ms(),
        };
        let session = Self {
            id,
            user_id,
            owner: Owner::default(),
            state: Mutex::new(state),
            players: Mutex::default(),
        };
        (Arc::new(session), inbox)
    }

    /// Sends a message, or keeps it while the session is parked.
    pub fn send(&self, message: &Message) {
        let text = encode(message);
        self.lock().outbox.push(text);
    }

    /// Sends a message that is not one of the protocol's own, or keeps it.
    pub fn send_object(&self, message: &Object) {
        let text = encode_any(message);
        self.lock().outbox.push(text);
    }

    /// Sends where a player is, unless the session is parked, or has so much to send that the
    /// next such message will come before this one would.
    pub fn send_update(&self, message: &Message) {
        let mut state = self.lock();
        if state.outbox.takes_updates() {
            state.outbox.push(encode(message));
        }
    }

    /// Sends stats, which are the first to go when a parked session has too many messages.
    pub fn send_stats(&self, message: &Message) {
        let text = encode(message);
        self.lock().outbox.push_stats(text);
    }

    /// Whether the minute since the last stats is over; if so, the next one begins.
    pub fn stats_due(&self, now_ms: i64) -> bool {
        let mut state = self.lock();
        let due = now_ms - state.stats_ms >= STATS_MS;
        if due {
            state.stats_ms = now_ms;
        }
        due
    }

    /// Whether a client is connected.
    pub fn is_live(&self) -> bool {
        self.lock().outbox.is_live()
    }

    /// Changes the settings and returns them.
    pub fn update(&self, update: &UpdateSession) -> View {
        let mut state = self.lock();
        if let Some(resuming) = update.resuming {
            state.view.resuming = resuming;
        }
        if let Some(timeout) = update.timeout {
            state.view.timeout = timeout;
        }
        state.view
    }

    /// Returns all players, by guild.
    pub fn players(&self) -> Vec<Arc<Player>> {
        self.lock_players().values().cloned().collect()
    }

    /// Returns the player of a guild.
    pub fn player(&self, guild_id: Snowflake) -> Option<Arc<Player>> {
        self.lock_players().get(&guild_id).cloned()
    }

    /// Returns the player of a guild, made if there is none.
    pub fn player_or_new(self: &Arc<Self>, app: &Arc<App>, guild_id: Snowflake) -> Arc<Player> {
        let mut players = self.lock_players();
        let player = players.entry(guild_id);
        Arc::clone(player.or_insert_with(|| Player::new(app, self, guild_id)))
    }

    /// Ends the player of a guild, if there is one.
    pub fn remove_player(&self, guild_id: Snowflake) {
        let player = self.lock_players().remove(&guild_id);
        if let Some(player) = player {
            player.destroy();
        }
    }

    /// Ends all players.
    pub fn remove_players(&self) {
        let players = std::mem::take(&mut *self.lock_players());
        for player in players.into_values() {
            player.destroy();
        }
    }

    /// Parks the session after its socket is gone, if it is resumable: returns for how long, and
    /// the epoch to end it by. `inbox` gives what was not sent.
    fn park(&self, inbox: Inbox) -> Option<(Duration, u64)> {
        let mut state = self.lock();
        if !state.view.resuming {
            state.outbox = Outbox::Gone;
            return None;
        }
        state.outbox = Outbox::parked(inbox);
        state.epoch += 1;
        Some((Duration::from_secs(state.view.timeout), state.epoch))
    }

    /// Takes a parked session for a client that is about to connect.
    fn claim(&self) -> bool {
        let mut state = self.lock();
        let Outbox::Parked { claimed, .. } = &mut state.outbox else {
            return false;
        };
        if std::mem::replace(claimed, true) {
            return false;
        }
        state.epoch += 1;
        true
    }

    /// Gives a claimed session back.
    fn unclaim(&self) -> Option<(Duration, u64)> {
        let mut state = self.lock();
        let timeout = Duration::from_secs(state.view.timeout);
        let Outbox::Parked { claimed, .. } = &mut state.outbox else {
            return None;
        };
        *claimed = false;
        state.epoch += 1;
        Some((timeout, state.epoch))
    }

    /// Makes a claimed session live; returns what was kept, in order.
    fn revive(&self) -> (Vec<Utf8Bytes>, Inbox) {
        let mut state = self.lock();
        let (outbox, inbox) = Outbox::live();
        let kept = std::mem::replace(&mut state.outbox, outbox).into_kept();
        state.epoch += 1;
        (kept, inbox)
    }

    /// Ends a parked session whose time is up; false when it was taken up meanwhile.
    fn expire(&self, epoch: u64) -> bool {
        let mut state = self.lock();
        let up = state.epoch == epoch && matches!(state.outbox, Outbox::Parked { .. });
        if up {
            state.outbox = Outbox::Gone;
        }
        up
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_players(&self) -> MutexGuard<'_, BTreeMap<Snowflake, Arc<Player>>> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a message as it goes over the socket.
pub fn encode(message: &Message) -> Utf8Bytes {
    encode_any(message)
}

fn encode_any(message: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(message)
        .expect("messages have string keys and finite numbers")
        .into()
}

/// How often clients are sent stats.
const STATS_MS: i64 = 60_000;
