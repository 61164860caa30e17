//! Error bodies, and reading requests so that every refusal has one.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use backline_proto::lavalink::ErrorBody;
use serde::de::DeserializeOwned;

/// A refusal: what goes into the error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    message: String,
}

/// Where a request went; error bodies repeat it.
#[derive(Debug, Clone)]
pub struct Place {
    path: String,
    trace: bool,
}

impl Refusal {
    /// Returns a refusal.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Returns a refusal of a request that makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Returns a refusal of something that is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Returns a failure of our own.
    pub fn broken(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Returns a refusal of something new by a node that is going away.
    pub fn draining() -> Self {
        let message = "The node is going away and takes nothing new";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// Returns the answer.
    pub fn at(self, place: &Place) -> Response {
        let body = ErrorBody {
            timestamp: crate::app::wall_ms(),
            status: self.status.as_u16(),
            error: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            trace: place.trace.then(|| self.message.clone()),
            message: self.message,
            path: place.path.clone(),
        };
        (self.status, Json(body)).into_response()
    }
}

impl Place {
    /// Returns where a request went.
    pub fn of(uri: &Uri) -> Self {
        let trace = flag(uri, "trace").unwrap_or(false);
        Self {
            path: uri.path().to_owned(),
            trace,
        }
    }
}

/// Returns the first value of a query parameter, decoded.
pub fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Returns a boolean query parameter; absent is false.
///
/// WIRE: read as Lavalink's framework does, which clients rely on: wavelink writes `True`.
pub fn flag(uri: &Uri, name: &str) -> Result<bool, Refusal> {
    let value = query(uri, name).unwrap_or_default();
    match value.trim().to_ascii_lowercase().as_str() {
        "" | "false" | "off" | "no" | "0" => Ok(false),
        "true" | "on" | "yes" | "1" => Ok(true),
        _ => Err(Refusal::bad(format!("{name} must be true or false"))),
    }
}

/// Reads a JSON object.
pub fn json_object<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    // The library would also fill a structure from an array, field by field.
    if body
        .as_ref()
        .is_ok_and(|body| body.trim_ascii_start().first() == Some(&b'['))
    {
        return Err(Refusal::bad("Bad body: an object was expected"));
    }
    json(body)
}

/// Reads a JSON body.
pub fn json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| Refusal::bad(format!("Bad body: {error}")))
}

/// Answers a path that does not exist.
pub async fn no_such_path(uri: Uri) -> Response {
    Refusal::missing("No such path").at(&Place::of(&uri))
}

/// Answers a method that the path does not have.
pub async fn no_such_method(method: Method, uri: Uri) -> Response {
    let message = format!("Method {method} is not supported");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).at(&Place::of(&uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_generously_as_lavalink_does() {
        for (text, expected) in [
            ("", Some(false)),
            ("?noReplace=", Some(false)),
            ("?noReplace=false", Some(false)),
            ("?noReplace=False", Some(false)),
            ("?noReplace=0", Some(false)),
            ("?noReplace=true", Some(true)),
            ("?noReplace=True", Some(true)),
            ("?noReplace=yes", Some(true)),
            ("?noReplace=maybe", None),
        ] {
            let uri: Uri = format!("/v4/x{text}").parse().expect("it is a URI");
            assert_eq!(flag(&uri, "noReplace").ok(), expected, "{text}");
        }
    }
}
