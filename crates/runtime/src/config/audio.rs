//! `[audio]`: music sessions and the nodes they play on.

use secrecy::SecretString;
use serde::Deserialize;

/// Music sessions and the nodes they play on.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audio {
    /// How long the bot stays when nothing plays.
    ///
    /// Unit: seconds. Range: 1..=86400. Default: 300. Reloadable: no.
    pub idle_leave_s: u32,
    /// How long the bot stays when nobody listens.
    ///
    /// Unit: seconds. Range: 1..=86400. Default: 60. Reloadable: no.
    pub alone_leave_s: u32,
    /// How many tracks a queue holds.
    ///
    /// Range: 1..=100000. Default: 10000. Reloadable: no.
    pub queue_limit: u32,
    /// How a query that is neither a URL nor carries a search prefix is looked up: the prefix put before it.
    ///
    /// Default: `local:`. Reloadable: no.
    pub search_prefix: String,
    /// External Lavalink v4 nodes. Without any, the node in this process is used.
    ///
    /// Default: none. Reloadable: no.
    pub nodes: Vec<ExternalNode>,
}

/// One external Lavalink v4 node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalNode {
    /// Its name in logs and metrics.
    pub name: String,
    /// Scheme, host and port, such as `http://127.0.0.1:2333`.
    pub url: url::Url,
    /// Its password. Also `password_file`.
    pub password: Option<SecretString>,
    /// A file that holds its password.
    pub password_file: Option<std::path::PathBuf>,
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            idle_leave_s: 300,
            alone_leave_s: 60,
            queue_limit: 10_000,
            search_prefix: "local:".into(),
            nodes: Vec::new(),
        }
    }
}
