//! The simulated Discord: REST API version 10, gateway, interactions; with the voice half
//! of [`crate::voice`].
//!
//! It is strict: what Discord would refuse, it refuses, with the same codes. Bots talk to it
//! over real sockets; tests steer it through [`Discord`].

mod check;
mod clock;
mod event;
mod faults;
mod gateway;
mod id;
mod journal;
mod options;
mod refusal;
mod rest;
mod script;
mod secret;
pub(crate) mod world;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::StatusCode,
    response::IntoResponse,
    routing::{any, get},
    serve::ListenerExt,
};
use tokio::{
    net::TcpListener,
    sync::broadcast,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{clock::Clock, faults::FaultBox, rest::Rates, world::World};
use crate::voice::{VoiceOptions, VoiceServer, VoiceStartError};

pub use self::{
    event::{Message, WorldEvent},
    faults::Faults,
    id::{
        ApplicationId, AttachmentId, ChannelId, CommandId, DISCORD_EPOCH_MS, GuildId,
        InteractionId, MessageId, RoleId, UserId,
    },
    journal::{Entry, Journal},
    options::{ExtraRoutes, Limits, Options},
    script::{Acknowledgement, Bot, Guild, Interaction, InteractionState, ScriptError, VoicePlace},
    world::channel::ChannelKind,
};

/// A running simulated Discord.
///
/// Cheap to clone; when the last clone is dropped, or on [`Discord::stop`], everything ends.
#[derive(Clone)]
pub struct Discord {
    pub(crate) shared: Arc<Shared>,
    _alive: Option<Arc<DropGuard>>,
}

impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discord")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

/// Why the simulated Discord did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The HTTP port could not be bound.
    #[error("port {port} could not be bound")]
    Bind {
        /// The port asked for.
        port: u16,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The voice half did not start.
    #[error("the voice servers did not start")]
    Voice(#[source] VoiceStartError),
}

/// What all tasks share.
pub(crate) struct Shared {
    world: Mutex<World>,
    rates: Mutex<Rates>,
    pub(crate) faults: FaultBox,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) address: SocketAddr,
    pub(crate) voice: VoiceServer,
    pub(crate) first_bot: ApplicationId,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A test that panicked while holding it must not hide what the others find.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Discord {
    /// Starts everything and fills the world as the options say.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let listener = TcpListener::bind((options.ip, port))
            .await
            .map_err(|source| StartError::Bind { port, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Bind { port, source })?;
        let voice = VoiceOptions {
            require_dave: options.require_dave || options.voice.require_dave,
            ..options.voice
        };
        let voice = VoiceServer::start(voice).await.map_err(StartError::Voice)?;
        let clock = Clock::default();
        let limits = options.limits;
        let mut world = World::new(limits.clone(), clock.clone());
        world.base_url = format!("http://{address}");
        world.gateway_url = format!("ws://{address}/gateway");
        world.voice = Some(voice.clone());
        let first_bot =
            world.add_application(&options.bot_name, options.token, options.privileged_intents);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            rates: Mutex::new(Rates::new(clock.clone(), &limits)),
            faults: FaultBox::default(),
            clock,
            limits,
            address,
            voice,
            first_bot,
            stop: stop.clone(),
        });
        let discord = Self {
            shared: Arc::clone(&shared),
            _alive: Some(Arc::new(stop.clone().drop_guard())),
        };
        script::populate(&discord, options.guilds, options.human.as_deref());
        let extra = options.extra.make(discord.watching());
        let router = router(&shared, extra);
        let listener = listener.tap_io(|socket| {
            // Small payloads shall leave at once; a socket that refuses is only slower.
            let _ = socket.set_nodelay(true);
        });
        tokio::spawn({
            let stop = stop.clone();
            async move {
                let served = axum::serve(listener, router)
                    .with_graceful_shutdown(stop.clone().cancelled_owned());
                tokio::select! {
                    result = served => if let Err(error) = result {
                        tracing::warn!(%error, "simulated discord stopped serving");
                    },
                    () = async {
                        stop.cancelled().await;
                        tokio::time::sleep(STOP_GRACE).await;
                    } => {}
                }
            }
        });
        tokio::spawn(sweep(Arc::clone(&shared)));
        Ok(discord)
    }

    /// Returns a handle that does not keep the world running, for whoever lives inside it.
    #[must_use]
    pub fn watching(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            _alive: None,
        }
    }

    /// Ends everything: connections are closed, ports are freed.
    pub fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.voice.stop();
    }

    /// Returns the address of the HTTP server.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Returns `http://host:port`; the API is at `/api/v10` below it.
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Returns the base of the REST API without version, `http://host:port/api`.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.url())
    }

    /// Returns the gateway's URL without query.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}/gateway", self.shared.address)
    }

    /// Returns the voice half.
    pub fn voice(&self) -> &VoiceServer {
        &self.shared.voice
    }

    /// Returns the CA certificate of the voice gateway, as PEM.
    pub fn voice_ca_pem(&self) -> &str {
        self.shared.voice.ca_pem()
    }

    /// Subscribes to what happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Arc<WorldEvent>> {
        self.shared.world().subscribe()
    }

    /// Moves the clock: interactions expire, rate limits refill, sessions end.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
        self.shared.world().sweep();
    }

    /// Returns the time in milliseconds since the Unix epoch, as the world sees it.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Returns what happened so far.
    pub fn journal(&self) -> Journal {
        self.shared.world().journal.clone()
    }

    /// Looks at what happened so far without copying it.
    pub fn with_journal<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.shared.world().journal)
    }

    /// Returns the fault injection.
    pub fn faults(&self) -> Faults {
        Faults::new(self.watching())
    }

    /// Returns how many requests were answered with 401, 403 or 429 in the last ten minutes.
    pub fn invalid_requests(&self) -> usize {
        self.shared.rates().invalid_requests()
    }
}

fn router(shared: &Arc<Shared>, extra: Option<Router>) -> Router {
    let router = Router::new()
        .route("/api", any(rest::api))
        .route("/api/{*path}", any(rest::api))
        .route("/gateway", get(gateway::upgrade))
        .route("/gateway/", get(gateway::upgrade))
        .route("/attachments/{channel}/{id}/{name}", get(rest::attachment))
        // Avatars and icons: there are none.
        .route(
            "/embed/{*path}",
            get(|| async { StatusCode::NOT_FOUND.into_response() }),
        )
        .with_state(Arc::clone(shared));
    match extra {
        Some(extra) => router.merge(extra),
        None => router,
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = ticks.tick() => shared.world().sweep(),
        }
    }
}

const SWEEP: Duration = Duration::from_millis(250);
const STOP_GRACE: Duration = Duration::from_secs(1);
