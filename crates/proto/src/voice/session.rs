//! The client's side of a voice gateway conversation, without a socket or a clock.
//!
//! A shell opens what [`Effect`]s ask for and feeds back what happens; `now` is the time since
//! any fixed point, on a clock that never goes back. After every `handle_*` the shell takes all
//! effects from [`VoiceSession::poll`] and waits for the socket or [`VoiceSession::deadline`].
//!
//! A session belongs to one pair of session id and token. When Discord sends new ones, drop the
//! session and begin another.

mod effect;
mod state;

use std::{collections::VecDeque, fmt, net::SocketAddr, time::Duration};

use serde_json::Value;

pub use effect::{Closed, Effect, Established};

use self::state::{Backoff, Heart, Link, Media};
use super::{
    ClientMessage, Close, Identify, Opcode, ProtocolData, Reaction, Ready, Resume, SelectProtocol,
    ServerMessage, SessionDescription, Snowflake, SpeakingUpdate, VERSION,
    binary::{ClientFrame, ServerFrame},
};

/// Who connects where, and with what.
#[derive(Clone)]
pub struct Options {
    /// The gateway's URL; see [`gateway_url`].
    pub url: String,
    /// The guild.
    pub server_id: Snowflake,
    /// The bot.
    pub user_id: Snowflake,
    /// From VOICE_STATE_UPDATE.
    pub session_id: String,
    /// From VOICE_SERVER_UPDATE. Secret.
    pub token: String,
    /// Highest version of DAVE that the shell can do; 0 is none.
    pub max_dave_protocol_version: u16,
    /// Acceptable transport encryptions, the preferred one first.
    pub modes: Vec<String>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("server_id", &self.server_id)
            .field("user_id", &self.user_id)
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

/// Returns the gateway's URL for an endpoint as VOICE_SERVER_UPDATE names it (`host:port`).
///
/// `scheme` is `wss`, or `ws` for a server on loopback.
pub fn gateway_url(scheme: &str, endpoint: &str) -> String {
    format!("{scheme}://{endpoint}/?v={VERSION}")
}

/// Connects, identifies, heartbeats, resumes and gives up.
#[derive(Debug)]
pub struct VoiceSession {
    options: Options,
    link: Link,
    media: Media,
    heart: Heart,
    backoff: Backoff,
    seq_ack: i64,
    /// Speaking flags that the shell wants, and those that the server knows.
    speaking: (u32, u32),
    /// DAVE messages that wait until the session is resumed, bounded.
    held: VecDeque<Effect>,
    effects: VecDeque<Effect>,
}

impl VoiceSession {
    /// Begins: the first effect asks for a connection.
    pub fn new(options: Options, now: Duration) -> Self {
        let mut session = Self {
            options,
            link: Link::Over,
            media: Media::None,
            heart: Heart::default(),
            backoff: Backoff::default(),
            seq_ack: super::NO_SEQUENCE,
            speaking: (0, 0),
            held: VecDeque::new(),
            effects: VecDeque::new(),
        };
        session.connect(now);
        session
    }

    /// Returns the next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns when [`Self::handle_deadline`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        match self.link {
            Link::Over => None,
            Link::Waiting { until } => Some(until),
            Link::Opening { since } => Some(since + STEP),
            Link::Greeting { since } | Link::Identifying { since } | Link::Resuming { since } => {
                Some(
                    self.heart
                        .due()
                        .map_or(since + STEP, |due| due.min(since + STEP)),
                )
            }
            Link::Live { .. } => self.heart.due(),
        }
    }

    /// Whether the control connection stands and keys are agreed.
    pub fn is_live(&self) -> bool {
        matches!(self.link, Link::Live { .. })
    }

    /// Whether the session ended for good.
    pub fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    /// Returns the last round trip of a heartbeat.
    pub fn ping(&self) -> Option<Duration> {
        self.heart.ping()
    }

    /// The WebSocket is open. `jitter`, 0.0..1.0, spreads the first heartbeat over its interval.
    pub fn handle_opened(&mut self, now: Duration, jitter: f64) {
        if matches!(self.link, Link::Opening { .. }) {
            self.heart = Heart::new(jitter);
            self.backoff.jitter(jitter);
            self.link = Link::Greeting { since: now };
        }
    }

    /// The WebSocket could not be opened.
    pub fn handle_connect_failed(&mut self, now: Duration) {
        if matches!(self.link, Link::Opening { .. }) {
            self.lost(Close::ABNORMAL, "could not connect", By::Remote, now);
        }
    }

    /// The WebSocket was closed by the other side (`code` is `None` without a close frame).
    pub fn handle_closed(&mut self, code: Option<Close>, reason: &str, now: Duration) {
        if !matches!(self.link, Link::Over | Link::Waiting { .. }) {
            self.lost(code.unwrap_or(Close::ABNORMAL), reason, By::Remote, now);
        }
    }

    /// A text frame arrived.
    pub fn handle_text(&mut self, text: &str, now: Duration) {
        if !self.is_open() {
            return;
        }
        let Ok(frame) = ServerMessage::from_json(text) else {
            return self.abandon(Close::DECODE_ERROR, "unreadable frame", now);
        };
        self.seq_ack = frame.seq.unwrap_or(self.seq_ack);
        match frame.message {
            ServerMessage::Hello(hello) => {
                let interval = Duration::from_millis(hello.heartbeat_interval_ms);
                self.heart.start(interval, now);
                if matches!(self.link, Link::Greeting { .. }) {
                    self.introduce(now);
                }
            }
            ServerMessage::HeartbeatAck { t } => self.heart.acknowledge(t, now),
            ServerMessage::Ready(ready) => self.ready(&ready, now),
            ServerMessage::SessionDescription(description) => self.described(&description, now),
            ServerMessage::Resumed => self.resumed(now),
            ServerMessage::Speaking(speaking) => {
                self.effects.push_back(Effect::Speaking(speaking));
            }
            ServerMessage::ClientsConnect(body) => {
                self.effects
                    .push_back(Effect::ClientsConnected(body.user_ids));
            }
            ServerMessage::ClientDisconnect(body) => {
                self.effects
                    .push_back(Effect::ClientDisconnected(body.user_id));
            }
            ServerMessage::Dave { op, body } => {
                self.effects.push_back(Effect::DaveText { op, body });
            }
            ServerMessage::Other { .. } => {}
        }
    }

    /// A binary frame arrived. Unreadable ones are ignored: a later version may have new ones.
    pub fn handle_binary(&mut self, bytes: &[u8], _now: Duration) {
        if let (true, Ok(frame)) = (self.is_open(), ServerFrame::parse(bytes)) {
            self.seq_ack = i64::from(frame.seq);
            let payload = frame.payload.to_vec();
            self.effects.push_back(Effect::DaveBinary {
                op: frame.op,
                payload,
            });
        }
    }

    /// IP discovery found our address.
    pub fn handle_discovered(&mut self, ours: SocketAddr, _now: Duration) {
        if let (
            Link::Identifying { .. },
            Media::Discovering {
                address,
                ssrc,
                mode,
            },
        ) = (&self.link, &self.media)
        {
            let body = SelectProtocol {
                protocol: "udp".to_owned(),
                data: ProtocolData {
                    address: ours.ip(),
                    port: ours.port(),
                    mode: mode.clone(),
                },
            };
            let (address, ssrc, mode) = (*address, *ssrc, mode.clone());
            self.media = Media::Selected {
                address,
                ssrc,
                mode,
            };
            self.send(&ClientMessage::SelectProtocol(body));
        }
    }

    /// IP discovery got no answer.
    pub fn handle_udp_failed(&mut self, now: Duration) {
        if matches!(
            (&self.link, &self.media),
            (Link::Identifying { .. }, Media::Discovering { .. })
        ) {
            self.abandon(Close::UNKNOWN_ERROR, "no answer to IP discovery", now);
        }
    }

    /// Time passed: sends heartbeats, notices silence, connects again.
    pub fn handle_deadline(&mut self, now: Duration) {
        match self.link {
            Link::Waiting { until } if until <= now => self.connect(now),
            Link::Over | Link::Waiting { .. } => {}
            Link::Opening { since }
            | Link::Greeting { since }
            | Link::Identifying { since }
            | Link::Resuming { since }
                if since + STEP <= now =>
            {
                self.abandon(Close::UNKNOWN_ERROR, "no answer in time", now);
            }
            _ => match self.heart.beat(self.seq_ack, now) {
                state::Beat::Early => {}
                state::Beat::Send(heartbeat) => self.send(&ClientMessage::Heartbeat(heartbeat)),
                state::Beat::Zombie => {
                    self.abandon(Close::UNKNOWN_ERROR, "heartbeat was not answered", now);
                }
            },
        }
    }

    /// Tells the server whether we speak (flags; 0 stops). Has to come before the first packet.
    ///
    /// Remembered: after a reconnection it is said again before [`Effect::Established`].
    pub fn handle_speaking(&mut self, flags: u32) {
        self.speaking.0 = flags;
        if self.is_live() {
            self.say_speaking();
        }
    }

    /// Tells the server that we listen to nobody, so that it sends us no sound.
    pub fn handle_deafened(&mut self) {
        if self.is_live() {
            let wants = serde_json::json!({ "any": 0 });
            self.send(&ClientMessage::MediaSinkWants(wants));
        }
    }

    /// Sends a DAVE message in JSON; while the session is being resumed, right after that.
    pub fn handle_dave_text(&mut self, op: Opcode, body: Value) {
        let text = ClientMessage::Dave { op, body }.to_json();
        self.say_or_hold(Effect::SendText(text));
    }

    /// Sends a DAVE message in MLS bytes; while the session is being resumed, right after that.
    pub fn handle_dave_binary(&mut self, op: Opcode, payload: &[u8]) {
        let bytes = ClientFrame { op, payload }.to_bytes();
        self.say_or_hold(Effect::SendBinary(bytes));
    }

    fn say_or_hold(&mut self, effect: Effect) {
        match (&self.link, &self.media) {
            (Link::Live { .. }, _) => self.effects.push_back(effect),
            (Link::Over, _) => {}
            (_, Media::Agreed { .. }) if self.held.len() < MAX_HELD => self.held.push_back(effect),
            _ => {}
        }
    }

    /// Gives the session up and begins another one, as after a lost connection.
    pub fn handle_unusable(&mut self, now: Duration) {
        if !matches!(self.link, Link::Over | Link::Waiting { .. }) {
            self.media = Media::None;
            self.abandon(Close::UNKNOWN_ERROR, "the session was of no more use", now);
        }
    }

    /// Leaves for good.
    pub fn handle_leave(&mut self) {
        if self.is_over() {
            return;
        }
        if self.is_open() || matches!(self.link, Link::Opening { .. }) {
            self.effects.push_back(Effect::CloseSocket(Close::NORMAL));
        }
        self.end(Close::NORMAL, "left", By::Us);
    }

    fn is_open(&self) -> bool {
        !matches!(
            self.link,
            Link::Over | Link::Waiting { .. } | Link::Opening { .. }
        )
    }

    fn send(&mut self, message: &ClientMessage) {
        self.effects.push_back(Effect::SendText(message.to_json()));
    }

    fn say_speaking(&mut self) {
        let (wanted, known) = self.speaking;
        if let (Some(ssrc), true) = (self.media.ssrc(), wanted != known) {
            self.speaking.1 = wanted;
            let body = SpeakingUpdate {
                speaking: wanted,
                delay: 0,
                ssrc,
            };
            self.send(&ClientMessage::Speaking(body));
        }
    }

    fn connect(&mut self, now: Duration) {
        self.heart = Heart::default();
        self.link = Link::Opening { since: now };
        let url = self.options.url.clone();
        self.effects.push_back(Effect::Connect {
            url,
            attempt: self.backoff.attempt(),
        });
    }

    fn introduce(&mut self, now: Duration) {
        let Options {
            server_id,
            user_id,
            session_id,
            token,
            ..
        } = self.options.clone();
        if matches!(self.media, Media::Agreed { .. }) {
            self.link = Link::Resuming { since: now };
            let seq_ack = self.seq_ack;
            self.send(&ClientMessage::Resume(Resume {
                server_id,
                session_id,
                token,
                seq_ack,
            }));
        } else {
            self.link = Link::Identifying { since: now };
            self.seq_ack = super::NO_SEQUENCE;
            self.held.clear();
            self.effects.push_back(Effect::Begun);
            self.send(&ClientMessage::Identify(Identify {
                server_id,
                user_id,
                session_id,
                token,
                max_dave_protocol_version: self.options.max_dave_protocol_version,
                video: None,
            }));
        }
    }

    fn ready(&mut self, ready: &Ready, now: Duration) {
        if !matches!(
            (&self.link, &self.media),
            (Link::Identifying { .. }, Media::None)
        ) {
            return self.abandon(Close::DECODE_ERROR, "unexpected Ready", now);
        }
        let Some(mode) = self
            .options
            .modes
            .iter()
            .find(|mode| ready.modes.contains(mode))
        else {
            self.effects.push_back(Effect::CloseSocket(Close::NORMAL));
            return self.end(
                Close::UNKNOWN_ENCRYPTION_MODE,
                "no common encryption",
                By::Us,
            );
        };
        let address = SocketAddr::new(ready.ip, ready.port);
        self.media = Media::Discovering {
            address,
            ssrc: ready.ssrc,
            mode: mode.clone(),
        };
        self.effects.push_back(Effect::OpenUdp {
            address,
            ssrc: ready.ssrc,
        });
    }

    fn described(&mut self, description: &SessionDescription, now: Duration) {
        let (address, ssrc, mode) = match (&self.link, &self.media) {
            // The same key again would restart its nonces, which must never happen.
            (Link::Live { .. }, Media::Agreed { key, .. }) if *key == description.secret_key => {
                return;
            }
            (
                Link::Identifying { .. },
                Media::Selected {
                    address,
                    ssrc,
                    mode,
                },
            )
            | (
                Link::Live { .. },
                Media::Agreed {
                    address,
                    ssrc,
                    mode,
                    ..
                },
            ) => (*address, *ssrc, mode.clone()),
            _ => return self.abandon(Close::DECODE_ERROR, "unexpected description", now),
        };
        if description.mode != mode {
            self.effects.push_back(Effect::CloseSocket(Close::NORMAL));
            return self.end(Close::UNKNOWN_ENCRYPTION_MODE, "another encryption", By::Us);
        }
        let key = description.secret_key;
        self.media = Media::Agreed {
            address,
            ssrc,
            mode: mode.clone(),
            key,
        };
        self.link = Link::Live { since: now };
        self.say_speaking();
        self.effects.push_back(Effect::Established(Established {
            address,
            ssrc,
            mode,
            key,
            dave_protocol_version: description.dave_protocol_version,
        }));
    }

    fn resumed(&mut self, now: Duration) {
        if matches!(self.link, Link::Resuming { .. }) {
            self.link = Link::Live { since: now };
            self.say_speaking();
            self.effects.append(&mut self.held);
            self.effects.push_back(Effect::Resumed);
        }
    }

    /// Closes the connection ourselves, and tries again if there are attempts left.
    fn abandon(&mut self, code: Close, reason: &str, now: Duration) {
        self.effects.push_back(Effect::CloseSocket(code));
        self.lost(code, reason, By::Us, now);
    }

    fn lost(&mut self, code: Close, reason: &str, by: By, now: Duration) {
        if let Link::Live { since } = self.link
            && now.saturating_sub(since) >= STABLE
        {
            self.backoff.reset();
        }
        let reaction = code.reaction();
        // Without an agreed key there is nothing to resume.
        if reaction != Reaction::Resume || !matches!(self.media, Media::Agreed { .. }) {
            self.media = Media::None;
            self.speaking.1 = 0;
        }
        match (reaction, self.backoff.next()) {
            (Reaction::Surface, _) | (_, None) => self.end(code, reason, by),
            (_, Some(delay)) => {
                self.link = Link::Waiting { until: now + delay };
                self.report(code, reason, by, true);
            }
        }
    }

    fn end(&mut self, code: Close, reason: &str, by: By) {
        self.link = Link::Over;
        self.media = Media::None;
        self.report(code, reason, by, false);
    }

    fn report(&mut self, code: Close, reason: &str, by: By, will_retry: bool) {
        let (reason, by_remote) = (reason.to_owned(), by == By::Remote);
        self.effects.push_back(Effect::Closed(Closed {
            code,
            reason,
            by_remote,
            will_retry,
        }));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Us,
    Remote,
}

/// DAVE messages kept while a session is being resumed.
const MAX_HELD: usize = 64;

/// How long each step until a session stands may take: connect, greeting, the rest.
const STEP: Duration = Duration::from_secs(10);

/// A connection that stood this long clears the count of attempts. Shorter ones do not, or a
/// server that greets and closes would be called for ever.
const STABLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
