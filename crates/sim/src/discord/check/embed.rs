//! Checks embeds: at most ten, 6,000 characters together.

use serde_json::{Value, json};

use super::{Form, Need, join};
use crate::discord::refusal::Errors;

/// Checks the field `embeds` and returns the embeds as Discord stores them.
pub(crate) fn check(list: &[Value], place: &str, errors: &mut Errors) -> Vec<Value> {
    let mut total = 0;
    let mut embeds = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let place = join(place, &index.to_string());
        let Some(object) = value.as_object() else {
            errors.add(
                &place,
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
            continue;
        };
        let mut form = Form::new(object, place.as_str(), errors);
        let mut characters = 0;
        for (key, most) in [("title", 256), ("description", 4_096)] {
            characters += form.text(key, Need::Optional, 0..=most).map_or(0, count);
        }
        url(&mut form, "url");
        form.integer("color", Need::Optional, 0..=0xFF_FFFF);
        for (key, inner, most) in [("footer", "text", 2_048), ("author", "name", 256)] {
            let Some(object) = form.object(key, Need::Optional) else {
                continue;
            };
            let place = form.place(key);
            let mut form = Form::new(object, place, form.errors);
            characters += form.text(inner, Need::Required, 1..=most).map_or(0, count);
            url(&mut form, "icon_url");
        }
        for key in ["image", "thumbnail"] {
            let Some(object) = form.object(key, Need::Optional) else {
                continue;
            };
            let place = form.place(key);
            url(&mut Form::new(object, place, form.errors), "url");
        }
        let fields = form
            .list("fields", Need::Optional, 0..=25)
            .unwrap_or_default();
        for (index, field) in fields.iter().enumerate() {
            let place = form.place(&format!("fields.{index}"));
            let Some(object) = field.as_object() else {
                form.errors.add(
                    &place,
                    "DICT_TYPE_CONVERT",
                    "Only dictionaries may be used in a DictType",
                );
                continue;
            };
            let mut form = Form::new(object, place, form.errors);
            characters += form.text("name", Need::Required, 1..=256).map_or(0, count);
            characters += form
                .text("value", Need::Required, 1..=1_024)
                .map_or(0, count);
            form.boolean("inline", Need::Optional);
        }
        if characters == 0
            && !["image", "thumbnail", "url", "video"]
                .iter()
                .any(|key| object.get(*key).is_some_and(|value| !value.is_null()))
        {
            form.refuse(
                "description",
                "BASE_TYPE_REQUIRED",
                "This field is required",
            );
        }
        total += characters;
        let mut embed = object.clone();
        embed.retain(|_, value| !value.is_null());
        embed.insert("type".to_owned(), json!("rich"));
        embeds.push(Value::Object(embed));
    }
    if total > MOST_CHARACTERS {
        errors.add(
            place,
            "MAX_EMBED_SIZE_EXCEEDED",
            format!("Embed size exceeds maximum size of {MOST_CHARACTERS}"),
        );
    }
    embeds
}

fn url(form: &mut Form<'_, '_>, key: &str) {
    let Some(text) = form.text(key, Need::Optional, 0..=2_048) else {
        return;
    };
    if !text.is_empty() && !is_link(text) && !text.starts_with("attachment://") {
        form.refuse(key, "URL_TYPE_INVALID_URL", "Not a well formed URL.");
    }
}

/// Returns whether Discord takes this as the target of a link or the place of a picture.
pub(crate) fn is_link(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "discord"))
}

fn count(text: &str) -> usize {
    text.chars().count()
}

const MOST_CHARACTERS: usize = 6_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeds_are_measured() {
        let rows = [
            (
                "fine",
                json!([{"title": "t", "fields": [{"name": "n", "value": "v"}]}]),
                true,
            ),
            ("empty", json!([{}]), false),
            (
                "a picture alone",
                json!([{"image": {"url": "https://example.org/a.png"}}]),
                true,
            ),
            ("long title", json!([{"title": "t".repeat(257)}]), false),
            (
                "long description",
                json!([{"description": "t".repeat(4_097)}]),
                false,
            ),
            (
                "26 fields",
                json!([{"title": "t", "fields": vec![json!({"name": "n", "value": "v"}); 26]}]),
                false,
            ),
            (
                "field without value",
                json!([{"title": "t", "fields": [{"name": "n"}]}]),
                false,
            ),
            (
                "6,001 characters in all",
                json!([{"description": "a".repeat(4_000)}, {"description": "a".repeat(2_001)}]),
                false,
            ),
            (
                "bad link",
                json!([{"title": "t", "url": "javascript:alert(1)"}]),
                false,
            ),
        ];
        for (row, embeds, fine) in rows {
            let mut errors = Errors::default();
            check(embeds.as_array().expect("a list"), "embeds", &mut errors);
            assert_eq!(errors.is_empty(), fine, "{row}: {errors:?}");
        }
    }
}
