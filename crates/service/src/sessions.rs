//! The music session of each guild, as it survives restarts.

use backline_backends::store::{self, SavedPosition, SavedSession};
use backline_core::id::GuildId;

pub use backline_core::music::Snapshot;

use crate::StoreError;
use crate::clock::now_ms;

/// The music session of each guild; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    table: store::Sessions,
}

/// Why a session could not be saved or loaded.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was saved cannot be read: another version wrote it.
    #[error("the saved session of guild {guild} cannot be read ({detail})")]
    Unreadable {
        /// Whose.
        guild: GuildId,
        /// Where in the snapshot.
        detail: String,
    },
    /// The snapshot cannot be written as JSON.
    #[error("the session of guild {guild} cannot be written down")]
    Unwritable {
        /// Whose.
        guild: GuildId,
    },
}

impl SessionError {
    /// Returns whether trying again may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

impl Sessions {
    pub(crate) fn new(table: store::Sessions) -> Self {
        Self { table }
    }

    /// Saves a session; completed means that it survives the death of the process.
    pub async fn save(&self, guild: GuildId, snapshot: &Snapshot) -> Result<(), SessionError> {
        let text =
            serde_json::to_string(snapshot).map_err(|_| SessionError::Unwritable { guild })?;
        Ok(self.table.save(guild, text, now_ms()).await?)
    }

    /// Saves only how far the playing track is; much cheaper than [`Sessions::save`].
    ///
    /// Without effect for a guild that has no saved session.
    pub async fn save_position(
        &self,
        guild: GuildId,
        position_ms: u64,
        at_ms: u64,
    ) -> Result<(), SessionError> {
        let position = SavedPosition { position_ms, at_ms };
        Ok(self.table.save_position(guild, position).await?)
    }

    /// Returns the session of a guild, with the latest saved position.
    pub async fn load(&self, guild: GuildId) -> Result<Option<Snapshot>, SessionError> {
        self.table.load(guild).await?.as_ref().map(read).transpose()
    }

    /// Returns all sessions, by guild. One that cannot be read is logged and left out.
    pub async fn all(&self) -> Result<Vec<(GuildId, Snapshot)>, SessionError> {
        let saved = self.table.all().await?;
        let read = saved.into_iter().filter_map(|saved| {
            let guild = saved.guild;
            match read(&saved) {
                Ok(snapshot) => Some((guild, snapshot)),
                Err(error) => {
                    tracing::warn!(guild.id = %guild, error = %error, "saved session was left out");
                    None
                }
            }
        });
        Ok(read.collect())
    }

    /// Deletes the session of a guild.
    pub async fn delete(&self, guild: GuildId) -> Result<(), SessionError> {
        Ok(self.table.delete(guild).await?)
    }
}

fn read(saved: &SavedSession) -> Result<Snapshot, SessionError> {
    let guild = saved.guild;
    // serde's own text would echo what is in it.
    let mut snapshot: Snapshot =
        serde_json::from_str(&saved.snapshot).map_err(|error| SessionError::Unreadable {
            guild,
            detail: format!("line {}, column {}", error.line(), error.column()),
        })?;
    if let Some(position) = saved.position {
        snapshot.set_position(position.position_ms);
    }
    Ok(snapshot)
}
