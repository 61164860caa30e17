//! What Discord answers when it refuses: status, code, message and a tree of errors.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: u32,
    pub(crate) message: String,
    pub(crate) errors: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            errors: None,
        }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if let Some(errors) = &self.errors {
            body["errors"] = errors.clone();
        }
        body
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.body())).into_response()
    }
}

macro_rules! refusals {
    ($($name:ident $status:literal $code:literal $message:literal)*) => {
        impl Refusal {$(
            pub(crate) fn $name() -> Self {
                Self::new($status, $code, $message)
            }
        )*}
    };
}

refusals! {
    not_found 404 0 "404: Not Found"
    method_not_allowed 405 0 "405: Method Not Allowed"
    unauthorized 401 0 "401: Unauthorized"
    unknown_application 404 10_002 "Unknown Application"
    unknown_channel 404 10_003 "Unknown Channel"
    unknown_guild 404 10_004 "Unknown Guild"
    unknown_member 404 10_007 "Unknown Member"
    unknown_message 404 10_008 "Unknown Message"
    unknown_role 404 10_011 "Unknown Role"
    unknown_user 404 10_013 "Unknown User"
    unknown_emoji 400 10_014 "Unknown Emoji"
    unknown_webhook 404 10_015 "Unknown Webhook"
    unknown_interaction 404 10_062 "Unknown interaction"
    unknown_command 404 10_063 "Unknown application command"
    unknown_voice_state 404 10_065 "Unknown Voice State"
    wrong_application 403 20_012 "You are not authorized to perform this action on this application"
    too_many_commands 400 30_032 "Maximum number of application commands reached (100)"
    too_many_command_creates 400 30_034 "Max number of daily application command creates has been reached (200)"
    too_large 413 40_005 "Request entity too large"
    target_not_in_voice 400 40_032 "Target user is not connected to voice."
    already_acknowledged 400 40_060 "Interaction has already been acknowledged."
    missing_access 403 50_001 "Missing Access"
    not_your_message 403 50_005 "Cannot edit a message authored by another user"
    empty_message 400 50_006 "Cannot send an empty message"
    missing_permissions 403 50_013 "Missing Permissions"
    invalid_webhook_token 401 50_027 "Invalid Webhook Token"
    invalid_form 400 50_035 "Invalid Form Body"
    invalid_api_version 400 50_041 "Invalid API version provided"
    invalid_json 400 50_109 "The request body contains invalid JSON."
    blocked 403 40_333 "internal network error"
}

/// The tree below `errors` of a 50035.
#[derive(Debug, Default)]
pub(crate) struct Errors(Map<String, Value>);

impl Errors {
    /// Adds an error at a place such as `components.0.custom_id`; the empty place is the body.
    pub(crate) fn add(&mut self, place: &str, code: &str, message: impl Into<String>) {
        let mut node = &mut self.0;
        for key in place.split('.').filter(|key| !key.is_empty()) {
            let child = node.entry(key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(child) = child else { return };
            node = child;
        }
        let list = node
            .entry("_errors")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(json!({"code": code, "message": message.into()}));
        }
    }

    /// Returns whether nothing was wrong so far.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Refusal {
            errors: Some(Value::Object(self.0)),
            ..Refusal::invalid_form()
        })
    }

    /// Refuses with one error.
    pub(crate) fn one(place: &str, code: &str, message: impl Into<String>) -> Refusal {
        let mut errors = Self::default();
        errors.add(place, code, message);
        Refusal {
            errors: Some(Value::Object(errors.0)),
            ..Refusal::invalid_form()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_form_a_tree_along_their_places() {
        let mut errors = Errors::default();
        errors.add("name", "BASE_TYPE_REQUIRED", "This field is required");
        errors.add("options.0.name", "X", "x");
        errors.add("options.0.name", "Y", "y");
        let refusal = errors.finish().expect_err("errors were added");
        assert_eq!(
            refusal.body(),
            json!({
                "code": 50035,
                "message": "Invalid Form Body",
                "errors": {
                    "name": {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]},
                    "options": {"0": {"name": {"_errors": [
                        {"code": "X", "message": "x"}, {"code": "Y", "message": "y"},
                    ]}}},
                },
            })
        );
    }
}
