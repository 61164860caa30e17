//! Configuration: one TOML file, the environment over it, one struct per section.
//!
//! The docs of the fields are the manual: the loader and [`example`] both walk the sections as
//! the `section!` macro describes them. Nothing outside this module reads the environment, and
//! even here it comes in as an argument.

pub mod application_yml;
pub mod audio;
mod describe;
pub mod discord;
pub mod error;
pub mod node;
pub mod process;
pub mod programs;
mod read;
pub mod redis;
pub mod resolvers;
mod section;
mod setting;
pub mod store;
mod tree;

use std::path::Path;

use section::section;

pub use application_yml::{ApplicationYml, load_application_yml};
pub use audio::{Audio, ExternalNode};
pub use discord::Discord;
pub use error::{ConfigError, ConfigErrors, Place};
pub use node::Node;
pub use process::Process;
pub use redis::Redis;
pub use setting::DatabaseUrl;
pub use store::Store;

section! {
    /// The whole configuration; every section may be left out.
    pub struct Config {
        sections {
            /// The process: logs, the internal port, drain.
            pub process: Process;
            /// The Discord bot.
            pub discord: Discord;
            /// Music sessions and the nodes they play on.
            pub audio: Audio;
            /// The audio node in this process: a Lavalink v4 server.
            pub node: Node;
            /// Where state is kept.
            pub store: Store;
            /// What processes share beside the store.
            pub redis: Redis;
        }
    }
}

/// Reads the configuration: the defaults, under the file, under the environment.
///
/// A variable `BACKLINE_<SECTION>__<KEY>` sets a key; variables with another prefix, without a
/// double underscore, or empty, are passed over. `DISCORD_TOKEN` and `DISCORD_TOKEN_FILE` are
/// short for those of the section `discord`. Secrets in `_file` twins are read from their files.
///
/// # Errors
/// All that is wrong, at once, each with its place. No error holds the value of a secret.
pub fn load(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let mut table = match path {
        Some(path) => tree::from_file(path, &mut errors),
        None => tree::Table::default(),
    };
    // Of a file that is not TOML nothing more can be said.
    let file_is_broken = !errors.is_empty();
    tree::overlay(&mut table, environment, SHORT_NAMES, &mut errors);
    let (config, mut found) = read::read::<Config>(table);
    found.retain(|error| !file_is_broken || matches!(error.place, Place::Variable(_)));
    errors.extend(found);
    if errors.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors::new(errors))
    }
}

/// Returns the whole example file: every key with its docs and its default.
pub fn example() -> String {
    describe::example::<Config>(SHORT_NAMES)
}

/// Variables that people expect to have a short name.
const SHORT_NAMES: &[(&str, &[&str])] = &[
    ("DISCORD_TOKEN", &["discord", "token"]),
    ("DISCORD_TOKEN_FILE", &["discord", "token_file"]),
];

#[cfg(test)]
mod tests;
