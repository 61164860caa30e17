//! `[discord]`: the bot and where Discord is.

use url::Url;

use super::section::section;
use super::setting::{optional_https_or_loopback, optional_wss_or_loopback};

section! {
    /// The Discord bot.
    pub struct Discord {
        secrets {
            /// The bot token, from the developer portal.
            ///
            /// Required by the role `gateway`. Default: none. Reloadable: no.
            pub token;
            /// A file that holds the bot token.
            ///
            /// Default: none. Reloadable: no.
            pub token_file;
        }
        settings {
            /// Another Discord REST API, such as a simulator or a proxy: scheme, host and port.
            /// `http://` is allowed to loopback only.
            ///
            /// Default: none, meaning Discord itself. Reloadable: no.
            pub api_url: Option<Url> = None,
                check optional_https_or_loopback,
                example "\"http://127.0.0.1:8080\"";
            /// Another gateway URL than the one `GET /gateway/bot` names. `ws://` is allowed to
            /// loopback only.
            ///
            /// Default: none. Reloadable: no.
            pub gateway_url: Option<Url> = None,
                check optional_wss_or_loopback,
                example "\"ws://127.0.0.1:8080/gateway\"";
            /// How many shards in all.
            ///
            /// Range: 1..=16384. Default: none, meaning as many as Discord recommends. Reloadable: no.
            pub shards: Option<u32> = None, in 1..=16_384, example "1";
        }
    }
}
