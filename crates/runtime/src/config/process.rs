//! `[process]`: logs, the internal port, drain.

use std::net::SocketAddr;

use serde::Deserialize;

/// The process itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Which log lines are written, in the syntax of `tracing`'s `EnvFilter`.
    ///
    /// Default: `info`. Reloadable: no.
    pub log: String,
    /// How log lines look.
    ///
    /// One of: `pretty`, `json`. Default: `pretty`. Reloadable: no.
    pub log_format: LogFormat,
    /// Where `/livez`, `/readyz` and `/metrics` are served. Keep it private.
    ///
    /// Default: `127.0.0.1:9400`. Port 0 takes a free one. Reloadable: no.
    pub internal_bind: SocketAddr,
    /// How long work in flight may take to end after SIGTERM.
    ///
    /// Unit: seconds. Range: 1..=300. Default: 20. Reloadable: no.
    pub drain_timeout_s: u32,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Pretty,
            internal_bind: SocketAddr::from(([127, 0, 0, 1], 9400)),
            drain_timeout_s: 20,
        }
    }
}
