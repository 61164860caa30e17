//! The music that the binary carries: a few minutes of our own making.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../assets/music"]
struct Music;

/// Writes all tunes into `folder`, which must exist, and returns their file names, sorted.
pub fn unpack(folder: &Path) -> anyhow::Result<Vec<String>> {
    let is_tune = |name: &Cow<'_, str>| {
        Path::new(name.as_ref())
            .extension()
            .is_none_or(|extension| extension != "md")
    };
    let mut names: Vec<String> = Music::iter().filter(is_tune).map(Cow::into_owned).collect();
    names.sort();
    for name in &names {
        let file = Music::get(name).with_context(|| format!("the binary lacks the tune {name}"))?;
        std::fs::write(folder.join(name), &file.data)
            .with_context(|| format!("writing the tune {name}"))?;
    }
    Ok(names)
}
