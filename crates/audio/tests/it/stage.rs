//! Everything around the audio role: a store, a bus, and a platform that answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use backline_audio::{NodeAddress, RunningAudio};
use backline_core::id::{ChannelId, GuildId, UserId};
use backline_core::music::{Command, LoopMode, Outcome, Placement, Snapshot, View};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::Services;
use backline_service::message::{CommandMessage, ReplyKind, ReplyTo, ToAudio, ToDiscord};
use backline_sim::voice::{SessionSpec, VoiceServer};
use tokio_util::sync::CancellationToken;

use crate::peer::{PASSWORD, Peer};

pub const BOT: u64 = 99;
pub const CHANNEL: u64 = 50;
pub const CHAT: u64 = 60;
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running audio role and its surroundings.
pub struct Stage {
    pub services: Services,
    pub metrics: Metrics,
    pub platform: Platform,
    audio: Option<(RunningAudio, CancellationToken)>,
    addresses: Vec<NodeAddress>,
    config: config::Audio,
    tokens: u64,
    _folder: tempfile::TempDir,
}

/// What the platform saw, and how it answers.
#[derive(Clone, Default)]
pub struct Platform(Arc<Mutex<Seen>>);

#[derive(Default)]
pub struct Seen {
    /// Answers by the token they went to.
    pub replies: BTreeMap<String, Outcome>,
    pub notices: Vec<Outcome>,
    /// `join` and `leave`, in order.
    pub voice: Vec<String>,
    pub views: BTreeMap<u64, Option<View>>,
    /// Joins that are left unanswered.
    pub deaf: u32,
    /// Joins that are answered without a server, as when the bot is there already.
    pub without_server: u32,
    /// Where calls really take place; without it, servers are only names.
    pub calls: Option<VoiceServer>,
    sessions: u64,
}

impl Platform {
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no test panics while holding it")
    }
}

pub fn guild(id: u64) -> GuildId {
    GuildId::new(id).expect("not zero")
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("not zero")
}

pub fn play(query: &str) -> Command {
    Command::Play {
        query: query.into(),
        placement: Placement::Last,
    }
}

/// Waits until something is so.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Stage {
    /// Starts the audio role on `peers` and waits until it is ready.
    pub async fn start(peers: &[&Peer]) -> Self {
        let addresses = peers.iter().map(|peer| address(peer, PASSWORD)).collect();
        let mut stage = Self::prepare(addresses, config::Audio::default()).await;
        stage.raise().await;
        stage.ready().await;
        stage
    }

    pub async fn prepare(addresses: Vec<NodeAddress>, config: config::Audio) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let services = Services::open(
            &config::Store {
                url: url.into(),
                ..config::Store::default()
            },
            &config::Redis::default(),
            &Metrics::new(),
        )
        .await
        .expect("the store opens");
        services.bot.set(UserId::new(BOT).expect("not zero"));
        let platform = Platform::default();
        tokio::spawn(answer(services.clone(), platform.clone()));
        tokio::spawn(watch(services.clone(), platform.clone()));
        let metrics = Metrics::new();
        Self {
            services,
            metrics,
            platform,
            audio: None,
            addresses,
            config,
            tokens: 0,
            _folder: folder,
        }
    }

    /// Starts the audio role.
    pub async fn raise(&mut self) {
        let shutdown = CancellationToken::new();
        let (addresses, services) = (self.addresses.clone(), self.services.clone());
        let audio = backline_audio::start(
            &self.config,
            addresses,
            services,
            &self.metrics,
            shutdown.clone(),
        );
        self.audio = Some((audio.await.expect("it starts"), shutdown));
    }

    pub async fn ready(&self) {
        let (audio, _) = self.audio.as_ref().expect("it was started");
        tokio::time::timeout(PATIENCE, audio.ready())
            .await
            .expect("ready in time");
    }

    /// Stops the audio role in an orderly way.
    pub async fn stop(&mut self) {
        let (audio, shutdown) = self.audio.take().expect("it was started");
        shutdown.cancel();
        tokio::time::timeout(PATIENCE, audio.stopped())
            .await
            .expect("stopped in time");
    }

    /// Sends a command and returns the token of its answer.
    pub async fn send(&mut self, id: u64, command: Command) -> String {
        self.tokens += 1;
        let token = format!("token{}", self.tokens);
        let message = CommandMessage {
            guild: guild(id),
            text_channel: channel(CHAT),
            user: UserId::new(1).expect("not zero"),
            user_voice: Some(channel(CHANNEL)),
            reply: ReplyTo {
                token: token.clone(),
                kind: ReplyKind::Command,
            },
            command,
        };
        self.services
            .lines
            .send_command(message)
            .await
            .expect("the bus takes it");
        token
    }

    pub async fn answer(&self, token: &str) -> Outcome {
        eventually(&format!("an answer to {token}"), || {
            self.platform.seen().replies.get(token).cloned()
        })
        .await
    }

    /// Sends a command and waits for its answer.
    pub async fn ask(&mut self, id: u64, command: Command) -> Outcome {
        let token = self.send(id, command).await;
        self.answer(&token).await
    }

    /// Asks for a track and waits until a node plays it.
    pub async fn play(&mut self, id: u64, query: &str) -> Outcome {
        let before = self.metrics.audio.tracks_started.get();
        let outcome = self.ask(id, play(query)).await;
        self.shows(id, query).await;
        eventually("the start is told", || {
            (self.metrics.audio.tracks_started.get() > before).then_some(())
        })
        .await;
        outcome
    }

    /// Waits until the view of a guild shows a track.
    pub async fn shows(&self, id: u64, title: &str) -> View {
        eventually(&format!("a view of {title}"), || {
            let view = self.view(id)??;
            (view.playing.as_ref()?.track.title == title).then_some(view)
        })
        .await
    }

    /// Returns the latest view: `None` before the first, `Some(None)` once the session was over.
    #[expect(
        clippy::option_option,
        reason = "no view yet is not the same as no view any more"
    )]
    pub fn view(&self, id: u64) -> Option<Option<View>> {
        self.platform.seen().views.get(&id).cloned()
    }

    pub async fn saved(&self, id: u64) -> Option<Snapshot> {
        self.services
            .sessions
            .load(guild(id))
            .await
            .expect("the store answers")
    }

    pub async fn tell(&self, message: ToAudio) {
        self.services
            .lines
            .send_to_audio(message)
            .await
            .expect("the bus takes it");
    }

    pub async fn loops(&mut self, id: u64, mode: LoopMode) {
        self.ask(id, Command::Loop { mode: Some(mode) }).await;
    }

    pub fn voice_log(&self) -> Vec<String> {
        self.platform.seen().voice.clone()
    }
}

pub fn address(peer: &Peer, password: &str) -> NodeAddress {
    NodeAddress {
        name: format!("node at {}", peer.address.port()),
        url: format!("http://{}", peer.address).parse().expect("a URL"),
        password: password.into(),
    }
}

/// The platform: answers joins with a state and a server, and remembers everything else.
async fn answer(services: Services, platform: Platform) {
    let mut messages = services.lines.to_discord();
    while let Some(delivery) = messages.next().await {
        match delivery.into_body() {
            ToDiscord::Reply { to, outcome, .. } => {
                platform.seen().replies.insert(to.token, outcome);
            }
            ToDiscord::Notice { outcome, .. } => platform.seen().notices.push(outcome),
            ToDiscord::Voice { guild, channel } => {
                let answers = platform.seen().voice_answers(guild, channel);
                for answer in answers {
                    services
                        .lines
                        .send_to_audio(answer)
                        .await
                        .expect("the bus takes it");
                }
            }
        }
    }
}

impl Seen {
    fn voice_answers(&mut self, guild: GuildId, channel: Option<ChannelId>) -> Vec<ToAudio> {
        self.sessions += 1;
        let session_id = format!("voice{}", self.sessions);
        let state = ToAudio::VoiceState {
            guild,
            channel,
            session_id: session_id.clone(),
        };
        let Some(channel) = channel else {
            self.voice.push("leave".into());
            return vec![state];
        };
        self.voice.push(format!("join {channel}"));
        if self.deaf > 0 {
            self.deaf -= 1;
            return Vec::new();
        }
        if self.without_server > 0 {
            self.without_server -= 1;
            return vec![state];
        }
        let (token, endpoint) = match &self.calls {
            None => (
                format!("secret{}", self.sessions),
                "voice.example:443".to_owned(),
            ),
            Some(calls) => {
                let ticket = calls.open_session(SessionSpec {
                    guild_id: guild.as_u64(),
                    channel_id: channel.as_u64(),
                    user_id: BOT,
                    session_id,
                });
                (ticket.token, ticket.endpoint)
            }
        };
        let server = ToAudio::VoiceServer {
            guild,
            token,
            endpoint: Some(endpoint),
        };
        vec![state, server, ToAudio::Listeners { guild, people: 1 }]
    }
}

async fn watch(services: Services, platform: Platform) {
    let mut views = services.lines.now();
    while let Some(now) = views.next().await {
        platform.seen().views.insert(now.guild.as_u64(), now.view);
    }
}
