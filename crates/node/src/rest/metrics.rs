//! `GET /metrics` on the node's own port: Lavalink's figures under Lavalink's names, without
//! password, so that scrapers and dashboards made for it go on. Backline's own figures are on
//! the internal port.

use std::fmt::Write;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use super::Node;
use super::answer;
use crate::stats::stats;

/// The path; it needs no password.
pub const PATH: &str = "/metrics";

/// Answers a scraper, unless the configuration says otherwise.
pub async fn metrics(State(node): State<Node>, uri: Uri) -> Response {
    if !node.app.config.lavalink_metrics {
        return answer::no_such_path(uri).await;
    }
    let stats = stats(&node.app);
    let (memory, cpu) = (&stats.memory, &stats.cpu);
    let mut text = String::with_capacity(2_048);
    for (name, help, value) in [
        (
            "players_total",
            "Number of players connected.",
            f64::from(stats.players),
        ),
        (
            "playing_players_total",
            "Number of players currently playing audio.",
            f64::from(stats.playing_players),
        ),
        (
            "uptime_milliseconds",
            "Uptime of the node in milliseconds.",
            stats.uptime as f64,
        ),
        (
            "memory_free_bytes",
            "Memory that is free.",
            memory.free as f64,
        ),
        (
            "memory_used_bytes",
            "Memory that is used.",
            memory.used as f64,
        ),
        (
            "memory_allocated_bytes",
            "Memory that is allocated.",
            memory.allocated as f64,
        ),
        (
            "memory_reservable_bytes",
            "Memory that can be allocated.",
            memory.reservable as f64,
        ),
        ("cpu_cores", "Processors.", f64::from(cpu.cores)),
        (
            "cpu_system_load_percentage",
            "Load of the machine, 0 to 1.",
            cpu.system_load,
        ),
        (
            "cpu_lavalink_load_percentage",
            "Load of the node, 0 to 1.",
            cpu.lavalink_load,
        ),
    ] {
        let _written = write!(
            text,
            "# HELP lavalink_{name} {help}\n# TYPE lavalink_{name} gauge\nlavalink_{name} {value}\n"
        );
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
