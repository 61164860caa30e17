//! Which session is told what: shard, membership, permissions, intents.

use serde_json::{Value, json};

use super::{World, permission};
use crate::discord::{
    event::WorldEvent,
    id::{ApplicationId, ChannelId, GuildId, UserId},
};

pub(crate) const GUILDS: u64 = 1 << 0;
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
pub(crate) const GUILD_VOICE_STATES: u64 = 1 << 7;
pub(crate) const GUILD_MESSAGES: u64 = 1 << 9;
pub(crate) const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
pub(crate) const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
pub(crate) const DIRECT_MESSAGES: u64 = 1 << 12;
pub(crate) const DIRECT_MESSAGE_REACTIONS: u64 = 1 << 13;
pub(crate) const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;
/// Intents that must be switched on for the application.
pub(crate) const PRIVILEGED: u64 = GUILD_MEMBERS | (1 << 8) | MESSAGE_CONTENT;
/// Intents that exist.
pub(crate) const KNOWN: u64 = 0x1_FFFF | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);

/// Who is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Audience {
    /// Members of a guild.
    Guild(GuildId),
    /// Members of a guild that see a channel.
    Channel(GuildId, ChannelId),
    /// One application, on shard 0: direct messages, entitlements.
    Direct(ApplicationId),
    /// One application, on the shard of a guild, whatever its intents.
    Own(ApplicationId, GuildId),
}

impl World {
    /// Sends an event to all sessions of the audience that asked for one of `intents` (0: all).
    /// Returns how many.
    pub(crate) fn dispatch(
        &mut self,
        to: Audience,
        intents: u64,
        name: &str,
        data: &Value,
    ) -> usize {
        self.dispatch_each(to, intents, name, |_, _| None, data)
    }

    /// Like `dispatch`; `special` may give a session another payload.
    pub(crate) fn dispatch_each<'v>(
        &mut self,
        to: Audience,
        intents: u64,
        name: &str,
        special: impl Fn(UserId, u64) -> Option<&'v Value>,
        data: &'v Value,
    ) -> usize {
        let most = self.limits.replay_events;
        let mut told = 0;
        let guilds = &self.guilds;
        for session in self.sessions.values_mut() {
            if intents != 0 && session.intents & intents == 0 {
                continue;
            }
            let concerned = match to {
                Audience::Guild(id) => {
                    session.covers(id)
                        && guilds
                            .get(&id)
                            .is_some_and(|guild| guild.members.contains_key(&session.bot))
                }
                Audience::Channel(id, channel) => {
                    session.covers(id)
                        && guilds.get(&id).is_some_and(|guild| {
                            guild.channels.get(&channel).is_some_and(|channel| {
                                permission::in_channel(guild, channel, session.bot)
                                    & permission::VIEW_CHANNEL
                                    != 0
                            })
                        })
                }
                Audience::Direct(application) => {
                    session.application == application && session.shard.0 == 0
                }
                Audience::Own(application, guild) => {
                    session.application == application && session.covers(guild)
                }
            };
            if concerned {
                let data = special(session.bot, session.intents).unwrap_or(data);
                session.push(name, data, most);
                told += 1;
            }
        }
        told
    }

    /// Sends an event to one session.
    pub(crate) fn dispatch_to(&mut self, session: &str, name: &str, data: &Value) {
        let most = self.limits.replay_events;
        if let Some(session) = self.sessions.get_mut(session) {
            session.push(name, data, most);
        }
    }

    pub(crate) fn announce_channel(&mut self, name: &str, guild: GuildId, channel: ChannelId) {
        let Ok((_, found)) = self.channel(channel) else {
            return;
        };
        let json = found.json();
        self.dispatch(Audience::Channel(guild, channel), GUILDS, name, &json);
        self.tell(WorldEvent::ChannelCreated(channel));
        self.touch();
    }

    pub(crate) fn announce_guild(&mut self, guild: GuildId, application: ApplicationId) {
        let Some(owner) = self.applications.get(&application) else {
            return;
        };
        let bot = owner.bot;
        for all_members in [false, true] {
            let is_wanted = self.sessions.values().any(|session| {
                session.application == application
                    && (session.intents & GUILD_MEMBERS != 0) == all_members
            });
            if !is_wanted {
                continue;
            }
            let Some(json) = self.guild_create_json(guild, bot, all_members) else {
                return;
            };
            let most = self.limits.replay_events;
            for session in self.sessions.values_mut() {
                if session.application == application
                    && session.covers(guild)
                    && session.intents & GUILDS != 0
                    && (session.intents & GUILD_MEMBERS != 0) == all_members
                {
                    session.push("GUILD_CREATE", &json, most);
                }
            }
        }
        self.touch();
    }

    pub(crate) fn announce_member(&mut self, name: &str, guild: GuildId, user: UserId) {
        let Ok(mut json) = self.member_json(guild, user) else {
            return;
        };
        json["guild_id"] = json!(guild);
        self.dispatch(Audience::Guild(guild), GUILD_MEMBERS, name, &json);
        self.touch();
    }
}
