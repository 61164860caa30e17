//! Lavalink v4: everything its REST API and its WebSocket speak, for server and client alike.
//!
//! Every type both serializes and deserializes. Which keys are explicit `null`s and which are left
//! out follows the reference server exactly, because clients in typed languages depend on it.

pub mod beyond;
pub mod encoded;
pub mod error;
pub mod filters;
pub mod info;
pub mod load;
pub mod lyrics;
pub mod message;
pub mod omissible;
pub mod player;
pub mod session;
pub mod snowflake;
pub mod stats;
pub mod track;

pub use error::{ErrorBody, Exception, Severity};
pub use filters::Filters;
pub use info::{Git, Info, Plugin, Version};
pub use load::{LoadResult, Playlist, PlaylistInfo};
pub use lyrics::Lyrics;
pub use message::{Event, Message, TrackEndReason};
pub use omissible::Omissible;
pub use player::{Player, PlayerState, UpdatePlayer, UpdateTrack, VoiceState};
pub use session::{Session, UpdateSession};
pub use snowflake::Snowflake;
pub use stats::{Cpu, FrameStats, Memory, Stats};
pub use track::{Track, TrackInfo, UNKNOWN_LENGTH};

/// A JSON object whose keys are not ours: `userData`, `pluginInfo`.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// The response header that names the API version.
pub const API_VERSION_HEADER: &str = "lavalink-api-version";
/// The handshake response header that says whether a session was resumed: `true` or `false`.
pub const SESSION_RESUMED_HEADER: &str = "session-resumed";
/// The handshake request header with the session to resume.
pub const SESSION_ID_HEADER: &str = "session-id";
/// The handshake request header with the bot's user.
pub const USER_ID_HEADER: &str = "user-id";
/// The handshake request header with the client's `NAME/VERSION`.
pub const CLIENT_NAME_HEADER: &str = "client-name";
