//! Where the Now Playing message of each guild is.

use backline_backends::store;
use backline_core::id::{ChannelId, GuildId, MessageId};

use crate::StoreError;
use crate::clock::now_ms;

/// Where the Now Playing message of each guild is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Panels {
    table: store::Panels,
}

impl Panels {
    pub(crate) fn new(table: store::Panels) -> Self {
        Self { table }
    }

    /// Returns where the message of a guild is.
    pub async fn load(&self, guild: GuildId) -> Result<Option<(ChannelId, MessageId)>, StoreError> {
        self.table.load(guild).await
    }

    /// Saves where the message of a guild is.
    pub async fn save(
        &self,
        guild: GuildId,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<(), StoreError> {
        self.table.save(guild, channel, message, now_ms()).await
    }

    /// Forgets the message of a guild.
    pub async fn delete(&self, guild: GuildId) -> Result<(), StoreError> {
        self.table.delete(guild).await
    }
}
