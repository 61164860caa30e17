//! `[store]`: where state is kept.

use serde::Deserialize;

/// Where state is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The database: `sqlite:FILE`, made when it is missing, or `sqlite::memory:`.
    ///
    /// Default: `sqlite:backline.db`. Reloadable: no.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:backline.db".into() }
    }
}
