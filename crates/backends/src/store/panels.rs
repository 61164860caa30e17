//! The table `panels`: the Now Playing message of each guild.

use backline_core::id::{ChannelId, GuildId, MessageId};

use super::database::{Statement, id_to_int, int_to_id, ms_to_us};
use super::{Store, StoreError};

/// The Now Playing message of each guild.
#[derive(Debug, Clone)]
pub struct Panels(pub(super) Store);

impl Panels {
    /// Saves where the message of a guild is.
    pub async fn save(
        &self,
        guild: GuildId,
        channel: ChannelId,
        message: MessageId,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let arguments = [
            id_to_int(guild.as_u64()).into(),
            id_to_int(channel.as_u64()).into(),
            id_to_int(message.as_u64()).into(),
            ms_to_us(now_ms).into(),
        ];
        self.0
            .write(Statement::new("panels.save", SAVE, arguments))
            .await?;
        Ok(())
    }

    /// Returns where the message of a guild is.
    pub async fn load(&self, guild: GuildId) -> Result<Option<(ChannelId, MessageId)>, StoreError> {
        let statement = Statement::new("panels.load", LOAD, [id_to_int(guild.as_u64()).into()]);
        let Some(row) = self.0.read(statement).await?.into_iter().next() else {
            return Ok(None);
        };
        let mut row = row.of("panels");
        let channel = ChannelId::new(int_to_id(row.int()?));
        let message = MessageId::new(int_to_id(row.int()?));
        channel
            .zip(message)
            .map(Some)
            .ok_or_else(|| row.unreadable())
    }

    /// Forgets the message of a guild.
    pub async fn delete(&self, guild: GuildId) -> Result<(), StoreError> {
        self.0
            .write(Statement::new(
                "panels.delete",
                DELETE,
                [id_to_int(guild.as_u64()).into()],
            ))
            .await?;
        Ok(())
    }
}

const SAVE: &str = "
    INSERT INTO panels (guild_id, channel_id, message_id, saved_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT (guild_id) DO UPDATE SET
        channel_id = excluded.channel_id,
        message_id = excluded.message_id,
        saved_us = excluded.saved_us";

const LOAD: &str = "SELECT channel_id, message_id FROM panels WHERE guild_id = $1";

const DELETE: &str = "DELETE FROM panels WHERE guild_id = $1";
