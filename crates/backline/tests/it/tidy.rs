//! The invariants of ARCHITECTURE.md that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Who may depend on whom, for crates of ours. A crate that is missing here fails the test.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("proto", &[]),
    ("media", &[]),
    ("runtime", &[]),
    ("backends", &["core", "proto", "runtime"]),
    ("service", &["core", "proto", "runtime", "backends"]),
    ("gateway", &["core", "proto", "runtime", "service"]),
    ("audio", &["core", "proto", "runtime", "service"]),
    ("node", &["proto", "media", "runtime"]),
    ("sim", &["proto", "media", "runtime"]),
    ("readiness", &["core", "proto", "runtime", "sim"]),
    (
        "backline",
        &[
            "core",
            "proto",
            "media",
            "runtime",
            "backends",
            "service",
            "gateway",
            "audio",
            "node",
            "sim",
            "readiness",
        ],
    ),
];

/// What only tests may add: proofs need the outside world.
const TESTS_MAY_ADD: &[(&str, &[&str])] = &[
    ("node", &["sim"]),
    ("audio", &["sim", "node", "media"]),
    ("gateway", &["sim", "backends"]),
    ("backends", &["sim"]),
    ("service", &["sim"]),
];

/// Libraries that only some crates may use, and where.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["backends"]),
    ("redis", &["backends"]),
    ("axum", &["node", "runtime", "sim"]),
    ("twilight-gateway", &["gateway"]),
    ("twilight-http", &["gateway"]),
    (
        "tokio",
        &[
            "runtime",
            "backends",
            "service",
            "gateway",
            "audio",
            "node",
            "sim",
            "readiness",
            "backline",
        ],
    ),
    (
        "reqwest",
        &["runtime", "audio", "node", "readiness", "backline"],
    ),
];

const PURE: &[&str] = &["core", "proto", "media"];

/// What pure crates do not contain, as words in their code.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio::",
    "std::net::Tcp",
    "std::net::Udp",
    "Instant::now",
    "SystemTime::now",
    "std::env",
    "env::var",
    "rand::",
    "thread::spawn",
    "thread::sleep",
];

const HOSTS: &[&str] = &[
    "discord.com",
    "discord.gg",
    "api.telegram.org",
    "api.stripe.com",
];

const LONGEST_FILE: usize = 1_000;

const BANNED_NAMES: &[&str] = &[
    "mod", "utils", "util", "helpers", "helper", "common", "misc", "manager",
];

#[test]
fn crates_depend_only_on_those_the_map_allows() {
    let allowed: BTreeMap<_, _> = MAY_DEPEND_ON.iter().copied().collect();
    let in_tests: BTreeMap<_, _> = TESTS_MAY_ADD.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in workspace()
        .packages
        .iter()
        .filter(|package| package.source.is_none())
    {
        let Some(name) = ours(&package.name) else {
            continue;
        };
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("crate `{name}` is not in the map"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(other) = ours(&dependency.name).filter(|_| dependency.path.is_some()) else {
                continue;
            };
            let tests_only = dependency.kind == DependencyKind::Development;
            let extra = in_tests.get(name).copied().unwrap_or_default();
            if !(may.contains(&other) || (tests_only && extra.contains(&other))) {
                wrong.push(format!("`{name}` must not depend on `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_in_the_crates_that_wrap_them() {
    let only_in: BTreeMap<_, _> = ONLY_IN.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in workspace()
        .packages
        .iter()
        .filter(|package| package.source.is_none())
    {
        let Some(name) = ours(&package.name) else {
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind != DependencyKind::Development)
        {
            if let Some(places) = only_in.get(dependency.name.as_str())
                && !places.contains(&name)
            {
                wrong.push(format!(
                    "`{name}` must not use `{}`: only {places:?} may",
                    dependency.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_stand_only_in_the_shared_table() {
    let mut wrong = Vec::new();
    for manifest in files(&root().join("crates"), "toml")
        .into_iter()
        .filter(|path| path.ends_with("Cargo.toml"))
    {
        let text = read(&manifest);
        for (number, line) in text.lines().enumerate() {
            let versioned = line.contains(" = \"") || line.contains("version = \"");
            if versioned
                && (line.contains("= \"0.")
                    || line.contains("= \"1")
                    || line.contains("version = "))
            {
                wrong.push(format!("{}:{}: {line}", shown(&manifest), number + 1));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "write `x.workspace = true`:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_shared_dependency_has_a_reason() {
    let text = read(&root().join("Cargo.toml"));
    let table = text
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the root manifest has a dependency table");
    // These need no reason: everybody knows why.
    let obvious = [
        "backline-",
        "serde",
        "thiserror",
        "clap",
        "tracing",
        "criterion",
        "tempfile",
        "toml_edit",
    ];
    let wrong: Vec<_> = table
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains(" # "))
        .filter(|line| !obvious.iter().any(|name| line.starts_with(name)))
        .collect();
    assert!(wrong.is_empty(), "add ` # why`:\n{}", wrong.join("\n"));
}

#[test]
fn pure_crates_have_no_async_clock_environment_socket_or_randomness() {
    let mut wrong = Vec::new();
    for name in PURE {
        let folder = root().join("crates").join(name);
        assert!(
            folder.join("clippy.toml").is_file(),
            "`{name}` has lost the clippy.toml with its bans"
        );
        for path in files(&folder.join("src"), "rs") {
            for (number, line) in code_lines(&read(&path)) {
                for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                    wrong.push(format!("{}:{number}: `{word}`", shown(&path)));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "pure crates take these as arguments:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let allowed = ["crates/runtime/src/config", "crates/backline/src/main.rs"];
    let mut wrong = Vec::new();
    for path in sources() {
        let place = shown(&path);
        if allowed.iter().any(|prefix| place.starts_with(prefix)) {
            continue;
        }
        for (number, line) in code_lines(&read(&path)) {
            if line.contains("env::var") {
                wrong.push(format!("{place}:{number}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "read it in runtime::config:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn platform_addresses_come_from_configuration() {
    let mut wrong = Vec::new();
    for path in sources() {
        let place = shown(&path);
        for (number, line) in code_lines(&read(&path)) {
            let named = HOSTS.iter().any(|host| {
                // `discord.command` is no host.
                line.split(host)
                    .skip(1)
                    .any(|after| !after.starts_with(|next: char| next.is_ascii_alphanumeric()))
            });
            if named {
                wrong.push(format!("{place}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "make it configurable:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn files_are_short_and_well_named() {
    let mut wrong = Vec::new();
    for path in files(&root().join("crates"), "rs") {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        if BANNED_NAMES.contains(&name.as_str()) {
            wrong.push(format!("{}: say what it is about", shown(&path)));
        }
        let lines = code_lines(&read(&path)).len();
        if lines > LONGEST_FILE {
            wrong.push(format!(
                "{}: {lines} lines of code, at most {LONGEST_FILE}",
                shown(&path)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crate_has_at_most_one_integration_test_binary() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates/ exists") {
        let tests = entry.expect("readable").path().join("tests");
        if tests.is_dir()
            && fs::read_dir(&tests)
                .expect("readable")
                .flatten()
                .any(|e| e.path().extension().is_some_and(|x| x == "rs"))
        {
            wrong.push(format!("{}: use tests/it/main.rs", shown(&tests)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns numbered lines of code: no comments, and nothing from a trailing test module on.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
        .collect()
}

/// Returns all sources of shipped code: no tests, benches or examples.
fn sources() -> Vec<PathBuf> {
    let folders: BTreeSet<_> = fs::read_dir(root().join("crates"))
        .expect("crates/ exists")
        .map(|entry| entry.expect("readable").path().join("src"))
        .collect();
    folders
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
        .collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|x| x == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn ours(name: &str) -> Option<&str> {
    if name == "backline" {
        Some(name)
    } else {
        name.strip_prefix("backline-")
    }
}

fn workspace() -> cargo_metadata::Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate is at crates/backline")
        .to_path_buf()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}
