//! `[audio]`: music sessions and the nodes they play on.

use url::Url;

use super::section::section;
use super::setting::http_or_https;

section! {
    /// Music sessions and the nodes they play on.
    pub struct Audio {
        settings {
            /// How long the bot stays when nothing plays.
            ///
            /// Unit: seconds. Range: 1..=86400. Default: 300. Reloadable: no.
            pub idle_leave_s: u32 = 300, in 1..=86_400;
            /// How long the bot stays when nobody listens.
            ///
            /// Unit: seconds. Range: 1..=86400. Default: 60. Reloadable: no.
            pub alone_leave_s: u32 = 60, in 1..=86_400;
            /// How many tracks a queue holds.
            ///
            /// Range: 1..=100000. Default: 10000. Reloadable: no.
            pub queue_limit: u32 = 10_000, in 1..=100_000;
            /// How a query that is neither a URL nor carries a search prefix is looked up: the
            /// prefix put before it.
            ///
            /// Default: `local:`. Reloadable: no.
            pub search_prefix: String = "local:".into(), check search_prefix;
        }
        lists {
            /// External Lavalink v4 nodes. Without any, the node in this process is used.
            ///
            /// Default: none. Reloadable: no.
            pub nodes: ExternalNode;
        }
    }
}

section! {
    /// One external Lavalink v4 node.
    pub struct ExternalNode {
        required {
            /// Its name in logs and metrics.
            ///
            /// Required. Reloadable: no.
            pub name: String, check not_empty, example "\"one\"";
            /// Scheme, host and port.
            ///
            /// Required. Reloadable: no.
            pub url: Url, check http_or_https, example "\"http://127.0.0.1:2333\"";
        }
        secrets {
            /// Its password.
            ///
            /// Default: none. Reloadable: no.
            pub password;
            /// A file that holds its password.
            ///
            /// Default: none. Reloadable: no.
            pub password_file;
        }
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn not_empty(text: &String) -> Result<(), String> {
    if text.is_empty() {
        Err("a name".into())
    } else {
        Ok(())
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn search_prefix(text: &String) -> Result<(), String> {
    let fits = text.strip_suffix(':').is_some_and(|name| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric())
    });
    if fits {
        Ok(())
    } else {
        Err("letters and a colon, such as `local:`".into())
    }
}
