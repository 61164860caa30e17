//! Sessions: one WebSocket and its players.

use serde::{Deserialize, Serialize};

use super::omissible::not_null;

/// A session's settings, as answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whether it outlives its WebSocket.
    pub resuming: bool,
    /// For how many seconds.
    pub timeout: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            resuming: false,
            timeout: 60,
        }
    }
}

/// The body of `PATCH /v4/sessions/{sessionId}`. Absent = leave; `null` is an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSession {
    /// Whether it outlives its WebSocket.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub resuming: Option<bool>,
    /// For how many seconds.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keys_are_left_out_and_nulls_refused() {
        let update: UpdateSession =
            serde_json::from_str(r#"{"resuming":true}"#).expect("deserializes");
        assert_eq!(
            update,
            UpdateSession {
                resuming: Some(true),
                timeout: None
            }
        );
        assert_eq!(
            serde_json::to_string(&update).expect("serializes"),
            r#"{"resuming":true}"#
        );
        for json in [
            r#"{"resuming":null}"#,
            r#"{"timeout":null}"#,
            r#"{"timeout":"60"}"#,
            r#"{"timeout":-1}"#,
        ] {
            assert!(
                serde_json::from_str::<UpdateSession>(json).is_err(),
                "{json}"
            );
        }
    }
}
