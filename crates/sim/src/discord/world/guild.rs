//! Guilds with roles and members.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{World, channel::Channel, permission, voice::VoiceState};
use crate::discord::{
    clock::iso,
    id::{ApplicationId, ChannelId, GuildId, RoleId, UserId},
    refusal::Refusal,
};

/// A guild.
#[derive(Debug, Clone)]
pub(crate) struct Guild {
    pub(crate) id: GuildId,
    pub(crate) name: String,
    pub(crate) owner: UserId,
    pub(crate) roles: BTreeMap<RoleId, Role>,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) members: BTreeMap<UserId, Member>,
    pub(crate) voice: HashMap<UserId, VoiceState>,
}

/// A role.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) id: RoleId,
    pub(crate) name: String,
    pub(crate) permissions: u64,
    pub(crate) position: usize,
    /// The bot a managed role belongs to.
    pub(crate) bot: Option<UserId>,
}

impl Role {
    pub(crate) fn json(&self) -> Value {
        let mut role = json!({
            "id": self.id,
            "name": self.name,
            "description": null,
            "permissions": self.permissions.to_string(),
            "position": self.position,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
            "hoist": false,
            "managed": self.bot.is_some(),
            "mentionable": false,
            "icon": null,
            "unicode_emoji": null,
            "flags": 0,
        });
        if let Some(bot) = self.bot {
            role["tags"] = json!({"bot_id": bot});
        }
        role
    }
}

/// A user in a guild.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) roles: Vec<RoleId>,
    pub(crate) nick: Option<String>,
    pub(crate) joined_ms: u64,
    pub(crate) mute: bool,
    pub(crate) deaf: bool,
}

impl Member {
    /// Writes the member without its user.
    pub(crate) fn partial_json(&self) -> Value {
        json!({
            "nick": self.nick,
            "avatar": null,
            "banner": null,
            "roles": self.roles,
            "joined_at": iso(self.joined_ms),
            "premium_since": null,
            "deaf": self.deaf,
            "mute": self.mute,
            "flags": 0,
            "pending": false,
            "communication_disabled_until": null,
            "unusual_dm_activity_until": null,
        })
    }
}

impl Guild {
    /// Writes what `GET /guilds/{id}` returns.
    pub(crate) fn json(&self) -> Value {
        let mut json = json!({
            "id": self.id,
            "name": self.name,
            "features": [],
            "owner_id": self.owner,
            "region": "deprecated",
            "afk_timeout": 300,
            "system_channel_flags": 0,
            "widget_enabled": false,
            "verification_level": 0,
            "roles": self.roles.values().map(Role::json).collect::<Vec<_>>(),
            "default_message_notifications": 0,
            "mfa_level": 0,
            "explicit_content_filter": 0,
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "premium_progress_bar_enabled": false,
            "nsfw": false,
            "nsfw_level": 0,
            "owner_configured_content_level": 0,
            "emojis": [],
            "stickers": [],
            "embed_enabled": false,
        });
        // What a guild may have and these do not; clients rely on the fields being there.
        for key in [
            "icon",
            "description",
            "home_header",
            "splash",
            "discovery_splash",
            "banner",
            "application_id",
            "afk_channel_id",
            "system_channel_id",
            "widget_channel_id",
            "max_presences",
            "vanity_url_code",
            "rules_channel_id",
            "safety_alerts_channel_id",
            "public_updates_channel_id",
            "hub_type",
            "premium_progress_bar_enabled_user_updated_at",
            "latest_onboarding_question_id",
            "incidents_data",
            "inventory_settings",
            "embed_channel_id",
        ] {
            json[key] = Value::Null;
        }
        json
    }
}

impl World {
    /// Adds a guild with the given members; bots get a role of their own. Tells the bots.
    pub(crate) fn add_guild(
        &mut self,
        name: &str,
        owner: UserId,
        bots: &[ApplicationId],
    ) -> GuildId {
        let id = GuildId::new(self.snowflakes.next_guild());
        let everyone = RoleId::new(id.get());
        let role = Role {
            id: everyone,
            name: "@everyone".to_owned(),
            permissions: permission::EVERYONE,
            position: 0,
            bot: None,
        };
        self.guilds.insert(
            id,
            Guild {
                id,
                name: name.to_owned(),
                owner,
                roles: BTreeMap::from([(everyone, role)]),
                channels: BTreeMap::new(),
                members: BTreeMap::new(),
                voice: HashMap::new(),
            },
        );
        self.insert_member(id, owner);
        for bot in bots {
            self.insert_bot(id, *bot);
        }
        id
    }

    fn insert_member(&mut self, guild: GuildId, user: UserId) -> bool {
        let now = self.clock.now_ms();
        let Some(guild) = self.guilds.get_mut(&guild) else {
            return false;
        };
        if guild.members.contains_key(&user) {
            return false;
        }
        let member = Member {
            joined_ms: now,
            ..Member::default()
        };
        guild.members.insert(user, member);
        true
    }

    fn insert_bot(&mut self, guild_id: GuildId, application: ApplicationId) {
        let Some(application) = self.applications.get(&application) else {
            return;
        };
        let (bot, name) = (application.bot, application.name.clone());
        if !self.insert_member(guild_id, bot) {
            return;
        }
        let id = RoleId::new(self.next_id());
        if let Some(guild) = self.guilds.get_mut(&guild_id) {
            let position = guild.roles.len();
            let role = Role {
                id,
                name,
                permissions: permission::BOT_ROLE,
                position,
                bot: Some(bot),
            };
            guild.roles.insert(id, role);
            if let Some(member) = guild.members.get_mut(&bot) {
                member.roles.push(id);
            }
        }
    }

    /// Lets a bot join a guild, as by an invite link.
    pub(crate) fn invite_bot(&mut self, guild: GuildId, application: ApplicationId) {
        self.insert_bot(guild, application);
        self.announce_guild(guild, application);
    }

    /// Lets a person join a guild.
    pub(crate) fn add_member(&mut self, guild: GuildId, user: UserId) -> Result<(), Refusal> {
        self.user(user)?;
        self.guild(guild)?;
        if self.insert_member(guild, user) {
            self.announce_member("GUILD_MEMBER_ADD", guild, user);
        }
        Ok(())
    }

    /// Writes a member with its user.
    pub(crate) fn member_json(&self, guild: GuildId, user: UserId) -> Result<Value, Refusal> {
        let member = self
            .guild(guild)?
            .members
            .get(&user)
            .ok_or_else(Refusal::unknown_member)?;
        let mut json = member.partial_json();
        json["user"] = self.user(user)?.json();
        Ok(json)
    }

    /// Writes GUILD_CREATE for a bot: members are only the bot and who is in voice, unless
    /// the bot may see members.
    pub(crate) fn guild_create_json(
        &self,
        id: GuildId,
        bot: UserId,
        all_members: bool,
    ) -> Option<Value> {
        let guild = self.guilds.get(&id)?;
        let mut json = guild.json();
        let joined = guild.members.get(&bot)?.joined_ms;
        let members: Vec<Value> = guild
            .members
            .keys()
            .filter(|user| all_members || **user == bot || guild.voice.contains_key(user))
            .filter_map(|user| self.member_json(id, *user).ok())
            .collect();
        let states: Vec<Value> = guild.voice.values().map(VoiceState::json).collect();
        let channels: Vec<Value> = guild
            .channels
            .values()
            .map(|channel| {
                let mut channel = channel.json_for(guild, bot);
                if let Some(object) = channel.as_object_mut() {
                    object.remove("guild_id");
                }
                channel
            })
            .collect();
        json["joined_at"] = json!(iso(joined));
        json["large"] = json!(guild.members.len() > 250);
        json["unavailable"] = json!(false);
        json["member_count"] = json!(guild.members.len());
        json["voice_states"] = json!(states);
        json["members"] = json!(members);
        json["channels"] = json!(channels);
        json["threads"] = json!([]);
        json["presences"] = json!([]);
        json["stage_instances"] = json!([]);
        json["guild_scheduled_events"] = json!([]);
        json["soundboard_sounds"] = json!([]);
        json["activity_instances"] = json!([]);
        json["lazy"] = json!(true);
        json["version"] = json!(1);
        Some(json)
    }
}
