//! What went wrong: the body of failed requests, and failures of tracks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of every answer of 400 and above, but for those about the password, which are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Milliseconds since 1970 UTC.
    pub timestamp: i64,
    /// HTTP status.
    pub status: u16,
    /// Its reason phrase.
    pub error: String,
    /// Where it was raised; only with the query `?trace=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What failed.
    #[serde(default)]
    pub message: String,
    /// The path of the request, without the query.
    #[serde(default)]
    pub path: String,
}

/// Why a track could not be loaded or played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// What failed, for people.
    pub message: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The root cause.
    pub cause: String,
    /// Where the root cause was raised; always a text.
    #[serde(default)]
    pub cause_stack_trace: String,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Expected: the item is private, gone, or not for this region.
    Common,
    /// Perhaps the source has changed.
    Suspicious,
    /// Something is broken.
    Fault,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Common => "common",
            Self::Suspicious => "suspicious",
            Self::Fault => "fault",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_is_left_out_unless_asked_for() {
        let mut body = ErrorBody {
            timestamp: 1,
            status: 404,
            error: "Not Found".into(),
            trace: None,
            message: "Session not found".into(),
            path: "/v4/sessions/x".into(),
        };
        let json = json!({"timestamp": 1, "status": 404, "error": "Not Found", "message": "Session not found", "path": "/v4/sessions/x"});
        assert_eq!(serde_json::to_value(&body).expect("serializes"), json);
        body.trace = Some("at".into());
        assert_eq!(
            serde_json::to_value(&body).expect("serializes")["trace"],
            "at"
        );
    }

    #[test]
    fn a_missing_message_of_an_exception_is_null() {
        let exception = Exception {
            message: None,
            severity: Severity::Common,
            cause: "c".into(),
            cause_stack_trace: String::new(),
        };
        let json =
            json!({"message": null, "severity": "common", "cause": "c", "causeStackTrace": ""});
        assert_eq!(serde_json::to_value(&exception).expect("serializes"), json);
        let older = json!({"severity": "fault", "cause": "c"});
        assert_eq!(
            serde_json::from_value::<Exception>(older)
                .expect("older servers")
                .severity,
            Severity::Fault
        );
        assert!(
            serde_json::from_value::<Exception>(json!({"severity": "awful", "cause": "c"}))
                .is_err()
        );
    }
}
