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
        version: version_parts(env!("CARGO_PKG_VERSION")),
        build_time: option_env!("BACKLINE_BUILD_TIME_MS")
            .and_then(|t| t.parse().ok())
            .unwrap_or(0),
        git: Git {
            branch: option_env!("BACKLINE_GIT_BRANCH")
                .unwrap_or("unknown")
                .to_owned(),
            commit: option_env!("BACKLINE_GIT_COMMIT")
                .unwrap_or("unknown")
                .to_owned(),
            commit_time: 0,
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
    env!("CARGO_PKG_VERSION")
}

/// `GET /v4/stats`.
pub async fn stats(State(node): State<Node>) -> Json<Stats> {
    Json(stats::stats(&node.app))
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
