//! The table `history`: what each guild played.

use backline_core::id::GuildId;

use super::database::{Statement, id_to_int, ms_to_us};
use super::{Store, StoreError};

/// One item that was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedItem {
    /// Title.
    pub title: String,
    /// Artist or channel.
    pub author: String,
    /// A page about the item.
    pub uri: Option<String>,
}

/// What each guild played; one row an item, at its latest time.
#[derive(Debug, Clone)]
pub struct History(pub(super) Store);

impl History {
    /// How many items of a guild are kept; the oldest are forgotten.
    pub const KEPT: i64 = 500;
    /// How many words of a question are looked at.
    pub const WORDS: usize = 6;

    /// Records that an item was played. The same item again moves to the new time.
    pub async fn record(
        &self,
        guild: GuildId,
        item: PlayedItem,
        played_ms: u64,
    ) -> Result<(), StoreError> {
        let guild = id_to_int(guild.as_u64());
        let words = format!("{}\n{}", item.title, item.author).to_lowercase();
        let key = item.uri.clone().unwrap_or_else(|| words.clone());
        let arguments = [
            guild.into(),
            key.into(),
            item.title.into(),
            item.author.into(),
            item.uri.into(),
            words.into(),
            ms_to_us(played_ms).into(),
        ];
        let statements = vec![
            Statement::new("history.record", RECORD, arguments),
            Statement::new("history.prune", PRUNE, [guild.into(), Self::KEPT.into()]),
        ];
        self.0.write_all(statements).await?;
        Ok(())
    }

    /// Returns items whose title and author hold every word of `text`, the latest first.
    ///
    /// Case does not matter; a word may be part of a longer one. Without words, all items match.
    pub async fn suggest(
        &self,
        guild: GuildId,
        text: &str,
        limit: usize,
    ) -> Result<Vec<PlayedItem>, StoreError> {
        let mut patterns = patterns(text).into_iter();
        let mut arguments = vec![id_to_int(guild.as_u64()).into()];
        arguments.extend((0..Self::WORDS).map(|_| {
            let pattern = patterns.next().unwrap_or_else(|| "%".to_owned());
            pattern.into()
        }));
        arguments.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let rows = self
            .0
            .read(Statement::new("history.suggest", SUGGEST, arguments))
            .await?;
        rows.into_iter()
            .map(|row| {
                let mut row = row.of("history");
                Ok(PlayedItem {
                    title: row.text()?,
                    author: row.text()?,
                    uri: row.optional_text()?,
                })
            })
            .collect()
    }
}

/// Returns the words of a question as patterns of `LIKE`, what is special there escaped.
fn patterns(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .take(History::WORDS)
        .map(|word| {
            let mut pattern = String::with_capacity(word.len() + 2);
            pattern.push('%');
            for letter in word.chars() {
                if matches!(letter, '%' | '_' | '!') {
                    pattern.push('!');
                }
                pattern.push(letter);
            }
            pattern.push('%');
            pattern
        })
        .collect()
}

const RECORD: &str = "
    INSERT INTO history (guild_id, item, title, author, uri, words, played_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (guild_id, item) DO UPDATE SET
        title = excluded.title,
        author = excluded.author,
        words = excluded.words,
        played_us = excluded.played_us";

const PRUNE: &str = "
    DELETE FROM history WHERE guild_id = $1 AND played_us < (
        SELECT played_us FROM history WHERE guild_id = $1
        ORDER BY played_us DESC LIMIT 1 OFFSET $2 - 1)";

const SUGGEST: &str = "
    SELECT title, author, uri FROM history
    WHERE guild_id = $1
        AND words LIKE $2 ESCAPE '!' AND words LIKE $3 ESCAPE '!' AND words LIKE $4 ESCAPE '!'
        AND words LIKE $5 ESCAPE '!' AND words LIKE $6 ESCAPE '!' AND words LIKE $7 ESCAPE '!'
    ORDER BY played_us DESC LIMIT $8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_patterns_with_nothing_special_left() {
        let rows: &[(&str, &str, &[&str])] = &[
            ("nothing", "", &[]),
            ("spaces", " \t ", &[]),
            ("words", "Night  DRIVE", &["%night%", "%drive%"]),
            ("special letters", "100%_sure!", &["%100!%!_sure!!%"]),
            ("beyond ASCII", "ÄRZTE", &["%ärzte%"]),
            (
                "too many",
                "a b c d e f g",
                &["%a%", "%b%", "%c%", "%d%", "%e%", "%f%"],
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(patterns(text), *expected, "{name}");
        }
    }
}
