use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A folder with music, and a secret beside it.
fn folder() -> (tempfile::TempDir, Local) {
    let outer = tempfile::tempdir().expect("a temporary folder");
    let root = outer.path().join("music");
    fs::create_dir_all(root.join("deep/er")).expect("created");
    fs::write(outer.path().join("secret.mp3"), b"secret").expect("written");
    fs::create_dir(outer.path().join("music-too")).expect("created");
    fs::write(outer.path().join("music-too/other.mp3"), b"other").expect("written");
    fs::write(root.join("Blue Moon.mp3"), b"moon").expect("written");
    fs::write(root.join("deep/er/Moon River.flac"), b"river").expect("written");
    fs::write(root.join("deep/notes.txt"), b"moon").expect("written");
    symlink(outer.path().join("secret.mp3"), root.join("link.mp3")).expect("linked");
    symlink(outer.path(), root.join("outside")).expect("linked");
    symlink(root.join("Blue Moon.mp3"), root.join("inside.mp3")).expect("linked");
    let local = Local::new(&root).expect("a folder");
    (outer, local)
}

#[test]
fn nothing_outside_the_folder_is_opened_however_it_is_named() {
    let (outer, local) = folder();
    let outer = outer.path().canonicalize().expect("exists");
    let outside = |path: &str| format!("{}/{path}", outer.display());
    let inside = |path: &str| outside(&format!("music/{path}"));
    for (identifier, opens) in [
        ("Blue Moon.mp3".to_owned(), true),
        ("deep/er/Moon River.flac".to_owned(), true),
        (inside("Blue Moon.mp3"), true),
        (format!("file://{}", inside("Blue%20Moon.mp3")), true),
        ("inside.mp3".to_owned(), true),
        ("link.mp3".to_owned(), false),
        ("outside/secret.mp3".to_owned(), false),
        ("../secret.mp3".to_owned(), false),
        ("deep/../../secret.mp3".to_owned(), false),
        ("deep/../Blue Moon.mp3".to_owned(), false),
        ("./Blue Moon.mp3".to_owned(), true),
        (outside("secret.mp3"), false),
        (outside("music-too/other.mp3"), false),
        (format!("file://{}", outside("secret.mp3")), false),
        (format!("file://{}", inside("%2e%2e/secret.mp3")), false),
        ("/etc/passwd".to_owned(), false),
        ("file:///etc/passwd".to_owned(), false),
        ("file://somewhere/etc/passwd".to_owned(), false),
        ("http://example.com/Blue Moon.mp3".to_owned(), false),
        ("deep".to_owned(), false),
        (String::new(), false),
        ("Blue Moon.mp3\0".to_owned(), false),
        ("missing.mp3".to_owned(), false),
    ] {
        let opened = local
            .path(&identifier)
            .and_then(|path| local.open(&path).ok());
        assert_eq!(opened.is_some(), opens, "{identifier:?}");
    }
}

#[test]
fn a_search_finds_words_in_names_and_tags_and_an_exact_name_first() {
    let (_outer, local) = folder();
    let names = |text: &str| {
        let tags = |path: &Path| {
            path.ends_with("Blue Moon.mp3")
                .then(|| ("La Lune".to_owned(), "Ella".to_owned()))
        };
        let found = local.search(text, tags);
        let name = |path: &PathBuf| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        found.iter().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(names("moon"), ["Blue Moon.mp3", "Moon River.flac"]);
    assert_eq!(names("MOON river"), ["Moon River.flac"]);
    assert_eq!(
        names("river moon"),
        ["Moon River.flac"],
        "words in any order"
    );
    assert_eq!(names("ella lune"), ["Blue Moon.mp3"]);
    assert_eq!(names("moon river.flac"), ["Moon River.flac"]);
    assert!(names("notes").is_empty(), "only what can be played");
    assert!(names("secret").is_empty());
    assert!(names("link").is_empty(), "links are not listed");
    assert!(names("   ").is_empty());
}
