//! The table `shard_sessions`: what a gateway shard needs to resume.

use std::fmt;

use super::database::{Statement, ms_to_us};
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
        let statements = sessions.into_iter().map(|(shard, session)| match session {
            None => Statement::new(DELETE, [i64::from(shard).into()]),
            Some(session) => Statement::new(
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
        self.0.write_all(statements.collect()).await?;
        Ok(())
    }

    /// Returns the session of a shard.
    pub async fn load(&self, shard: u32) -> Result<Option<ShardSession>, StoreError> {
        let rows = self
            .0
            .read(Statement::new(LOAD, [i64::from(shard).into()]))
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
