//! Text that a program speaks: `speak:some words` and `tts://some words`.

mod wav;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::FromRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backline_proto::lavalink::encoded::Details;
use backline_proto::lavalink::{Exception, LoadResult, Severity, Track, TrackInfo};
use backline_runtime::config;
use backline_runtime::config::programs;
use backline_runtime::metrics::node::LoadSource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use moka::future::Cache;

use super::describe::{self, short};
use super::program::{Bounds, Program, ProgramError};
use super::reader::Reader;
use super::{Loaded, Opened, Shared, Source, Sources, failure, probe};
use crate::engine::feed::Wake;

/// Text that a program speaks.
#[derive(Debug)]
pub struct Speech {
    program: Program,
    arguments: Vec<String>,
    max_text: usize,
    shared: Shared,
    /// What was spoken lately, by text.
    spoken: Cache<String, Arc<[u8]>>,
}

/// Bytes of speech that are kept.
const KEPT: u64 = 64 << 20;
/// How long it is kept.
const KEPT_FOR: Duration = Duration::from_mins(10);
/// Where arguments have the text.
const TEXT: &str = "%TEXT%";
/// Characters of the text that are the title.
const TITLE: usize = 80;

impl Speech {
    /// Returns the source.
    pub fn new(command: &Path, config: &config::resolvers::Speech, shared: Shared) -> Self {
        let bounds = Bounds {
            time: Duration::from_millis(config.timeout_ms.into()),
            processes: config.processes.into(),
            output: usize::from(config.max_output_mib) << 20,
        };
        let path = programs::find(command);
        if path.is_none() {
            tracing::warn!(path = %command.display(), "speech program not found; speaking will fail");
        }
        let path = path.unwrap_or_else(|| command.to_owned());
        let arguments = config.arguments.split_whitespace().map(str::to_owned);
        Self {
            program: Program::new(&path, bounds),
            arguments: arguments.collect(),
            max_text: config.max_text.into(),
            shared,
            spoken: Cache::builder()
                .max_capacity(KEPT)
                .weigher(|_, sound: &Arc<[u8]>| u32::try_from(sound.len()).unwrap_or(u32::MAX))
                .time_to_live(KEPT_FOR)
                .build(),
        }
    }

    async fn ask(&self, identifier: &str) -> Loaded {
        let Some(text) = text(identifier) else {
            return Loaded::Foreign;
        };
        Loaded::Found(match self.describe(&text).await {
            Ok(track) => LoadResult::Track(track),
            Err(failure) => LoadResult::Error(*failure),
        })
    }

    async fn describe(&self, text: &str) -> Result<Track, Box<Exception>> {
        let probed = self.probe(text).await?;
        let length = probed
            .info
            .duration_ms
            .and_then(|ms| i64::try_from(ms).ok());
        let info = TrackInfo {
            identifier: format!("speak:{text}"),
            is_seekable: true,
            author: "Speech".to_owned(),
            length: length.unwrap_or(0),
            is_stream: false,
            position: 0,
            title: short(&text.chars().take(TITLE).collect::<String>()),
            uri: None,
            source_name: "speak".to_owned(),
            artwork_url: None,
            isrc: None,
        };
        Ok(describe::track(info, Details::None))
    }

    async fn probe(&self, text: &str) -> Result<probe::Probed, Box<Exception>> {
        let sound = self.speak(text).await?;
        let encoder = self.shared.encoder;
        let open = move || {
            let (file, length) =
                in_memory(&sound).map_err(|error| failure::of_stream(failure::chain(&error)))?;
            probe::open(Reader::File { file, length }, None, encoder)
        };
        self.shared.threads.file(open).await
    }

    async fn speak(&self, text: &str) -> Result<Arc<[u8]>, Box<Exception>> {
        let limit = self.max_text;
        if text.chars().count() > limit {
            let message = format!("That is too long to be spoken: at most {limit} characters");
            return Err(failure::exception(
                Severity::Common,
                &message,
                "text too long",
            ));
        }
        let spoken = self.spoken.try_get_with(text.to_owned(), async {
            let as_argument = self
                .arguments
                .iter()
                .any(|argument| argument.contains(TEXT));
            // As an argument the text must not become an option.
            let plain = text.trim_start_matches('-');
            let arguments = self
                .arguments
                .iter()
                .map(|argument| argument.replace(TEXT, plain));
            let arguments: Vec<OsString> = arguments.map(Into::into).collect();
            let input = (!as_argument).then(|| text.to_owned());
            let mut sound = self
                .program
                .run(&arguments, input)
                .await
                .map_err(|error| failed(&error))?;
            if !wav::mend(&mut sound) {
                let message = "The text could not be spoken";
                let cause = "the speech program did not write a WAV file";
                return Err(failure::exception(Severity::Fault, message, cause));
            }
            Ok(Arc::from(sound))
        });
        spoken
            .await
            .map_err(|failure| Box::new((**failure).clone()))
    }
}

impl Source for Speech {
    fn label(&self) -> LoadSource {
        LoadSource::Speech
    }

    fn names(&self) -> &'static [&'static str] {
        &["speak"]
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        self.ask(identifier).boxed()
    }

    fn open<'a>(
        &'a self,
        _: &'a Sources,
        track: &'a Track,
        wake: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        async move {
            let Some(text) = text(&track.info.identifier) else {
                let message = "There is nothing to speak";
                return Err(failure::exception(Severity::Common, message, "no text"));
            };
            let probed = self.probe(&text).await?;
            Ok(Opened::Packets(probed.into_source(wake)))
        }
        .boxed()
    }
}

/// Returns the text that an identifier asks to be spoken.
fn text(identifier: &str) -> Option<String> {
    let text = if let Some(text) = identifier.strip_prefix("speak:") {
        text.to_owned()
    } else {
        let rest = identifier.strip_prefix("tts://")?;
        let text = rest.split_once('?').map_or(rest, |(text, _)| text);
        let text = percent_encoding::percent_decode_str(text);
        text.decode_utf8_lossy().into_owned()
    };
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "errors are boxed everywhere here"
)]
fn failed(error: &ProgramError) -> Box<Exception> {
    let (severity, message) = match error {
        ProgramError::Missing | ProgramError::Broken(_) => {
            (Severity::Fault, "This node lacks the program that speaks")
        }
        ProgramError::Busy => (
            Severity::Suspicious,
            "Too much is being spoken; try again later",
        ),
        ProgramError::TimedOut | ProgramError::TooLong { .. } | ProgramError::Failed { .. } => {
            (Severity::Suspicious, "The text could not be spoken")
        }
    };
    failure::exception(severity, message, failure::chain(error))
}

/// Returns bytes as a file that is nowhere but in memory.
fn in_memory(bytes: &[u8]) -> io::Result<(File, u64)> {
    // SAFETY: the name is a C string that outlives the call.
    let descriptor = unsafe { libc::memfd_create(c"speech".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made, and nobody else has it.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(bytes)?;
    file.rewind()?;
    Ok((file, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_behind_both_prefixes() {
        for (identifier, expected) in [
            ("speak:Hello, you", Some("Hello, you")),
            ("speak: -x --help ", Some("-x --help")),
            ("speak:a\nb\0c", Some("a b c")),
            ("tts://Hello%20you?lang=en", Some("Hello you")),
            ("tts://", None),
            ("speak: ", None),
            ("speak", None),
            ("ftts://x", None),
        ] {
            assert_eq!(text(identifier).as_deref(), expected, "{identifier}");
        }
    }

    #[test]
    fn bytes_become_a_file() {
        use std::io::Read;
        let (mut file, length) = in_memory(b"sound").expect("a file");
        let mut read = String::new();
        file.read_to_string(&mut read).expect("readable");
        assert_eq!((read.as_str(), length), ("sound", 5));
    }
}
