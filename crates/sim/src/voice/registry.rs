//! All sessions, rooms and participants of the simulated voice servers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backline_proto::voice::{
    ClientDisconnect, ClientsConnect, Close, Identify, Resume, ServerMessage, Snowflake,
};
use rand::RngExt;
use serde_json::json;

use super::{
    HeardStats, Listener, SessionSpec, VoiceOptions,
    calls::Calls,
    heard::Room,
    session::{Order, Session},
};

#[derive(Debug)]
pub(super) struct Registry {
    pub(super) options: VoiceOptions,
    pub(super) calls: Calls,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<(u64, u64), Arc<Session>>,
    by_ssrc: HashMap<u32, Arc<Session>>,
    by_channel: HashMap<u64, Vec<Arc<Session>>>,
    rooms: HashMap<u64, Arc<Room>>,
    /// Who else is in a channel, as the Discord half says.
    others: HashMap<u64, BTreeSet<u64>>,
    connections: u64,
}

impl Registry {
    pub(super) fn new(options: VoiceOptions) -> Self {
        Self {
            calls: Calls::new(options.offer_dave || options.require_dave),
            options,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session and returns its token.
    pub(super) fn open(self: &Arc<Self>, spec: SessionSpec) -> String {
        let token = format!("{:016x}", rand::rng().random::<u64>());
        let key = (spec.guild_id, spec.user_id);
        let mut state = self.state();
        let ssrc = state.free_ssrc();
        let session = Arc::new(Session::new(spec, token.clone(), ssrc));
        let before = state.sessions.insert(key, Arc::clone(&session));
        if let Some(before) = &before {
            state.forget(before);
        }
        let channel = session.spec.channel_id;
        let there = state.by_channel.entry(channel).or_default();
        there.push(Arc::clone(&session));
        state.by_ssrc.insert(ssrc, session);
        drop(state);
        if let Some(before) = before {
            self.farewell(&before, Close::DISCONNECTED);
        }
        token
    }

    pub(super) fn close(self: &Arc<Self>, guild_id: u64, user_id: u64) {
        let mut state = self.state();
        let session = state.sessions.remove(&(guild_id, user_id));
        if let Some(session) = &session {
            state.forget(session);
        }
        drop(state);
        if let Some(session) = session {
            self.farewell(&session, Close::DISCONNECTED);
        }
    }

    fn farewell(self: &Arc<Self>, session: &Session, close: Close) {
        let was_present = session.is_present();
        session.end(close);
        self.leave_call(session.spec.channel_id, session.spec.user_id);
        if was_present {
            let gone = ServerMessage::ClientDisconnect(ClientDisconnect {
                user_id: Snowflake::new(session.spec.user_id),
            });
            self.tell_others(session.spec.channel_id, session.spec.user_id, &gone);
        }
    }

    pub(super) fn break_connection(&self, guild_id: u64, user_id: u64, code: Option<u16>) -> bool {
        let session = self.state().sessions.get(&(guild_id, user_id)).cloned();
        let order = code.map_or(Order::Drop, |code| Order::Close(Close(code)));
        session.is_some_and(|session| session.order(order))
    }

    pub(super) fn next_connection(&self) -> u64 {
        let mut state = self.state();
        state.connections += 1;
        state.connections
    }

    /// Finds the session that an Identify is for, or says how to close.
    pub(super) fn identify(&self, identify: &Identify) -> Result<Arc<Session>, Close> {
        let state = self.state();
        let guild_id = identify.server_id.value();
        if let Some(session) = state.sessions.get(&(guild_id, identify.user_id.value())) {
            return check(session, &identify.token, &identify.session_id);
        }
        // A known guild with another user is a wrong login; an unknown one is a wrong server.
        let known = state.sessions.keys().any(|(guild, _)| *guild == guild_id);
        Err(if known {
            Close::AUTHENTICATION_FAILED
        } else {
            Close::SERVER_NOT_FOUND
        })
    }

    /// Finds the session that a Resume is for, or says how to close.
    pub(super) fn find_resumed(&self, resume: &Resume) -> Result<Arc<Session>, Close> {
        let state = self.state();
        let guild_id = resume.server_id.value();
        let session = state
            .sessions
            .values()
            .find(|session| {
                session.spec.guild_id == guild_id && session.spec.session_id == resume.session_id
            })
            .ok_or(Close::SESSION_INVALID)?;
        check(session, &resume.token, &resume.session_id).map_err(|_| Close::SESSION_INVALID)
    }

    pub(super) fn by_ssrc(&self, ssrc: u32) -> Option<Arc<Session>> {
        self.state().by_ssrc.get(&ssrc).cloned()
    }

    pub(super) fn room(&self, guild_id: u64) -> Arc<Room> {
        let recorded = self.options.recorded_frames;
        let mut state = self.state();
        Arc::clone(
            state
                .rooms
                .entry(guild_id)
                .or_insert_with(|| Arc::new(Room::new(recorded))),
        )
    }

    pub(super) fn listen(&self, guild_id: u64) -> Listener {
        Listener::new(&self.room(guild_id))
    }

    /// Forgets everything, so that listeners come to their end.
    pub(super) fn clear(&self) {
        *self.state() = State::default();
        self.calls.clear();
    }

    pub(super) fn stats(&self, guild_id: u64) -> HeardStats {
        let room = self.state().rooms.get(&guild_id).cloned();
        room.map_or_else(HeardStats::default, |room| room.stats())
    }

    pub(super) fn total_stats(&self) -> HeardStats {
        let rooms: Vec<_> = self.state().rooms.values().cloned().collect();
        rooms
            .iter()
            .fold(HeardStats::default(), |sum, room| sum + room.stats())
    }

    pub(super) fn is_connected(&self, guild_id: u64, user_id: u64) -> bool {
        let session = self.state().sessions.get(&(guild_id, user_id)).cloned();
        session.is_some_and(|session| session.is_connected())
    }

    pub(super) fn participant_joined(
        self: &Arc<Self>,
        channel_id: u64,
        user_id: u64,
        max_version: u16,
    ) {
        if self
            .state()
            .others
            .entry(channel_id)
            .or_default()
            .insert(user_id)
        {
            self.introduce(channel_id, user_id);
            self.attend_call(channel_id, user_id, max_version);
        }
    }

    pub(super) fn participant_left(self: &Arc<Self>, channel_id: u64, user_id: u64) {
        let mut state = self.state();
        let Some(others) = state.others.get_mut(&channel_id) else {
            return;
        };
        let was_there = others.remove(&user_id);
        if others.is_empty() {
            state.others.remove(&channel_id);
        }
        drop(state);
        if was_there {
            self.leave_call(channel_id, user_id);
            let user_id = Snowflake::new(user_id);
            let gone = ServerMessage::ClientDisconnect(ClientDisconnect { user_id });
            self.tell_others(channel_id, user_id.value(), &gone);
        }
    }

    /// Tells a newcomer who is there, and those who are there about the newcomer.
    pub(super) fn welcome(&self, session: &Session) {
        let SessionSpec {
            channel_id,
            user_id,
            ..
        } = session.spec;
        let present = self.present(channel_id, user_id);
        if !present.is_empty() {
            for message in introduction(&present) {
                session.send_numbered(&message);
            }
        }
        for other in self.others_in(channel_id, user_id) {
            if let Some(speaking) = other.speaking() {
                session.send_numbered(&ServerMessage::Speaking(speaking));
            }
        }
        self.introduce(channel_id, user_id);
    }

    fn introduce(&self, channel_id: u64, user_id: u64) {
        for message in introduction(&[user_id]) {
            self.tell_others(channel_id, user_id, &message);
        }
    }

    fn present(&self, channel_id: u64, except: u64) -> Vec<u64> {
        let state = self.state();
        let mut present = state.others.get(&channel_id).cloned().unwrap_or_default();
        let sessions = state.sessions.values();
        present.extend(
            sessions
                .filter(|session| session.spec.channel_id == channel_id && session.is_present())
                .map(|session| session.spec.user_id),
        );
        present.remove(&except);
        present.into_iter().collect()
    }

    /// Returns a user's session in a channel.
    pub(super) fn in_channel(&self, channel_id: u64, user_id: u64) -> Option<Arc<Session>> {
        let state = self.state();
        let there = state.by_channel.get(&channel_id)?;
        there
            .iter()
            .find(|session| session.spec.user_id == user_id)
            .cloned()
    }

    /// Returns the sessions of a channel but the user's own.
    pub(super) fn others_in(&self, channel_id: u64, user_id: u64) -> Vec<Arc<Session>> {
        let state = self.state();
        let there = state.by_channel.get(&channel_id).into_iter().flatten();
        there
            .filter(|session| session.spec.user_id != user_id)
            .cloned()
            .collect()
    }

    /// Sends a numbered message to all sessions of a channel but the user's own.
    pub(super) fn tell_others(&self, channel_id: u64, user_id: u64, message: &ServerMessage) {
        for session in self.others_in(channel_id, user_id) {
            session.send_numbered(message);
        }
    }
}

impl State {
    fn forget(&mut self, session: &Arc<Session>) {
        self.by_ssrc.remove(&session.ssrc);
        let channel_id = session.spec.channel_id;
        if let Some(there) = self.by_channel.get_mut(&channel_id) {
            there.retain(|other| other.ssrc != session.ssrc);
            if there.is_empty() {
                self.by_channel.remove(&channel_id);
            }
        }
    }

    fn free_ssrc(&self) -> u32 {
        loop {
            // Clients in languages without unsigned numbers read these as signed ones.
            let ssrc = rand::rng().random_range(1..=i32::MAX.unsigned_abs());
            if !self.by_ssrc.contains_key(&ssrc) {
                return ssrc;
            }
        }
    }
}

fn check(session: &Arc<Session>, token: &str, session_id: &str) -> Result<Arc<Session>, Close> {
    if !session.token_matches(token) {
        return Err(Close::AUTHENTICATION_FAILED);
    }
    if session.spec.session_id != session_id {
        return Err(Close::SESSION_INVALID);
    }
    Ok(Arc::clone(session))
}

/// What Discord says about users that are in a call: that they are, their flags, their platform.
fn introduction(users: &[u64]) -> Vec<ServerMessage> {
    let user_ids = users.iter().copied().map(Snowflake::new).collect();
    let mut messages = vec![ServerMessage::ClientsConnect(ClientsConnect { user_ids })];
    for user_id in users.iter().map(u64::to_string) {
        messages.push(ServerMessage::Other {
            op: 18,
            body: json!({ "user_id": user_id, "flags": 2 }),
        });
        messages.push(ServerMessage::Other {
            op: 20,
            body: json!({ "user_id": user_id, "platform": 0 }),
        });
    }
    messages
}
