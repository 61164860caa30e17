//! One playable item.

use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// One playable item, as a node described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// What the node needs to play it again; opaque here.
    pub encoded: String,
    /// Title as the source gives it.
    pub title: String,
    /// Artist or channel as the source gives it.
    pub author: String,
    /// Length in milliseconds; `None` for a live stream.
    pub length_ms: Option<u64>,
    /// Whether the position can be changed.
    pub seekable: bool,
    /// A page about the item, for people.
    pub uri: Option<String>,
    /// A picture of the item.
    pub artwork_url: Option<String>,
    /// Which source it came from, such as `http` or `local`.
    pub source: String,
    /// Who asked for it; `None` when the bot chose it.
    pub requester: Option<UserId>,
}
