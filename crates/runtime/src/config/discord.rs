//! `[discord]`: the bot and where Discord is.

use secrecy::SecretString;
use serde::Deserialize;

/// The Discord bot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discord {
    /// The bot token, from the developer portal. Also `token_file`: a file that holds it.
    ///
    /// Required by the role `gateway`. Environment: `DISCORD_TOKEN`, `DISCORD_TOKEN_FILE`. Reloadable: no.
    pub token: Option<SecretString>,
    /// A file that holds the bot token.
    pub token_file: Option<std::path::PathBuf>,
    /// Another Discord REST API, such as a simulator or a proxy: scheme, host and port. `http://` is allowed to loopback only.
    ///
    /// Default: none, meaning Discord itself. Reloadable: no.
    pub api_url: Option<url::Url>,
    /// Another gateway URL than the one `GET /gateway/bot` names.
    ///
    /// Default: none. Reloadable: no.
    pub gateway_url: Option<url::Url>,
    /// How many shards in all.
    ///
    /// Default: none, meaning as many as Discord recommends. Range: 1..=16384. Reloadable: no.
    pub shards: Option<u32>,
}
