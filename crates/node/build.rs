//! Writes down which commit is built, for `/v4/info`.
//!
//! Only release builds look at git: a development build would otherwise be made anew after every
//! commit. Without git or a repository (a tarball), variables of the same names count, and
//! SOURCE_DATE_EPOCH for the time; without those, nothing is known. The same commit gives the
//! same bytes: the time of a build is that of its commit.

use std::process::Command;

fn main() {
    for name in [BRANCH, COMMIT, TIME, BUILD, EPOCH] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if release {
        println!("cargo:rerun-if-changed=../../.git/HEAD");
        println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
    } else {
        println!("cargo:rerun-if-changed=build.rs");
    }
    let ask = |arguments: &[&str]| if release { git(arguments) } else { None };
    let branch = told(BRANCH).or_else(|| ask(&["rev-parse", "--abbrev-ref", "HEAD"]));
    let commit = told(COMMIT).or_else(|| ask(&["rev-parse", "--short", "HEAD"]));
    let time = told(TIME).or_else(|| ask(&["log", "-1", "--format=%ct"]));
    let build = told(BUILD).or_else(|| told(EPOCH)).or_else(|| time.clone());
    let unknown = || if release { "unknown" } else { "development" }.to_owned();
    println!(
        "cargo:rustc-env={BRANCH}={}",
        branch.unwrap_or_else(unknown)
    );
    println!(
        "cargo:rustc-env={COMMIT}={}",
        commit.unwrap_or_else(unknown)
    );
    println!(
        "cargo:rustc-env={TIME}={}",
        time.unwrap_or_else(|| "0".into())
    );
    println!(
        "cargo:rustc-env={BUILD}={}",
        build.unwrap_or_else(|| "0".into())
    );
}

/// Returns a variable of the build's environment.
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().and_then(|value| line(&value))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| line(&text)).flatten()
}

/// Returns the first line, which may become part of a command to cargo.
fn line(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_owned())
}

const BRANCH: &str = "BACKLINE_GIT_BRANCH";
const COMMIT: &str = "BACKLINE_GIT_COMMIT";
const TIME: &str = "BACKLINE_GIT_TIME";
const BUILD: &str = "BACKLINE_BUILD_TIME";
const EPOCH: &str = "SOURCE_DATE_EPOCH";
