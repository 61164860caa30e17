//! One guild: its session, its node, and everything that happens to them, strictly in order.

mod credentials;
mod effects;
mod lane;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_core::id::GuildId;
use backline_core::music::session::{EndReason, PlayId, RequestId};
use backline_core::music::{Input, Outcome, Refusal, Session, Settings, Snapshot};
use backline_proto::lavalink::{Event, Track, TrackEndReason};
use backline_runtime::metrics::audio::AudioMetrics;
use backline_service::lines::Receipt;
use backline_service::message::{CommandMessage, ReplyTo, ToAudio, ToDiscord};
use backline_service::{Delivery, Services};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, error, warn};

use crate::clock::{now_ms, until};
use crate::node::rest::RestError;
use crate::node::{NodeIndex, Nodes, PlayerNews, Seat};
use crate::query;
use credentials::{Credentials, News};
use lane::{Finished, JobKind, Lane};

/// What all guilds share.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) services: Services,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) settings: Settings,
    pub(crate) search_prefix: Arc<str>,
    pub(crate) metrics: AudioMetrics,
}

/// What a guild is told.
#[derive(Debug)]
pub(crate) enum GuildMessage {
    /// A person asked for something.
    Command(Delivery<CommandMessage>),
    /// The platform said something about voice.
    Platform(Delivery<ToAudio>),
    /// A player on a node did something.
    Player { node: NodeIndex, news: PlayerNews },
    /// A node is gone.
    NodeLost { node: NodeIndex, since: u64 },
    /// A node goes away soon.
    NodeDraining { node: NodeIndex },
    /// A node is there.
    NodeUp,
    /// It is time to save how far the track is.
    SavePosition,
    /// The process stops.
    Stop,
}

/// Where a session comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// The store has it, or it is new.
    Load,
    /// This is what the store had.
    Saved(Box<Snapshot>),
}

struct Guild {
    id: GuildId,
    context: Context,
    session: Session,
    /// Commands that are not answered yet.
    asked: HashMap<RequestId, Asked>,
    requests: u64,
    credentials: Credentials,
    /// Where the player is, or will be.
    seat: Option<Seat>,
    lane: Lane,
    lookups: FuturesUnordered<BoxFuture<'static, Input>>,
    /// Keeps one guild from taking everybody's turn to look something up.
    turns: Arc<Semaphore>,
    /// What an effect led to at once.
    later: VecDeque<Input>,
    /// When to look for a node again after one did not answer.
    retry_at: Option<Instant>,
}

struct Asked {
    reply: ReplyTo,
    receipt: Receipt,
    published_ms: u64,
}

/// Queries that one guild has looked up at the same time.
const LOOKUPS: usize = 4;
/// How long a guild waits before it tries a node that did not answer again.
const NODE_RETRY: Duration = Duration::from_secs(1);

/// How long a player on a node that goes away is kept while the next one begins.
const OVERLAP: Duration = Duration::from_secs(5);

/// Runs a guild until its session does nothing any more, or the process stops.
///
/// Returns what it was told too late.
pub(crate) async fn run(
    id: GuildId,
    context: Context,
    origin: Origin,
    mut mailbox: mpsc::UnboundedReceiver<GuildMessage>,
) -> Vec<GuildMessage> {
    let Some(mut guild) = Guild::begin(id, &context, origin).await else {
        apologise(&context, id, &mut mailbox).await;
        return Vec::new();
    };
    guild.settle().await;
    loop {
        // Looked at first: whoever woke this guild has put a message in.
        tokio::select! {
            biased;
            message = mailbox.recv() => match message {
                None | Some(GuildMessage::Stop) => {
                    guild.save().await;
                    return Vec::new();
                }
                Some(message) => guild.on_message(message).await,
            },
            finished = guild.lane.next() => guild.on_finished(finished),
            Some(input) = guild.lookups.next() => guild.session.handle(now_ms(), input),
            () = sleep_until_due(guild.session.deadline(), guild.retry_at) => guild.on_due(),
        }
        guild.settle().await;
        if guild.is_dormant() && mailbox.is_empty() {
            mailbox.close();
            let mut late = Vec::new();
            while let Ok(message) = mailbox.try_recv() {
                late.push(message);
            }
            return late;
        }
    }
}

async fn sleep_until_due(deadline: Option<u64>, retry_at: Option<Instant>) {
    let retry = retry_at.map(|at| at.saturating_duration_since(Instant::now()));
    match deadline.map(until).into_iter().chain(retry).min() {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// Answers everybody when the session cannot be read: a new one would overwrite it.
async fn apologise(
    context: &Context,
    guild: GuildId,
    mailbox: &mut mpsc::UnboundedReceiver<GuildMessage>,
) {
    mailbox.close();
    while let Ok(message) = mailbox.try_recv() {
        let GuildMessage::Command(delivery) = message else {
            continue;
        };
        let outcome = Outcome::Refused {
            refusal: Refusal::Internal,
        };
        let reply = ToDiscord::Reply {
            guild,
            to: delivery.into_body().reply,
            outcome,
        };
        if let Err(error) = context.services.lines.send_to_discord(reply).await {
            warn!(guild.id = %guild, error = %error, "message to the gateway was not sent");
        }
    }
}

impl Guild {
    async fn begin(id: GuildId, context: &Context, origin: Origin) -> Option<Self> {
        let saved = match origin {
            Origin::Saved(snapshot) => Some(*snapshot),
            Origin::Load => match context.services.sessions.load(id).await {
                Ok(saved) => saved,
                Err(error) => {
                    error!(guild.id = %id, error = %error, "session was not loaded");
                    return None;
                }
            },
        };
        let session = match saved.map(|saved| Session::restore(saved, context.settings, now_ms())) {
            None => Session::new(context.settings),
            Some(Ok(session)) => session,
            Some(Err(error)) => {
                error!(guild.id = %id, error = %error, "session was not restored");
                return None;
            }
        };
        Some(Self {
            id,
            context: context.clone(),
            session,
            asked: HashMap::new(),
            requests: 0,
            credentials: Credentials::default(),
            seat: None,
            lane: Lane::new(id),
            lookups: FuturesUnordered::new(),
            turns: Arc::new(Semaphore::new(LOOKUPS)),
            later: VecDeque::new(),
            retry_at: None,
        })
    }

    /// Does what is to be done, until nothing more follows from it.
    async fn settle(&mut self) {
        loop {
            self.run_effects().await;
            let Some(input) = self.later.pop_front() else {
                return;
            };
            self.session.handle(now_ms(), input);
        }
    }

    fn is_dormant(&self) -> bool {
        self.session.is_dormant()
            && self.lane.is_idle()
            && self.lookups.is_empty()
            && self.asked.is_empty()
    }

    fn tell(&mut self, input: Input) {
        self.session.handle(now_ms(), input);
    }

    async fn on_message(&mut self, message: GuildMessage) {
        match message {
            GuildMessage::Command(delivery) => self.on_command(delivery),
            GuildMessage::Platform(delivery) => {
                let (message, receipt) = delivery.into_parts();
                self.on_platform(message);
                self.settle().await;
                receipt.ack();
            }
            GuildMessage::Player { node, news } if self.is_on(node) => self.on_news(news),
            GuildMessage::NodeLost { node, since } if self.is_on(node) => self.on_node_lost(since),
            GuildMessage::NodeDraining { node } if self.is_on(node) => self.move_away(),
            GuildMessage::NodeUp => self.tell(Input::NodeReady),
            GuildMessage::SavePosition => self.save_position().await,
            // The loop ends before it gets here.
            GuildMessage::Stop
            | GuildMessage::Player { .. }
            | GuildMessage::NodeLost { .. }
            | GuildMessage::NodeDraining { .. } => {}
        }
    }

    fn on_command(&mut self, delivery: Delivery<CommandMessage>) {
        let published_ms = delivery.published_ms();
        let (message, receipt) = delivery.into_parts();
        self.requests += 1;
        let request = RequestId(self.requests);
        self.asked.insert(
            request,
            Asked {
                reply: message.reply,
                receipt,
                published_ms,
            },
        );
        self.context.metrics.commands.inc();
        debug!(guild.id = %self.id, "command was taken");
        self.tell(Input::Command {
            request,
            user: message.user,
            user_voice: message.user_voice,
            text_channel: message.text_channel,
            command: message.command,
            seed: rand::random(),
        });
    }

    fn on_platform(&mut self, message: ToAudio) {
        let news = match message {
            ToAudio::VoiceState {
                channel,
                session_id,
                ..
            } => {
                let news = self.credentials.on_state(channel, session_id);
                self.tell(
                    channel.map_or(Input::VoiceLeft, |channel| Input::VoiceJoined { channel }),
                );
                news
            }
            ToAudio::VoiceServer {
                token, endpoint, ..
            } => self.credentials.on_server(token, endpoint),
            ToAudio::Listeners { people, .. } => {
                self.tell(Input::Listeners { people });
                News::Nothing
            }
            ToAudio::GuildLeft { .. } => {
                self.tell(Input::Removed);
                News::Nothing
            }
        };
        if news == News::Complete {
            self.tell(Input::VoiceCredentials);
        }
    }

    fn on_news(&mut self, news: PlayerNews) {
        let event = match news {
            PlayerNews::State(state) => {
                let ms = u64::try_from(state.position).unwrap_or_default();
                return self.tell(Input::Position { ms, at: now_ms() });
            }
            PlayerNews::Event(event) => *event,
        };
        match event {
            Event::TrackStart { track, .. } => {
                if let Some(play) = play_of(&track) {
                    self.tell(Input::TrackStarted { play });
                }
            }
            Event::TrackEnd { track, reason, .. } => {
                if let Some(play) = play_of(&track) {
                    let reason = end_reason(reason);
                    self.tell(Input::TrackEnded { play, reason });
                }
            }
            Event::TrackException {
                track, exception, ..
            } => {
                if let Some(play) = play_of(&track) {
                    self.context.metrics.tracks_failed.inc();
                    warn!(guild.id = %self.id, severity = %exception.severity, "track failed");
                    let reason =
                        query::for_people(exception.message.as_deref().unwrap_or_default());
                    self.tell(Input::TrackFailed { play, reason });
                }
            }
            Event::TrackStuck { track, .. } => {
                if let Some(play) = play_of(&track) {
                    self.context.metrics.tracks_failed.inc();
                    warn!(guild.id = %self.id, "track was stuck");
                    self.tell(Input::TrackStuck { play });
                }
            }
            Event::WebSocketClosed {
                code, by_remote, ..
            } => {
                warn!(guild.id = %self.id, code, by_remote, "voice connection was closed");
                if !PLATFORM_TELLS.contains(&code) {
                    self.tell(Input::VoiceFailed);
                }
            }
            Event::Unknown => {}
        }
    }

    fn on_node_lost(&mut self, since: u64) {
        self.lane.abandon();
        self.seat = None;
        self.tell(Input::NodeLost { since });
        if self.context.nodes.is_ready() {
            self.tell(Input::NodeReady);
        }
    }

    /// Goes on at another node, where the track is now, if there is one that stays.
    ///
    /// The old player plays until the new one takes its place in the call, and is removed then.
    fn move_away(&mut self) {
        if !self.context.nodes.some_stays() {
            return;
        }
        let Some(seat) = self.seat.take() else { return };
        self.lane.abandon();
        self.tell(Input::NodeLost { since: now_ms() });
        self.tell(Input::NodeReady);
        let (node, guild) = (Arc::clone(seat.node()), self.id);
        tokio::spawn(async move {
            tokio::time::sleep(OVERLAP).await;
            if let Some(session) = node.session() {
                // A node that is gone already has no player left.
                let _gone = node.rest.destroy_player(&session, guild).await;
            }
        });
    }

    fn on_finished(&mut self, finished: Finished) {
        let Finished { kind, node, result } = finished;
        let Err(error) = result else {
            if kind == JobKind::Connect {
                self.tell(Input::VoiceReady);
            }
            return;
        };
        warn!(guild.id = %self.id, node = node.name, job = ?kind, error = %error, "node did not obey");
        match kind {
            // A player that stays is dropped with the node's session; a change that failed is no news
            // either, for the socket to the node tells soon whether it is gone.
            JobKind::Destroy | JobKind::Change => {}
            JobKind::Connect | JobKind::Play(_) if error.is_node_gone() => {
                self.lane.abandon();
                self.seat = None;
                self.tell(Input::NodeLost { since: now_ms() });
                self.retry_at = Some(Instant::now() + NODE_RETRY);
            }
            JobKind::Connect => self.tell(Input::VoiceFailed),
            JobKind::Play(play) => {
                self.context.metrics.tracks_failed.inc();
                let reason = match &error {
                    RestError::Refused { message, .. } => query::for_people(message),
                    _ => "the audio node did not play it".to_owned(),
                };
                self.tell(Input::TrackFailed { play, reason });
                self.tell(Input::TrackEnded {
                    play,
                    reason: EndReason::LoadFailed,
                });
            }
        }
    }

    fn on_due(&mut self) {
        if self.retry_at.take_if(|at| *at <= Instant::now()).is_some()
            && self.context.nodes.is_ready()
        {
            self.tell(Input::NodeReady);
        }
        self.tell(Input::Tick);
    }

    fn is_on(&self, node: NodeIndex) -> bool {
        self.seat
            .as_ref()
            .is_some_and(|seat| seat.node().index == node)
    }
}

/// Close codes of voice after which the platform itself says whether the bot is still in a channel.
const PLATFORM_TELLS: &[i32] = &[4014, 4022];

/// Returns which start of ours an event is about.
fn play_of(track: &Track) -> Option<PlayId> {
    track
        .user_data
        .get(effects::USER_DATA)?
        .get("play")?
        .as_u64()
        .map(PlayId)
}

fn end_reason(reason: TrackEndReason) -> EndReason {
    match reason {
        TrackEndReason::Finished => EndReason::Finished,
        TrackEndReason::LoadFailed => EndReason::LoadFailed,
        TrackEndReason::Stopped => EndReason::Stopped,
        TrackEndReason::Replaced => EndReason::Replaced,
        TrackEndReason::Cleanup => EndReason::Cleanup,
    }
}
