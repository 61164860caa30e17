//! Discord: shards, interactions, voice requests, and the messages people see.

pub mod cache;
pub mod event;
pub mod interact;
pub mod interaction;
pub mod order;
pub mod pace;
pub mod panel;
pub mod registration;
pub mod render;
pub mod reply;
pub mod report;
pub mod rest;
pub mod shard;
mod start;
pub mod voice;

pub use start::{RunningGateway, StartError, start};

/// Why the role stopped although nobody asked it to. None of these gets better by trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The token is wrong or was reset.
    #[error(
        "Discord refused the bot token: copy it anew from the developer portal (Bot → Reset Token) into DISCORD_TOKEN"
    )]
    BadToken,
    /// Intents that have to be switched on first.
    #[error(
        "Discord disallowed the intents: the bot asks for Guilds and Guild Voice States only; check in the developer \
         portal that the application is not restricted"
    )]
    DisallowedIntents,
    /// Intents that Discord does not know.
    #[error(
        "Discord did not know the intents: this version of Backline is too old or too new for this API"
    )]
    InvalidIntents,
    /// The shard number does not fit the number of shards.
    #[error("Discord refused the shard number: check `discord.shards`, or leave it out")]
    InvalidShard,
    /// One shard would hold too many guilds.
    #[error("Discord asks for more shards: raise `discord.shards`, or leave it out")]
    ShardingRequired,
    /// The API version is gone.
    #[error("Discord does not speak this version of its API any more: update Backline")]
    InvalidApiVersion,
    /// Another code that forbids to come back.
    #[error("Discord closed the gateway connection for good with code {code}")]
    Closed {
        /// The close code.
        code: u16,
    },
}

impl GatewayError {
    /// Returns the error of a close code that forbids to come back.
    pub fn from_close_code(code: u16) -> Self {
        match code {
            4004 => Self::BadToken,
            4010 => Self::InvalidShard,
            4011 => Self::ShardingRequired,
            4012 => Self::InvalidApiVersion,
            4013 => Self::InvalidIntents,
            4014 => Self::DisallowedIntents,
            code => Self::Closed { code },
        }
    }
}
