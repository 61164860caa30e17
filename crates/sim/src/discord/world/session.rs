//! Gateway sessions: they outlive their connection and replay what was missed.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use super::World;
use crate::discord::{
    id::{ApplicationId, GuildId, UserId},
    journal::Entry,
};

/// A session of a bot on one shard.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) application: ApplicationId,
    pub(crate) bot: UserId,
    /// Number and count.
    pub(crate) shard: (u64, u64),
    pub(crate) intents: u64,
    /// Sequence of the last event.
    pub(crate) sequence: u64,
    /// The last events, complete payloads.
    events: VecDeque<Arc<str>>,
    pub(crate) link: Option<Link>,
    /// Since when there is no connection.
    unlinked_ms: u64,
    pub(crate) presence: Value,
    /// When all members of a guild were last asked for.
    pub(crate) member_requests: HashMap<GuildId, u64>,
}

/// The connection a session is on.
#[derive(Clone)]
pub(crate) struct Link {
    /// Tells one connection from the next.
    pub(crate) number: u64,
    /// There are new events.
    pub(crate) wake: Arc<Notify>,
    /// What else the connection should do.
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// What the world asks of a connection.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Send a payload outside of the sequence.
    Send(Value),
    /// Close it properly.
    Close(u16, &'static str),
    /// Let it break.
    Break,
}

/// IDENTIFYs of a bot.
#[derive(Debug, Default)]
pub(crate) struct StartLimit {
    /// When the present day began.
    began_ms: u64,
    used: u32,
    /// When a bucket was last used.
    buckets: HashMap<u64, u64>,
}

/// What came of an attempt to begin a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Granted,
    /// Too fast: op 9.
    TooFast,
    /// None left today: the token is reset.
    Exhausted,
}

impl Session {
    fn first_kept(&self) -> u64 {
        self.sequence + 1 - self.events.len() as u64
    }

    /// Returns whether a client that has seen `sequence` can be brought up to date.
    pub(crate) fn can_replay(&self, sequence: u64) -> bool {
        sequence + 1 >= self.first_kept()
    }

    /// Returns up to `most` payloads after `sequence`; none if they are gone.
    pub(crate) fn after(&self, sequence: u64, most: usize) -> Option<Vec<Arc<str>>> {
        if !self.can_replay(sequence) {
            return None;
        }
        let skip = (sequence + 1 - self.first_kept()) as usize;
        Some(self.events.iter().skip(skip).take(most).cloned().collect())
    }

    /// Returns whether the guild is on this shard.
    pub(crate) fn covers(&self, guild: GuildId) -> bool {
        (guild.get() >> 22) % self.shard.1 == self.shard.0
    }

    pub(crate) fn push(&mut self, name: &str, data: &Value, most: usize) {
        self.sequence += 1;
        let payload = format!(
            r#"{{"t":"{name}","s":{},"op":0,"d":{data}}}"#,
            self.sequence
        );
        if self.events.len() >= most {
            self.events.pop_front();
        }
        self.events.push_back(payload.into());
        if let Some(link) = &self.link {
            link.wake.notify_one();
        }
    }

    pub(crate) fn order(&self, order: Order) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.orders.send(order).is_ok())
    }
}

impl World {
    /// Counts an IDENTIFY against the limits.
    pub(crate) fn start_session(&mut self, application: ApplicationId, shard: u64) -> Start {
        let now = self.clock.now_ms();
        let (starts, concurrency) = (
            self.limits.session_starts,
            self.limits.max_concurrency.max(1),
        );
        let window = self.limits.identify_window.as_millis() as u64;
        let limit = self.starts.entry(application).or_default();
        limit.roll(now);
        if limit.used >= starts {
            return Start::Exhausted;
        }
        let bucket = shard % u64::from(concurrency);
        if limit
            .buckets
            .get(&bucket)
            .is_some_and(|last| now < last + window)
        {
            return Start::TooFast;
        }
        limit.buckets.insert(bucket, now);
        limit.used += 1;
        Start::Granted
    }

    /// Writes `session_start_limit`.
    pub(crate) fn start_limit_json(&mut self, application: ApplicationId) -> Value {
        let now = self.clock.now_ms();
        let total = self.limits.session_starts;
        let limit = self.starts.entry(application).or_default();
        limit.roll(now);
        json!({
            "total": total,
            "remaining": total.saturating_sub(limit.used),
            "reset_after": if limit.used == 0 { 0 } else { (limit.began_ms + DAY_MS).saturating_sub(now) },
            "max_concurrency": self.limits.max_concurrency.max(1),
        })
    }

    /// Begins a session and pushes READY and the guilds. Returns its id.
    pub(crate) fn open_session(
        &mut self,
        application: ApplicationId,
        shard: (u64, u64),
        intents: u64,
        presence: Value,
        link: Link,
    ) -> Option<String> {
        let owner = self.applications.get(&application)?;
        let (bot, flags) = (owner.bot, owner.flags());
        let id = format!("{:032x}", rand::rng().random::<u128>());
        let mut session = Session {
            application,
            bot,
            shard,
            intents,
            sequence: 0,
            events: VecDeque::new(),
            link: Some(link),
            unlinked_ms: 0,
            presence,
            member_requests: HashMap::new(),
        };
        let guilds: Vec<GuildId> = self
            .guilds
            .values()
            .filter(|guild| session.covers(guild.id) && guild.members.contains_key(&bot))
            .map(|guild| guild.id)
            .collect();
        let most = self.limits.replay_events.max(guilds.len() + 64);
        let ready = json!({
            "v": 10,
            "user_settings": {},
            "user": self.users.get(&bot)?.own_json(),
            "session_type": "normal",
            "session_id": id,
            "resume_gateway_url": self.gateway_url,
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": guilds.iter().map(|guild| json!({"id": guild, "unavailable": true})).collect::<Vec<_>>(),
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": ["rotterdam", "us-east", "singapore"],
            "game_relationships": [],
            "auth": {},
            "application": {"id": application, "flags": flags},
            "shard": [shard.0, shard.1],
            "_trace": ["[\"gateway-sim\",{\"micros\":1}]"],
        });
        session.push("READY", &ready, most);
        if intents & super::dispatch::GUILDS != 0 {
            for guild in guilds {
                if let Some(json) = self.guild_create_json(
                    guild,
                    bot,
                    intents & super::dispatch::GUILD_MEMBERS != 0,
                ) {
                    session.push("GUILD_CREATE", &json, most);
                }
            }
        }
        self.journal.add(Entry::Identify {
            application,
            shard,
            intents,
            session: id.clone(),
        });
        self.sessions.insert(id.clone(), session);
        self.touch();
        Some(id)
    }

    /// Counts the guilds a shard would carry.
    pub(crate) fn guilds_of_shard(&self, bot: UserId, shard: (u64, u64)) -> usize {
        self.guilds
            .values()
            .filter(|guild| {
                (guild.id.get() >> 22) % shard.1 == shard.0 && guild.members.contains_key(&bot)
            })
            .count()
    }

    /// Takes the connection away from a session, unless it is on another one by now.
    pub(crate) fn unlink_session(&mut self, id: &str, number: u64) {
        let now = self.clock.now_ms();
        if let Some(session) = self.sessions.get_mut(id)
            && session
                .link
                .as_ref()
                .is_some_and(|link| link.number == number)
        {
            session.link = None;
            session.unlinked_ms = now;
        }
        self.touch();
    }

    /// Ends a session: its voice states go with it.
    pub(crate) fn end_session(&mut self, id: &str) {
        if self.sessions.remove(id).is_none() {
            return;
        }
        self.journal.add(Entry::SessionEnded {
            session: id.to_owned(),
        });
        let left: Vec<(GuildId, UserId)> = self
            .guilds
            .values()
            .flat_map(|guild| {
                guild
                    .voice
                    .values()
                    .filter(|state| state.session == id)
                    .map(|state| (guild.id, state.user))
            })
            .collect();
        for (guild, user) in left {
            self.set_voice(guild, user, None);
        }
        self.touch();
    }

    pub(crate) fn sweep_sessions(&mut self) {
        let now = self.clock.now_ms();
        let kept = self.limits.session.as_millis() as u64;
        let ended: Vec<String> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.link.is_none() && session.unlinked_ms + kept <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in ended {
            self.end_session(&id);
        }
    }
}

impl StartLimit {
    fn roll(&mut self, now: u64) {
        if now >= self.began_ms + DAY_MS {
            *self = Self {
                began_ms: now,
                ..Self::default()
            };
        }
    }
}

const DAY_MS: u64 = 24 * 3600 * 1000;
