//! Channels of guilds, and direct message channels.

use serde_json::{Value, json};

use super::{World, guild::Guild, permission};
use crate::discord::{
    id::{ChannelId, GuildId, MessageId, UserId},
    refusal::Refusal,
};

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// For text.
    Text,
    /// Between a person and a bot.
    Direct,
    /// For voice, with a text chat of its own.
    Voice,
    /// A heading over other channels.
    Category,
    /// For voice with an audience.
    Stage,
}

impl ChannelKind {
    /// Returns Discord's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Direct => 1,
            Self::Voice => 2,
            Self::Category => 4,
            Self::Stage => 13,
        }
    }

    pub(crate) const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Text),
            2 => Some(Self::Voice),
            4 => Some(Self::Category),
            13 => Some(Self::Stage),
            _ => None,
        }
    }

    pub(crate) const fn is_voice(self) -> bool {
        matches!(self, Self::Voice | Self::Stage)
    }
}

/// A channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) kind: ChannelKind,
    pub(crate) name: String,
    pub(crate) position: usize,
    pub(crate) topic: Option<String>,
    pub(crate) parent: Option<ChannelId>,
    pub(crate) overwrites: Vec<Overwrite>,
    pub(crate) last_message: Option<MessageId>,
    pub(crate) user_limit: u32,
    pub(crate) status: Option<String>,
    /// Person and bot of a direct message channel.
    pub(crate) recipients: Vec<UserId>,
}

/// What a role or a member may or may not do in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overwrite {
    /// Id of a role or a user.
    pub(crate) id: u64,
    /// 0 role, 1 member.
    pub(crate) kind: u8,
    pub(crate) allow: u64,
    pub(crate) deny: u64,
}

impl Channel {
    /// Writes the channel with everything in it.
    pub(crate) fn json(&self) -> Value {
        let mut channel = json!({
            "id": self.id,
            "type": self.kind.number(),
            "flags": 0,
            "last_message_id": self.last_message,
        });
        if self.kind == ChannelKind::Direct {
            return channel;
        }
        channel["name"] = json!(self.name);
        channel["position"] = json!(self.position);
        channel["parent_id"] = json!(self.parent);
        channel["nsfw"] = json!(false);
        channel["guild_id"] = json!(self.guild);
        channel["rate_limit_per_user"] = json!(0);
        channel["permission_overwrites"] = self
            .overwrites
            .iter()
            .map(|one| {
                json!({
                    "id": one.id.to_string(),
                    "type": one.kind,
                    "allow": one.allow.to_string(),
                    "deny": one.deny.to_string(),
                })
            })
            .collect();
        if self.kind == ChannelKind::Text {
            channel["topic"] = json!(self.topic);
            channel["last_pin_timestamp"] = Value::Null;
        }
        if self.kind.is_voice() {
            channel["bitrate"] = json!(64_000);
            channel["user_limit"] = json!(self.user_limit);
            channel["rtc_region"] = Value::Null;
        }
        if self.kind == ChannelKind::Category
            && let Some(object) = channel.as_object_mut()
        {
            object.remove("last_message_id");
        }
        channel
    }

    /// Writes the channel as a member sees it; what may not be seen is obfuscated.
    pub(crate) fn json_for(&self, guild: &Guild, user: UserId) -> Value {
        let mut channel = self.json();
        if permission::in_channel(guild, self, user) & permission::VIEW_CHANNEL == 0 {
            channel["name"] = json!("___hidden___");
            channel["flags"] = json!(1_u32 << 17);
            channel["last_message_id"] = Value::Null;
            if let Some(topic) = channel.get_mut("topic") {
                *topic = Value::Null;
            }
        }
        channel
    }
}

impl World {
    /// Adds a channel to a guild and tells who sees it.
    pub(crate) fn add_channel(
        &mut self,
        guild_id: GuildId,
        name: &str,
        kind: ChannelKind,
    ) -> Result<ChannelId, Refusal> {
        let id = ChannelId::new(self.next_id());
        let guild = self.guild_mut(guild_id)?;
        let position = guild.channels.len();
        guild.channels.insert(
            id,
            Channel {
                id,
                guild: Some(guild_id),
                kind,
                name: name.to_owned(),
                position,
                topic: None,
                parent: None,
                overwrites: Vec::new(),
                last_message: None,
                user_limit: 0,
                status: None,
                recipients: Vec::new(),
            },
        );
        self.homes.insert(id, guild_id);
        self.announce_channel("CHANNEL_CREATE", guild_id, id);
        Ok(id)
    }

    /// Returns the direct message channel of two users, made if there is none.
    pub(crate) fn open_direct(
        &mut self,
        bot: UserId,
        person: UserId,
    ) -> Result<ChannelId, Refusal> {
        self.user(person)?;
        let known = self
            .direct
            .values()
            .find(|channel| channel.recipients == [person, bot]);
        if let Some(channel) = known {
            return Ok(channel.id);
        }
        let id = ChannelId::new(self.next_id());
        self.direct.insert(
            id,
            Channel {
                id,
                guild: None,
                kind: ChannelKind::Direct,
                name: String::new(),
                position: 0,
                topic: None,
                parent: None,
                overwrites: Vec::new(),
                last_message: None,
                user_limit: 0,
                status: None,
                recipients: vec![person, bot],
            },
        );
        Ok(id)
    }

    /// Writes a channel for whoever asks, with the recipients of a direct message channel.
    pub(crate) fn channel_json(&self, id: ChannelId, user: UserId) -> Result<Value, Refusal> {
        let (guild, channel) = self.channel(id)?;
        if let Some(guild) = guild {
            return Ok(channel.json_for(guild, user));
        }
        let mut json = channel.json();
        json["recipients"] = channel
            .recipients
            .iter()
            .filter(|one| **one != user)
            .filter_map(|one| self.users.get(one))
            .map(super::user::User::json)
            .collect();
        Ok(json)
    }

    /// Checks that a user may do something in a channel.
    pub(crate) fn demand(
        &self,
        user: UserId,
        id: ChannelId,
        permissions: u64,
    ) -> Result<(), Refusal> {
        let (guild, channel) = self.channel(id)?;
        let Some(guild) = guild else {
            return if channel.recipients.contains(&user) {
                Ok(())
            } else {
                Err(Refusal::missing_access())
            };
        };
        if !guild.members.contains_key(&user) {
            return Err(Refusal::missing_access());
        }
        let has = permission::in_channel(guild, channel, user);
        if has & permission::VIEW_CHANNEL == 0 {
            return Err(Refusal::missing_access());
        }
        if has & permissions != permissions {
            return Err(Refusal::missing_permissions());
        }
        Ok(())
    }
}
