//! One guild as the cache holds it.

use backline_core::id::{ChannelId, UserId};
use serde::{Deserialize, Serialize};

use super::super::event::{ChannelPayload, GuildPayload, RolePayload, VoiceStatePayload};
use super::permission::{self, Permissions};

/// One guild. Written to the store between processes, hence serde; names are short because there
/// may be many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guild {
    /// All roles: any of them may be given to the bot later. The one with the guild's id is
    /// @everyone.
    #[serde(rename = "r")]
    roles: Vec<Role>,
    /// The bot's roles.
    #[serde(rename = "o")]
    own_roles: Vec<u64>,
    /// Voice and stage channels.
    #[serde(rename = "c")]
    channels: Vec<VoiceChannel>,
    /// Everybody in voice, bots included.
    #[serde(rename = "v")]
    voice: Vec<InVoice>,
    #[serde(rename = "i")]
    id: u64,
    #[serde(rename = "b")]
    bot: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Role(u64, Permissions);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VoiceChannel {
    #[serde(rename = "i")]
    id: ChannelId,
    /// 0 is any number.
    #[serde(rename = "l")]
    limit: u16,
    #[serde(rename = "o")]
    overwrites: Box<[Overwrite]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Overwrite {
    #[serde(rename = "i")]
    id: u64,
    #[serde(rename = "m")]
    member: bool,
    #[serde(rename = "a")]
    allow: Permissions,
    #[serde(rename = "d")]
    deny: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct InVoice {
    #[serde(rename = "u")]
    user: UserId,
    #[serde(rename = "c")]
    channel: ChannelId,
    #[serde(rename = "b")]
    bot: bool,
}

/// Why the bot cannot come into a voice channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// It may not see it.
    View,
    /// It may not connect.
    Connect,
    /// It may not speak.
    Speak,
    /// The channel is full.
    Full,
}

impl Guild {
    /// Reads what GUILD_CREATE carried.
    pub fn new(payload: &GuildPayload, bot: UserId) -> Self {
        let is_bot = |user: UserId| {
            payload
                .members
                .iter()
                .filter_map(|member| member.user)
                .any(|known| known.id == user && known.bot)
        };
        let mut guild = Self {
            roles: payload
                .roles
                .iter()
                .map(|role| Role(role.id, Permissions::new(role.permissions)))
                .collect(),
            own_roles: payload
                .members
                .iter()
                .find(|member| member.user.is_some_and(|user| user.id == bot))
                .map(|member| member.roles.0.clone())
                .unwrap_or_default(),
            channels: payload
                .channels
                .iter()
                .filter_map(VoiceChannel::new)
                .collect(),
            voice: payload
                .voice_states
                .iter()
                .filter_map(|state| {
                    let bot = state.user_id == bot || is_bot(state.user_id);
                    Some(InVoice {
                        user: state.user_id,
                        channel: state.channel_id?,
                        bot,
                    })
                })
                .collect(),
            id: payload.id.as_u64(),
            bot: bot.as_u64(),
        };
        guild.shrink();
        guild
    }

    /// Returns the voice channel somebody is in.
    pub fn voice_channel(&self, user: UserId) -> Option<ChannelId> {
        self.voice
            .iter()
            .find(|state| state.user == user)
            .map(|state| state.channel)
    }

    /// Returns how many people other than bots are in a channel.
    pub fn people_in(&self, channel: ChannelId) -> u32 {
        let people = self
            .voice
            .iter()
            .filter(|state| state.channel == channel && !state.bot)
            .count();
        u32::try_from(people).unwrap_or(u32::MAX)
    }

    /// Returns why the bot cannot come into a channel and be heard, if it cannot.
    ///
    /// A channel that is not known passes: Discord decides.
    pub fn obstacle(&self, channel: ChannelId) -> Option<Obstacle> {
        let known = self.channels.iter().find(|known| known.id == channel)?;
        let permissions = self.permissions_in(known);
        if !permissions.contains(permission::VIEW_CHANNEL) {
            return Some(Obstacle::View);
        }
        if !permissions.contains(permission::CONNECT) {
            return Some(Obstacle::Connect);
        }
        if !permissions.contains(permission::SPEAK) {
            return Some(Obstacle::Speak);
        }
        let here = self.voice.iter().filter(|state| state.channel == channel);
        let inside = here.clone().any(|state| state.user.as_u64() == self.bot);
        let full = known.limit > 0 && here.count() >= usize::from(known.limit);
        (full && !inside && !permissions.contains(permission::MOVE_MEMBERS))
            .then_some(Obstacle::Full)
    }

    /// Takes in a channel that was made or changed.
    pub fn put_channel(&mut self, payload: &ChannelPayload) {
        self.remove_channel(payload.id);
        if let Some(channel) = VoiceChannel::new(payload) {
            self.channels.push(channel);
        }
    }

    /// Forgets a channel.
    pub fn remove_channel(&mut self, channel: ChannelId) {
        self.channels.retain(|known| known.id != channel);
    }

    /// Takes in a role that was made or changed.
    pub fn put_role(&mut self, payload: &RolePayload) {
        self.remove_role(payload.id);
        self.roles
            .push(Role(payload.id, Permissions::new(payload.permissions)));
    }

    /// Forgets a role.
    pub fn remove_role(&mut self, role: u64) {
        self.roles.retain(|known| known.0 != role);
    }

    /// Takes in the bot's roles.
    pub fn set_own_roles(&mut self, roles: &[u64]) {
        self.own_roles = roles.to_vec();
    }

    /// Takes in somebody's place in voice.
    pub fn put_voice_state(&mut self, state: &VoiceStatePayload) {
        let known = self
            .voice
            .iter()
            .position(|known| known.user == state.user_id);
        let was_bot = known.is_some_and(|index| self.voice[index].bot);
        if let Some(index) = known {
            self.voice.swap_remove(index);
        }
        if let Some(channel) = state.channel_id {
            let user = state.member.as_ref().and_then(|member| member.user);
            let bot = state.user_id.as_u64() == self.bot || user.map_or(was_bot, |user| user.bot);
            self.voice.push(InVoice {
                user: state.user_id,
                channel,
                bot,
            });
        } else if self.voice.is_empty() {
            self.voice = Vec::new();
        }
    }

    /// Returns how many bytes it occupies, allocations included.
    pub fn footprint(&self) -> usize {
        size_of::<Self>()
            + self.roles.capacity() * size_of::<Role>()
            + self.own_roles.capacity() * size_of::<u64>()
            + self.channels.capacity() * size_of::<VoiceChannel>()
            + self
                .channels
                .iter()
                .map(|channel| channel.overwrites.len() * size_of::<Overwrite>())
                .sum::<usize>()
            + self.voice.capacity() * size_of::<InVoice>()
    }

    fn permissions_in(&self, channel: &VoiceChannel) -> Permissions {
        let role = |id: u64| {
            self.roles
                .iter()
                .find(|role| role.0 == id)
                .map_or(Permissions::NONE, |role| role.1)
        };
        let base = self
            .own_roles
            .iter()
            .fold(role(self.id), |all, id| all.union(role(*id)));
        if base.contains(permission::ADMINISTRATOR) {
            return Permissions::ALL;
        }
        let overwrite = |id: u64, member: bool| {
            channel
                .overwrites
                .iter()
                .find(|overwrite| overwrite.id == id && overwrite.member == member)
                .map_or((Permissions::NONE, Permissions::NONE), |found| {
                    (found.allow, found.deny)
                })
        };
        let (allow, deny) = overwrite(self.id, false);
        let base = base.without(deny).union(allow);
        let (allow, deny) = self
            .own_roles
            .iter()
            .map(|id| overwrite(*id, false))
            .fold((Permissions::NONE, Permissions::NONE), |all, one| {
                (all.0.union(one.0), all.1.union(one.1))
            });
        let base = base.without(deny).union(allow);
        let (allow, deny) = overwrite(self.bot, true);
        base.without(deny).union(allow)
    }

    fn shrink(&mut self) {
        self.roles.shrink_to_fit();
        self.own_roles.shrink_to_fit();
        self.channels.shrink_to_fit();
        self.voice.shrink_to_fit();
    }
}

impl VoiceChannel {
    fn new(payload: &ChannelPayload) -> Option<Self> {
        if !matches!(payload.kind, VOICE | STAGE) {
            return None;
        }
        let overwrites = payload.permission_overwrites.as_deref().unwrap_or_default();
        Some(Self {
            id: payload.id,
            limit: payload.user_limit.unwrap_or(0),
            overwrites: overwrites
                .iter()
                .map(|overwrite| Overwrite {
                    id: overwrite.id,
                    member: overwrite.kind == 1,
                    allow: Permissions::new(overwrite.allow),
                    deny: Permissions::new(overwrite.deny),
                })
                .collect(),
        })
    }
}

const VOICE: u8 = 2;
const STAGE: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VIEW: u64 = 1 << 10;
    const CONNECT: u64 = 1 << 20;
    const SPEAK: u64 = 1 << 21;
    const MOVE: u64 = 1 << 24;
    const ADMIN: u64 = 1 << 3;

    fn guild(everyone: u64, own: u64, limit: u16, overwrites: &serde_json::Value) -> Guild {
        let payload: GuildPayload = serde_json::from_value(json!({
            "id": "7",
            "roles": [
                {"id": "7", "permissions": everyone.to_string()},
                {"id": "8", "permissions": own.to_string()},
                {"id": "9", "permissions": ADMIN.to_string()},
            ],
            "channels": [{"id": "50", "type": 2, "user_limit": limit, "permission_overwrites": overwrites}],
            "members": [{"user": {"id": "1", "bot": true}, "roles": ["8"]}],
            "voice_states": [{"channel_id": "50", "user_id": "3", "session_id": "a"}],
        }))
        .expect("well-formed");
        Guild::new(&payload, "1".parse().expect("an id"))
    }

    fn overwrite(id: &str, kind: u8, allow: u64, deny: u64) -> serde_json::Value {
        json!({"id": id, "type": kind, "allow": allow.to_string(), "deny": deny.to_string()})
    }

    #[test]
    fn obstacles_follow_roles_and_overwrites() {
        let all = VIEW | CONNECT | SPEAK;
        let rows = [
            ("everyone may", guild(all, 0, 0, &json!([])), None),
            ("own role may", guild(0, all, 0, &json!([])), None),
            (
                "nobody may see",
                guild(CONNECT | SPEAK, 0, 0, &json!([])),
                Some(Obstacle::View),
            ),
            (
                "may not connect",
                guild(VIEW | SPEAK, 0, 0, &json!([])),
                Some(Obstacle::Connect),
            ),
            (
                "may not speak",
                guild(VIEW | CONNECT, 0, 0, &json!([])),
                Some(Obstacle::Speak),
            ),
            (
                "admin may all",
                guild(0, ADMIN, 1, &json!([overwrite("7", 0, 0, all)])),
                None,
            ),
            (
                "everyone denied in the channel",
                guild(all, 0, 0, &json!([overwrite("7", 0, 0, CONNECT)])),
                Some(Obstacle::Connect),
            ),
            (
                "denied to everyone, allowed to the own role",
                guild(
                    all,
                    0,
                    0,
                    &json!([overwrite("7", 0, 0, CONNECT), overwrite("8", 0, CONNECT, 0)]),
                ),
                None,
            ),
            (
                "allowed to the role, denied to the bot itself",
                guild(
                    all,
                    0,
                    0,
                    &json!([overwrite("8", 0, SPEAK, 0), overwrite("1", 1, 0, SPEAK)]),
                ),
                Some(Obstacle::Speak),
            ),
            (
                "an overwrite of a role that the bot has not",
                guild(all, 0, 0, &json!([overwrite("9", 0, 0, all)])),
                None,
            ),
            ("full", guild(all, 0, 1, &json!([])), Some(Obstacle::Full)),
            (
                "full, but the bot may move members",
                guild(all | MOVE, 0, 1, &json!([])),
                None,
            ),
            ("room for one more", guild(all, 0, 2, &json!([])), None),
        ];
        for (name, guild, expected) in rows {
            assert_eq!(
                guild.obstacle("50".parse().expect("an id")),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_channel_has_no_obstacle() {
        assert_eq!(
            guild(0, 0, 0, &json!([])).obstacle("99".parse().expect("an id")),
            None
        );
    }

    #[test]
    fn changes_of_roles_and_channels_count_at_once() {
        let mut guild = guild(VIEW | SPEAK, 0, 0, &json!([]));
        let channel: ChannelId = "50".parse().expect("an id");
        guild.put_role(&RolePayload {
            id: 8,
            permissions: CONNECT,
        });
        assert_eq!(guild.obstacle(channel), None);
        guild.set_own_roles(&[]);
        assert_eq!(guild.obstacle(channel), Some(Obstacle::Connect));
        guild.set_own_roles(&[9]);
        assert_eq!(guild.obstacle(channel), None);
        guild.remove_role(9);
        assert_eq!(guild.obstacle(channel), Some(Obstacle::Connect));
    }

    #[test]
    fn a_guild_survives_the_way_through_the_store() {
        let guild = guild(VIEW, CONNECT, 3, &json!([overwrite("7", 0, 1, 2)]));
        let text = serde_json::to_string(&guild).expect("serializable");
        assert_eq!(
            serde_json::from_str::<Guild>(&text).expect("read back"),
            guild
        );
    }

    /// A guild larger than most: 60 roles, 120 channels of which 30 are voice with six overwrites
    /// each, 40 people in voice.
    #[test]
    fn a_large_guild_fits_in_ten_kibibytes() {
        let channels: Vec<_> = (0..120)
            .map(|index| {
                let kind = if index % 4 == 0 { 2 } else { 0 };
                let overwrites: Vec<_> = (0..6).map(|role| overwrite(&(100 + role).to_string(), 0, 1, 2)).collect();
                json!({"id": (1000 + index).to_string(), "type": kind, "permission_overwrites": overwrites})
            })
            .collect();
        let roles: Vec<_> = (0..60)
            .map(|role| json!({"id": (100 + role).to_string(), "permissions": "104320065"}))
            .collect();
        let voice: Vec<_> = (0..40)
            .map(|user| json!({"channel_id": "1000", "user_id": (5000 + user).to_string(), "session_id": "s"}))
            .collect();
        let payload: GuildPayload = serde_json::from_value(json!({
            "id": "7", "roles": roles, "channels": channels, "voice_states": voice, "members": [],
        }))
        .expect("well-formed");
        let guild = Guild::new(&payload, "1".parse().expect("an id"));
        assert!(
            guild.footprint() <= 10 * 1024,
            "{} bytes",
            guild.footprint()
        );
        assert!(guild.footprint() > 1024, "the measure counts allocations");
    }
}
