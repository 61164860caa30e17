//! How the simulated Discord behaves.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::Discord;
use crate::voice::VoiceOptions;

/// How the simulated Discord is started.
///
/// The default is what a test wants: free ports, one bot with a made-up token, no guilds.
pub struct Options {
    /// Address all ports are bound to.
    pub ip: IpAddr,
    /// Port of REST, gateway and pages; 0 takes a free one.
    pub port: u16,
    /// Name of the first bot.
    pub bot_name: String,
    /// Token of the first bot; none makes one up.
    pub token: Option<String>,
    /// Guilds to begin with, each with the channels `general`, `bot` and the voice channel `Music`.
    pub guilds: usize,
    /// A person to begin with: member of every such guild, in the voice channel of the first.
    pub human: Option<String>,
    /// Privileged intents the first bot may use: bits 1 (members), 8 (presences), 15 (message content).
    pub privileged_intents: u64,
    /// What is limited, and how.
    pub limits: Limits,
    /// Whether calls demand end-to-end encryption (DAVE), stages aside, as on Discord.
    pub require_dave: bool,
    /// The voice half; its `ca_file` is where the CA certificate is written.
    pub voice: VoiceOptions,
    /// More routes on the same port, such as a page that shows the world.
    pub extra: ExtraRoutes,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("ip", &self.ip)
            .field("port", &self.port)
            .field("bot_name", &self.bot_name)
            .field("token", &self.token.as_ref().map(|_| "[redacted]"))
            .field("guilds", &self.guilds)
            .field("human", &self.human)
            .field("privileged_intents", &self.privileged_intents)
            .field("limits", &self.limits)
            .field("require_dave", &self.require_dave)
            .field("voice", &self.voice)
            .field("extra", &self.extra)
            .finish()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            bot_name: "Backline".to_owned(),
            token: None,
            guilds: 0,
            human: None,
            privileged_intents: 0,
            limits: Limits::default(),
            require_dave: true,
            voice: VoiceOptions::default(),
            extra: ExtraRoutes::default(),
        }
    }
}

/// Limits as on Discord, unless changed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Whether REST rate limits are enforced (headers are sent anyhow).
    pub rates_enforced: bool,
    /// Requests of one bot per second over all routes; interactions do not count.
    pub global_per_second: u32,
    /// Answers 401, 403 and 429 within ten minutes after which a client is shut out.
    pub invalid_requests: u32,
    /// How long an interaction may stay unacknowledged.
    pub acknowledge: Duration,
    /// How long an interaction's token can be used.
    pub interaction_token: Duration,
    /// Heartbeat interval told in HELLO; a client silent for one and a half of it is closed with 4009.
    pub heartbeat_interval: Duration,
    /// How long a session can be resumed after its connection broke.
    pub session: Duration,
    /// Events kept per session for a replay.
    pub replay_events: usize,
    /// Largest number of guilds of one shard (4011 above).
    pub guilds_per_shard: usize,
    /// IDENTIFYs per day.
    pub session_starts: u32,
    /// IDENTIFYs per five seconds.
    pub max_concurrency: u32,
    /// The window of `max_concurrency`.
    pub identify_window: Duration,
    /// Gateway payloads a client may send per minute (4008 above).
    pub gateway_sends: u32,
    /// Largest upload, in bytes, of all files of a request together.
    pub upload_bytes: usize,
    /// Messages kept per channel.
    pub messages_per_channel: usize,
    /// Shards recommended by `GET /gateway/bot`; none means one per 1,000 guilds.
    pub recommended_shards: Option<u32>,
    /// How long the scripting API waits for a bot before it says what happened instead.
    pub script_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rates_enforced: true,
            global_per_second: 50,
            invalid_requests: 10_000,
            acknowledge: Duration::from_secs(3),
            interaction_token: Duration::from_mins(15),
            heartbeat_interval: Duration::from_millis(41_250),
            session: Duration::from_mins(3),
            replay_events: 8_192,
            guilds_per_shard: 2_500,
            session_starts: 1_000,
            max_concurrency: 1,
            identify_window: Duration::from_secs(5),
            gateway_sends: 120,
            upload_bytes: 10 * 1024 * 1024,
            messages_per_channel: 1_000,
            recommended_shards: None,
            script_timeout: Duration::from_secs(20),
        }
    }
}

type RouteMaker = Box<dyn FnOnce(Discord) -> axum::Router + Send>;

/// Routes that somebody else adds to the HTTP server.
#[derive(Default)]
pub struct ExtraRoutes(Option<RouteMaker>);

impl ExtraRoutes {
    /// `make` gets a handle that does not keep the world alive, so it may sit in the router's state.
    pub fn new(make: impl FnOnce(Discord) -> axum::Router + Send + 'static) -> Self {
        Self(Some(Box::new(make)))
    }

    pub(crate) fn make(self, discord: Discord) -> Option<axum::Router> {
        self.0.map(|make| make(discord))
    }
}

impl fmt::Debug for ExtraRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some" } else { "None" })
    }
}
