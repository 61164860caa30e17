//! Lyrics: of the source itself, or of a server; and live, line by line.

use std::sync::Arc;
use std::time::Duration;

use backline_proto::lavalink::lyrics::{Line, Lyrics};
use backline_proto::lavalink::{Object, Track, UNKNOWN_LENGTH};
use backline_runtime::config;
use moka::future::Cache;
use reqwest::Client;
use serde_json::{Value, json};

use crate::player::Player;
use crate::player::markers::{Marker, MarkerKind};
use crate::player::watch::Watcher;
use crate::source::Sources;
use crate::source::api::{Api, ApiError};

/// Finds lyrics.
#[derive(Debug)]
pub struct Finder {
    server: Option<Api>,
    /// What the server said, also that it has none.
    found: Cache<String, Option<Arc<Lyrics>>>,
}

/// Tells a player's client the lines as they are sung.
pub struct Prompter {
    app: Arc<crate::app::App>,
    skip_source: bool,
}

/// Answers of the server that are kept.
const KEPT: u64 = 2_000;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// How far the length of a track may be from the length of the lyrics' track, in seconds.
const LENGTH_S: f64 = 4.0;

impl Finder {
    /// Returns a finder.
    pub fn new(config: &config::resolvers::Lyrics, client: &Client) -> Self {
        let server = config.server_url.as_ref();
        Self {
            server: server.map(|url| Api::new(client, url, config.timeout_ms)),
            found: Cache::builder()
                .max_capacity(KEPT)
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    /// Returns the lyrics of a track: of its source unless that is to be skipped, or of the
    /// server.
    pub async fn find(
        &self,
        sources: &Sources,
        track: &Track,
        skip_source: bool,
    ) -> Option<Arc<Lyrics>> {
        if !skip_source && let Some(lyrics) = sources.lyrics(track).await {
            return Some(Arc::new(lyrics));
        }
        let server = self.server.as_ref()?;
        let info = &track.info;
        let key = format!("{}\n{}\n{}", info.author, info.title, info.length);
        let found = self.found.try_get_with(key, async {
            let asked = ask(server, track).await;
            asked.map(|lyrics| lyrics.map(Arc::new))
        });
        match found.await {
            Ok(lyrics) => lyrics,
            Err(error) => {
                tracing::warn!(%error, "lyrics server gave no answer");
                None
            }
        }
    }
}

/// Asks for exactly this track, and then for one like it.
async fn ask(server: &Api, track: &Track) -> Result<Option<Lyrics>, ApiError> {
    let info = &track.info;
    let length_s =
        (info.length > 0 && info.length != UNKNOWN_LENGTH).then(|| info.length as f64 / 1_000.0);
    let mut query = vec![
        ("track_name", info.title.clone()),
        ("artist_name", info.author.clone()),
    ];
    if let Some(length_s) = length_s {
        let mut exact = query.clone();
        exact.push(("duration", format!("{length_s:.0}")));
        match server
            .send(server.get(&["api", "get"], &borrowed(&exact)))
            .await
        {
            Ok(answer) => return Ok(read(&answer)),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
    }
    if info.author == "Unknown artist" {
        query.pop();
    }
    let answer = server
        .send(server.get(&["api", "search"], &borrowed(&query)))
        .await?;
    let fits = |found: &&Value| match (length_s, found.get("duration").and_then(Value::as_f64)) {
        (Some(wanted), Some(length)) => (wanted - length).abs() <= LENGTH_S,
        _ => true,
    };
    let found = answer.as_array().into_iter().flatten().filter(fits);
    Ok(found.take(10).find_map(read))
}

fn borrowed<'a>(query: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    query
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn read(found: &Value) -> Option<Lyrics> {
    let text = |name: &str| found.get(name).and_then(Value::as_str);
    let synced = text("syncedLyrics").and_then(|text| Lyrics::from_text("lrclib", text));
    let mut lyrics = synced.or_else(|| Lyrics::from_text("lrclib", text("plainLyrics")?))?;
    lyrics.provider = Some("LRCLIB".to_owned());
    Some(lyrics)
}

impl Prompter {
    /// Tells `player`'s client the lines of its tracks from now on.
    pub async fn subscribe(app: &Arc<crate::app::App>, player: &Arc<Player>, skip_source: bool) {
        let prompter = Arc::new(Self {
            app: Arc::clone(app),
            skip_source,
        });
        player.watch(
            MarkerKind::Lyrics,
            Some(Arc::clone(&prompter) as Arc<dyn Watcher>),
        );
        if let Some((load, track)) = player.loaded() {
            prompter.prompt(player, load, track).await;
        }
    }

    /// Tells nothing any more.
    pub fn unsubscribe(player: &Player) {
        player.watch(MarkerKind::Lyrics, None);
        if let Some((load, _)) = player.loaded() {
            player.set_markers(load, MarkerKind::Lyrics, Vec::new());
        }
    }

    async fn prompt(&self, player: &Player, load: u64, track: Track) {
        let Some(finder) = &self.app.lyrics else {
            return;
        };
        let lyrics = finder
            .find(&self.app.sources, &track, self.skip_source)
            .await;
        let now = player.loaded().map(|(load, _)| load);
        if now != Some(load) {
            return;
        }
        let Some(lyrics) = lyrics else {
            player.tell(object(json!({"type": "LyricsNotFoundEvent"})));
            return;
        };
        player.tell(object(
            json!({"type": "LyricsFoundEvent", "lyrics": *lyrics}),
        ));
        let lines = lyrics.lines.as_deref().unwrap_or_default();
        let markers = lines.iter().enumerate().map(|(index, line)| Marker {
            at_ms: line.timestamp,
            reached: Some(told(index, line, false)),
            skipped: Some(told(index, line, true)),
            jump_ms: None,
        });
        player.set_markers(load, MarkerKind::Lyrics, markers.collect());
    }
}

impl Watcher for Prompter {
    fn handle_track_start(&self, player: &Arc<Player>, load: u64, track: Track) {
        let this = Self {
            app: Arc::clone(&self.app),
            skip_source: self.skip_source,
        };
        let player = Arc::clone(player);
        tokio::spawn(async move { this.prompt(&player, load, track).await });
    }
}

fn told(index: usize, line: &Line, skipped: bool) -> Object {
    object(json!({
        "type": "LyricsLineEvent", "lineIndex": index, "line": line, "skipped": skipped
    }))
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_server_become_lyrics() {
        let both =
            json!({"plainLyrics": "one\ntwo", "syncedLyrics": "[00:01.00] one\n[00:02.00] two"});
        let lyrics = read(&both).expect("lyrics");
        assert_eq!(lyrics.lines.as_ref().map(Vec::len), Some(2));
        assert_eq!(lyrics.source_name, "lrclib");
        assert_eq!(lyrics.provider.as_deref(), Some("LRCLIB"));
        let plain = read(&json!({"plainLyrics": "one", "syncedLyrics": null})).expect("lyrics");
        assert_eq!(plain.lines, None);
        for nothing in [
            json!({"instrumental": true, "plainLyrics": null, "syncedLyrics": null}),
            json!({"plainLyrics": 5}),
            json!([]),
            json!(null),
        ] {
            assert_eq!(read(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn lines_are_told_as_clients_expect_them() {
        let line = Line {
            timestamp: 1_000,
            duration: Some(500),
            words: "one".into(),
            plugin: Object::new(),
        };
        assert_eq!(
            Value::Object(told(3, &line, true)),
            json!({
                "type": "LyricsLineEvent", "lineIndex": 3, "skipped": true,
                "line": {"timestamp": 1000, "duration": 500, "line": "one", "plugin": {}}
            })
        );
    }
}
