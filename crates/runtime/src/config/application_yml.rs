//! A Lavalink `application.yml`, read as it is: its keys become ours, and what has no
//! counterpart is named.
//!
//! The order is Lavalink's: defaults, the file, the environment (`LAVALINK_SERVER_PASSWORD`,
//! `SERVER_PORT`, …). Variables of our own come last, over both.

use std::path::Path;

use serde_json::Value;

use super::error::{ConfigError, ConfigErrors, Place};
use super::tree::{Branch, Entry, Raw, Table, read_text};
use super::{Config, SHORT_NAMES, read, tree};

/// What an `application.yml` says.
#[derive(Debug, Clone)]
pub struct ApplicationYml {
    /// The configuration that follows from it.
    pub config: Config,
    /// What has no counterpart here, a sentence each.
    pub warnings: Vec<String>,
}

/// Where a key of Lavalink's goes.
#[derive(Debug, Clone, Copy)]
enum Goes {
    /// To a key of ours, as it is.
    To(&'static [&'static str]),
    /// To a text of ours, also when it looks like a number.
    Text(&'static [&'static str]),
    /// To a key of ours, from milliseconds of at least so many.
    AtLeast(&'static [&'static str], i64),
    /// The address or the port of the one key `node.bind`.
    Address,
    Port,
    /// To the source `local`, which here needs a folder.
    Local,
    /// To the level of the log.
    Level,
    /// Nowhere: it stands for something that is otherwise here, so a warning says how.
    Otherwise(&'static str),
    /// Nowhere, and nobody misses it: our engine has nothing of the kind to tune.
    Idle,
}

/// Every key of Lavalink's example file. The first that fits decides; a key is below another
/// when that one ends with a dot.
const KEYS: &[(&str, Goes)] = &[
    ("server.port", Goes::Port),
    ("server.address", Goes::Address),
    ("server.http2.", Goes::Idle),
    (
        "lavalink.server.password",
        Goes::Text(&["node", "password"]),
    ),
    (
        "lavalink.server.sources.http",
        Goes::To(&["node", "http", "enabled"]),
    ),
    ("lavalink.server.sources.local", Goes::Local),
    (
        "lavalink.server.sources.",
        Goes::Otherwise("such sources come from `node.ytdlp.enabled`"),
    ),
    (
        "lavalink.server.filters.volume",
        Goes::To(&["node", "filters", "volume"]),
    ),
    (
        "lavalink.server.filters.equalizer",
        Goes::To(&["node", "filters", "equalizer"]),
    ),
    (
        "lavalink.server.filters.karaoke",
        Goes::To(&["node", "filters", "karaoke"]),
    ),
    (
        "lavalink.server.filters.timescale",
        Goes::To(&["node", "filters", "timescale"]),
    ),
    (
        "lavalink.server.filters.tremolo",
        Goes::To(&["node", "filters", "tremolo"]),
    ),
    (
        "lavalink.server.filters.vibrato",
        Goes::To(&["node", "filters", "vibrato"]),
    ),
    (
        "lavalink.server.filters.distortion",
        Goes::To(&["node", "filters", "distortion"]),
    ),
    (
        "lavalink.server.filters.rotation",
        Goes::To(&["node", "filters", "rotation"]),
    ),
    (
        "lavalink.server.filters.channelmix",
        Goes::To(&["node", "filters", "channel_mix"]),
    ),
    (
        "lavalink.server.filters.lowpass",
        Goes::To(&["node", "filters", "low_pass"]),
    ),
    (
        "lavalink.server.opusencodingquality",
        Goes::To(&["node", "opus_complexity"]),
    ),
    (
        "lavalink.server.trackstuckthresholdms",
        Goes::AtLeast(&["node", "track_stuck_threshold_ms"], 100),
    ),
    (
        "lavalink.server.playerupdateinterval",
        Goes::To(&["node", "player_update_interval_s"]),
    ),
    (
        "lavalink.server.timeouts.connecttimeoutms",
        Goes::AtLeast(&["node", "http", "connect_timeout_ms"], 100),
    ),
    (
        "lavalink.server.timeouts.sockettimeoutms",
        Goes::AtLeast(&["node", "http", "read_timeout_ms"], 100),
    ),
    (
        "lavalink.server.timeouts.connectionrequesttimeoutms",
        Goes::Idle,
    ),
    ("lavalink.server.nonallocatingframebuffer", Goes::Idle),
    ("lavalink.server.bufferdurationms", Goes::Idle),
    ("lavalink.server.framebufferdurationms", Goes::Idle),
    ("lavalink.server.resamplingquality", Goes::Idle),
    ("lavalink.server.useseekghosting", Goes::Idle),
    ("lavalink.server.gcwarnings", Goes::Idle),
    (
        "lavalink.server.youtubeplaylistloadlimit",
        Goes::To(&["node", "ytdlp", "playlist_load_limit"]),
    ),
    (
        "lavalink.server.youtubesearchenabled",
        Goes::Otherwise("YouTube is searched by `node.ytdlp`"),
    ),
    (
        "lavalink.server.soundcloudsearchenabled",
        Goes::Otherwise("SoundCloud is searched by `node.ytdlp`"),
    ),
    (
        "lavalink.server.soundcloudfilteroutpreviewtracks",
        Goes::Otherwise("SoundCloud is searched by `node.ytdlp`"),
    ),
    (
        "lavalink.server.youtubeconfig.",
        Goes::Otherwise("YouTube is resolved by `node.ytdlp`"),
    ),
    (
        "lavalink.server.ratelimit.",
        Goes::Otherwise("there is no route planner: `/v4/routeplanner/status` answers 204"),
    ),
    (
        "lavalink.server.httpconfig.",
        Goes::Otherwise("there is no proxy for outgoing requests"),
    ),
    (
        "lavalink.plugins.",
        Goes::Otherwise(
            "plugins written for the JVM cannot be loaded; what the common ones do is built in, see docs/from-lavalink.md",
        ),
    ),
    ("lavalink.pluginsdir", Goes::Idle),
    ("lavalink.defaultpluginrepository", Goes::Idle),
    ("lavalink.defaultpluginsnapshotrepository", Goes::Idle),
    (
        "plugins.",
        Goes::Otherwise("it belongs to a plugin; what the common ones do is set in `[node]`"),
    ),
    (
        "metrics.prometheus.enabled",
        Goes::To(&["node", "lavalink_metrics"]),
    ),
    ("metrics.prometheus.endpoint", Goes::Idle),
    (
        "metrics.prometheus.",
        Goes::Otherwise("metrics are always at `/metrics` of `process.internal_bind`"),
    ),
    ("sentry.", Goes::Otherwise("errors go to the log only")),
    ("logging.level.root", Goes::Idle),
    ("logging.level.lavalink", Goes::Level),
    (
        "logging.file.",
        Goes::Otherwise("the log goes to standard error; let the supervisor keep it"),
    ),
    ("logging.", Goes::Otherwise("see `process.log`")),
    ("spring.", Goes::Idle),
];

/// Reads an `application.yml` under the environment.
///
/// # Errors
/// All that is wrong, at once. A key that is not known is no error but a warning, as a file
/// that Lavalink reads should be read here.
pub fn load_application_yml(
    path: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<ApplicationYml, ConfigErrors> {
    let name = path.display().to_string();
    let file = Place::File(name.clone());
    let refused = |problem: String, remedy: &str| {
        ConfigErrors::new(vec![ConfigError::new(&file, problem, remedy)])
    };
    let text = read_text(path)
        .map_err(|error| refused(format!("cannot be read ({error})"), "name a readable file"))?;
    let tree: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        // Only that it is wrong: the library's message repeats lines, secrets included.
        serde_saphyr::from_str(&text).map_err(|error| {
            let at = error.location().map_or(0, |location| location.line());
            refused(
                format!("is not YAML near line {at}"),
                "mend it, or try a YAML checker",
            )
        })?
    };
    let mut leaves = Vec::new();
    flatten(&tree, &mut Vec::new(), &mut leaves);
    let mut translation = Translation::default();
    for (key, value) in leaves {
        translation.take(&key, &value, &file);
    }
    let mut own = Vec::new();
    for (variable, value) in environment {
        match spring(&variable) {
            Some(key) if !value.is_empty() => {
                let place = Place::Variable(variable);
                translation.take(&key, &Value::String(value), &place);
            }
            _ => own.push((variable, value)),
        }
    }
    let mut errors = Vec::new();
    let (mut table, warnings) = translation.finish(&mut errors);
    tree::overlay(&mut table, own.into_iter(), SHORT_NAMES, &mut errors);
    let (config, found) = read::read::<Config>(table);
    errors.extend(found);
    if errors.is_empty() {
        Ok(ApplicationYml { config, warnings })
    } else {
        Err(ConfigErrors::new(errors))
    }
}

/// The table of ours while it grows.
#[derive(Debug, Default)]
struct Translation {
    table: Table,
    warnings: Vec<String>,
    host: Option<(String, Place)>,
    port: Option<(Value, Place)>,
    errors: Vec<ConfigError>,
}

impl Translation {
    fn take(&mut self, key: &str, value: &Value, place: &Place) {
        let plain = plain(key);
        let fits = |pattern: &str| {
            pattern.strip_suffix('.').map_or(plain == pattern, |above| {
                plain == above || plain.starts_with(pattern)
            })
        };
        let goes = KEYS.iter().find(|(pattern, _)| fits(pattern));
        match goes.map(|(_, goes)| *goes) {
            Some(Goes::To(path)) => self.put(path, raw(value), place),
            Some(Goes::Text(path)) => self.put(path, Raw::Text(text(value)), place),
            Some(Goes::AtLeast(path, least)) => {
                let number = match value {
                    Value::String(text) => text.trim().parse().ok(),
                    value => value.as_i64(),
                };
                let raw = number
                    .map_or_else(|| raw(value), |number: i64| Raw::Integer(number.max(least)));
                self.put(path, raw, place);
            }
            Some(Goes::Address) => self.host = Some((text(value), place.clone())),
            Some(Goes::Port) => self.port = Some((value.clone(), place.clone())),
            Some(Goes::Local) => {
                if is_true(value) {
                    self.warn(key, "name the folder in `node.local.root` (BACKLINE_NODE__LOCAL__ROOT): nothing outside one is opened here");
                }
            }
            Some(Goes::Level) => {
                let level = text(value).to_lowercase();
                self.put(&["process", "log"], Raw::Text(level), place);
            }
            Some(Goes::Otherwise(how)) => {
                // What is off, or empty, is not missed.
                let off =
                    matches!(value, Value::Null | Value::Bool(false)) || text(value).is_empty();
                if !off {
                    self.warn(key, how);
                }
            }
            Some(Goes::Idle) => {}
            None => self.warn(key, "it is not a key of Lavalink's"),
        }
    }

    fn warn(&mut self, key: &str, how: &str) {
        // Lists: one line for all of their elements.
        let key = key.split(".0").next().unwrap_or(key);
        let warning = format!("`{key}` has no effect: {how}");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn put(&mut self, path: &[&str], raw: Raw, place: &Place) {
        let mut table = &mut self.table;
        let (last, above) = path.split_last().expect("a path has a part");
        for part in above {
            let entry = table
                .entries
                .entry((*part).to_owned())
                .or_insert_with(|| Entry {
                    place: place.clone(),
                    branch: Branch::Table(Table::default()),
                });
            let Branch::Table(inner) = &mut entry.branch else {
                return;
            };
            table = inner;
        }
        let entry = Entry {
            place: place.clone(),
            branch: Branch::Leaf(raw),
        };
        table.entries.insert((*last).to_owned(), entry);
    }

    /// Returns the table, with what Lavalink has by default where we have something else.
    fn finish(mut self, errors: &mut Vec<ConfigError>) -> (Table, Vec<String>) {
        let (host, place) = self
            .host
            .take()
            .map_or(("0.0.0.0".into(), None), |(host, place)| {
                (host, Some(place))
            });
        let (port, port_place) = self
            .port
            .take()
            .map_or((Value::from(2333), None), |(port, place)| {
                (port, Some(place))
            });
        let place = place
            .or(port_place)
            .unwrap_or_else(|| Place::File("application.yml".into()));
        let host = match host.as_str() {
            "localhost" => "127.0.0.1".to_owned(),
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        let bind = format!("{host}:{}", text(&port));
        self.put(&["node", "bind"], Raw::Text(bind), &place);
        errors.append(&mut self.errors);
        (self.table, self.warnings)
    }
}

/// Returns every value with its path: `lavalink.plugins.0.dependency`.
fn flatten(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<(String, Value)>) {
    if path.len() > DEEPEST {
        return;
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                path.push(key.clone());
                flatten(value, path, leaves);
                path.pop();
            }
        }
        Value::Array(array) => {
            for (at, value) in array.iter().enumerate() {
                path.push(at.to_string());
                flatten(value, path, leaves);
                path.pop();
            }
        }
        _ if path.is_empty() => {}
        value => leaves.push((path.join("."), value.clone())),
    }
}

/// Returns a key as it is compared: Spring does not mind case, dashes and underscores.
fn plain(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Returns the key that a variable of Spring's stands for, if it is one of Lavalink's.
fn spring(variable: &str) -> Option<String> {
    let key = variable.to_lowercase().replace('_', ".");
    let known = |pattern: &str| match pattern.strip_suffix('.') {
        Some(_) => false,
        None => key == pattern,
    };
    KEYS.iter()
        .any(|(pattern, _)| known(pattern))
        .then_some(key)
}

fn raw(value: &Value) -> Raw {
    match value {
        Value::Bool(value) => Raw::Boolean(*value),
        Value::Number(number) => number
            .as_i64()
            .map_or(Raw::Other("number with a fraction"), Raw::Integer),
        // A variable, or a value in quotes: a text that may mean a number or a truth.
        Value::String(text) => Raw::Variable(text.clone()),
        Value::Null => Raw::Text(String::new()),
        Value::Array(_) | Value::Object(_) => Raw::Other("list or table"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || text(value).eq_ignore_ascii_case("true")
}

/// How deep a file may be nested.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const FILE: &str = r#"
server:
  port: 2444
  address: 127.0.0.1
lavalink:
  plugins:
    - dependency: "com.example:some-plugin:1.0.0"
  server:
    password: "open sesame"
    sources:
      youtube: false
      soundcloud: true
      http: true
      local: true
    filters:
      karaoke: false
      channelMix: false
    bufferDurationMs: 400
    opusEncodingQuality: 8
    trackStuckThresholdMs: 20000
    player-update-interval: 7
    gc-warnings: true
    timeouts:
      connectTimeoutMs: 3000
      socketTimeoutMs: 3000
sentry:
  dsn: ""
logging:
  level:
    root: INFO
    lavalink: DEBUG
made:
  up: 5
"#;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<ApplicationYml, ConfigErrors> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("application.yml");
        std::fs::write(&path, text).expect("a file is written");
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load_application_yml(&path, variables)
    }

    #[test]
    fn what_has_a_counterpart_is_taken_over_and_the_rest_is_named() {
        let read = load(FILE, &[]).expect("Lavalink would read it");
        let node = &read.config.node;
        assert_eq!(node.bind.to_string(), "127.0.0.1:2444");
        assert_eq!(
            node.password.as_ref().expect("a password").expose_secret(),
            "open sesame"
        );
        assert_eq!(
            (node.opus_complexity, node.track_stuck_threshold_ms),
            (8, 20_000)
        );
        assert_eq!(
            (node.player_update_interval_s, node.http.connect_timeout_ms),
            (7, 3_000)
        );
        assert!(!node.filters.karaoke && !node.filters.channel_mix && node.filters.volume);
        assert_eq!(read.config.process.log, "debug");
        let warned: Vec<_> = read
            .warnings
            .iter()
            .filter_map(|text| text.split('`').nth(1))
            .collect();
        assert_eq!(warned.len(), 4, "{:#?}", read.warnings);
        for key in [
            "lavalink.plugins",
            "lavalink.server.sources.soundcloud",
            "lavalink.server.sources.local",
            "made.up",
        ] {
            assert!(warned.contains(&key), "{key} among {warned:?}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file_and_ours_overrides_both() {
        let read = load(
            FILE,
            &[
                ("LAVALINK_SERVER_PASSWORD", "from outside"),
                ("SERVER_PORT", "2555"),
                ("PATH", "/bin"),
            ],
        )
        .expect("good");
        assert_eq!(read.config.node.bind.to_string(), "127.0.0.1:2555");
        let password = read.config.node.password.expect("a password");
        assert_eq!(password.expose_secret(), "from outside");
        let read = load(FILE, &[("BACKLINE_NODE__OPUS_COMPLEXITY", "3")]).expect("good");
        assert_eq!(read.config.node.opus_complexity, 3);
    }

    #[test]
    fn lavalink_listens_everywhere_unless_it_is_told_otherwise() {
        for (text, bind) in [
            ("", "0.0.0.0:2333"),
            ("server: {port: 80}", "0.0.0.0:80"),
            ("server: {address: '::1'}", "[::1]:2333"),
            ("server: {address: localhost, port: '81'}", "127.0.0.1:81"),
        ] {
            let read = load(text, &[]).expect(text);
            assert_eq!(read.config.node.bind.to_string(), bind, "{text}");
        }
    }

    #[test]
    fn mistakes_are_errors_and_repeat_no_secret() {
        for text in [
            "server: [",
            "server: {port: soon}",
            "lavalink: {server: {opusEncodingQuality: 11}}",
        ] {
            let errors = load(text, &[("LAVALINK_SERVER_PASSWORD", "hush")]).expect_err(text);
            assert!(!errors.to_string().contains("hush"), "{errors}");
        }
    }
}
