//! Waiting for bots, with messages that say what happened instead.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::discord::{
    Discord,
    event::Message,
    id::{ChannelId, GuildId},
    script::VoicePlace,
};

/// Why a step of a script did not work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// A client of Discord would not let a person do this.
    #[error("Discord's client refuses {what}: {why}")]
    Refused {
        /// The step.
        what: String,
        /// The reason.
        why: String,
    },
    /// The bot has no such command.
    #[error("there is no command `/{name}`; registered are: {registered}")]
    NoCommand {
        /// The name asked for.
        name: String,
        /// All names.
        registered: String,
    },
    /// The bot did not do it in time.
    #[error("waited {waited:?} for {what}; instead:\n{instead}")]
    TimedOut {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
        /// What happened meanwhile.
        instead: String,
    },
}

impl Discord {
    /// Waits until `probe` finds something; it is asked again whenever the world has changed.
    ///
    /// # Errors
    /// `TimedOut` after the script time-out of the limits, with the journal since the call.
    pub async fn until<T>(
        &self,
        what: &str,
        probe: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, ScriptError> {
        self.until_within(self.shared.limits.script_timeout, what, probe)
            .await
    }

    /// Like [`Discord::until`], with a time-out of its own.
    ///
    /// # Errors
    /// `TimedOut`, with the journal since the call.
    pub async fn until_within<T>(
        &self,
        within: Duration,
        what: &str,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, ScriptError> {
        let began_ms = self.now_ms();
        let deadline = Instant::now() + within;
        let mut changes = self.shared.world().changes();
        loop {
            changes.borrow_and_update();
            if let Some(found) = probe(self) {
                return Ok(found);
            }
            let changed = timeout_at(deadline, changes.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return Err(ScriptError::TimedOut {
                    what: what.to_owned(),
                    waited: within,
                    instead: self
                        .shared
                        .world()
                        .journal
                        .tail(began_ms.saturating_sub(2_000), LINES),
                });
            }
        }
    }

    /// Waits until the first bot has a session on every shard it began, and commands.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn until_ready(&self, shards: usize) -> Result<(), ScriptError> {
        let bot = self.application_id();
        self.until("the bot's sessions", |discord| {
            let world = discord.shared.world();
            let linked = world
                .sessions
                .values()
                .filter(|session| session.application == bot && session.link.is_some())
                .count();
            (linked >= shards).then_some(())
        })
        .await
    }

    /// Waits until the first bot has a command of this name.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn until_command(&self, name: &str) -> Result<(), ScriptError> {
        let wanted = name.trim_start_matches('/').to_owned();
        let bot = self.application_id();
        self.until(&format!("the command /{wanted}"), |discord| {
            let world = discord.shared.world();
            let application = world.application(bot).ok()?;
            application
                .global_commands
                .values()
                .chain(
                    application
                        .guild_commands
                        .values()
                        .flat_map(|commands| commands.values()),
                )
                .any(|command| command.name() == wanted)
                .then_some(())
        })
        .await
    }

    /// Waits for a message in a channel that fits.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn until_message(
        &self,
        channel: ChannelId,
        what: &str,
        mut fits: impl FnMut(&Message) -> bool,
    ) -> Result<Message, ScriptError> {
        self.until(what, |discord| {
            let messages = discord.messages(channel);
            messages.into_iter().rev().find(|message| fits(message))
        })
        .await
    }

    /// Waits until the first bot is in a voice channel of a guild.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn until_bot_in_voice(&self, guild: GuildId) -> Result<VoicePlace, ScriptError> {
        self.until("the bot to join voice", |discord| {
            discord.bot_voice_state(guild)
        })
        .await
    }

    /// Waits until the first bot is in no voice channel of a guild.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn until_bot_left_voice(&self, guild: GuildId) -> Result<(), ScriptError> {
        self.until("the bot to leave voice", |discord| {
            discord.bot_voice_state(guild).is_none().then_some(())
        })
        .await
    }
}

/// Lines of the journal in an error.
const LINES: usize = 30;
