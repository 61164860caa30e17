//! Logs: who writes them, in which shape, and what never gets into them.
//!
//! Lines of ours hold no secrets by the rules of the house. Libraries are another matter: at
//! `debug` some write out whole requests and payloads, tokens included. So, whatever the filter
//! says, only `info` and above pass from code that is not ours.

use std::fmt;
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::Process;
use crate::config::process::LogFormat;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The filter is not one.
    #[error("`{filter}` is no filter of log lines: try `info` or `info,backline_audio=debug`")]
    Filter {
        /// The filter.
        filter: String,
    },
    /// Somebody else has set it up already.
    #[error("logging was set up twice")]
    Twice,
}

/// Sends the log lines of this process to standard error, and panics into the log.
///
/// # Errors
/// See [`InitError`].
pub fn init(process: &Process) -> Result<(), InitError> {
    let colours = std::io::stderr().is_terminal();
    let subscriber = subscriber(process, std::io::stderr, colours)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Returns what [`init`] sets up, writing elsewhere.
///
/// # Errors
/// `Filter` if the filter is not one.
pub fn subscriber<W>(
    process: &Process,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync + use<W>, InitError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&process.log).map_err(|_| InitError::Filter {
        filter: process.log.clone(),
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match process.log_format {
        LogFormat::Pretty => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_ansi(false)
            .boxed(),
    };
    Ok(Registry::default()
        .with(lines.with_filter(filter_fn(may_be_written)))
        .with(filter))
}

/// Whether a line may be written at all, whatever the filter says.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("backline");
    ours || LevelFilter::INFO >= *metadata.level()
}

/// Logs a panic: where it was, and what it said if that is fixed text. Text that was formatted
/// may hold anything.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let said = panic.payload().downcast_ref::<&'static str>().copied();
    let thread = std::thread::current();
    tracing::event!(
        Level::ERROR,
        thread = thread.name().unwrap_or("unnamed"),
        place = %Place(panic),
        said = said.unwrap_or("(formatted text is not logged)"),
        "thread panicked"
    );
}

struct Place<'p>(&'p PanicHookInfo<'p>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.location() {
            Some(location) => write!(f, "{}:{}", location.file(), location.line()),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;

    use super::*;
    use crate::config::Config;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .expect("not poisoned")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that `work` writes.
    fn lines(log: &str, log_format: LogFormat, work: impl FnOnce()) -> Vec<String> {
        let process = Process {
            log: log.into(),
            log_format,
            ..Process::default()
        };
        let written = Written::default();
        let writer = written.clone();
        let subscriber =
            subscriber(&process, move || writer.clone(), false).expect("the filter is one");
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes)
            .expect("text")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns a line without its time stamp, which is asserted to be one.
    fn without_time(line: &str) -> String {
        let (before, rest) = line.split_once("\"timestamp\":\"").expect("a time stamp");
        let (time, after) = rest.split_once("\",").expect("its end");
        assert!(time.ends_with('Z') && time.len() > 20, "{time}");
        format!("{before}{after}")
    }

    #[test]
    fn json_lines_are_flat_and_hold_their_fields() {
        let lines = lines("info", LogFormat::Json, || {
            tracing::info!(guild.id = 7, load_ms = 12, "track loaded");
            tracing::debug!("not asked for");
        });
        let lines: Vec<_> = lines.iter().map(|line| without_time(line)).collect();
        insta::assert_snapshot!(
            lines.join("\n"),
            @r#"{"level":"INFO","message":"track loaded","guild.id":7,"load_ms":12,"target":"backline_runtime::telemetry::tests"}"#
        );
    }

    #[test]
    fn pretty_lines_are_plain_where_nobody_sees_colours() {
        let lines = lines("info", LogFormat::Pretty, || {
            tracing::warn!(attempts = 3, "node was lost");
        });
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert!(
            line.ends_with("WARN backline_runtime::telemetry::tests: node was lost attempts=3"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn the_filter_chooses_among_our_lines() {
        let lines = lines("warn,backline_runtime=debug", LogFormat::Json, || {
            tracing::debug!("ours");
            tracing::info!(target: "backline_node", "too low");
            tracing::trace!("too low");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
    }

    #[test]
    fn libraries_never_write_what_they_send() {
        let lines = lines("trace", LogFormat::Json, || {
            tracing::trace!(target: "tungstenite::protocol", "sending {{\"token\":\"hunter2\"}}");
            tracing::debug!(target: "hyper_util::client", "POST /webhooks/1/hunter2");
            tracing::info!(target: "sqlx", "harmless");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("harmless"));
    }

    #[test]
    fn the_configuration_is_logged_without_its_secrets() {
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let lines = lines("trace", format, || {
                let mut config = Config::default();
                config.discord.token = Some(SecretString::from("hunter2"));
                config.node.password = Some(SecretString::from("hunter2"));
                tracing::info!(?config, "configuration was read");
            });
            assert!(lines[0].contains("REDACTED"), "{lines:?}");
            assert!(!lines[0].contains("hunter2"), "{lines:?}");
        }
    }

    #[test]
    fn panics_are_logged_with_their_place_and_only_fixed_text() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let lines = lines("info", LogFormat::Json, || {
            let _ = std::panic::catch_unwind(|| panic!("the queue has a head"));
            let secret = String::from("hunter2");
            let _ = std::panic::catch_unwind(|| panic!("token {secret} is wrong"));
        });
        std::panic::set_hook(before);
        // Other tests of this process may panic meanwhile, but not under this subscriber.
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("\"said\":\"the queue has a head\""),
            "{lines:?}"
        );
        assert!(lines[0].contains("telemetry.rs:"), "{lines:?}");
        assert!(
            lines[1].contains("formatted text is not logged"),
            "{lines:?}"
        );
        assert!(!lines[1].contains("hunter2"), "{lines:?}");
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let process = Process {
            log: "info,==".into(),
            ..Process::default()
        };
        let error = subscriber(&process, io::sink, false)
            .err()
            .expect("is refused");
        assert_eq!(
            error.to_string(),
            "`info,==` is no filter of log lines: try `info` or `info,backline_audio=debug`"
        );
    }
}
