//! The use cases over a real store and a real bus.

mod lines;
mod logs;
mod music;
mod open;
mod restart;

use std::time::Duration;

use backline_core::id::{ChannelId, GuildId, UserId};
use backline_core::music::session::SavedTrack;
use backline_core::music::{LoopMode, Snapshot, Track};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::Services;
use tempfile::TempDir;

/// Far longer than anything takes; only a hanging test reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

async fn in_memory() -> Services {
    let store = config::Store {
        url: "sqlite::memory:".into(),
        ..config::Store::default()
    };
    Services::open(&store, &config::Redis::default(), &Metrics::new())
        .await
        .expect("opens")
}

async fn in_folder(folder: &TempDir) -> Services {
    let url = format!("sqlite:{}/backline.db", folder.path().display());
    Services::open(
        &config::Store {
            url: url.into(),
            ..config::Store::default()
        },
        &config::Redis::default(),
        &Metrics::new(),
    )
    .await
    .expect("opens")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it ends")
}

fn guild(id: u64) -> GuildId {
    GuildId::new(id).expect("not zero")
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("not zero")
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not zero")
}

fn track(title: &str, uri: Option<&str>) -> Track {
    Track {
        encoded: format!("encoded {title}"),
        title: title.into(),
        author: "The Lanterns".into(),
        length_ms: Some(180_000),
        seekable: true,
        uri: uri.map(str::to_owned),
        artwork_url: None,
        source: "http".into(),
        requester: Some(user(9)),
    }
}

fn snapshot(n: u64) -> Snapshot {
    let title = format!("track {n}");
    Snapshot {
        version: Snapshot::VERSION,
        text_channel: Some(channel(n + 1)),
        voice_channel: Some(channel(n + 2)),
        current: Some(SavedTrack {
            track: track(&title, None),
            position_ms: n,
            paused: false,
        }),
        queue: (0..20)
            .map(|n| track(&format!("waiting {n}"), None))
            .collect(),
        history: vec![track("before", None)],
        volume: 80,
        loop_mode: LoopMode::Queue,
        autoplay: false,
        plays: n,
    }
}
