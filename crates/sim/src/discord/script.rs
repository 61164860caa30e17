//! The scripting API: what people do, and what is expected of bots.

mod expect;
mod interact;
mod place;

use std::sync::Arc;

use serde_json::Value;

pub use self::{
    expect::ScriptError,
    interact::{Acknowledgement, Interaction, InteractionState},
    place::{Guild, VoicePlace},
};
use super::{
    Discord,
    event::Message,
    id::{ApplicationId, ChannelId, GuildId, MessageId, UserId},
    world::channel::ChannelKind,
};

/// A bot as a test knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its application.
    pub application: ApplicationId,
    /// Its user.
    pub user: UserId,
    /// Its token.
    pub token: String,
}

impl std::fmt::Debug for Bot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bot")
            .field("application", &self.application)
            .field("user", &self.user)
            .field("token", &"[redacted]")
            .finish()
    }
}

impl Discord {
    /// Returns the first bot.
    pub fn bot(&self) -> Bot {
        self.bot_of(self.shared.first_bot)
    }

    /// Returns the token of the first bot.
    pub fn token(&self) -> String {
        self.bot().token
    }

    /// Returns the application of the first bot.
    pub fn application_id(&self) -> ApplicationId {
        self.shared.first_bot
    }

    /// Adds another bot; it is in no guild until invited.
    pub fn add_bot(&self, name: &str, privileged_intents: u64) -> Bot {
        let id = self
            .shared
            .world()
            .add_application(name, None, privileged_intents);
        self.bot_of(id)
    }

    fn bot_of(&self, id: ApplicationId) -> Bot {
        let world = self.shared.world();
        let application = world
            .application(id)
            .expect("applications are never removed");
        Bot {
            application: id,
            user: application.bot,
            token: application.token.expose().to_owned(),
        }
    }

    /// Adds a person who is in no guild yet.
    pub fn add_user(&self, name: &str) -> UserId {
        self.shared.world().add_user(name)
    }

    /// Returns a user's name.
    pub fn user_name(&self, user: UserId) -> Option<String> {
        self.shared
            .world()
            .users
            .get(&user)
            .map(|user| user.name.clone())
    }

    /// Adds an empty guild with the first bot in it; its owner is a person of its own.
    pub fn add_guild(&self, name: &str) -> Guild {
        let mut world = self.shared.world();
        let owner = world.add_user(&format!("owner of {name}"));
        let id = world.add_guild(name, owner, &[self.shared.first_bot]);
        world.announce_guild(id, self.shared.first_bot);
        world.tell(super::WorldEvent::GuildCreated(id));
        drop(world);
        self.guild(id)
    }

    /// Returns a handle for a guild.
    pub fn guild(&self, id: GuildId) -> Guild {
        Guild::new(self.clone(), id)
    }

    /// Returns all guilds, oldest first.
    pub fn guilds(&self) -> Vec<Guild> {
        let ids: Vec<GuildId> = self.shared.world().guilds.keys().copied().collect();
        ids.into_iter().map(|id| self.guild(id)).collect()
    }

    /// Returns all people, in the order they were added.
    pub fn people(&self) -> Vec<UserId> {
        let world = self.shared.world();
        let mut people: Vec<UserId> = world
            .users
            .values()
            .filter(|user| !user.bot)
            .map(|user| user.id)
            .collect();
        people.sort_unstable();
        people
    }

    /// Returns the messages of a channel, oldest first, ephemeral ones among them.
    pub fn messages(&self, channel: ChannelId) -> Vec<Message> {
        self.shared
            .world()
            .logs
            .get(&channel)
            .map(|log| log.messages.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns a message as it is now.
    pub fn message(&self, channel: ChannelId, id: MessageId) -> Option<Message> {
        self.shared.world().message(channel, id).ok().cloned()
    }

    /// Returns the direct message channel of a person and the first bot.
    ///
    /// # Errors
    /// `Refused` if there is no such person.
    pub fn direct_channel(&self, person: UserId) -> Result<ChannelId, ScriptError> {
        let bot = self.bot().user;
        let opened = self.shared.world().open_direct(bot, person);
        opened.map_err(|refusal| ScriptError::Refused {
            what: "the direct message channel".to_owned(),
            why: refusal.message,
        })
    }

    /// Lets a person write a message.
    pub fn say(
        &self,
        user: UserId,
        channel: ChannelId,
        text: &str,
    ) -> Result<Message, ScriptError> {
        self.write(user, channel, text)
    }

    /// Lets a person join a voice channel, or move there.
    pub fn join_voice(&self, user: UserId, channel: ChannelId) -> Result<(), ScriptError> {
        place::join(self, user, channel)
    }

    /// Lets a person leave voice, wherever it is.
    pub fn leave_voice(&self, user: UserId) {
        let mut world = self.shared.world();
        let guilds: Vec<GuildId> = world
            .guilds
            .values()
            .filter(|guild| guild.voice.contains_key(&user))
            .map(|guild| guild.id)
            .collect();
        for guild in guilds {
            world.set_voice(guild, user, None);
        }
    }

    /// Returns where the first bot is in voice.
    pub fn bot_voice_state(&self, guild: GuildId) -> Option<VoicePlace> {
        let bot = self.bot().user;
        self.guild(guild).voice_state(bot)
    }

    /// Returns the commands of the first bot that can be used in a guild, as the API writes them.
    pub fn commands(&self, guild: Option<GuildId>) -> Vec<Value> {
        let world = self.shared.world();
        let application = self.shared.first_bot;
        let scopes = [None].into_iter().chain(guild.map(Some));
        scopes
            .filter_map(|scope| Some((scope, world.commands(application, scope).ok()??)))
            .flat_map(|(scope, commands)| {
                commands
                    .values()
                    .map(move |command| command.json(application, scope, true))
            })
            .collect()
    }
}

/// Fills the world as the options say.
pub(crate) fn populate(discord: &Discord, guilds: usize, human: Option<&str>) {
    let human = human.map(|name| discord.add_user(name));
    let mut first_voice = None;
    for number in 1..=guilds {
        let name = if number == 1 {
            "Backline".to_owned()
        } else {
            format!("Guild {number}")
        };
        let guild = discord.add_guild(&name);
        guild.add_channel("general", ChannelKind::Text);
        guild.add_channel("bot", ChannelKind::Text);
        let voice = guild.add_channel("Music", ChannelKind::Voice);
        if let Some(human) = human {
            guild.add_member(human);
        }
        first_voice = first_voice.or(Some(voice));
    }
    if let (Some(human), Some(voice)) = (human, first_voice) {
        // Both were made just above, so nothing can be refused.
        let _ = discord.join_voice(human, voice);
    }
}

/// A JSON object shared with watchers.
pub(crate) type Json = Arc<Value>;
