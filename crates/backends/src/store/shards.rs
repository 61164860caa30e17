//! The tables `shard_sessions` and `shard_guilds`: what a gateway shard needs to resume.

use std::fmt;

use backline_core::id::GuildId;

use super::database::{Statement, id_to_int, int_to_id, ms_to_us};
use super::{Store, StoreError};

/// What a gateway shard needs to resume.
#[derive(Clone, PartialEq, Eq)]
pub struct ShardSession {
    /// The session; with the token it lets anybody resume, so it is never logged.
    pub session_id: String,
    /// The last sequence number that was handled.
    pub sequence: u64,
    /// Where to resume.
    pub resume_url: String,
}

impl fmt::Debug for ShardSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardSession")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// What a gateway shard knows of a guild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardGuild {
    /// The shard that knows it.
    pub shard: u32,
    /// How many shards there were in all.
    pub shards: u32,
    /// What it knows, opaque here; `None` to forget it.
    pub body: Option<String>,
}

/// Changes of what shards need to resume, written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct ShardChanges {
    /// Shards whose guilds are all forgotten first.
    pub forgotten: Vec<u32>,
    /// Sessions to save, or (with `None`) to delete.
    pub sessions: Vec<(u32, Option<ShardSession>)>,
    /// Guilds to save or to forget.
    pub guilds: Vec<(GuildId, ShardGuild)>,
}

/// What each gateway shard needs to resume.
#[derive(Debug, Clone)]
pub struct Shards(pub(super) Store);

impl Shards {
    /// Saves or (with `None`) deletes the sessions of many shards at once.
    pub async fn save(
        &self,
        sessions: impl IntoIterator<Item = (u32, Option<ShardSession>)>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let sessions = sessions.into_iter().collect();
        self.change(
            ShardChanges {
                sessions,
                ..ShardChanges::default()
            },
            now_ms,
        )
        .await
    }

    /// Writes changes of sessions and guilds at once, so that they always fit together.
    pub async fn change(&self, mut changes: ShardChanges, now_ms: u64) -> Result<(), StoreError> {
        // Rows are locked in one order by everybody: two writers cannot wait for each other.
        changes.forgotten.sort_unstable();
        changes.guilds.sort_by_key(|(guild, _)| *guild);
        changes.sessions.sort_by_key(|(shard, _)| *shard);
        let forgotten = changes.forgotten.into_iter().map(|shard| {
            Statement::new(
                "shards.forget_guilds",
                FORGET_GUILDS,
                [i64::from(shard).into()],
            )
        });
        let guilds = changes.guilds.into_iter().map(|(guild, known)| {
            let guild = id_to_int(guild.as_u64()).into();
            match known.body {
                None => Statement::new("shards.forget_guild", FORGET_GUILD, [guild]),
                Some(body) => Statement::new(
                    "shards.save_guild",
                    SAVE_GUILD,
                    [
                        guild,
                        i64::from(known.shard).into(),
                        i64::from(known.shards).into(),
                        body.into(),
                    ],
                ),
            }
        });
        let sessions = changes
            .sessions
            .into_iter()
            .map(|(shard, session)| match session {
                None => Statement::new("shards.delete", DELETE, [i64::from(shard).into()]),
                Some(session) => Statement::new(
                    "shards.save",
                    SAVE,
                    [
                        i64::from(shard).into(),
                        session.session_id.into(),
                        i64::try_from(session.sequence).unwrap_or(i64::MAX).into(),
                        session.resume_url.into(),
                        ms_to_us(now_ms).into(),
                    ],
                ),
            });
        let statements = forgotten.chain(guilds).chain(sessions).collect();
        self.0.write_all(statements).await
    }

    /// Returns what a shard knows of its guilds, as saved when there were `shards` in all.
    pub async fn guilds(
        &self,
        shard: u32,
        shards: u32,
    ) -> Result<Vec<(GuildId, String)>, StoreError> {
        let arguments = [i64::from(shard).into(), i64::from(shards).into()];
        let rows = self
            .0
            .read(Statement::new("shards.load_guilds", LOAD_GUILDS, arguments))
            .await?;
        rows.into_iter()
            .map(|row| {
                let mut row = row.of("shard_guilds");
                let guild = GuildId::new(int_to_id(row.int()?)).ok_or_else(|| row.unreadable())?;
                Ok((guild, row.text()?))
            })
            .collect()
    }

    /// Returns the session of a shard.
    pub async fn load(&self, shard: u32) -> Result<Option<ShardSession>, StoreError> {
        let rows = self
            .0
            .read(Statement::new(
                "shards.load",
                LOAD,
                [i64::from(shard).into()],
            ))
            .await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let mut row = row.of("shard_sessions");
        Ok(Some(ShardSession {
            session_id: row.text()?,
            sequence: u64::try_from(row.int()?).map_err(|_| row.unreadable())?,
            resume_url: row.text()?,
        }))
    }
}

const SAVE: &str = "
    INSERT INTO shard_sessions (shard, session_id, sequence, resume_url, saved_us)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (shard) DO UPDATE SET
        session_id = excluded.session_id,
        sequence = excluded.sequence,
        resume_url = excluded.resume_url,
        saved_us = excluded.saved_us";

const LOAD: &str = "SELECT session_id, sequence, resume_url FROM shard_sessions WHERE shard = $1";

const DELETE: &str = "DELETE FROM shard_sessions WHERE shard = $1";

const SAVE_GUILD: &str = "
    INSERT INTO shard_guilds (guild_id, shard, shards, body)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (guild_id) DO UPDATE SET
        shard = excluded.shard,
        shards = excluded.shards,
        body = excluded.body";

const LOAD_GUILDS: &str =
    "SELECT guild_id, body FROM shard_guilds WHERE shard = $1 AND shards = $2";

const FORGET_GUILD: &str = "DELETE FROM shard_guilds WHERE guild_id = $1";

const FORGET_GUILDS: &str = "DELETE FROM shard_guilds WHERE shard = $1";
