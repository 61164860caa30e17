//! One shard: receives events, keeps the cache, tells the audio role about voice, and hands
//! interactions on. Nothing here waits for Discord's REST API, the bus or the store.

use std::time::{Duration, Instant};

use backline_core::id::GuildId;
use backline_runtime::metrics::gateway::{EventLabels, GatewayMetrics, ShardLabels, ShardPhase};
use backline_service::message::ToAudio;
use backline_service::{Lines, ShardSession, Shards};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use twilight_gateway::{CloseFrame, Message, Shard, ShardState};

use super::GatewayError;
use super::cache::Cache;
use super::event::{self, Event};
use super::interact::Interactions;
use super::order::Order;
use super::report::{Effect, Reporter};
use super::voice::Voice;

/// One shard and what it knows.
#[derive(Debug)]
pub struct ShardTask {
    shard: Shard,
    cache: Cache,
    store: Shards,
    metrics: GatewayMetrics,
    interactions: Interactions,
    order: Order,
    /// To the audio role, in order; taken from by [`forward`].
    to_audio: mpsc::Sender<ToAudio>,
    reporter: Reporter,
    voice: Voice,
    phase: ShardPhase,
    /// Something came since the last checkpoint.
    dirty: bool,
    /// A session is in the store.
    stored: bool,
    on_active: Option<mpsc::Sender<()>>,
    /// Disconnects in a row, none of which led to a session that held.
    failures: u32,
    active_since: Option<Instant>,
}

/// What a shard needs of the role.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where sessions are kept.
    pub store: Shards,
    /// The line to the audio role.
    pub lines: Lines,
    /// Counts.
    pub metrics: GatewayMetrics,
    /// What carries out interactions.
    pub interactions: Interactions,
    /// Where voice requests go.
    pub voice: Voice,
}

impl ShardTask {
    /// Runs until shutdown, or until Discord forbids to come back. `on_active` is told once.
    pub async fn run(
        shard: Shard,
        cache: Cache,
        surroundings: Surroundings,
        on_active: mpsc::Sender<()>,
        shutdown: CancellationToken,
    ) -> Result<(), GatewayError> {
        let (to_audio, outbox) = mpsc::channel(OUTBOX);
        let forwarder = tokio::spawn(forward(surroundings.lines, outbox));
        let reporter = Reporter::new(&cache);
        let mut task = Self {
            shard,
            stored: !cache.is_empty(),
            cache,
            store: surroundings.store,
            metrics: surroundings.metrics,
            interactions: surroundings.interactions,
            order: Order::default(),
            to_audio,
            reporter,
            voice: surroundings.voice,
            phase: ShardPhase::Connecting,
            dirty: false,
            on_active: Some(on_active),
            failures: 0,
            active_since: None,
        };
        task.metrics
            .shards
            .get_or_create(&ShardLabels {
                state: ShardPhase::Connecting,
            })
            .inc();
        task.metrics
            .guilds
            .inc_by(i64::try_from(task.cache.len()).unwrap_or(i64::MAX));
        let result = task.receive(&shutdown).await;
        task.checkpoint();
        task.enter(ShardPhase::Closed);
        drop(task);
        // What was already heard still goes to the audio role.
        if tokio::time::timeout(FLUSH, forwarder).await.is_err() {
            warn!("voice events were not handed on before shutdown");
        }
        result
    }

    async fn receive(&mut self, shutdown: &CancellationToken) -> Result<(), GatewayError> {
        let mut tick = tokio::time::interval(CHECKPOINT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    self.leave().await;
                    return Ok(());
                }
                _ = tick.tick() => {
                    self.checkpoint();
                    continue;
                }
                message = self.shard.next() => message,
            };
            match message {
                Some(Ok(Message::Text(text))) => self.handle_text(&text),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(NO_STATUS, |frame| frame.code);
                    if self.shard.state() == ShardState::FatallyClosed {
                        return Err(self.fatal(code));
                    }
                    info!(
                        shard.id = self.shard.id().number(),
                        code, "gateway connection closed"
                    );
                    self.pause(shutdown).await;
                }
                Some(Err(error)) => {
                    // Of the error only the kind: its text may carry the payload.
                    warn!(
                        shard.id = self.shard.id().number(),
                        kind = error_kind(error.kind()),
                        "gateway stumbled"
                    );
                }
                None => return Err(self.fatal(NO_STATUS)),
            }
            self.follow_state();
        }
    }

    /// Closes the connection so that the session can be resumed, and takes in what still comes.
    async fn leave(&mut self) {
        if !matches!(
            self.shard.state(),
            ShardState::Active | ShardState::Resuming
        ) {
            return;
        }
        // The session that counts is the one before the close: later events come again.
        self.checkpoint_now();
        self.dirty = false;
        self.shard.close(CloseFrame::RESUME);
        let closed = async {
            while let Some(Ok(message)) = self.shard.next().await {
                match message {
                    // Not handled: Discord tells it again to the next process.
                    Message::Text(_) => {}
                    Message::Close(_) => break,
                }
            }
        };
        if tokio::time::timeout(CLOSE, closed).await.is_err() {
            debug!("gateway did not confirm the close");
        }
    }

    fn handle_text(&mut self, text: &str) {
        let (kind, event) = match event::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.metrics.malformed.inc();
                warn!(
                    shard.id = self.shard.id().number(),
                    line = error.line(),
                    column = error.column(),
                    "event could not be read"
                );
                return;
            }
        };
        self.metrics
            .events
            .get_or_create(&EventLabels { kind })
            .inc();
        self.dirty = true;
        if let Event::Ready { guilds } = &event {
            self.begin(guilds);
        }
        let before = self.cache.len();
        self.cache.handle(&event);
        self.count_guilds(before);
        for effect in self.reporter.handle(&event, &self.cache) {
            self.perform(effect);
        }
        match event {
            Event::Resumed => {
                self.metrics.resumes.inc();
                let guilds = self.cache.len();
                info!(
                    shard.id = self.shard.id().number(),
                    guilds, "session resumed"
                );
            }
            Event::GuildGone {
                guild,
                removed: true,
            } => info!(guild.id = %guild, "guild left"),
            Event::Interaction(interaction) => {
                let decision = interaction.decide(&self.cache);
                let turn = interaction.guild().map(|guild| self.order.next(guild));
                let latency = self.shard.latency().recent().first().copied();
                self.interactions
                    .carry_out(interaction, decision, turn, latency);
            }
            _ => {}
        }
    }

    /// A new session: all guilds are told anew.
    fn begin(&mut self, guilds: &[GuildId]) {
        let number = self.shard.id().number();
        self.metrics.identifies.inc();
        info!(shard.id = number, guilds = guilds.len(), "session begun");
        for effect in self.reporter.begin(guilds, &self.cache) {
            self.perform(effect);
        }
        let before = self.cache.len();
        self.cache.clear();
        self.count_guilds(before);
        self.store.clear_guilds(number);
    }

    fn perform(&self, effect: Effect) {
        match effect {
            Effect::Tell(message) => self.tell(message),
            Effect::Place { guild, channel } => self.voice.happened(guild, channel),
            Effect::Rejoin { guild, otherwise } => {
                if !self.voice.request_again(guild)
                    && let Some(message) = otherwise
                {
                    self.tell(message);
                }
            }
        }
    }

    fn tell(&self, message: ToAudio) {
        if let Err(error) = self.to_audio.try_send(message) {
            error!(error = %error, "voice event was lost: the bus is stuck");
        }
    }

    fn count_guilds(&self, before: usize) {
        let number = |guilds: usize| i64::try_from(guilds).unwrap_or(i64::MAX);
        self.metrics
            .guilds
            .inc_by(number(self.cache.len()) - number(before));
    }

    fn checkpoint(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.checkpoint_now();
        }
    }

    /// Keeps session and guilds together, as they are between two events.
    fn checkpoint_now(&mut self) {
        let id = self.shard.id();
        let (Some(session), Some(resume_url)) = (self.shard.session(), self.shard.resume_url())
        else {
            if std::mem::take(&mut self.stored) && self.shard.session().is_none() {
                self.store.clear(id.number());
            }
            return;
        };
        let session = ShardSession {
            session_id: session.id().to_owned(),
            sequence: session.sequence(),
            resume_url: resume_url.to_owned(),
        };
        let guilds = self.cache.take_changed().into_iter().map(|guild| {
            let body = self
                .cache
                .guild(guild)
                .and_then(|known| serde_json::to_string(known).ok());
            (guild, body)
        });
        let guilds: Vec<_> = guilds.collect();
        self.store
            .put_with_guilds(id.number(), id.total(), session, guilds);
        self.stored = true;
    }

    fn follow_state(&mut self) {
        match self.shard.state() {
            ShardState::Active => {
                if self.phase != ShardPhase::Active {
                    self.active_since = Some(Instant::now());
                }
                self.enter(ShardPhase::Active);
                if let Some(on_active) = self.on_active.take() {
                    // One place for each shard.
                    let _ = on_active.try_send(());
                }
            }
            ShardState::FatallyClosed => self.enter(ShardPhase::Closed),
            _ => self.enter(ShardPhase::Connecting),
        }
    }

    fn enter(&mut self, phase: ShardPhase) {
        if self.phase != phase {
            self.metrics
                .shards
                .get_or_create(&ShardLabels { state: self.phase })
                .dec();
            self.metrics
                .shards
                .get_or_create(&ShardLabels { state: phase })
                .inc();
            self.phase = phase;
        }
    }

    /// Waits before coming back, the longer the more often sessions did not hold: twilight waits
    /// only after connections that failed, not after those that were closed at once.
    async fn pause(&mut self, shutdown: &CancellationToken) {
        let held = self
            .active_since
            .take()
            .is_some_and(|since| since.elapsed() > HELD);
        self.failures = if held {
            0
        } else {
            self.failures.saturating_add(1)
        };
        if self.failures > 1 {
            let pause = PAUSE
                .saturating_mul(1 << self.failures.min(6))
                .min(PAUSE_MOST);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn fatal(&mut self, code: u16) -> GatewayError {
        self.enter(ShardPhase::Closed);
        // The session is no use any more.
        self.store.clear(self.shard.id().number());
        self.dirty = false;
        GatewayError::from_close_code(code)
    }
}

fn error_kind(kind: &twilight_gateway::error::ReceiveMessageErrorType) -> &'static str {
    use twilight_gateway::error::ReceiveMessageErrorType as Kind;
    match kind {
        Kind::Compression => "compression",
        Kind::Deserializing { .. } => "deserializing",
        Kind::Reconnect => "reconnect",
        _ => "other",
    }
}

/// Carries voice events to the bus, in order, apart from the shard: a bus that is slow must not
/// keep the shard from its heartbeats.
async fn forward(lines: Lines, mut outbox: mpsc::Receiver<ToAudio>) {
    while let Some(message) = outbox.recv().await {
        let guild = message.guild();
        if let Err(error) = lines.send_to_audio(message).await {
            error!(guild.id = %guild, error = %error, "voice event was not handed on");
        }
    }
}

/// Voice events on their way to the bus.
const OUTBOX: usize = 16_384;

/// How often session and guilds are handed to the store, which writes within another half second.
const CHECKPOINT: Duration = Duration::from_millis(400);

/// How long Discord may take to confirm a close.
const CLOSE: Duration = Duration::from_secs(2);

/// How long voice events may take to reach the bus at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// A session that held this long was a good one.
const HELD: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(15);
const NO_STATUS: u16 = 1005;
