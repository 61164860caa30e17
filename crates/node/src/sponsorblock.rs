//! Segments of YouTube videos that are skipped, and chapters, from a server with SponsorBlock's
//! API.

pub mod segments;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use backline_proto::lavalink::Track;
use backline_runtime::config;
use moka::future::Cache;
use reqwest::Client;

use crate::player::Player;
use crate::player::markers::MarkerKind;
use crate::player::watch::Watcher;
use crate::source::api::{Api, ApiError};
use segments::{Found, chapter_markers, segment_markers};

/// Asks for segments; knows which players want what.
#[derive(Debug)]
pub struct SponsorBlock {
    api: Api,
    wanted: Mutex<HashMap<u64, Wanted>>,
    /// What the server said, by video and categories.
    found: Cache<String, Arc<Found>>,
}

/// What a player's client wants to have skipped.
#[derive(Debug)]
struct Wanted {
    player: Weak<Player>,
    categories: Vec<String>,
}

/// Skips segments of one player's tracks.
struct Skipper {
    sponsorblock: Arc<SponsorBlock>,
}

/// The categories that there are.
pub const CATEGORIES: [&str; 8] = [
    "sponsor",
    "selfpromo",
    "interaction",
    "intro",
    "outro",
    "preview",
    "music_offtopic",
    "filler",
];
/// Answers that are kept.
const KEPT: u64 = 2_000;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_mins(30);
/// Bytes of a video's hash that the server is told: many videos share them.
const PREFIX: usize = 2;

impl SponsorBlock {
    /// Returns what asks the configured server; nothing if there is none.
    pub fn new(config: &config::resolvers::SponsorBlock, client: &Client) -> Option<Arc<Self>> {
        let url = config.api_url.as_ref()?;
        Some(Arc::new(Self {
            api: Api::new(client, url, config.timeout_ms),
            wanted: Mutex::default(),
            found: Cache::builder()
                .max_capacity(KEPT)
                .time_to_live(KEPT_FOR)
                .build(),
        }))
    }

    /// Returns what a player's client wants to have skipped.
    pub fn categories(&self, player: &Player) -> Option<Vec<String>> {
        let wanted = self.lock();
        Some(wanted.get(&player.id)?.categories.clone())
    }

    /// Skips these categories in the player's tracks, the loaded one included.
    pub async fn set(self: &Arc<Self>, player: &Arc<Player>, categories: Vec<String>) {
        {
            let mut wanted = self.lock();
            // Players that are gone leave nothing behind.
            wanted.retain(|_, wanted| wanted.player.strong_count() > 0);
            let player_too = Arc::downgrade(player);
            wanted.insert(
                player.id,
                Wanted {
                    player: player_too,
                    categories,
                },
            );
        }
        let skipper = Skipper {
            sponsorblock: Arc::clone(self),
        };
        player.watch(MarkerKind::Segments, Some(Arc::new(skipper)));
        if let Some((load, track)) = player.loaded() {
            self.mark(player, load, &track).await;
        }
    }

    /// Skips nothing any more.
    pub fn clear(&self, player: &Player) {
        self.lock().remove(&player.id);
        player.watch(MarkerKind::Segments, None);
        if let Some((load, _)) = player.loaded() {
            player.set_markers(load, MarkerKind::Segments, Vec::new());
            player.set_markers(load, MarkerKind::Chapters, Vec::new());
        }
    }

    async fn mark(&self, player: &Player, load: u64, track: &Track) {
        if track.info.source_name != "youtube" {
            return;
        }
        let Some(categories) = self.categories(player) else {
            return;
        };
        let found = match self.ask(&track.info.identifier, &categories).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "segments could not be loaded");
                return;
            }
        };
        let Some((now, playing)) = player.loaded().filter(|(now, _)| *now == load) else {
            return;
        };
        let position_ms = u64::try_from(playing.info.position).unwrap_or(0);
        if !categories.is_empty() && !found.segments.is_empty() {
            player.tell(segments::loaded(&found.segments));
        }
        let markers = segment_markers(&found.segments, position_ms);
        player.set_markers(now, MarkerKind::Segments, markers);
        if !found.chapters.is_empty() {
            player.tell(segments::chapters_loaded(&found.chapters));
        }
        let markers = chapter_markers(&found.chapters);
        player.set_markers(now, MarkerKind::Chapters, markers);
    }

    async fn ask(&self, video: &str, categories: &[String]) -> Result<Arc<Found>, Arc<ApiError>> {
        let key = format!("{video} {}", categories.join(","));
        let found = self.found.try_get_with(key, async {
            let hash = digest(&SHA256, video.as_bytes());
            let start: [u8; PREFIX] = [hash.as_ref()[0], hash.as_ref()[1]];
            let prefix = format!("{:04x}", u16::from_be_bytes(start));
            let mut all: Vec<&str> = categories.iter().map(String::as_str).collect();
            all.push("chapter");
            let all = serde_json::to_string(&all).expect("texts serialize");
            let query = [
                ("categories", all.as_str()),
                ("actionTypes", r#"["skip","chapter"]"#),
            ];
            let path = ["api", "skipSegments", &prefix];
            match self.api.send(self.api.get(&path, &query)).await {
                Ok(answer) => Ok(Arc::new(segments::read(&answer, video, categories))),
                Err(error) if error.is_missing() => Ok(Arc::default()),
                Err(error) => Err(error),
            }
        });
        found.await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Wanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Skipper {
    fn handle_track_start(&self, player: &Arc<Player>, load: u64, track: Track) {
        let (sponsorblock, player) = (Arc::clone(&self.sponsorblock), Arc::clone(player));
        tokio::spawn(async move { sponsorblock.mark(&player, load, &track).await });
    }
}
