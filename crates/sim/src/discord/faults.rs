//! Faults on demand.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Discord,
    id::{GuildId, UserId},
    rest::RestFault,
    world::session::Order,
};

/// The faults that are armed.
#[derive(Debug, Default)]
pub(crate) struct FaultBox {
    rules: Mutex<Vec<Rule>>,
    event_delay_us: AtomicU64,
    deaf: AtomicBool,
}

#[derive(Debug, Clone)]
struct Rule {
    /// Part of the path; empty means every path.
    path: String,
    left: u32,
    action: Action,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    RateLimit { retry_after: Duration, shared: bool },
    Status(u16),
    Delay(Duration),
}

impl FaultBox {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what happens to a request.
    pub(crate) fn rest(&self, path: &str) -> RestFault {
        let mut fault = RestFault::default();
        let mut rules = self.rules();
        for rule in rules.iter_mut() {
            if rule.left == 0 || !path.contains(&rule.path) {
                continue;
            }
            match rule.action {
                Action::Delay(delay) => fault.delay += delay,
                _ if fault.response.is_some() => continue,
                Action::RateLimit {
                    retry_after,
                    shared,
                } => {
                    fault.response = Some(rate_limited(retry_after, shared));
                }
                Action::Status(status) => fault.response = Some(failed(status)),
            }
            rule.left -= 1;
        }
        rules.retain(|rule| rule.left > 0);
        fault
    }

    /// Returns how long events are held back.
    pub(crate) fn event_delay(&self) -> Duration {
        Duration::from_micros(self.event_delay_us.load(Ordering::Relaxed))
    }

    /// Returns whether heartbeats are acknowledged.
    pub(crate) fn answers_heartbeats(&self) -> bool {
        !self.deaf.load(Ordering::Relaxed)
    }
}

/// Makes the simulated Discord misbehave.
#[derive(Debug)]
pub struct Faults {
    discord: Discord,
}

impl Faults {
    pub(crate) fn new(discord: Discord) -> Self {
        Self { discord }
    }

    /// Answers the next `count` requests whose path contains `path` with 429.
    pub fn rate_limit(&self, path: &str, count: u32, retry_after: Duration) {
        self.add(
            path,
            count,
            Action::RateLimit {
                retry_after,
                shared: false,
            },
        );
    }

    /// The same with scope `shared`: somebody else used the resource up.
    pub fn rate_limit_shared(&self, path: &str, count: u32, retry_after: Duration) {
        self.add(
            path,
            count,
            Action::RateLimit {
                retry_after,
                shared: true,
            },
        );
    }

    /// Answers the next `count` requests whose path contains `path` with a status such as 503.
    pub fn fail(&self, path: &str, count: u32, status: u16) {
        self.add(path, count, Action::Status(status));
    }

    /// Holds the next `count` requests whose path contains `path` back.
    pub fn delay(&self, path: &str, count: u32, by: Duration) {
        self.add(path, count, Action::Delay(by));
    }

    /// Holds all gateway events back; zero ends it.
    pub fn delay_events(&self, by: Duration) {
        self.discord
            .shared
            .faults
            .event_delay_us
            .store(by.as_micros() as u64, Ordering::Relaxed);
    }

    /// Stops or resumes acknowledging heartbeats, as a dead connection does.
    pub fn ignore_heartbeats(&self, ignore: bool) {
        self.discord
            .shared
            .faults
            .deaf
            .store(ignore, Ordering::Relaxed);
    }

    /// Takes all REST faults back.
    pub fn clear(&self) {
        self.discord.shared.faults.rules().clear();
    }

    /// Lets the connection of a shard break without a close frame; all shards without a number.
    pub fn break_gateway(&self, shard: Option<u64>) -> usize {
        self.order(shard, &Order::Break)
    }

    /// Closes the connection of a shard with a code.
    pub fn close_gateway(&self, shard: Option<u64>, code: u16) -> usize {
        self.order(shard, &Order::Close(code, "as the test wished"))
    }

    /// Asks a shard to reconnect (op 7).
    pub fn reconnect(&self, shard: Option<u64>) -> usize {
        self.order(
            shard,
            &Order::Send(json!({"t": null, "s": null, "op": 7, "d": null})),
        )
    }

    /// Invalidates the session of a shard (op 9); one that is not resumable is gone.
    pub fn invalidate(&self, shard: Option<u64>, resumable: bool) -> usize {
        let told = self.order(
            shard,
            &Order::Send(json!({"t": null, "s": null, "op": 9, "d": resumable})),
        );
        if !resumable {
            self.forget_sessions(shard);
        }
        told
    }

    /// Forgets sessions without a word: the next RESUME is answered with op 9.
    pub fn forget_sessions(&self, shard: Option<u64>) {
        let mut world = self.discord.shared.world();
        let ids: Vec<String> = world
            .sessions
            .iter()
            .filter(|(_, session)| shard.is_none_or(|shard| session.shard.0 == shard))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            world.end_session(&id);
        }
    }

    /// Breaks a bot's voice connection: with a close code, or without a word.
    pub fn break_voice(&self, guild: GuildId, bot: UserId, code: Option<u16>) -> bool {
        self.discord
            .shared
            .voice
            .break_connection(guild.get(), bot.get(), code)
    }

    /// Moves a bot to another voice server in the same channel (VOICE_SERVER_UPDATE alone).
    pub fn move_voice_server(&self, guild: GuildId, bot: UserId) {
        self.discord.shared.world().offer_voice_server(guild, bot);
    }

    fn add(&self, path: &str, count: u32, action: Action) {
        self.discord.shared.faults.rules().push(Rule {
            path: path.to_owned(),
            left: count,
            action,
        });
    }

    fn order(&self, shard: Option<u64>, order: &Order) -> usize {
        self.discord
            .shared
            .world()
            .sessions
            .values()
            .filter(|session| shard.is_none_or(|shard| session.shard.0 == shard))
            .filter(|session| session.order(order.clone()))
            .count()
    }
}

fn rate_limited(retry_after: Duration, shared: bool) -> Response {
    let seconds = retry_after.as_secs_f64();
    let mut response = (
        StatusCode::TOO_MANY_REQUESTS,
        Json(json!({
            "message": "You are being rate limited.",
            "retry_after": seconds,
            "global": false,
        })),
    )
        .into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::RETRY_AFTER,
        HeaderValue::from(seconds.ceil() as u64),
    );
    let scope = if shared { "shared" } else { "user" };
    headers.insert("x-ratelimit-scope", HeaderValue::from_static(scope));
    if let Ok(after) = HeaderValue::from_str(&format!("{seconds:.3}")) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(5));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(0));
        headers.insert("x-ratelimit-reset-after", after.clone());
        headers.insert("x-ratelimit-reset", after);
        headers.insert("x-ratelimit-bucket", HeaderValue::from_static("fault"));
    }
    response
}

fn failed(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "message": format!("{}: {}", status.as_u16(), status.canonical_reason().unwrap_or_default()),
        "code": 0,
    });
    (status, Json(body)).into_response()
}
