//! What each guild played, and suggestions from it.

use backline_backends::store::{self, PlayedItem};
use backline_core::id::GuildId;
use backline_core::music::Track;

use crate::StoreError;

/// What each guild played; cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    table: store::History,
}

/// Something that may be played again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Title.
    pub title: String,
    /// Artist or channel; may be empty.
    pub author: String,
    /// What to ask `/play` for: its web address, or its title.
    pub query: String,
}

impl History {
    /// How many suggestions there are at most: what autocomplete of Discord shows.
    pub const MOST: usize = 25;

    pub(crate) fn new(table: store::History) -> Self {
        Self { table }
    }

    /// Records that a track was played.
    pub async fn record(
        &self,
        guild: GuildId,
        track: &Track,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let item = PlayedItem {
            title: shortened(&track.title),
            author: shortened(&track.author),
            uri: track.uri.clone().filter(|uri| is_for_people(uri)),
        };
        self.table.record(guild, item, at_ms).await
    }

    /// Returns what was played and holds every word of `text` in title or author, the latest
    /// first. Case does not matter. Without words, whatever was played last.
    pub async fn suggest(
        &self,
        guild: GuildId,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Suggestion>, StoreError> {
        let items = self
            .table
            .suggest(guild, text, limit.min(Self::MOST))
            .await?;
        let suggestions = items.into_iter().map(|item| Suggestion {
            query: item.uri.unwrap_or_else(|| item.title.clone()),
            title: item.title,
            author: item.author,
        });
        Ok(suggestions.collect())
    }
}

/// Whether an address may be shown and asked for again: not a path on the node's disk, and not
/// an absurdly long one.
fn is_for_people(uri: &str) -> bool {
    uri.len() <= 2_048 && (uri.starts_with("http://") || uri.starts_with("https://"))
}

fn shortened(text: &str) -> String {
    text.chars().take(256).collect()
}
