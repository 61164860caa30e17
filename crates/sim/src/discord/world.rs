//! Everything that exists in the simulated Discord, behind one lock.

pub(crate) mod channel;
pub(crate) mod command;
pub(crate) mod dispatch;
pub(crate) mod guild;
pub(crate) mod interaction;
pub(crate) mod message;
pub(crate) mod permission;
pub(crate) mod session;
pub(crate) mod user;
pub(crate) mod voice;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::{broadcast, watch};

use self::{
    channel::Channel,
    guild::Guild,
    interaction::Interaction,
    message::{Log, StoredFile},
    session::{Session, StartLimit},
    user::{Application, User},
};
use super::{
    clock::Clock,
    event::WorldEvent,
    id::{ApplicationId, AttachmentId, ChannelId, GuildId, InteractionId, Snowflakes, UserId},
    journal::Journal,
    options::Limits,
    refusal::Refusal,
};
use crate::voice::VoiceServer;

/// The world.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) snowflakes: Snowflakes,
    pub(crate) users: HashMap<UserId, User>,
    pub(crate) applications: BTreeMap<ApplicationId, Application>,
    pub(crate) tokens: HashMap<String, ApplicationId>,
    pub(crate) guilds: BTreeMap<GuildId, Guild>,
    /// Which guild a channel belongs to.
    pub(crate) homes: HashMap<ChannelId, GuildId>,
    /// Direct message channels.
    pub(crate) direct: HashMap<ChannelId, Channel>,
    pub(crate) logs: HashMap<ChannelId, Log>,
    pub(crate) files: HashMap<AttachmentId, StoredFile>,
    pub(crate) interactions: BTreeMap<InteractionId, Interaction>,
    pub(crate) interaction_tokens: HashMap<String, InteractionId>,
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) starts: HashMap<ApplicationId, StartLimit>,
    pub(crate) journal: Journal,
    /// `http://host:port`, for links to files.
    pub(crate) base_url: String,
    /// `ws://host:port/gateway`.
    pub(crate) gateway_url: String,
    pub(crate) voice: Option<VoiceServer>,
    events: broadcast::Sender<Arc<WorldEvent>>,
    changed: watch::Sender<u64>,
}

impl World {
    pub(crate) fn new(limits: Limits, clock: Clock) -> Self {
        let now = clock.now_ms();
        Self {
            snowflakes: Snowflakes::new(now),
            journal: Journal::new(clock.clone()),
            clock,
            limits,
            users: HashMap::new(),
            applications: BTreeMap::new(),
            tokens: HashMap::new(),
            guilds: BTreeMap::new(),
            homes: HashMap::new(),
            direct: HashMap::new(),
            logs: HashMap::new(),
            files: HashMap::new(),
            interactions: BTreeMap::new(),
            interaction_tokens: HashMap::new(),
            sessions: HashMap::new(),
            starts: HashMap::new(),
            base_url: String::new(),
            gateway_url: String::new(),
            voice: None,
            events: broadcast::channel(EVENTS).0,
            changed: watch::channel(0).0,
        }
    }

    /// Makes an id for something new.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.snowflakes.next(self.clock.now_ms())
    }

    /// Tells pages and scripts what happened.
    pub(crate) fn tell(&self, event: WorldEvent) {
        // Nobody listening is fine.
        let _ = self.events.send(Arc::new(event));
    }

    /// Wakes whoever waits for the world to look different.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<WorldEvent>> {
        self.events.subscribe()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn user(&self, id: UserId) -> Result<&User, Refusal> {
        self.users.get(&id).ok_or_else(Refusal::unknown_user)
    }

    pub(crate) fn guild(&self, id: GuildId) -> Result<&Guild, Refusal> {
        self.guilds.get(&id).ok_or_else(Refusal::unknown_guild)
    }

    pub(crate) fn guild_mut(&mut self, id: GuildId) -> Result<&mut Guild, Refusal> {
        self.guilds.get_mut(&id).ok_or_else(Refusal::unknown_guild)
    }

    /// Finds a channel, and its guild unless it is for direct messages.
    pub(crate) fn channel(&self, id: ChannelId) -> Result<(Option<&Guild>, &Channel), Refusal> {
        if let Some(channel) = self.direct.get(&id) {
            return Ok((None, channel));
        }
        self.homes
            .get(&id)
            .and_then(|guild| self.guilds.get(guild))
            .and_then(|guild| Some((Some(guild), guild.channels.get(&id)?)))
            .ok_or_else(Refusal::unknown_channel)
    }

    pub(crate) fn application(&self, id: ApplicationId) -> Result<&Application, Refusal> {
        self.applications
            .get(&id)
            .ok_or_else(Refusal::unknown_application)
    }

    /// Forgets what is too old: interactions, sessions.
    pub(crate) fn sweep(&mut self) {
        self.sweep_interactions();
        self.sweep_sessions();
    }
}

/// Events a slow page may lag behind.
const EVENTS: usize = 4_096;
