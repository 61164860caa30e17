//! `[store]`: where state is kept.

use super::section::section;

section! {
    /// Where state is kept.
    pub struct Store {
        settings {
            /// The database: `sqlite:FILE`, made when it is missing, or `sqlite::memory:`.
            ///
            /// Default: `sqlite:backline.db`. Reloadable: no.
            pub url: String = "sqlite:backline.db".into(), check sqlite;
        }
    }
}

#[expect(clippy::ptr_arg, reason = "a check takes the type of its setting")]
fn sqlite(url: &String) -> Result<(), String> {
    let file = url
        .strip_prefix("sqlite:")
        .map(|file| file.strip_prefix("//").unwrap_or(file));
    if file.is_some_and(|file| !file.is_empty()) {
        Ok(())
    } else {
        Err("`sqlite:FILE` or `sqlite::memory:`".into())
    }
}
