//! The binary as people meet it on the command line.

use std::process::{Command, Output};

use serde_json::Value;

#[test]
fn the_demo_without_a_person_hears_music() {
    let output = backline(&["demo", "--headless", "--for", "10s"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: Value = serde_json::from_str(&text).expect("the summary is JSON and nothing else");
    let number = |key: &str| {
        summary[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} is a number in {summary}"))
    };
    assert!(number("tracks_started") >= 2.0, "{summary}");
    assert!(number("frames_heard") >= 300.0, "{summary}");
    assert!(number("frames_lost") == 0.0, "{summary}");
    assert!(number("frames_late") >= 0.0, "{summary}");
    assert!(
        number("ack_ms_p50") > 0.0 && number("ack_ms_p50") <= number("ack_ms_p99"),
        "{summary}"
    );
}

#[test]
fn the_example_configuration_is_what_the_binary_prints() {
    let output = backline(&["config", "example"]);
    let printed = String::from_utf8(output.stdout).expect("text");
    let kept = include_str!("../../../../deploy/config.example.toml");
    assert!(
        printed == kept,
        "run: cargo run -- config example > deploy/config.example.toml"
    );
}

#[test]
fn a_good_configuration_is_called_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("good.toml");
    std::fs::write(&file, "[audio]\nidle_leave_s = 10\n").expect("written");
    let output = backline(&["config", "check", &file.display().to_string()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_mistake_of_a_configuration_is_named_at_once_without_secrets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bad.toml");
    std::fs::write(
        &file,
        "[audio]\nidle_leave_s = 0\n[discord]\ntoken = [\"hunter2\"]\ntokn = \"x\"\n[nodee]\nbind = 1\n",
    )
    .expect("written");
    let output = backline(&["config", "check", &file.display().to_string()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    for expected in ["idle_leave_s", "tokn", "nodee", "bad.toml"] {
        assert!(said.contains(expected), "{expected} is named in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "no secret is shown:\n{said}");
}

#[test]
fn what_is_missing_is_said_with_the_next_step() {
    for (arguments, expected) in [
        (&["run"][..], "DISCORD_TOKEN"),
        (&["node"][..], "BACKLINE_NODE__PASSWORD"),
        (&["simulate", "--bind", "0.0.0.0"][..], "loopback"),
        (&["demo", "--headless", "--for", "soon"][..], "20s"),
        (
            &["run", "--config", "/no/such/file.toml"][..],
            "/no/such/file.toml",
        ),
        (&["demo", "--log", "x=y=z"][..], "try `info`"),
        (
            &["simulate", "--port", "0", "--ca-file", "/no/such/ca.pem"][..],
            "--ca-file must be writable",
        ),
    ] {
        let output = backline(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} fails");
        assert!(
            said.contains(expected),
            "{arguments:?} names {expected}:\n{said}"
        );
        assert!(
            !said.contains("panicked"),
            "{arguments:?} does not panic:\n{said}"
        );
    }
}

#[test]
fn a_start_that_fails_names_the_settings_that_decide_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_kept, address) = taken.expect("an address");
    for (command, settings, expected) in [
        (
            "run",
            "[store]\nurl = \"sqlite:/no/such/folder/backline.db\"".to_owned(),
            "BACKLINE_STORE__URL",
        ),
        (
            "node",
            "[node]\npassword = \"hunter2-hunter2\"\n[node.local]\nroot = \"/no/such/folder\""
                .to_owned(),
            "BACKLINE_NODE__LOCAL__ROOT",
        ),
        (
            "node",
            format!("[node]\npassword = \"hunter2-hunter2\"\nbind = \"{address}\""),
            "BACKLINE_NODE__BIND",
        ),
        (
            "node",
            format!(
                "[node]\npassword = \"hunter2-hunter2\"\n[process]\ninternal_bind = \"{address}\""
            ),
            "BACKLINE_PROCESS__INTERNAL_BIND",
        ),
    ] {
        let file = folder.path().join("backline.toml");
        std::fs::write(&file, &settings).expect("a file is written");
        let output = Command::new(env!("CARGO_BIN_EXE_backline"))
            .args([command, "--config"])
            .arg(&file)
            .env_clear()
            .envs(
                (!settings.contains("internal_bind"))
                    .then_some(("BACKLINE_PROCESS__INTERNAL_BIND", "127.0.0.1:0")),
            )
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{settings}");
        assert!(
            said.contains(expected),
            "{settings} names {expected}:\n{said}"
        );
        assert!(!said.contains("hunter2"), "no secret is shown:\n{said}");
    }
}

fn backline(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Command::new(env!("CARGO_BIN_EXE_backline"))
        .args(arguments)
        .env_clear()
        .env("BACKLINE_PROCESS__INTERNAL_BIND", "127.0.0.1:0")
        .env("BACKLINE_NODE__BIND", "127.0.0.1:0")
        .current_dir(folder.path())
        .output()
        .expect("the binary runs")
}
