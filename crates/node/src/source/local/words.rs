//! Lyrics of local files: in a `.lrc` or `.txt` file beside them, or in their tags.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use backline_media::decode::{Hint, lyrics};
use backline_proto::lavalink::lyrics::{Lyrics, MAX_TEXT};

use super::Local;

/// Endings of files with lyrics, best first.
const ENDINGS: [&str; 2] = ["lrc", "txt"];

/// Returns the lyrics of a file. Blocks.
pub fn find(local: &Local, path: &Path) -> Option<Lyrics> {
    let (file, _, real) = local.open(path).ok()?;
    for ending in ENDINGS {
        // Opened like any other: nothing outside the folder, and no link that leads there.
        if let Ok((beside, length, _)) = local.open(&real.with_extension(ending))
            && length <= MAX_TEXT as u64
            && let Some(text) = text(beside)
            && let Some(lyrics) = Lyrics::from_text("local", &text)
        {
            return Some(lyrics);
        }
    }
    let text = lyrics::embedded(Box::new(file), &Hint::default())?;
    Lyrics::from_text("local", &text)
}

fn text(file: File) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT as u64).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_is_preferred_and_nothing_outside_the_folder_is_read() {
        let whole = tempfile::tempdir().expect("a folder");
        let root = whole.path().join("music");
        std::fs::create_dir(&root).expect("a folder");
        let write =
            |name: &str, text: &str| std::fs::write(root.join(name), text).expect("written");
        write("a.mp3", "no sound");
        write("b.mp3", "no sound");
        write("b.txt", "plain words");
        write("c.mp3", "no sound");
        std::fs::write(whole.path().join("secret.lrc"), "[00:01.00]secret").expect("written");
        std::os::unix::fs::symlink("../secret.lrc", root.join("c.lrc")).expect("linked");
        let local = Local::new(&root).expect("a folder");
        let root = root.canonicalize().expect("there");
        let of = |name: &str| find(&local, &root.join(name));
        assert_eq!(of("a.mp3"), None);
        assert_eq!(of("c.mp3"), None);
        assert_eq!(of("../music/a.mp3"), None);
        let plain = of("b.mp3").expect("lyrics");
        assert_eq!(plain.text.as_deref(), Some("plain words"));
        write("b.lrc", "[00:01.00]timed");
        let timed = of("b.mp3").expect("lyrics");
        assert_eq!(timed.lines.map(|lines| lines.len()), Some(1));
    }
}
