//! Guilds, channels, and people in voice.

use serde_json::json;

use super::{Bot, ScriptError};
use crate::{
    discord::{
        Discord,
        check::message::Draft,
        event::Message,
        id::{ChannelId, GuildId, RoleId, UserId},
        refusal::Refusal,
        world::{
            channel::{ChannelKind, Overwrite},
            message::Post,
            permission,
            voice::VoiceWish,
        },
    },
    voice::Listener,
};

/// A guild as a test handles it.
#[derive(Debug, Clone)]
pub struct Guild {
    discord: Discord,
    id: GuildId,
}

/// Where somebody is in voice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoicePlace {
    /// The channel.
    pub channel: ChannelId,
    /// The session that joined.
    pub session: String,
    /// Whether it muted itself.
    pub self_mute: bool,
    /// Whether it deafened itself.
    pub self_deaf: bool,
}

impl Guild {
    pub(crate) fn new(discord: Discord, id: GuildId) -> Self {
        Self { discord, id }
    }

    /// Returns the guild's id.
    pub fn id(&self) -> GuildId {
        self.id
    }

    /// Returns the guild's name.
    pub fn name(&self) -> String {
        let world = self.discord.shared.world();
        world
            .guild(self.id)
            .map(|guild| guild.name.clone())
            .unwrap_or_default()
    }

    /// Adds a channel.
    pub fn add_channel(&self, name: &str, kind: ChannelKind) -> ChannelId {
        self.discord
            .shared
            .world()
            .add_channel(self.id, name, kind)
            .expect("guilds are never removed")
    }

    /// Adds a text channel.
    pub fn add_text_channel(&self, name: &str) -> ChannelId {
        self.add_channel(name, ChannelKind::Text)
    }

    /// Adds a voice channel.
    pub fn add_voice_channel(&self, name: &str) -> ChannelId {
        self.add_channel(name, ChannelKind::Voice)
    }

    /// Returns all channels with their names and kinds, in order.
    pub fn channels(&self) -> Vec<(ChannelId, String, ChannelKind)> {
        let world = self.discord.shared.world();
        let Ok(guild) = world.guild(self.id) else {
            return Vec::new();
        };
        guild
            .channels
            .values()
            .map(|channel| (channel.id, channel.name.clone(), channel.kind))
            .collect()
    }

    /// Makes a person who is a member.
    pub fn add_user(&self, name: &str) -> UserId {
        let user = self.discord.add_user(name);
        self.add_member(user);
        user
    }

    /// Lets a person join.
    pub fn add_member(&self, user: UserId) {
        // Both exist: handles and ids come from the same world.
        let _ = self.discord.shared.world().add_member(self.id, user);
    }

    /// Invites another bot.
    pub fn invite(&self, bot: &Bot) {
        self.discord
            .shared
            .world()
            .invite_bot(self.id, bot.application);
    }

    /// Returns who is a member.
    pub fn members(&self) -> Vec<UserId> {
        let world = self.discord.shared.world();
        world
            .guild(self.id)
            .map(|guild| guild.members.keys().copied().collect())
            .unwrap_or_default()
    }

    /// Takes permissions from a user in a channel (bits as Discord numbers them).
    pub fn deny(&self, channel: ChannelId, user: UserId, permissions: u64) {
        self.overwrite(
            channel,
            Overwrite {
                id: user.get(),
                kind: 1,
                allow: 0,
                deny: permissions,
            },
        );
    }

    /// Gives permissions to a user in a channel.
    pub fn allow(&self, channel: ChannelId, user: UserId, permissions: u64) {
        self.overwrite(
            channel,
            Overwrite {
                id: user.get(),
                kind: 1,
                allow: permissions,
                deny: 0,
            },
        );
    }

    /// Sets what @everyone may do in the whole guild.
    pub fn set_everyone_permissions(&self, permissions: u64) {
        let mut world = self.discord.shared.world();
        if let Ok(guild) = world.guild_mut(self.id)
            && let Some(role) = guild.roles.get_mut(&RoleId::new(self.id.get()))
        {
            role.permissions = permissions;
        }
    }

    fn overwrite(&self, channel: ChannelId, overwrite: Overwrite) {
        let mut world = self.discord.shared.world();
        if let Ok(guild) = world.guild_mut(self.id)
            && let Some(found) = guild.channels.get_mut(&channel)
        {
            found.overwrites.retain(|one| one.id != overwrite.id);
            found.overwrites.push(overwrite);
        }
        world.announce_channel("CHANNEL_UPDATE", self.id, channel);
    }

    /// Limits how many may be in a voice channel.
    pub fn set_user_limit(&self, channel: ChannelId, most: u32) {
        let mut world = self.discord.shared.world();
        if let Ok(guild) = world.guild_mut(self.id)
            && let Some(found) = guild.channels.get_mut(&channel)
        {
            found.user_limit = most;
        }
    }

    /// Returns a voice channel's status text.
    pub fn voice_status(&self, channel: ChannelId) -> Option<String> {
        let world = self.discord.shared.world();
        world
            .channel(channel)
            .ok()
            .and_then(|(_, channel)| channel.status.clone())
    }

    /// Returns where a member is in voice.
    pub fn voice_state(&self, user: UserId) -> Option<VoicePlace> {
        let world = self.discord.shared.world();
        let state = world.guild(self.id).ok()?.voice.get(&user)?;
        Some(VoicePlace {
            channel: state.channel,
            session: state.session.clone(),
            self_mute: state.self_mute,
            self_deaf: state.self_deaf,
        })
    }

    /// Returns who is in a voice channel.
    pub fn voice_members(&self, channel: ChannelId) -> Vec<UserId> {
        let world = self.discord.shared.world();
        let Ok(guild) = world.guild(self.id) else {
            return Vec::new();
        };
        let mut members: Vec<UserId> = guild
            .voice
            .values()
            .filter(|state| state.channel == channel)
            .map(|state| state.user)
            .collect();
        members.sort_unstable();
        members
    }

    /// Moves a member to another voice channel, or out of voice, as a moderator does.
    pub fn move_member(&self, user: UserId, channel: Option<ChannelId>) {
        let Some(place) = self.voice_state(user) else {
            return;
        };
        let wish = channel.map(|channel| VoiceWish {
            channel,
            session: place.session,
            self_mute: place.self_mute,
            self_deaf: place.self_deaf,
        });
        self.discord.shared.world().move_voice(self.id, user, wish);
    }

    /// Hears what bots say in this guild from now on.
    pub fn listen(&self) -> Listener {
        self.discord.shared.voice.listen(self.id.get())
    }
}

impl Discord {
    /// Hears what bots say in a guild from now on.
    pub fn listen(&self, guild: GuildId) -> Listener {
        self.guild(guild).listen()
    }

    pub(super) fn write(
        &self,
        user: UserId,
        channel: ChannelId,
        text: &str,
    ) -> Result<Message, ScriptError> {
        let mut world = self.shared.world();
        let refused = |refusal: Refusal| ScriptError::Refused {
            what: "the message".to_owned(),
            why: refusal.message,
        };
        world
            .demand(user, channel, permission::SEND_MESSAGES)
            .map_err(refused)?;
        let draft = Draft {
            content: Some(text.to_owned()),
            ..Draft::default()
        };
        world
            .post(Post {
                channel,
                author: user,
                draft,
                uploads: Vec::new(),
                origin: None,
            })
            .map_err(refused)
    }

    /// Shows that a person types.
    pub fn type_in(&self, user: UserId, channel: ChannelId) {
        let mut world = self.shared.world();
        let guild = world
            .channel(channel)
            .ok()
            .and_then(|(_, channel)| channel.guild);
        let mut event = json!({
            "channel_id": channel, "user_id": user, "timestamp": world.clock.now_ms() / 1_000,
        });
        if let Some(guild) = guild {
            event["guild_id"] = json!(guild);
            event["member"] = world.member_json(guild, user).unwrap_or_default();
        }
        world.dispatch_in(guild, channel, 1 << 11, 1 << 14, "TYPING_START", &event);
        world.tell(crate::discord::WorldEvent::Typing { channel, user });
    }
}

/// Lets a person join a voice channel; it leaves every other one.
pub(super) fn join(discord: &Discord, user: UserId, channel: ChannelId) -> Result<(), ScriptError> {
    let mut world = discord.shared.world();
    let refused = |refusal: Refusal| ScriptError::Refused {
        what: "joining voice".to_owned(),
        why: refusal.message,
    };
    world
        .demand(user, channel, permission::CONNECT)
        .map_err(refused)?;
    let (guild, found) = world.channel(channel).map_err(refused)?;
    let (Some(guild), true) = (guild.map(|guild| guild.id), found.kind.is_voice()) else {
        return Err(ScriptError::Refused {
            what: "joining voice".to_owned(),
            why: "it is not a voice channel".to_owned(),
        });
    };
    let others: Vec<GuildId> = world
        .guilds
        .values()
        .filter(|other| other.id != guild && other.voice.contains_key(&user))
        .map(|other| other.id)
        .collect();
    for other in others {
        world.set_voice(other, user, None);
    }
    let wish = VoiceWish {
        channel,
        session: format!("{:032x}", u128::from(user.get())),
        self_mute: false,
        self_deaf: false,
    };
    world.set_voice(guild, user, Some(wish));
    Ok(())
}
