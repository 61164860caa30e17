//! Starts the role: logs in, registers commands, brings up shards.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::Services;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};
use twilight_gateway::queue::InMemoryQueue;
use twilight_gateway::{Config, ConfigBuilder, Intents, Session, Shard, ShardId};
use twilight_model::gateway::connection_info::BotConnectionInfo;
use twilight_model::gateway::payload::outgoing::identify::IdentifyProperties;
use url::{Host, Url};

use super::GatewayError;
use super::cache::Cache;
use super::interact::Interactions;
use super::panel::task::PanelTask;
use super::registration;
use super::reply::Replies;
use super::rest::{Identity, Rest, RestError};
use super::shard::{ShardTask, Surroundings};
use super::voice::Voice;

/// Why the role did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no token.
    #[error("no bot token: set DISCORD_TOKEN, or `discord.token` in the configuration")]
    NoToken,
    /// A URL is not allowed.
    #[error("`{key}` must begin with {expected}; plaintext is allowed to loopback only")]
    Url {
        /// The setting.
        key: &'static str,
        /// What it must begin with.
        expected: &'static str,
    },
    /// The number of shards is not allowed.
    #[error("`discord.shards` must be within 1..=16384")]
    Shards,
    /// Discord said no for good.
    #[error(transparent)]
    Refused(#[from] GatewayError),
    /// Discord could not be reached.
    #[error("Discord could not be reached: check the network, and `discord.api_url` if it is set")]
    Unreachable(#[source] RestError),
    /// Shutdown came first.
    #[error("stopped while starting")]
    Stopped,
}

/// The role at work.
#[derive(Debug)]
pub struct RunningGateway {
    ready: watch::Receiver<bool>,
    tracker: TaskTracker,
    failure: Failure,
}

/// The first error that made the role stop.
type Failure = Arc<Mutex<Option<GatewayError>>>;

impl RunningGateway {
    /// Returns when all shards are active, or when the role stopped.
    pub async fn ready(&self) {
        let mut ready = self.ready.clone();
        // The sender is gone only when the role stopped.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Returns whether all shards were active once.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Returns whether everything came to its end already.
    pub fn has_stopped(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Returns when everything came to its end: after shutdown, or because Discord refused.
    pub async fn stopped(self) -> Result<(), GatewayError> {
        self.tracker.wait().await;
        match *self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Starts the role `gateway`. Returns once the bot is logged in and its shards are connecting;
/// waits for a Discord that is away, with growing pauses, for about a minute.
pub async fn start(
    config: &config::Discord,
    services: Services,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<RunningGateway, StartError> {
    let token = config
        .token
        .as_ref()
        .map(|token| token.expose_secret().trim().to_owned());
    let token = token
        .filter(|token| !token.is_empty())
        .ok_or(StartError::NoToken)?;
    check_url(
        config.api_url.as_ref(),
        "discord.api_url",
        "https://",
        "http",
    )?;
    check_url(
        config.gateway_url.as_ref(),
        "discord.gateway_url",
        "wss://",
        "ws",
    )?;
    if config
        .shards
        .is_some_and(|shards| !(1..=16_384).contains(&shards))
    {
        return Err(StartError::Shards);
    }

    let metrics = metrics.gateway.clone();
    let rest = Rest::new(&token, config.api_url.as_ref());
    let (info, who) = tokio::select! {
        () = shutdown.cancelled() => return Err(StartError::Stopped),
        login = log_in(&rest) => login?,
    };
    services.bot.set(who.bot);
    register(&rest, who).await;

    // Ends with the role, also when only this role fails.
    let shutdown = shutdown.child_token();
    let tracker = TaskTracker::new();
    let total = config.shards.unwrap_or(info.shards).max(1);
    let shards = prepare(&token, config, &info, total, who, &services).await;
    let voice = Voice::new(shards.iter().map(|(shard, _)| shard.sender()));
    let replies = Replies {
        rest: rest.clone(),
        who,
        voice: voice.clone(),
        metrics: metrics.clone(),
    };
    let interactions = Interactions::new(
        replies.clone(),
        services.lines.clone(),
        services.history.clone(),
        metrics.clone(),
        tracker.clone(),
    );

    tracker.spawn(replies.run(
        services.lines.to_discord(),
        tracker.clone(),
        shutdown.clone(),
    ));
    tracker.spawn(PanelTask::run(
        rest,
        services.panels.clone(),
        metrics.clone(),
        services.lines.now(),
        shutdown.clone(),
    ));

    let failure = Failure::default();
    let surroundings = Surroundings {
        store: services.shards.clone(),
        lines: services.lines.clone(),
        metrics,
        interactions,
        voice,
    };
    let ready = run_shards(shards, &surroundings, &tracker, &failure, &shutdown);
    tracker.close();
    Ok(RunningGateway {
        ready,
        tracker,
        failure,
    })
}

/// Spawns one task for each shard; the receiver turns true when all were active.
fn run_shards(
    shards: Vec<(Shard, Cache)>,
    surroundings: &Surroundings,
    tracker: &TaskTracker,
    failure: &Failure,
    shutdown: &CancellationToken,
) -> watch::Receiver<bool> {
    let total = shards.len();
    let (on_active, mut active) = mpsc::channel(total);
    let (ready_sender, ready) = watch::channel(false);
    for (shard, cache) in shards {
        let task = ShardTask::run(
            shard,
            cache,
            surroundings.clone(),
            on_active.clone(),
            shutdown.clone(),
        );
        let failure = Arc::clone(failure);
        let shutdown = shutdown.clone();
        tracker.spawn(async move {
            if let Err(error) = task.await {
                error!(error = %error, "gateway refused the bot");
                failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
                shutdown.cancel();
            }
        });
    }
    drop(on_active);
    tracker.spawn(async move {
        for _ in 0..total {
            if active.recv().await.is_none() {
                return;
            }
        }
        info!(shards = total, "all shards active");
        ready_sender.send_replace(true);
    });
    ready
}

/// Asks where the gateway is and who we are, patiently.
async fn log_in(rest: &Rest) -> Result<(BotConnectionInfo, Identity), StartError> {
    let mut pause = Duration::from_millis(500);
    loop {
        let result =
            async { Ok::<_, RestError>((rest.gateway().await?, rest.identity().await?)) }.await;
        match result {
            Ok(login) => return Ok(login),
            Err(RestError::Unauthorized) => return Err(GatewayError::BadToken.into()),
            Err(error) if error.is_transient() && pause <= LOGIN_PAUSE_MOST => {
                warn!(error = %error, "login failed, it is tried again; is the network up, and `discord.api_url` right if set?");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => return Err(StartError::Unreachable(error)),
        }
    }
}

/// Registers the commands, unless Discord has them as they are. A failure is no reason not to
/// start: the commands of last time are still there.
async fn register(rest: &Rest, who: Identity) {
    let known = match rest.commands(who).await {
        Ok(known) => known,
        Err(error) => {
            warn!(error = %error, "registered commands could not be read");
            return;
        }
    };
    if !registration::differs(&known) {
        return;
    }
    let commands = registration::commands();
    match rest.set_commands(who, &commands).await {
        Ok(()) => info!(commands = commands.len(), "commands registered"),
        Err(error) => error!(error = %error, "commands were not registered"),
    }
}

/// Makes all shards, each with the session and the guilds of the process before, if any.
async fn prepare(
    token: &str,
    config: &config::Discord,
    info: &BotConnectionInfo,
    total: u32,
    who: Identity,
    services: &Services,
) -> Vec<(Shard, Cache)> {
    let limit = &info.session_start_limit;
    if limit.remaining == 0 {
        warn!(
            reset_after_ms = limit.reset_after,
            "no sessions are left to begin today; shards that cannot resume wait"
        );
    }
    let queue = InMemoryQueue::new(
        limit.max_concurrency.max(1),
        limit.remaining.min(limit.total),
        Duration::from_millis(limit.reset_after),
        limit.total,
    );
    let url = config
        .gateway_url
        .as_ref()
        .map_or(info.url.as_str(), Url::as_str);
    // The client appends `/?v=10…` itself.
    let url = url.trim_end_matches('/').to_owned();
    let base: Config = ConfigBuilder::new(token.to_owned(), INTENTS)
        .identify_properties(IdentifyProperties::new(
            "backline",
            "backline",
            std::env::consts::OS,
        ))
        .proxy_url(url)
        .queue(queue)
        .build();
    let mut shards = Vec::with_capacity(total as usize);
    for number in 0..total {
        let mut cache = Cache::new(who.bot);
        let mut builder = ConfigBuilder::from(base.clone());
        if let Some((session, resume_url)) = restore(services, number, total, &mut cache).await {
            builder = builder.session(session).resume_url(resume_url);
        }
        shards.push((
            Shard::with_config(ShardId::new(number, total), builder.build()),
            cache,
        ));
    }
    shards
}

/// Returns the session of the process before, and puts its guilds into `cache`.
///
/// A session without its guilds is not resumed: Discord would not tell them again, and the bot
/// would not know who is in which voice channel. Nor is one of another number of shards.
async fn restore(
    services: &Services,
    shard: u32,
    shards: u32,
    cache: &mut Cache,
) -> Option<(Session, String)> {
    let unread = |error| warn!(shard.id = shard, error = %error, "session could not be read");
    let session = services.shards.load(shard).await.map_err(unread).ok()??;
    let guilds = services
        .shards
        .guilds(shard, shards)
        .await
        .map_err(unread)
        .ok()?;
    for (guild, body) in guilds {
        let Ok(known) = serde_json::from_str(&body) else {
            warn!(guild.id = %guild, "guild was written by another version");
            cache.clear();
            return None;
        };
        cache.restore(guild, known);
    }
    if cache.is_empty() {
        return None;
    }
    info!(shard.id = shard, guilds = cache.len(), "session is resumed");
    Some((
        Session::new(session.sequence, session.session_id),
        session.resume_url.trim_end_matches('/').to_owned(),
    ))
}

fn check_url(
    url: Option<&Url>,
    key: &'static str,
    expected: &'static str,
    plain: &str,
) -> Result<(), StartError> {
    let Some(url) = url else { return Ok(()) };
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let secure = url.as_str().starts_with(expected) && url.host().is_some();
    if secure || (url.scheme() == plain && loopback) {
        Ok(())
    } else {
        Err(StartError::Url { key, expected })
    }
}

/// Guilds for channels and roles, voice states to know who listens; neither is privileged.
const INTENTS: Intents = Intents::GUILDS.union(Intents::GUILD_VOICE_STATES);

/// The longest pause between two tries to log in: with its predecessors about a minute.
const LOGIN_PAUSE_MOST: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_goes_to_loopback_only() {
        let rows = [
            ("https://discord.example", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://discord.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
        ];
        for (url, allowed) in rows {
            let parsed = Url::parse(url).expect("a URL");
            assert_eq!(
                check_url(Some(&parsed), "k", "https://", "http").is_ok(),
                allowed,
                "{url}"
            );
        }
    }
}
