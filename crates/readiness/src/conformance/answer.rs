//! What a server answered, and demands on it.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::case::{Outcome, Stop, demand, fault, short};

/// What a server answered to a request.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn new(status: u16, headers: HeaderMap, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            text,
            body,
        }
    }

    /// Demands a status.
    pub(super) fn status(&self, expected: u16) -> Result<&Self, Stop> {
        if self.status == expected {
            return Ok(self);
        }
        fault(format!("status {expected}"), self.shown())
    }

    /// Demands an empty body.
    pub(super) fn empty(&self) -> Outcome {
        demand(self.text.is_empty(), "an empty body", &self.text)
    }

    /// Demands that a response header has a value.
    pub(super) fn header(&self, name: &str, expected: &str) -> Outcome {
        let got = self.headers.get(name).and_then(|value| value.to_str().ok());
        if got == Some(expected) {
            return Ok(());
        }
        fault(
            format!("header {name}: {expected}"),
            got.unwrap_or("none").to_owned(),
        )
    }

    /// Demands JSON below a pointer.
    pub(super) fn is(&self, pointer: &str, expected: &Value) -> Result<&Self, Stop> {
        is(&self.body, pointer, expected)?;
        Ok(self)
    }

    /// Returns JSON below a pointer, which has to be there.
    pub(super) fn at(&self, pointer: &str) -> Result<&Value, Stop> {
        at(&self.body, pointer)
    }

    /// Demands Lavalink's error body with a status; `path` is the path that was asked for.
    pub(super) fn error(&self, status: u16, path: &str) -> Result<&Self, Stop> {
        self.status(status)?;
        is(&self.body, "/status", &status.into())?;
        is(&self.body, "/path", &path.into())?;
        let time = at(&self.body, "/timestamp")?.as_i64();
        demand(
            time.is_some_and(|time| time > 1_600_000_000_000),
            "/timestamp in milliseconds since 1970",
            time,
        )?;
        demand(
            at(&self.body, "/error")?
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "/error with the reason phrase",
            &self.body,
        )?;
        demand(
            at(&self.body, "/message")?.is_string(),
            "/message as text",
            &self.body,
        )?;
        Ok(self)
    }

    /// Demands that the error's message contains a text.
    pub(super) fn says(&self, text: &str) -> Outcome {
        let message = at(&self.body, "/message")?.as_str().unwrap_or_default();
        demand(
            message.contains(text),
            &format!("a message with `{text}`"),
            message,
        )
    }

    fn shown(&self) -> String {
        short(format!("status {} {}", self.status, self.text).trim_end())
    }
}

/// Returns JSON below a pointer, which has to be there.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value, Stop> {
    match value.pointer(pointer) {
        Some(found) => Ok(found),
        None => fault(format!("a key {pointer}"), short(&value.to_string())),
    }
}

/// Demands JSON below a pointer; numbers are equal when their values are.
pub(super) fn is(value: &Value, pointer: &str, expected: &Value) -> Outcome {
    let got = at(value, pointer)?;
    if same(got, expected) {
        return Ok(());
    }
    fault(
        short(&format!("{pointer} {expected}")),
        short(&got.to_string()),
    )
}

/// Demands that a key is not there at all.
pub(super) fn absent(value: &Value, pointer: &str) -> Outcome {
    match value.pointer(pointer) {
        None => Ok(()),
        Some(found) => fault(format!("no key {pointer}"), short(&found.to_string())),
    }
}

/// Demands exactly these keys, in any order; a `?` behind a name makes it optional.
pub(super) fn keys(value: &Value, pointer: &str, expected: &[&str]) -> Outcome {
    let got = at(value, pointer)?;
    let Some(object) = got.as_object() else {
        return fault(format!("an object at {pointer}"), short(&got.to_string()));
    };
    let missing = expected
        .iter()
        .filter(|key| !key.ends_with('?'))
        .find(|key| !object.contains_key(**key));
    if let Some(missing) = missing {
        return fault(
            format!("{pointer} with `{missing}`"),
            short(&got.to_string()),
        );
    }
    let known = |key: &String| {
        expected
            .iter()
            .any(|name| name.trim_end_matches('?') == key)
    };
    match object.keys().find(|key| !known(key)) {
        None => Ok(()),
        Some(extra) => fault(
            format!("{pointer} without `{extra}`"),
            short(&got.to_string()),
        ),
    }
}

/// Whether two values are the same; 1 and 1.0 are.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other
                || match (one.as_f64(), other.as_f64()) {
                    // The reference server works with single precision.
                    (Some(one), Some(other)) => {
                        (one - other).abs() <= f64::from(f32::EPSILON) * one.abs().max(1.0)
                            && one.abs() < 1e12
                    }
                    _ => false,
                }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|found| same(value, found)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_the_same_by_value() {
        for (one, other, expected) in [
            (json!(1), json!(1.0), true),
            (
                json!({"a": [0.2]}),
                json!({"a": [f64::from(0.2_f32)]}),
                true,
            ),
            (json!(1), json!("1"), false),
            (json!({"a": 1}), json!({"a": 1, "b": null}), false),
            (
                json!(9_223_372_036_854_775_807_i64),
                json!(9_223_372_036_854_775_806_i64),
                false,
            ),
        ] {
            assert_eq!(same(&one, &other), expected, "{one} {other}");
        }
    }

    #[test]
    fn keys_are_exactly_those_named() {
        let value = json!({"a": 1, "b": null});
        assert!(keys(&value, "", &["a", "b"]).is_ok());
        assert!(keys(&value, "", &["a", "b", "c?"]).is_ok());
        assert!(keys(&value, "", &["a"]).is_err());
        assert!(keys(&value, "", &["a", "b", "c"]).is_err());
    }
}
