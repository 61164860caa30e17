//! The bodies of our own bus messages: how roles talk to one another.
//!
//! They travel inside `proto::bus::Envelope`, partitioned by guild. Topics:
//! `discord-bot:commands` ([`CommandMessage`]), `discord-bot:to-audio` ([`ToAudio`]),
//! `discord-bot:to-discord` ([`ToDiscord`]) keep order and are acknowledged;
//! `discord-bot:ui:now` ([`UiNow`]) is lossy, the latest wins.

use backline_core::id::{ChannelId, GuildId, UserId};
use backline_core::music::{Command, Outcome, View};
use serde::{Deserialize, Serialize};

/// gateway → audio: a person asked for something, and was acknowledged already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMessage {
    /// Where.
    pub guild: GuildId,
    /// The text channel it came from; the Now Playing message goes there.
    pub text_channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// The voice channel the asker is in, if any.
    pub user_voice: Option<ChannelId>,
    /// How to answer.
    pub reply: ReplyTo,
    /// What.
    pub command: Command,
}

/// How to answer a person: an acknowledged interaction. The token is a secret of 15 minutes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The interaction's token; never logged.
    pub token: String,
    /// What the acknowledgement was.
    pub kind: ReplyKind,
}

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyTo")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What the acknowledgement promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// A slash command, deferred privately: the answer edits the original response.
    Command,
    /// A button of the Now Playing message: success needs no answer, a refusal is a private follow-up.
    Button,
}

/// gateway → audio: what the platform said about voice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToAudio {
    /// The bot's own voice state. `channel` is `None` after it left or was disconnected.
    VoiceState {
        /// Where.
        guild: GuildId,
        /// The bot's voice channel now.
        channel: Option<ChannelId>,
        /// The voice session, needed by the node.
        session_id: String,
    },
    /// Where and with which token the node connects. No endpoint: the server is away, wait.
    VoiceServer {
        /// Where.
        guild: GuildId,
        /// A secret.
        token: String,
        /// Host and port.
        endpoint: Option<String>,
    },
    /// How many people other than bots are in the bot's voice channel now.
    Listeners {
        /// Where.
        guild: GuildId,
        /// How many.
        people: u32,
    },
    /// The bot was removed from the guild.
    GuildLeft {
        /// Which.
        guild: GuildId,
    },
}

impl ToAudio {
    /// Returns the guild it is about: the partition key.
    pub fn guild(&self) -> GuildId {
        match self {
            Self::VoiceState { guild, .. }
            | Self::VoiceServer { guild, .. }
            | Self::Listeners { guild, .. }
            | Self::GuildLeft { guild } => *guild,
        }
    }
}

impl std::fmt::Debug for ToAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self::VoiceState { .. } => "VoiceState",
            Self::VoiceServer { .. } => "VoiceServer",
            Self::Listeners { .. } => "Listeners",
            Self::GuildLeft { .. } => "GuildLeft",
        };
        f.debug_struct(kind)
            .field("guild", &self.guild())
            .finish_non_exhaustive()
    }
}

/// audio → gateway: what to do on the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToDiscord {
    /// Answer a person.
    Reply {
        /// Where.
        guild: GuildId,
        /// Whom.
        to: ReplyTo,
        /// What.
        outcome: Outcome,
    },
    /// Join, move to, or (with `None`) leave a voice channel. Always self-deafened.
    Voice {
        /// Where.
        guild: GuildId,
        /// The channel.
        channel: Option<ChannelId>,
    },
    /// Say something in a text channel that nobody asked for, such as a track that failed.
    Notice {
        /// Where.
        guild: GuildId,
        /// The text channel.
        text_channel: ChannelId,
        /// What.
        outcome: Outcome,
    },
}

impl ToDiscord {
    /// Returns the guild it is about: the partition key.
    pub fn guild(&self) -> GuildId {
        match self {
            Self::Reply { guild, .. } | Self::Voice { guild, .. } | Self::Notice { guild, .. } => {
                *guild
            }
        }
    }
}

/// audio → gateway and dashboards: how a session looks now. Lossy; the latest wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UiNow {
    /// Where.
    pub guild: GuildId,
    /// The text channel of its Now Playing message.
    pub text_channel: Option<ChannelId>,
    /// The session; `None` once it ended.
    pub view: Option<View>,
}
