//! Gateway payloads, read as far as the bot needs them and no further.
//!
//! Own types in place of a complete model: a field that Discord adds, drops or fills with a new
//! value cannot break an event whose other fields we understand.

use std::borrow::Cow;

use backline_core::id::{ChannelId, GuildId, UserId};
use backline_runtime::metrics::gateway::EventKind;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::interaction::Interaction;

/// What a shard was told.
#[derive(Debug)]
pub enum Event {
    /// A session began.
    Ready {
        /// The guilds that will be told.
        guilds: Vec<GuildId>,
    },
    /// A session went on; missed events were replayed.
    Resumed,
    /// A guild is there, with everything the cache needs.
    Guild(Box<GuildPayload>),
    /// A guild is away: `removed` when the bot left it, else an outage.
    GuildGone {
        /// Which.
        guild: GuildId,
        /// Whether the bot was removed from it.
        removed: bool,
    },
    /// A channel was made or changed.
    Channel {
        /// Where.
        guild: GuildId,
        /// It.
        channel: ChannelPayload,
    },
    /// A channel was deleted.
    ChannelGone {
        /// Where.
        guild: GuildId,
        /// Which.
        channel: ChannelId,
    },
    /// A role was made or changed.
    Role {
        /// Where.
        guild: GuildId,
        /// It.
        role: RolePayload,
    },
    /// A role was deleted.
    RoleGone {
        /// Where.
        guild: GuildId,
        /// Which.
        role: u64,
    },
    /// A member changed; without the members intent only the bot itself.
    Member {
        /// Where.
        guild: GuildId,
        /// Who.
        user: UserId,
        /// Their roles.
        roles: Vec<u64>,
    },
    /// Somebody joined, moved, left or changed in voice.
    VoiceState(VoiceStatePayload),
    /// Where to connect for voice.
    VoiceServer {
        /// Where.
        guild: GuildId,
        /// A secret.
        token: String,
        /// Host and port; none while the server is away.
        endpoint: Option<String>,
    },
    /// Somebody used a command, a button or a completion.
    Interaction(Box<Interaction>),
    /// Nothing that matters here: other events, heartbeats, hello.
    Other,
}

/// Reads one text frame.
pub fn parse(text: &str) -> Result<(EventKind, Event), serde_json::Error> {
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let (Some(name), Some(data)) = (frame.t, frame.d) else {
        return Ok((EventKind::Control, Event::Other));
    };
    let data = data.get();
    Ok(match &*name {
        "READY" => {
            let ready: ReadyPayload = serde_json::from_str(data)?;
            let guilds = ready.guilds.into_iter().map(|guild| guild.id).collect();
            (EventKind::Ready, Event::Ready { guilds })
        }
        "RESUMED" => (EventKind::Resumed, Event::Resumed),
        "GUILD_CREATE" => {
            let guild: GuildPayload = serde_json::from_str(data)?;
            let event = if guild.unavailable {
                Event::GuildGone {
                    guild: guild.id,
                    removed: false,
                }
            } else {
                Event::Guild(Box::new(guild))
            };
            (EventKind::GuildCreate, event)
        }
        "GUILD_DELETE" => {
            let gone: GuildGonePayload = serde_json::from_str(data)?;
            (
                EventKind::GuildDelete,
                Event::GuildGone {
                    guild: gone.id,
                    removed: !gone.unavailable,
                },
            )
        }
        "CHANNEL_CREATE" | "CHANNEL_UPDATE" => {
            let InGuild { guild_id, inner } =
                serde_json::from_str::<InGuild<ChannelPayload>>(data)?;
            (
                EventKind::Channel,
                Event::Channel {
                    guild: guild_id,
                    channel: inner,
                },
            )
        }
        "CHANNEL_DELETE" => {
            let InGuild { guild_id, inner } =
                serde_json::from_str::<InGuild<ChannelPayload>>(data)?;
            (
                EventKind::Channel,
                Event::ChannelGone {
                    guild: guild_id,
                    channel: inner.id,
                },
            )
        }
        "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
            let changed: RoleChanged = serde_json::from_str(data)?;
            (
                EventKind::Role,
                Event::Role {
                    guild: changed.guild_id,
                    role: changed.role,
                },
            )
        }
        "GUILD_ROLE_DELETE" => {
            let gone: RoleGone = serde_json::from_str(data)?;
            (
                EventKind::Role,
                Event::RoleGone {
                    guild: gone.guild_id,
                    role: gone.role_id,
                },
            )
        }
        "GUILD_MEMBER_UPDATE" => {
            let InGuild { guild_id, inner } = serde_json::from_str::<InGuild<MemberPayload>>(data)?;
            let event = match inner.user {
                Some(user) => Event::Member {
                    guild: guild_id,
                    user: user.id,
                    roles: inner.roles.0,
                },
                None => Event::Other,
            };
            (EventKind::Member, event)
        }
        "VOICE_STATE_UPDATE" => (
            EventKind::VoiceState,
            Event::VoiceState(serde_json::from_str(data)?),
        ),
        "VOICE_SERVER_UPDATE" => {
            let server: VoiceServerPayload = serde_json::from_str(data)?;
            let event = Event::VoiceServer {
                guild: server.guild_id,
                token: server.token,
                endpoint: server.endpoint.filter(|endpoint| !endpoint.is_empty()),
            };
            (EventKind::VoiceServer, event)
        }
        "INTERACTION_CREATE" => (
            EventKind::Interaction,
            Event::Interaction(serde_json::from_str(data)?),
        ),
        _ => (EventKind::Other, Event::Other),
    })
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    t: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// A guild as GUILD_CREATE carries it.
#[derive(Debug, Deserialize)]
pub struct GuildPayload {
    /// Which.
    pub id: GuildId,
    /// Whether it is away because of an outage.
    #[serde(default)]
    pub unavailable: bool,
    /// All roles.
    #[serde(default)]
    pub roles: Vec<RolePayload>,
    /// All channels the bot may know of.
    #[serde(default)]
    pub channels: Vec<ChannelPayload>,
    /// Everybody in voice.
    #[serde(default)]
    pub voice_states: Vec<VoiceStatePayload>,
    /// The bot itself and, without the members intent, those in voice.
    #[serde(default)]
    pub members: Vec<MemberPayload>,
}

/// A role.
#[derive(Debug, Clone, Deserialize)]
pub struct RolePayload {
    /// Which.
    #[serde(deserialize_with = "number")]
    pub id: u64,
    /// What it permits.
    #[serde(deserialize_with = "number")]
    pub permissions: u64,
}

/// A channel.
#[derive(Debug, Clone, Deserialize)]
pub struct ChannelPayload {
    /// Which.
    pub id: ChannelId,
    /// Its type: 2 is voice, 13 is stage.
    #[serde(rename = "type")]
    pub kind: u8,
    /// How many may be in it; 0 is any number.
    #[serde(default)]
    pub user_limit: Option<u16>,
    /// What it allows and denies to whom.
    #[serde(default)]
    pub permission_overwrites: Option<Vec<OverwritePayload>>,
}

/// What a channel allows and denies to one role or member.
#[derive(Debug, Clone, Deserialize)]
pub struct OverwritePayload {
    /// The role or member.
    #[serde(deserialize_with = "number")]
    pub id: u64,
    /// 0 is a role, 1 a member.
    #[serde(rename = "type")]
    pub kind: u8,
    /// What it allows.
    #[serde(deserialize_with = "number")]
    pub allow: u64,
    /// What it denies.
    #[serde(deserialize_with = "number")]
    pub deny: u64,
}

/// A member of a guild.
#[derive(Debug, Clone, Deserialize)]
pub struct MemberPayload {
    /// Who.
    #[serde(default)]
    pub user: Option<UserPayload>,
    /// Their roles.
    #[serde(default)]
    pub roles: Snowflakes,
}

/// A user.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct UserPayload {
    /// Who.
    pub id: UserId,
    /// Whether it is a bot.
    #[serde(default)]
    pub bot: bool,
}

/// Somebody's place in voice.
#[derive(Debug, Clone, Deserialize)]
pub struct VoiceStatePayload {
    /// Where; left out inside GUILD_CREATE.
    #[serde(default)]
    pub guild_id: Option<GuildId>,
    /// The channel; none after leaving.
    #[serde(default)]
    pub channel_id: Option<ChannelId>,
    /// Who.
    pub user_id: UserId,
    /// Their membership; left out inside GUILD_CREATE.
    #[serde(default)]
    pub member: Option<MemberPayload>,
    /// The voice session.
    #[serde(default)]
    pub session_id: String,
}

#[derive(Deserialize)]
struct ReadyPayload {
    #[serde(default)]
    guilds: Vec<GuildGonePayload>,
}

#[derive(Deserialize)]
struct GuildGonePayload {
    id: GuildId,
    #[serde(default)]
    unavailable: bool,
}

#[derive(Deserialize)]
struct InGuild<T> {
    guild_id: GuildId,
    #[serde(flatten)]
    inner: T,
}

#[derive(Deserialize)]
struct RoleChanged {
    guild_id: GuildId,
    role: RolePayload,
}

#[derive(Deserialize)]
struct RoleGone {
    guild_id: GuildId,
    #[serde(deserialize_with = "number")]
    role_id: u64,
}

#[derive(Deserialize)]
struct VoiceServerPayload {
    guild_id: GuildId,
    token: String,
    #[serde(default)]
    endpoint: Option<String>,
}

/// Identifiers that need no type of their own.
#[derive(Debug, Clone, Default)]
pub struct Snowflakes(pub Vec<u64>);

impl<'de> Deserialize<'de> for Snowflakes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct One(#[serde(deserialize_with = "number")] u64);
        let list = Vec::<One>::deserialize(deserializer)?;
        Ok(Self(list.into_iter().map(|One(id)| id).collect()))
    }
}

/// Reads a decimal number in a string, as Discord writes identifiers and permissions.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| de::Error::custom("expected a decimal number in a string"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_whatever_the_order_of_keys() {
        let rows = [
            (
                r#"{"op":10,"d":{"heartbeat_interval":41250}}"#,
                EventKind::Control,
            ),
            (
                r#"{"op":0,"t":"READY","s":1,"d":{"v":10}}"#,
                EventKind::Ready,
            ),
            (r#"{"t":"RESUMED","s":9,"op":0,"d":{}}"#, EventKind::Resumed),
            (
                r#"{"d":{"id":"7","unavailable":true},"t":"GUILD_DELETE","op":0}"#,
                EventKind::GuildDelete,
            ),
            (
                r#"{"t":"TYPING_START","s":2,"op":0,"d":{"t":"READY"}}"#,
                EventKind::Other,
            ),
            (r#"{"op":9,"d":false}"#, EventKind::Control),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text).expect("well-formed").0, expected, "{text}");
        }
    }

    #[test]
    fn an_outage_is_no_removal() {
        let gone = |text: &str| match parse(text).expect("well-formed").1 {
            Event::GuildGone { removed, .. } => removed,
            other => panic!("{other:?}"),
        };
        assert!(!gone(
            r#"{"t":"GUILD_DELETE","op":0,"d":{"id":"7","unavailable":true}}"#
        ));
        assert!(gone(r#"{"t":"GUILD_DELETE","op":0,"d":{"id":"7"}}"#));
        assert!(!gone(
            r#"{"t":"GUILD_CREATE","op":0,"d":{"id":"7","unavailable":true}}"#
        ));
    }

    #[test]
    fn a_voice_state_without_channel_is_a_leave() {
        let text = r#"{"t":"VOICE_STATE_UPDATE","op":0,"s":4,"d":{"guild_id":"7","channel_id":null,
            "user_id":"3","session_id":"abc","deaf":false,"member":{"user":{"id":"3","bot":true},"roles":["9"]}}}"#;
        let Event::VoiceState(state) = parse(text).expect("well-formed").1 else {
            panic!("a voice state")
        };
        assert_eq!(state.channel_id, None);
        assert!(state.member.expect("given").user.expect("given").bot);
    }

    #[test]
    fn malformed_frames_are_errors_not_panics() {
        for text in [
            "",
            "{",
            r#"{"t":"GUILD_CREATE","d":{}}"#,
            r#"{"t":"GUILD_CREATE","d":{"id":7}}"#,
            r#"{"t":"VOICE_STATE_UPDATE","d":{"user_id":"0"}}"#,
            r#"{"t":"CHANNEL_UPDATE","d":{"id":"1","type":2}}"#,
            r#"{"t":"GUILD_ROLE_UPDATE","d":{"guild_id":"1","role":{"id":"x","permissions":"0"}}}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
