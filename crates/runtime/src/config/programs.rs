//! What programs that we start may know of our environment, and where they are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What programs need to run at all. Our own variables hold passwords and are not passed on.
const PASSED_ON: [&str; 10] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
];

/// Returns the environment for a program that we start.
pub fn environment() -> Vec<(&'static str, OsString)> {
    let value = |name: &&'static str| Some((*name, std::env::var_os(name)?));
    PASSED_ON.iter().filter_map(value).collect()
}

/// Returns where a program is: on PATH if it is a bare name.
pub fn find(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_on_path() {
        let shell = find(Path::new("sh")).expect("every machine has one");
        assert!(shell.is_absolute());
        assert_eq!(find(&shell), Some(shell));
        assert_eq!(find(Path::new("no-such-program-anywhere")), None);
        assert_eq!(find(Path::new("/no/such/program")), None);
    }

    #[test]
    fn only_harmless_variables_are_passed_on() {
        for (name, _) in environment() {
            assert!(!name.starts_with("BACKLINE"), "{name}");
            assert!(!name.contains("TOKEN"), "{name}");
        }
    }
}
