//! What is read, what is refused, and in which words.

use std::fs;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::process::LogFormat;
use super::*;

#[test]
fn nothing_written_means_the_defaults() {
    let config = load(None, std::iter::empty()).expect("loads");
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    assert_eq!(config.process.drain_timeout_s, 20);
    assert_eq!(config.node.http.read_timeout_ms, 10_000);
    assert!(config.node.http.enabled);
    assert!(config.discord.token.is_none());
    assert!(config.audio.nodes.is_empty());
}

#[test]
fn a_file_is_read() {
    let config = from(
        r#"
        [process]
        log_format = "json"
        internal_bind = "[::1]:0"
        [discord]
        token = "file token"
        api_url = "http://localhost:8080"
        shards = 3
        [node]
        opus_complexity = 0x05
        http.enabled = false
        [node.local]
        root = "/srv/music"
        [[audio.nodes]]
        name = "one"
        url = "http://lavalink:2333"
        password = "youshallnotpass"
        [[audio.nodes]]
        name = "two"
        url = "https://lavalink.example"
        "#,
        &[],
    )
    .expect("loads");
    assert_eq!(config.process.log_format, LogFormat::Json);
    assert_eq!(config.process.internal_bind.to_string(), "[::1]:0");
    assert_eq!(secret(config.discord.token.as_ref()), "file token");
    assert_eq!(
        config.discord.api_url.expect("set").as_str(),
        "http://localhost:8080/"
    );
    assert_eq!(config.discord.shards, Some(3));
    assert_eq!(config.node.opus_complexity, 5);
    assert!(!config.node.http.enabled);
    assert_eq!(
        config.node.local.root.expect("set").to_string_lossy(),
        "/srv/music"
    );
    let names: Vec<_> = config
        .audio
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(
        secret(config.audio.nodes[0].password.as_ref()),
        "youshallnotpass"
    );
}

#[test]
fn the_environment_stands_over_the_file() {
    let config = from(
        r#"
        [process]
        log = "warn"
        drain_timeout_s = 5
        [discord]
        token_file = "/nowhere"
        [[audio.nodes]]
        name = "one"
        url = "http://a.example"
        "#,
        &[
            ("BACKLINE_PROCESS__DRAIN_TIMEOUT_S", "7"),
            ("BACKLINE_NODE__HTTP__ALLOW_PRIVATE_NETWORKS", "TRUE"),
            ("BACKLINE_DISCORD__SHARDS", "2"),
            ("DISCORD_TOKEN", "variable token\n"),
            ("BACKLINE_AUDIO__NODES__0__URL", "http://b.example"),
            ("BACKLINE_AUDIO__NODES__1__NAME", "two"),
            ("BACKLINE_AUDIO__NODES__1__URL", "http://c.example"),
            // Not ours, or not set.
            ("BACKLINE_NODE_PORT", "tcp://10.0.0.1:2333"),
            ("BACKLINE_STORE__URL", ""),
            ("PATH", "/bin"),
        ],
    )
    .expect("loads");
    assert_eq!(config.process.log, "warn");
    assert_eq!(config.process.drain_timeout_s, 7);
    assert!(config.node.http.allow_private_networks);
    assert_eq!(config.discord.shards, Some(2));
    assert_eq!(secret(config.discord.token.as_ref()), "variable token");
    assert_eq!(config.store.url.as_str(), "sqlite:backline.db");
    let nodes: Vec<_> = config
        .audio
        .nodes
        .iter()
        .map(|node| format!("{} {}", node.name, node.url))
        .collect();
    assert_eq!(nodes, ["one http://b.example/", "two http://c.example/"]);
}

#[test]
fn secrets_come_from_files_without_the_last_newline() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    for written in ["a secret ", "a secret \n", "a secret \r\n"] {
        fs::write(&file, written).expect("writes");
        let path = file.to_str().expect("text");
        let config = from("", &[("DISCORD_TOKEN_FILE", path)]).expect("loads");
        assert_eq!(secret(config.discord.token.as_ref()), "a secret ");
        assert_eq!(config.discord.token_file.as_deref(), Some(file.as_path()));
        let config = from("", &[("BACKLINE_NODE__PASSWORD_FILE", path)]).expect("loads");
        assert_eq!(secret(config.node.password.as_ref()), "a secret ");
    }
}

#[test]
fn all_mistakes_are_found_at_once_each_with_its_place() {
    let errors = refused(
        r#"
[process]
log = "info,=="
log_fromat = "json"
log_format = "xml"
internal_bind = 9400
drain_timeout_s = 0

[discord]
shards = 99999999999
api_url = "http://discord.example"

[node]
clock_threads = -1
opus_complexity = 10.5
[node.http]
enabled = "yes"
connect_timeout_ms = 99

[nod.local]
root = "/srv"
"#,
        &[
            ("BACKLINE_PROCESS__DRAIN_TIMEOUT", "5"),
            ("BACKLINE_AUDIO__QUEUE_LIMIT", "many"),
            ("BACKLINE_STORE__URL", "postgres://user:hunter2@host/db"),
        ],
    );
    insta::assert_snapshot!(errors, @r"
    15 mistakes in the configuration
      backline.toml:3: `process.log` is `info,==`: expected a filter, such as `info` or `info,backline_node=debug`
      backline.toml:4: unknown key `process.log_fromat`: did you mean `log_format`?
      backline.toml:5: `process.log_format` is `xml`: expected `pretty` or `json`
      backline.toml:6: `process.internal_bind` is 9400: expected an address and a port, such as `127.0.0.1:9400` or `[::1]:9400`
      backline.toml:7: `process.drain_timeout_s` is 0: expected a whole number of 1..=300
      backline.toml:10: `discord.shards` is 99999999999: expected a whole number of 1..=16384
      backline.toml:11: `discord.api_url` is not acceptable: expected https://, or http:// to loopback only
      backline.toml:14: `node.clock_threads` is -1: expected a whole number of 0..=256
      backline.toml:15: `node.opus_complexity` is a number with a fraction: expected a whole number of 0..=10
      backline.toml:17: `node.http.enabled` is `yes`: expected true or false
      backline.toml:18: `node.http.connect_timeout_ms` is 99: expected a whole number of 100..=60000
      backline.toml:20: unknown key `nod`: did you mean `node`?
      variable BACKLINE_AUDIO__QUEUE_LIMIT: `audio.queue_limit` is `many`: expected a whole number of 1..=100000
      variable BACKLINE_PROCESS__DRAIN_TIMEOUT: unknown key `process.drain_timeout`: did you mean `drain_timeout_s`?
      variable BACKLINE_STORE__URL: `store.url` is not acceptable: expected a URL without a password: set `store.password` or `store.password_file`
    ");
}

#[test]
fn keys_in_the_wrong_place_are_explained() {
    let errors = refused(
        r#"
token = "hunter2"
process = 5
audio.nodes = "http://localhost"
[discord]
drain_timeout_s = 5
[node.http.enabled]
really = true
[store]
zebra = 1
"#,
        &[
            ("BACKLINE_DISCORD__TOKEN__X", "hunter2"),
            ("BACKLINE_A__B__C__D__E__F__G__H__I", "x"),
        ],
    );
    insta::assert_snapshot!(errors, @r"
    8 mistakes in the configuration
      backline.toml:2: unknown key `token`: did you mean `discord.token`?
      backline.toml:3: `process` is a number: expected a section `[process]`
      backline.toml:4: `audio.nodes` is not acceptable: expected `[[audio.nodes]]`
      backline.toml:6: unknown key `discord.drain_timeout_s`: did you mean `process.drain_timeout_s`?
      backline.toml:7: `node.http.enabled` is a table: expected true or false
      backline.toml:10: unknown key `store.zebra`: known here: password, password_file, url, connections, acquire_timeout_ms, transaction_pooler
      variable BACKLINE_A__B__C__D__E__F__G__H__I: no key lies that deep: see the example file
      variable BACKLINE_DISCORD__TOKEN__X: `discord.token` is a table: expected text
    ");
}

#[test]
fn lists_are_checked_item_by_item() {
    let errors = refused(
        r#"
[[audio.nodes]]
name = "one"
[[audio.nodes]]
name = ""
url = "ftp://host"
pasword = "hunter2"
[[audio.nodes]]
name = "three"
url = "http://user:hunter2@host"
"#,
        &[("BACKLINE_AUDIO__NODES__X__NAME", "x")],
    );
    insta::assert_snapshot!(errors, @r"
    6 mistakes in the configuration
      backline.toml:2: `audio.nodes.0.url` is missing: expected a URL with scheme and host, such as `https://host.example`
      backline.toml:5: `audio.nodes.1.name` is empty: expected a name
      backline.toml:6: `audio.nodes.1.url` is not acceptable: expected http:// or https://
      backline.toml:7: unknown key `audio.nodes.1.pasword`: did you mean `password`?
      backline.toml:10: `audio.nodes.2.url` is not acceptable: expected a URL without user and password
      variable BACKLINE_AUDIO__NODES__X__NAME: `audio.nodes.x` is a table: expected `[[audio.nodes]]`
    ");
}

#[test]
fn secrets_are_refused_without_a_word_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").expect("writes");
    let empty = empty.to_str().expect("text");
    let rows: &[Row<'_>] = &[
        ("number", "[discord]\ntoken = 12345678", &[]),
        ("table", "[discord.token]\nhunter2 = 1", &[]),
        ("empty", "[discord]\ntoken = ''", &[]),
        (
            "both in the file",
            "[discord]\ntoken = 'hunter2'\ntoken_file = 'x'",
            &[],
        ),
        (
            "both in the environment",
            "",
            &[
                ("DISCORD_TOKEN", "hunter2"),
                ("BACKLINE_DISCORD__TOKEN_FILE", "x"),
            ],
        ),
        (
            "by both names",
            "",
            &[
                ("BACKLINE_DISCORD__TOKEN", "hunter2"),
                ("DISCORD_TOKEN", "hunter2"),
            ],
        ),
        (
            "no such file",
            "",
            &[("DISCORD_TOKEN_FILE", "/nowhere/token")],
        ),
        ("an empty file", "", &[("DISCORD_TOKEN_FILE", empty)]),
        ("misspelt", "[discord]\ntokne = 'hunter2'", &[]),
        ("broken line", "[discord]\ntoken = 'hunter2", &[]),
        (
            "broken after it",
            "[discord]\ntoken = 'hunter2' hunter2",
            &[],
        ),
        (
            "twice",
            "[discord]\ntoken = 'hunter2'\ntoken = 'hunter2'",
            &[],
        ),
        (
            "in another setting",
            "[store]\nurl = 'postgres://me:hunter2@host'",
            &[],
        ),
        (
            "in a URL",
            "[discord]\napi_url = 'https://me:hunter2@host'",
            &[],
        ),
    ];
    let mut found = String::new();
    for (name, file, environment) in rows {
        let errors = refused(file, environment);
        assert!(!errors.contains("hunter2"), "{name}: {errors}");
        assert!(!errors.contains("12345678"), "{name}: {errors}");
        let lines = errors.lines().skip(1).collect::<Vec<_>>().join("\n");
        let lines = lines.replace(&folder.path().display().to_string(), "DIR");
        for part in [name, ":\n", &lines, "\n"] {
            found.push_str(part);
        }
    }
    insta::assert_snapshot!(found, @r"
    number:
      backline.toml:2: `discord.token` is a number: expected text
    table:
      backline.toml:1: `discord.token` is a table: expected text
    empty:
      backline.toml:2: `discord.token` is empty: leave it out or fill it in
    both in the file:
      backline.toml:3: `discord.token` and `discord.token_file` are both set: keep one of them
    both in the environment:
      variable BACKLINE_DISCORD__TOKEN_FILE: `discord.token` and `discord.token_file` are both set: keep one of them
    by both names:
      variable DISCORD_TOKEN: `discord.token` is set by variable BACKLINE_DISCORD__TOKEN, too: set one of them
    no such file:
      variable DISCORD_TOKEN_FILE: the file of `discord.token`, /nowhere/token, cannot be read (No such file or directory (os error 2)): expected a file that holds the secret and nothing else
    an empty file:
      variable DISCORD_TOKEN_FILE: the file of `discord.token`, DIR/empty, is empty: expected a file that holds the secret and nothing else
    misspelt:
      backline.toml:2: unknown key `discord.tokne`: did you mean `token`?
    broken line:
      backline.toml:2: is not TOML: invalid literal string, expected `'`
    broken after it:
      backline.toml:2: is not TOML: unexpected key or value, expected newline, `#`
    twice:
      backline.toml:3: is not TOML: duplicate key
    in another setting:
      backline.toml:2: `store.url` is not acceptable: expected a URL without a password: set `store.password` or `store.password_file`
    in a URL:
      backline.toml:2: `discord.api_url` is not acceptable: expected a URL without user and password
    ");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let errors = load(
        Some(Path::new("/nowhere/backline.toml")),
        std::iter::empty(),
    );
    insta::assert_snapshot!(errors.expect_err("is missing"), @r"
    1 mistake in the configuration
      /nowhere/backline.toml: cannot be read (No such file or directory (os error 2)): name a readable file
    ");
}

#[test]
fn all_syntax_errors_are_found_and_those_of_the_environment_beside_them() {
    let errors = refused(
        "[process\nlog = \n[store]\nurl = \"x",
        &[("BACKLINE_PROCESS__DRAIN_TIMEOUT_S", "x")],
    );
    insta::assert_snapshot!(errors, @r#"
    3 mistakes in the configuration
      backline.toml:1: is not TOML: unclosed table, expected `]`
      backline.toml:4: is not TOML: invalid basic string, expected `"`
      variable BACKLINE_PROCESS__DRAIN_TIMEOUT_S: `process.drain_timeout_s` is `x`: expected a whole number of 1..=300
    "#);
}

#[test]
fn urls_in_the_clear_are_for_loopback_only() {
    let rows = [
        ("https://discord.example", true),
        ("http://localhost:1", true),
        ("http://127.1.2.3", true),
        ("http://[::1]:8080", true),
        ("http://sim.localhost", true),
        ("http://192.168.0.1", false),
        ("http://localhost.example", false),
        ("http://127.0.0.1.example", false),
        ("ws://localhost", false),
        ("file:///etc/passwd", false),
        ("localhost:8080", false),
        ("nonsense", false),
    ];
    for (url, fits) in rows {
        let loaded = from("", &[("BACKLINE_DISCORD__API_URL", url)]);
        assert_eq!(loaded.is_ok(), fits, "{url}: {loaded:?}");
    }
    for (url, fits) in [
        ("wss://gateway.example", true),
        ("ws://[::1]:1", true),
        ("ws://host", false),
    ] {
        let loaded = from("", &[("BACKLINE_DISCORD__GATEWAY_URL", url)]);
        assert_eq!(loaded.is_ok(), fits, "{url}: {loaded:?}");
    }
}

#[test]
fn no_secret_is_printed() {
    let config = from(
        "[[audio.nodes]]\nname = 'one'\nurl = 'http://host'\npassword = 'hunter2'",
        &[
            ("DISCORD_TOKEN", "hunter2"),
            ("BACKLINE_NODE__PASSWORD", "hunter2"),
        ],
    )
    .expect("loads");
    let printed = format!("{config:?} {config:#?}");
    assert!(printed.contains("REDACTED"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_example_loads_and_changes_nothing() {
    let config = from(&example(), &[]).expect("loads");
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_example_uncommented_shows_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "from a file").expect("writes");
    let mut lines = String::new();
    for line in example().lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        match setting {
            // Of the twins only one may be set.
            Some(setting) if setting.contains("_file = \"/run") => {}
            Some(setting) => lines.push_str(setting),
            None => lines.push_str(line),
        }
        lines.push('\n');
    }
    let config = from(&lines, &[]).expect("loads");
    let defaults = Config::default();
    assert_eq!(
        format!("{:?}", config.process),
        format!("{:?}", defaults.process)
    );
    assert_eq!(
        format!("{:?}", config.node.http),
        format!("{:?}", defaults.node.http)
    );
    assert_eq!(config.store.url, defaults.store.url);
    assert_eq!(config.store.connections, defaults.store.connections);
    assert_eq!(config.audio.queue_limit, defaults.audio.queue_limit);
    assert_eq!(config.audio.nodes.len(), 1);
    assert_eq!(config.discord.shards, Some(1));
    assert!(config.discord.token.is_some());
    // Everything is shown.
    for key in describe::keys::<Config>() {
        let name = key.rsplit('.').next().expect("a name");
        assert!(
            lines.contains(&format!("\n{name} = ")) || name.ends_with("_file"),
            "{key}"
        );
    }
}

#[test]
fn docs_say_what_the_loader_does() {
    let mut checker = Checker::default();
    <Config as section::Section>::visit(&mut checker);
    assert!(checker.settings > 20, "{}", checker.settings);
    assert!(checker.wrong.is_empty(), "{}", checker.wrong.join("\n"));
}

#[test]
fn the_example_is_readable() {
    let example = example();
    let node = example.split("[node.http]").nth(1).expect("a section");
    let node = node.split("# How long").next().expect("its beginning");
    insta::assert_snapshot!(node.trim(), @r"
    # Whether it is on.
    #
    # Default: true. Reloadable: no.
    # Variable: `BACKLINE_NODE__HTTP__ENABLED`.
    #enabled = true

    # Whether loopback, private and link-local addresses may be fetched. Leave it off
    # where strangers choose the URLs.
    #
    # Default: false. Reloadable: no.
    # Variable: `BACKLINE_NODE__HTTP__ALLOW_PRIVATE_NETWORKS`.
    #allow_private_networks = false
    ");
}

/// Compares the words of each field's docs with what the loader knows.
#[derive(Default)]
struct Checker {
    settings: usize,
    wrong: Vec<String>,
}

impl Checker {
    fn expect(&mut self, field: section::Field, text: &str) {
        let docs = field.docs.join("\n");
        if !docs.contains(text) {
            self.wrong
                .push(format!("the docs of `{}` lack `{text}`", field.name));
        }
    }
}

impl section::Visitor for Checker {
    fn setting<T: setting::Setting>(
        &mut self,
        field: section::Field,
        default: T,
        range: Option<std::ops::RangeInclusive<u64>>,
        _: Option<section::Check<T>>,
    ) -> T {
        self.settings += 1;
        let shown = match default.toml() {
            None => "none".to_owned(),
            Some(toml) => toml.replace('"', "`"),
        };
        self.expect(field, &format!("Default: {shown}"));
        self.expect(field, "Reloadable: ");
        if let Some(range) = range {
            self.expect(
                field,
                &format!("Range: {}..={}.", range.start(), range.end()),
            );
            assert!(
                default
                    .number()
                    .is_none_or(|number| range.contains(&number)),
                "{}",
                field.name
            );
        }
        for (suffix, unit) in [("_s", "seconds"), ("_ms", "milliseconds")] {
            if field.name.ends_with(suffix) {
                self.expect(field, &format!("Unit: {unit}."));
            }
        }
        default
    }

    fn required<T: setting::Setting>(
        &mut self,
        field: section::Field,
        _: Option<section::Check<T>>,
    ) -> T {
        self.expect(field, "Required.");
        T::placeholder()
    }

    fn secret(
        &mut self,
        secret: section::Field,
        file: section::Field,
    ) -> (Option<secrecy::SecretString>, Option<std::path::PathBuf>) {
        assert_eq!(file.name, format!("{}_file", secret.name));
        self.expect(secret, "Reloadable: ");
        (None, None)
    }

    fn section<S: section::Section>(&mut self, _: section::Field) -> S {
        S::visit(self)
    }

    fn list<S: section::Section>(&mut self, _: section::Field) -> Vec<S> {
        S::visit(self);
        Vec::new()
    }
}

/// A name, a file, and an environment.
type Row<'r> = (&'r str, &'r str, &'r [(&'r str, &'r str)]);

fn from(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(&folder, text);
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    load(Some(&path), environment)
}

/// Returns the errors as they are printed, with the folder of this test taken out.
fn refused(text: &str, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(&folder, text);
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let errors = load(Some(&path), environment).expect_err("is refused");
    errors
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

fn written(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("backline.toml");
    fs::write(&path, text).expect("writes");
    path
}

fn secret(secret: Option<&secrecy::SecretString>) -> &str {
    secret.expect("is set").expose_secret()
}
