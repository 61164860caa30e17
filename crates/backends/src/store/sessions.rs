//! The table `sessions`: the music session of each guild.

use backline_core::id::GuildId;

use super::Store;
use super::StoreError;
use super::database::{Row, Statement, id_to_int, int_to_id, ms_to_us, us_to_ms};

/// A session as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSession {
    /// Whose.
    pub guild: GuildId,
    /// The snapshot, as JSON.
    pub snapshot: String,
    /// How far the playing track was, if that was saved after the snapshot.
    pub position: Option<SavedPosition>,
}

/// How far a track was, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPosition {
    /// Milliseconds from the start of the track.
    pub position_ms: u64,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// The music session of each guild.
#[derive(Debug, Clone)]
pub struct Sessions(pub(super) Store);

impl Sessions {
    /// Saves a snapshot in place of the previous one and of positions saved since.
    pub async fn save(
        &self,
        guild: GuildId,
        snapshot: String,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let arguments = [
            id_to_int(guild.as_u64()).into(),
            snapshot.into(),
            ms_to_us(now_ms).into(),
        ];
        self.0
            .write(Statement::new("sessions.save", SAVE, arguments))
            .await?;
        Ok(())
    }

    /// Saves how far the playing track is. Without effect for a guild that has no session.
    pub async fn save_position(
        &self,
        guild: GuildId,
        position: SavedPosition,
    ) -> Result<(), StoreError> {
        let arguments = [
            id_to_int(guild.as_u64()).into(),
            i64::try_from(position.position_ms)
                .unwrap_or(i64::MAX)
                .into(),
            ms_to_us(position.at_ms).into(),
        ];
        self.0
            .write(Statement::new(
                "sessions.save_position",
                SAVE_POSITION,
                arguments,
            ))
            .await?;
        Ok(())
    }

    /// Returns the session of a guild.
    pub async fn load(&self, guild: GuildId) -> Result<Option<SavedSession>, StoreError> {
        let statement = Statement::new("sessions.load", LOAD, [id_to_int(guild.as_u64()).into()]);
        self.0
            .read(statement)
            .await?
            .into_iter()
            .next()
            .map(saved)
            .transpose()
    }

    /// Returns all sessions, by guild.
    pub async fn all(&self) -> Result<Vec<SavedSession>, StoreError> {
        self.0
            .read(Statement::new("sessions.all", ALL, []))
            .await?
            .into_iter()
            .map(saved)
            .collect()
    }

    /// Deletes the session of a guild, if it has one.
    pub async fn delete(&self, guild: GuildId) -> Result<(), StoreError> {
        self.0
            .write(Statement::new(
                "sessions.delete",
                DELETE,
                [id_to_int(guild.as_u64()).into()],
            ))
            .await?;
        Ok(())
    }
}

fn saved(row: Row) -> Result<SavedSession, StoreError> {
    let mut row = row.of("sessions");
    let guild = GuildId::new(int_to_id(row.int()?)).ok_or_else(|| row.unreadable())?;
    let snapshot = row.text()?;
    let position = match (row.optional_int()?, row.optional_int()?) {
        (Some(position_ms), Some(at_us)) => Some(SavedPosition {
            position_ms: u64::try_from(position_ms).unwrap_or_default(),
            at_ms: us_to_ms(at_us),
        }),
        _ => None,
    };
    Ok(SavedSession {
        guild,
        snapshot,
        position,
    })
}

const SAVE: &str = "
    INSERT INTO sessions (guild_id, snapshot, saved_us) VALUES ($1, $2, $3)
    ON CONFLICT (guild_id) DO UPDATE SET
        snapshot = excluded.snapshot,
        saved_us = excluded.saved_us,
        position_ms = NULL,
        position_us = NULL";

const SAVE_POSITION: &str =
    "UPDATE sessions SET position_ms = $2, position_us = $3 WHERE guild_id = $1";

const LOAD: &str =
    "SELECT guild_id, snapshot, position_ms, position_us FROM sessions WHERE guild_id = $1";

const ALL: &str =
    "SELECT guild_id, snapshot, position_ms, position_us FROM sessions ORDER BY guild_id";

const DELETE: &str = "DELETE FROM sessions WHERE guild_id = $1";
