//! Checks the body of a message, new or edited.

use serde_json::Value;

use super::{
    Form, Need, Object,
    component::{self, Version},
    embed,
};
use crate::discord::refusal::{Errors, Refusal};

/// What a request says about a message; `None` means the field was absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Draft {
    pub(crate) content: Option<String>,
    pub(crate) embeds: Option<Vec<Value>>,
    pub(crate) components: Option<Vec<Value>>,
    pub(crate) flags: Option<u64>,
    pub(crate) tts: bool,
    pub(crate) nonce: Option<Value>,
    pub(crate) reply_to: Option<Reply>,
    pub(crate) kept_attachments: Option<Vec<Value>>,
    pub(crate) replied_user: bool,
}

/// The message that a message answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) message: u64,
    pub(crate) must_exist: bool,
}

/// What the message is before the request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before<'a> {
    /// Whether it is an edit of a message of the second component version.
    pub(crate) is_v2: bool,
    /// Names of files it already has.
    pub(crate) files: &'a [String],
    /// Whether it is an edit at all.
    pub(crate) is_edit: bool,
}

/// Checks a body at `place` (empty, or `data` in an interaction callback).
///
/// `files` are the names of the files uploaded with it.
pub(crate) fn check(
    body: &Object,
    place: &str,
    files: &[String],
    before: Before<'_>,
) -> Result<Draft, Refusal> {
    let mut errors = Errors::default();
    let mut form = Form::new(body, place, &mut errors);
    let flags = form
        .integer("flags", Need::Optional, 0..=i64::from(u32::MAX))
        .map(|flags| flags as u64);
    let is_v2 = before.is_v2 || flags.unwrap_or(0) & IS_COMPONENTS_V2 != 0;
    let mut draft = Draft {
        flags,
        replied_user: true,
        ..Draft::default()
    };
    if is_v2 {
        for key in ["content", "embeds", "poll", "sticker_ids"] {
            let used = match body.get(key) {
                None | Some(Value::Null) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Array(list)) => !list.is_empty(),
                Some(_) => true,
            };
            if used {
                form.refuse(
                    key,
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    format!(
                        "The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                    ),
                );
            }
        }
    }
    draft.content = nullable(body, "content", String::new, || {
        form.text("content", Need::Optional, 0..=2_000)
            .map(ToOwned::to_owned)
    });
    draft.tts = form.boolean("tts", Need::Optional).unwrap_or(false);
    if let Some(nonce) = body.get("nonce").filter(|nonce| !nonce.is_null()) {
        let length = nonce.as_str().map_or(0, |text| text.chars().count());
        if !nonce.is_i64() && !nonce.is_u64() && (!nonce.is_string() || length > 25) {
            form.refuse(
                "nonce",
                "BASE_TYPE_MAX_LENGTH",
                "Must be 25 or fewer in length.",
            );
        }
        draft.nonce = Some(nonce.clone());
    }
    let list = form.list("embeds", Need::Optional, 0..=10);
    let embeds_place = form.place("embeds");
    draft.embeds = match (body.get("embeds"), list) {
        (Some(Value::Null), _) => Some(Vec::new()),
        (_, Some(list)) => Some(embed::check(list, &embeds_place, form.errors)),
        _ => None,
    };
    draft.kept_attachments = form
        .list("attachments", Need::Optional, 0..=10)
        .map(<[Value]>::to_vec);
    let names = file_names(files, before.files, draft.kept_attachments.as_deref());
    draft.components = match body.get("components") {
        None => None,
        Some(Value::Null) => Some(Vec::new()),
        Some(_) => {
            let list = form
                .list("components", Need::Optional, 0..=40)
                .unwrap_or_default();
            let version = if is_v2 { Version::V2 } else { Version::V1 };
            let place = form.place("components");
            Some(component::check(list, version, &names, &place, form.errors))
        }
    };
    allowed_mentions(&mut form, &mut draft);
    if let Some(object) = form.object("message_reference", Need::Optional) {
        let place = form.place("message_reference");
        let mut form = Form::new(object, place, form.errors);
        let must_exist = form
            .boolean("fail_if_not_exists", Need::Optional)
            .unwrap_or(true);
        draft.reply_to = form
            .snowflake("message_id", Need::Required)
            .map(|message| Reply {
                message,
                must_exist,
            });
    }
    errors.finish()?;
    if !before.is_edit && !says_something(&draft, files) {
        return Err(Refusal::empty_message());
    }
    Ok(draft)
}

fn nullable<T>(
    body: &Object,
    key: &str,
    empty: impl FnOnce() -> T,
    read: impl FnOnce() -> Option<T>,
) -> Option<T> {
    if body.get(key) == Some(&Value::Null) {
        Some(empty())
    } else {
        read()
    }
}

fn says_something(draft: &Draft, files: &[String]) -> bool {
    draft
        .content
        .as_deref()
        .is_some_and(|text| !text.trim().is_empty())
        || draft.embeds.as_ref().is_some_and(|list| !list.is_empty())
        || draft
            .components
            .as_ref()
            .is_some_and(|list| !list.is_empty())
        || !files.is_empty()
}

/// Names of the files the message has afterwards: kept ones and new ones.
fn file_names(uploaded: &[String], existing: &[String], listed: Option<&[Value]>) -> Vec<String> {
    let mut names: Vec<String> = uploaded.iter().chain(existing).cloned().collect();
    for entry in listed.unwrap_or_default() {
        if let Some(name) = entry["filename"].as_str() {
            names.push(name.to_owned());
        }
    }
    names
}

fn allowed_mentions(form: &mut Form<'_, '_>, draft: &mut Draft) {
    let Some(object) = form.object("allowed_mentions", Need::Optional) else {
        return;
    };
    let place = form.place("allowed_mentions");
    let mut form = Form::new(object, place, form.errors);
    let parse = form
        .list("parse", Need::Optional, 0..=3)
        .unwrap_or_default();
    for (index, kind) in parse.iter().enumerate() {
        if !matches!(kind.as_str(), Some("roles" | "users" | "everyone")) {
            form.refuse(
                &format!("parse.{index}"),
                "BASE_TYPE_CHOICES",
                "Value must be one of ('everyone', 'roles', 'users').",
            );
        }
    }
    for key in ["users", "roles"] {
        let named = form.list(key, Need::Optional, 0..=100).unwrap_or_default();
        if !named.is_empty() && parse.iter().any(|kind| kind == key) {
            form.refuse(
                "",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                format!("parse:[\"{key}\"] and {key}: [ids...] are mutually exclusive."),
            );
        }
    }
    draft.replied_user = form
        .boolean("replied_user", Need::Optional)
        .unwrap_or(false);
}

/// Links do not show previews.
pub(crate) const SUPPRESS_EMBEDS: u64 = 1 << 2;
/// Only the user of the interaction sees the message.
pub(crate) const EPHEMERAL: u64 = 1 << 6;
/// The message is a deferred answer: "… is thinking".
pub(crate) const LOADING: u64 = 1 << 7;
/// The message does not ring.
pub(crate) const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;
/// The message is made of components of the second version.
pub(crate) const IS_COMPONENTS_V2: u64 = 1 << 15;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_refused_for_what_discord_refuses() {
        let rows = [
            ("text", json!({"content": "hello"}), 0),
            ("nothing", json!({}), 50_006),
            ("blank", json!({"content": "  "}), 50_006),
            (
                "2,001 characters",
                json!({"content": "a".repeat(2_001)}),
                50_035,
            ),
            (
                "2,000 wide characters",
                json!({"content": "ü".repeat(2_000)}),
                0,
            ),
            (
                "eleven embeds",
                json!({"embeds": vec![json!({"title": "t"}); 11]}),
                50_035,
            ),
            (
                "second version",
                json!({"flags": 1 << 15, "components": [{"type": 10, "content": "x"}]}),
                0,
            ),
            (
                "second version with content",
                json!({"content": "x", "flags": 1 << 15, "components": [{"type": 10, "content": "x"}]}),
                50_035,
            ),
            (
                "second version without components",
                json!({"flags": 1 << 15}),
                50_006,
            ),
            (
                "second version without its flag",
                json!({"components": [{"type": 10, "content": "x"}]}),
                50_035,
            ),
            ("content that is a number", json!({"content": 5}), 50_035),
            (
                "mentions both ways",
                json!({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}),
                50_035,
            ),
        ];
        for (row, body, code) in rows {
            let result = check(
                body.as_object().expect("an object"),
                "",
                &[],
                Before::default(),
            );
            assert_eq!(
                result.err().map_or(0, |refusal| refusal.code),
                code,
                "{row}"
            );
        }
    }

    #[test]
    fn an_edit_cannot_take_the_second_version_away() {
        let before = Before {
            is_v2: true,
            is_edit: true,
            files: &[],
        };
        let body = json!({"content": "x"});
        let result = check(body.as_object().expect("an object"), "", &[], before);
        assert_eq!(result.err().map(|refusal| refusal.code), Some(50_035));
    }
}
