//! `[process]`: logs, the internal port, drain.

use std::net::SocketAddr;

use super::section::section;
use super::setting::words;

section! {
    /// The process itself.
    pub struct Process {
        settings {
            /// Which log lines are written, in the syntax of `tracing`'s `EnvFilter`.
            ///
            /// Default: `info`. Reloadable: no.
            pub log: String = "info".into(), check log_filter;
            /// How log lines look.
            ///
            /// One of: `pretty`, `json`. Default: `pretty`. Reloadable: no.
            pub log_format: LogFormat = LogFormat::Pretty;
            /// Where `/livez`, `/readyz` and `/metrics` are served. Keep it private.
            ///
            /// Default: `127.0.0.1:9400`. Port 0 takes a free one. Reloadable: no.
            pub internal_bind: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9400));
            /// How long work in flight may take to end after SIGTERM.
            ///
            /// Unit: seconds. Range: 1..=300. Default: 20. Reloadable: no.
            pub drain_timeout_s: u32 = 20, in 1..=300;
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

words!(LogFormat { Pretty = "pretty", Json = "json" });

fn log_filter(text: &String) -> Result<(), String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(()),
        Err(_) => Err("a filter, such as `info` or `info,backline_node=debug`".into()),
    }
}
