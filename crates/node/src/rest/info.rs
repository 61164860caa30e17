//! What the node says about itself: info, version, stats.

use axum::Json;
use axum::extract::State;
use backline_proto::lavalink::{Git, Info, Stats, Version};

use super::Node;
use crate::player::sound::filters_on;
use crate::stats;

/// `GET /v4/info`.
pub async fn info(State(node): State<Node>) -> Json<Info> {
    Json(Info {
        version: version_parts(LAVALINK),
        build_time: milliseconds(env!("BACKLINE_BUILD_TIME")),
        git: Git {
            branch: env!("BACKLINE_GIT_BRANCH").to_owned(),
            commit: env!("BACKLINE_GIT_COMMIT").to_owned(),
            commit_time: milliseconds(env!("BACKLINE_GIT_TIME")),
        },
        jvm: concat!("none (Backline ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
        lavaplayer: concat!("backline-media ", env!("CARGO_PKG_VERSION")).to_owned(),
        source_managers: node.app.sources.names(),
        filters: filters_on(&node.app.config.filters)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        plugins: super::plugin_names(&node.app),
    })
}

/// `GET /version`.
pub async fn version() -> &'static str {
    LAVALINK
}

/// `GET /v4/stats`.
pub async fn stats(State(node): State<Node>) -> Json<Stats> {
    Json(stats::stats(&node.app))
}

/// The Lavalink whose protocol is spoken.
///
/// WIRE: clients read it and refuse what is not 3.7 or 4 (mafic), so it cannot be our own
/// version; that one is in `jvm`.
const LAVALINK: &str = "4.2.2";

/// Returns a time that the build script wrote down in seconds.
fn milliseconds(seconds: &str) -> i64 {
    seconds
        .parse()
        .map_or(0, |seconds: i64| seconds.saturating_mul(1_000))
}

fn version_parts(semver: &str) -> Version {
    let (rest, build) = semver
        .split_once('+')
        .map_or((semver, None), |(a, b)| (a, Some(b)));
    let (core, pre) = rest
        .split_once('-')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let mut parts = core.split('.').map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    Version {
        semver: semver.to_owned(),
        major: part(),
        minor: part(),
        patch: part(),
        pre_release: pre.map(str::to_owned),
        build: build.map(str::to_owned),
    }
}
