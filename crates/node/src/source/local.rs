//! The source `local`: files below one folder, and nothing outside it.

pub mod loader;
pub mod words;

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

/// The files below one folder; cheap to clone.
#[derive(Debug, Clone)]
pub struct Local {
    /// The folder, with all links resolved.
    root: PathBuf,
}

/// Why a file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// There is none, or it lies outside the folder, which is the same to clients.
    #[error("there is no such file below the folder")]
    Missing,
    /// It is a folder or something stranger.
    #[error("it is not a file")]
    NotAFile,
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
}

/// Files looked at by a search.
const MAX_FILES: usize = 20_000;
/// How deep a search goes.
const MAX_DEPTH: usize = 16;
/// Results of a search.
const MAX_RESULTS: usize = 20;
/// Endings of files that a search finds.
const ENDINGS: [&str; 15] = [
    "mp3", "flac", "wav", "ogg", "oga", "opus", "m4a", "mp4", "aac", "webm", "mka", "mkv", "m4b",
    "wave", "weba",
];

impl Local {
    /// Returns the files below `root`.
    ///
    /// # Errors
    /// When `root` is no folder that can be read.
    pub fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root })
    }

    /// Returns the path that an identifier names, if it can be one of ours: absolute, relative
    /// to the folder, or a `file://` URL. Says nothing about whether there is such a file.
    pub fn path(&self, identifier: &str) -> Option<PathBuf> {
        let path = match url::Url::parse(identifier) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().ok()?,
            // A drive letter or a name with a colon also looks like a scheme; only `file` is one
            // to us, and `local:` is a search.
            Ok(url) if identifier.starts_with(&format!("{}://", url.scheme())) => return None,
            _ => PathBuf::from(identifier),
        };
        if identifier.is_empty() || identifier.contains('\0') {
            return None;
        }
        Some(if path.is_absolute() {
            path
        } else {
            self.root.join(path)
        })
    }

    /// Opens a file below the folder; links that lead outside are not followed.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub fn open(&self, path: &Path) -> Result<(File, u64, PathBuf), LocalError> {
        // Refused before the disk is asked, so that timing tells nothing about other folders.
        let within = path
            .strip_prefix(&self.root)
            .map_err(|_| LocalError::Missing)?;
        if within
            .components()
            .any(|part| !matches!(part, Component::Normal(_)))
        {
            return Err(LocalError::Missing);
        }
        let real = path.canonicalize().map_err(|_| LocalError::Missing)?;
        if !real.starts_with(&self.root) {
            return Err(LocalError::Missing);
        }
        // A pipe would block on opening, so the kind is asked first.
        let kind = fs::metadata(&real).map_err(LocalError::Unreadable)?;
        if !kind.is_file() {
            return Err(LocalError::NotAFile);
        }
        let file = File::open(&real).map_err(LocalError::Unreadable)?;
        self.check_opened(&file)?;
        Ok((file, kind.len(), real))
    }

    /// Checks where the file that was really opened lies: a link may have been swapped between
    /// the look and the opening.
    fn check_opened(&self, file: &File) -> Result<(), LocalError> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            let opened = fs::read_link(link).map_err(LocalError::Unreadable)?;
            if !opened.starts_with(&self.root) {
                return Err(LocalError::Missing);
            }
        }
        let _ = file;
        Ok(())
    }

    /// Returns all playable files below the folder, in a stable order. Blocks.
    pub fn list(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![(self.root.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                if files.len() >= MAX_FILES {
                    break;
                }
                // Links are listed only as what `open` would allow: by their own type here.
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = entry.path();
                if kind.is_dir() && depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                } else if kind.is_file() && is_playable(&path) {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    /// Returns the files that `text` finds by name, best first, and whether the first is exactly
    /// it. `tags` tells title and artist of a file.
    pub fn search(
        &self,
        text: &str,
        tags: impl Fn(&Path) -> Option<(String, String)>,
    ) -> Vec<PathBuf> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let wanted = words.join(" ");
        let mut found: Vec<(u8, PathBuf)> = Vec::new();
        for path in self.list() {
            let within = path.strip_prefix(&self.root).unwrap_or(&path);
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            let mut hay = within.to_string_lossy().to_lowercase();
            let exact = stem == wanted || name == wanted;
            let (title, artist) = tags(&path).unwrap_or_default();
            let title = title.to_lowercase();
            hay.push(' ');
            hay.push_str(&title);
            hay.push(' ');
            hay.push_str(&artist.to_lowercase());
            if exact {
                found.push((0, path));
            } else if title == wanted {
                found.push((1, path));
            } else if words.iter().all(|word| hay.contains(word.as_str())) {
                found.push((2, path));
            }
        }
        found.sort();
        found.truncate(MAX_RESULTS);
        found.into_iter().map(|(_, path)| path).collect()
    }
}

fn is_playable(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests;
