//! A Lavalink v4 server without sound: it obeys, remembers, and fails when told to.
//!
//! It runs on a runtime of its own, so that it can die as a process does: at once, with all its
//! connections.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::ws::{Message as Frame, WebSocket};
use axum::extract::{Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use backline_proto::lavalink::{
    Event, Exception, LoadResult, Message, Object, Omissible, Player, PlayerState, Playlist,
    PlaylistInfo, Session, Severity, Snowflake, Track, TrackEndReason, TrackInfo, UpdatePlayer,
    UpdateSession, VoiceState,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

pub const PASSWORD: &str = "a password";

/// The server, and what it remembers.
pub struct Peer {
    pub address: SocketAddr,
    pub world: World,
    runtime: Option<Runtime>,
}

#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Inner>>, Arc<Notify>);

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<String, PeerSession>,
    /// Every request that changed something, in order: `play a from 0`, `pause`, …
    journal: Vec<String>,
    /// Handshakes: the session that was asked for, and whether it was resumed.
    handshakes: Vec<(Option<String>, bool)>,
    refuse_voice: bool,
    refuse_play: bool,
    slow: BTreeSet<String>,
    named: u32,
}

struct PeerSession {
    resuming: bool,
    /// `None` while it is parked.
    socket: Option<mpsc::UnboundedSender<Frame>>,
    players: BTreeMap<u64, Player>,
}

impl Peer {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"))
    }

    /// Starts at an address where another one has died.
    pub fn start_at(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let world = World::default();
        let served = world.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let listener = TcpListener::bind(address)
                .await
                .expect("the address is free");
            sender
                .send(listener.local_addr().expect("bound"))
                .expect("awaited");
            axum::serve(listener, routes(served)).await.expect("serves");
        });
        let address = receiver.recv().expect("it binds");
        Self {
            address,
            world,
            runtime: Some(runtime),
        }
    }

    /// Dies as a process that is killed.
    pub fn kill(mut self) -> SocketAddr {
        self.die();
        self.address
    }

    fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.die();
    }
}

impl World {
    pub fn journal(&self) -> Vec<String> {
        self.lock().journal.clone()
    }

    pub fn handshakes(&self) -> Vec<(Option<String>, bool)> {
        self.lock().handshakes.clone()
    }

    pub fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    pub fn player(&self, guild: u64) -> Option<Player> {
        self.lock()
            .sessions
            .values()
            .find_map(|session| session.players.get(&guild).cloned())
    }

    pub fn players(&self) -> usize {
        self.lock()
            .sessions
            .values()
            .map(|session| session.players.len())
            .sum()
    }

    pub fn refuse_voice(&self, refuse: bool) {
        self.lock().refuse_voice = refuse;
    }

    pub fn refuse_play(&self, refuse: bool) {
        self.lock().refuse_play = refuse;
    }

    /// Makes lookups of `identifier` wait.
    pub fn slow(&self, identifier: &str) {
        self.lock().slow.insert(identifier.to_owned());
    }

    /// Lets every lookup that waits go on.
    pub fn hurry(&self) {
        self.lock().slow.clear();
        self.1.notify_waiters();
    }

    /// Breaks all sockets as a network does; sessions stay parked.
    pub fn drop_sockets(&self) {
        for session in self.lock().sessions.values_mut() {
            session.socket = None;
        }
    }

    /// Says something to every client, as it is.
    pub fn say(&self, text: &str) {
        for session in self.lock().sessions.values() {
            session.say_text(text);
        }
    }

    pub fn position(&self, guild: u64, position: i64) {
        let state = PlayerState {
            time: 1,
            position,
            connected: true,
            ping: 1,
        };
        self.say_message(&Message::PlayerUpdate {
            guild_id: Snowflake(guild),
            state,
        });
    }

    pub fn end(&self, guild: u64, reason: TrackEndReason) {
        let track = self.take_track(guild);
        self.say_message(&Message::Event(Event::TrackEnd {
            guild_id: Snowflake(guild),
            track,
            reason,
        }));
    }

    /// A track gives no audio at all.
    pub fn fail(&self, guild: u64, message: &str) {
        let track = self.take_track(guild);
        let exception = Exception {
            message: Some(message.to_owned()),
            severity: Severity::Common,
            cause: "a cause".into(),
            cause_stack_trace: String::new(),
        };
        let guild_id = Snowflake(guild);
        self.say_message(&Message::Event(Event::TrackException {
            guild_id,
            track: track.clone(),
            exception,
        }));
        self.say_message(&Message::Event(Event::TrackEnd {
            guild_id,
            track,
            reason: TrackEndReason::LoadFailed,
        }));
    }

    pub fn close_voice(&self, guild: u64, code: i32) {
        let event = Event::WebSocketClosed {
            guild_id: Snowflake(guild),
            code,
            reason: String::new(),
            by_remote: true,
        };
        self.say_message(&Message::Event(event));
    }

    fn take_track(&self, guild: u64) -> Track {
        let mut inner = self.lock();
        let player = inner
            .sessions
            .values_mut()
            .find_map(|session| session.players.get_mut(&guild));
        player.expect("a player").track.take().expect("a track")
    }

    fn say_message(&self, message: &Message) {
        self.say(&serde_json::to_string(message).expect("serializes"));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while holding it")
    }
}

impl PeerSession {
    fn say_text(&self, text: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(Frame::Text(text.into()));
        }
    }

    fn say(&self, message: &Message) {
        self.say_text(&serde_json::to_string(message).expect("serializes"));
    }
}

fn routes(world: World) -> Router {
    Router::new()
        .route("/v4/websocket", get(websocket))
        .route("/v4/loadtracks", get(load))
        .route("/v4/sessions/{session}", patch(update_session))
        .route(
            "/v4/sessions/{session}/players/{guild}",
            patch(update_player).delete(destroy_player),
        )
        .with_state(world)
}

fn refuses(headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_none_or(|password| password != PASSWORD)
}

fn error(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({
        "timestamp": 1, "status": status.as_u16(), "error": "no", "message": message, "path": "/"
    });
    (status, Json(body)).into_response()
}

async fn websocket(
    State(world): State<World>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if refuses(&headers) || headers.get("user-id").is_none_or(|user| user != "99") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let asked = headers
        .get("session-id")
        .map(|id| id.to_str().expect("ASCII").to_owned());
    upgrade.on_upgrade(move |socket| talk(world, asked, socket))
}

async fn talk(world: World, asked: Option<String>, mut socket: WebSocket) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let id = {
        let mut inner = world.lock();
        let parked = asked.clone().filter(|id| {
            inner
                .sessions
                .get(id)
                .is_some_and(|session| session.socket.is_none())
        });
        let resumed = parked.is_some();
        inner.handshakes.push((asked, resumed));
        inner.named += 1;
        let id = parked.unwrap_or_else(|| format!("session{}", inner.named));
        let session = inner.sessions.entry(id.clone()).or_insert(PeerSession {
            resuming: false,
            socket: None,
            players: BTreeMap::new(),
        });
        session.socket = Some(sender);
        session.say(&Message::Ready {
            resumed,
            session_id: id.clone(),
        });
        id
    };
    loop {
        tokio::select! {
            frame = receiver.recv() => match frame {
                Some(frame) => {
                    if socket.send(frame).await.is_err() {
                        break;
                    }
                }
                // The network broke: no farewell.
                None => return,
            },
            frame = socket.recv() => if !matches!(frame, Some(Ok(_))) { break },
        }
    }
    let mut inner = world.lock();
    if let Some(session) = inner.sessions.get_mut(&id) {
        session.socket = None;
        if !session.resuming {
            inner.sessions.remove(&id);
        }
    }
}

pub fn track(title: &str) -> Track {
    Track {
        encoded: format!("encoded {title}"),
        info: TrackInfo {
            identifier: title.into(),
            is_seekable: true,
            author: "somebody".into(),
            length: 200_000,
            is_stream: false,
            position: 0,
            title: title.into(),
            uri: None,
            source_name: "local".into(),
            artwork_url: None,
            isrc: None,
        },
        plugin_info: Object::new(),
        user_data: Object::new(),
    }
}

async fn load(
    State(world): State<World>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if refuses(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let identifier = query.get("identifier").cloned().unwrap_or_default();
    loop {
        let hurried = world.1.notified();
        if !world.lock().slow.contains(&identifier) {
            break;
        }
        hurried.await;
    }
    let result = match identifier.as_str() {
        "local:nothing" => LoadResult::Empty,
        "local:broken" => LoadResult::Error(Exception {
            message: Some("could not reach http://10.0.0.1/x".into()),
            severity: Severity::Suspicious,
            cause: "c".into(),
            cause_stack_trace: String::new(),
        }),
        "local:crash" => return error(StatusCode::INTERNAL_SERVER_ERROR, "boom"),
        "local:nonsense" => return "not JSON".into_response(),
        "https://example.com/list" => LoadResult::Playlist(Playlist {
            info: PlaylistInfo {
                name: "list".into(),
                selected_track: -1,
            },
            plugin_info: Object::new(),
            tracks: vec![track("one"), track("two"), track("three")],
        }),
        other => {
            let title = other.strip_prefix("local:").unwrap_or(other);
            LoadResult::Search(vec![track(title), track("another")])
        }
    };
    Json(result).into_response()
}

async fn update_session(
    State(world): State<World>,
    Path(id): Path<String>,
    Json(update): Json<UpdateSession>,
) -> Response {
    let mut inner = world.lock();
    let Some(session) = inner.sessions.get_mut(&id) else {
        return error(StatusCode::NOT_FOUND, "Session not found");
    };
    session.resuming = update.resuming.unwrap_or(session.resuming);
    let answer = Session {
        resuming: session.resuming,
        timeout: update.timeout.unwrap_or(60),
    };
    inner.journal.push(format!("resuming {}", answer.resuming));
    Json(answer).into_response()
}

async fn update_player(
    State(world): State<World>,
    Path((id, guild)): Path<(String, u64)>,
    Json(update): Json<UpdatePlayer>,
) -> Response {
    let mut inner = world.lock();
    let inner = &mut *inner;
    let Some(session) = inner
        .sessions
        .get_mut(&id)
        .filter(|session| session.socket.is_some())
    else {
        return error(StatusCode::NOT_FOUND, "Session not found");
    };
    let player = session.players.entry(guild).or_insert_with(|| Player {
        guild_id: Snowflake(guild),
        track: None,
        volume: 100,
        paused: false,
        state: PlayerState {
            time: 1,
            position: 0,
            connected: false,
            ping: -1,
        },
        voice: VoiceState::default(),
        filters: serde_json::from_str("{}").expect("no filters"),
        next_track: None,
        crossfade: None,
        fading: None,
        loudness_normalizer: None,
    });
    if let Some(voice) = update.voice {
        if inner.refuse_voice {
            inner.journal.push("refused voice".into());
            return error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Failed to connect to voice server",
            );
        }
        if !voice.is_complete() {
            return error(
                StatusCode::BAD_REQUEST,
                "token, endpoint, sessionId and channelId must be provided",
            );
        }
        inner.journal.push(format!(
            "voice {} {}",
            voice.channel_id.as_deref().unwrap_or_default(),
            voice.token
        ));
        player.voice = voice;
    }
    player.volume = update.volume.map_or(player.volume, |volume| volume as u16);
    player.paused = update.paused.unwrap_or(player.paused);
    let mut events = Vec::new();
    if let Some(new) = update.track {
        match new.encoded {
            Omissible::Value(_) if inner.refuse_play => {
                inner.journal.push("refused play".into());
                return error(StatusCode::BAD_REQUEST, "cannot play /srv/music/secret.mp3");
            }
            Omissible::Value(encoded) => {
                let title = encoded
                    .strip_prefix("encoded ")
                    .unwrap_or(&encoded)
                    .to_owned();
                let mut new_track = track(&title);
                new_track.user_data = new.user_data.unwrap_or_default();
                let from = update.position.unwrap_or(0);
                let paused = if player.paused { " paused" } else { "" };
                inner.journal.push(format!(
                    "play {title} from {from}{paused} at {}",
                    player.volume
                ));
                player.state.position = from;
                if let Some(old) = player.track.replace(new_track.clone()) {
                    let reason = TrackEndReason::Replaced;
                    events.push(Event::TrackEnd {
                        guild_id: Snowflake(guild),
                        track: old,
                        reason,
                    });
                }
                events.push(Event::TrackStart {
                    guild_id: Snowflake(guild),
                    track: new_track,
                });
            }
            Omissible::Null => {
                inner.journal.push("stop".into());
                player.track = None;
            }
            Omissible::Absent => {}
        }
    } else {
        if let Some(position) = update.position {
            inner.journal.push(format!("seek {position}"));
            player.state.position = position;
        }
        if let Some(paused) = update.paused {
            inner
                .journal
                .push(if paused { "pause" } else { "unpause" }.into());
        }
        if let Some(volume) = update.volume {
            inner.journal.push(format!("volume {volume}"));
        }
    }
    let answer = Json(player.clone()).into_response();
    for event in events {
        session.say(&Message::Event(event));
    }
    answer
}

async fn destroy_player(
    State(world): State<World>,
    Path((id, guild)): Path<(String, u64)>,
) -> Response {
    let mut inner = world.lock();
    inner.journal.push("destroy".into());
    match inner.sessions.get_mut(&id) {
        Some(session) => {
            session.players.remove(&guild);
            StatusCode::NO_CONTENT.into_response()
        }
        None => error(StatusCode::NOT_FOUND, "Session not found"),
    }
}
