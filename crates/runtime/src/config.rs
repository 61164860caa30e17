//! Configuration: one TOML file, the environment over it, one struct per section.
//!
//! Nothing outside this module reads the environment.

pub mod audio;
pub mod discord;
pub mod node;
pub mod process;
pub mod store;

use serde::Deserialize;

pub use audio::{Audio, ExternalNode};
pub use discord::Discord;
pub use node::Node;
pub use process::Process;
pub use store::Store;

/// The whole configuration; every section may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The process: logs, the internal port, drain.
    pub process: Process,
    /// The Discord bot.
    pub discord: Discord,
    /// Music sessions and the nodes they play on.
    pub audio: Audio,
    /// The audio node in this process.
    pub node: Node,
    /// Where state is kept.
    pub store: Store,
}
