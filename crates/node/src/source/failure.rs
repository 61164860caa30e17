//! Why a track cannot be loaded or played, in the words that clients show.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "exceptions are large, so results carry them boxed"
)]

use backline_proto::lavalink::{Exception, Severity};

use super::http::FetchError;
use super::http::guard::UrlRefused;

/// Returns an exception; `message` is for people, `cause` for operators. Neither may hold a
/// secret or an address.
pub fn exception(severity: Severity, message: &str, cause: impl Into<String>) -> Box<Exception> {
    let cause = cause.into();
    Box::new(Exception {
        message: Some(message.to_owned()),
        severity,
        cause_stack_trace: cause.clone(),
        cause,
    })
}

/// Returns an error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Returns what a failed fetch is to clients.
pub fn of_fetch(error: &FetchError) -> Box<Exception> {
    let (severity, message) = match error {
        FetchError::Refused(UrlRefused::Private) => (
            Severity::Common,
            "That link leads into a private network, which is not allowed",
        ),
        FetchError::Refused(UrlRefused::Scheme) => {
            (Severity::Common, "Only http and https links can be played")
        }
        FetchError::Refused(_) => (Severity::Common, "That link cannot be played"),
        FetchError::Connect => (Severity::Suspicious, "The server could not be reached"),
        FetchError::TimedOut => (Severity::Suspicious, "The server did not answer in time"),
        FetchError::Status(status) if status.is_client_error() => {
            (Severity::Common, "That URL is not playable")
        }
        FetchError::Status(_) => (Severity::Suspicious, "The server failed"),
        FetchError::Broken(_) => (Severity::Suspicious, "The connection to the server broke"),
        FetchError::TooLarge => (Severity::Common, "That file is too large"),
        FetchError::Redirect => (Severity::Suspicious, "The URL redirects in circles"),
        FetchError::Range | FetchError::Changed => {
            (Severity::Suspicious, "The file changed on the server")
        }
    };
    exception(severity, message, error.to_string())
}

/// Returns what broken bytes in the middle of a track are to clients.
pub fn of_stream(cause: impl Into<String>) -> Box<Exception> {
    exception(
        Severity::Suspicious,
        "Something broke when playing the track",
        cause,
    )
}

/// Returns what a web page in the place of audio is to clients.
pub fn of_page() -> Box<Exception> {
    let message = "The URL leads to a web page, not to audio";
    exception(Severity::Common, message, PAGE)
}

/// Whether a failure is that there was a web page.
pub fn is_page(failure: &Exception) -> bool {
    failure.cause == PAGE
}

const PAGE: &str = "the server answered with HTML";

/// Returns what bytes that are no audio are to clients.
pub fn of_format(cause: impl Into<String>) -> Box<Exception> {
    exception(Severity::Common, "Unknown file format", cause)
}
