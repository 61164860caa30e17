//! Checks components of messages, first and second version.

use serde_json::{Value, json};

use super::{Form, Need, Object, embed::is_link, join};
use crate::discord::refusal::Errors;

/// Which rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Rows of buttons and selects below a text.
    V1,
    /// The whole message is made of components (flag `1 << 15`).
    V2,
}

/// Checks the components of a message and returns them as Discord stores them, with ids.
///
/// `files` are the names of the message's attachments, for `attachment://` links.
pub(crate) fn check(
    list: &[Value],
    version: Version,
    files: &[String],
    place: &str,
    errors: &mut Errors,
) -> Vec<Value> {
    let most = if version == Version::V1 {
        5
    } else {
        MOST_COMPONENTS
    };
    if list.len() > most {
        errors.add(
            place,
            "BASE_TYPE_BAD_LENGTH",
            format!("Must be between 1 and {most} in length."),
        );
        return Vec::new();
    }
    let mut walk = Walk {
        files,
        errors,
        count: 0,
        text: 0,
        custom_ids: Vec::new(),
        ids: Vec::new(),
    };
    let allowed = match version {
        Version::V1 => &[ROW][..],
        Version::V2 => &[ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER][..],
    };
    let mut checked = walk.children(list, allowed, place);
    let (count, text, mut used) = (walk.count, walk.text, walk.ids);
    if version == Version::V2 {
        if count > MOST_COMPONENTS {
            errors.add(
                place,
                "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
                format!("The total number of components must be {MOST_COMPONENTS} or fewer"),
            );
        }
        if text > MOST_TEXT {
            errors.add(
                place,
                "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
                format!("Components displayable text size exceeds maximum size of {MOST_TEXT}"),
            );
        }
    }
    let mut next = 1;
    for component in &mut checked {
        number(component, &mut used, &mut next);
    }
    checked
}

/// Gives ids to the components that came without.
pub(crate) fn number(component: &mut Value, used: &mut Vec<i64>, next: &mut i64) {
    if component.get("id").and_then(Value::as_i64).unwrap_or(0) == 0 {
        while used.contains(next) {
            *next += 1;
        }
        used.push(*next);
        component["id"] = json!(*next);
    }
    if let Some(accessory) = component.get_mut("accessory") {
        number(accessory, used, next);
    }
    if let Some(inner) = component.get_mut("component") {
        number(inner, used, next);
    }
    if let Some(Value::Array(children)) = component.get_mut("components") {
        for child in children {
            number(child, used, next);
        }
    }
}

struct Walk<'a> {
    files: &'a [String],
    errors: &'a mut Errors,
    count: usize,
    text: usize,
    custom_ids: Vec<String>,
    ids: Vec<i64>,
}

impl Walk<'_> {
    fn children(&mut self, list: &[Value], allowed: &[i64], place: &str) -> Vec<Value> {
        let mut checked = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let place = join(place, &index.to_string());
            if let Some(component) = self.component(value, allowed, &place) {
                checked.push(component);
            }
        }
        checked
    }

    fn component(&mut self, value: &Value, allowed: &[i64], place: &str) -> Option<Value> {
        self.count += 1;
        let Some(object) = value.as_object() else {
            self.errors.add(
                place,
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
            return None;
        };
        let mut form = Form::new(object, place, self.errors);
        let kind = form.integer("type", Need::Required, i64::MIN..=i64::MAX)?;
        if !allowed.contains(&kind) {
            let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            form.refuse(
                "type",
                "UNION_TYPE_CHOICES",
                format!(
                    "Value of field \"type\" must be one of ({}).",
                    names.join(", ")
                ),
            );
            return None;
        }
        if let Some(id) = form.integer("id", Need::Optional, 0..=i64::from(i32::MAX))
            && id != 0
        {
            if self.ids.contains(&id) {
                form.refuse(
                    "id",
                    "COMPONENT_ID_DUPLICATED",
                    "Component id cannot be duplicated",
                );
            }
            self.ids.push(id);
        }
        let mut checked = object.clone();
        checked.retain(|_, value| !value.is_null());
        match kind {
            ROW => self.row(object, place, &mut checked),
            BUTTON => self.button(object, place),
            STRING_SELECT | USER_SELECT..=CHANNEL_SELECT => {
                self.select(kind, object, place, &mut checked);
            }
            SECTION => self.section(object, place, &mut checked),
            TEXT => self.words(object, place),
            THUMBNAIL => {
                self.media(object, "media", place, &mut checked);
                self.described(object, place);
            }
            GALLERY => self.gallery(object, place, &mut checked),
            FILE => self.file(object, place, &mut checked),
            SEPARATOR => {
                let mut form = Form::new(object, place, self.errors);
                let divider = form.boolean("divider", Need::Optional).unwrap_or(true);
                let spacing = form.choice("spacing", Need::Optional, &[1, 2]).unwrap_or(1);
                checked.insert("divider".to_owned(), json!(divider));
                checked.insert("spacing".to_owned(), json!(spacing));
            }
            _ => self.container(object, place, &mut checked),
        }
        Some(Value::Object(checked))
    }

    fn row(&mut self, object: &Object, place: &str, checked: &mut Object) {
        let mut form = Form::new(object, place, self.errors);
        let Some(list) = form.list("components", Need::Required, 1..=5) else {
            return;
        };
        let place = form.place("components");
        let buttons = list.iter().any(|child| child["type"] == BUTTON);
        let children = if buttons {
            self.children(list, &[BUTTON], &place)
        } else {
            if list.len() > 1 {
                self.errors.add(
                    &place,
                    "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
                    "The specified component exceeds the maximum width",
                );
            }
            self.children(
                list,
                &[
                    BUTTON,
                    STRING_SELECT,
                    USER_SELECT,
                    ROLE_SELECT,
                    MENTIONABLE_SELECT,
                    CHANNEL_SELECT,
                ],
                &place,
            )
        };
        checked.insert("components".to_owned(), Value::Array(children));
    }

    fn button(&mut self, object: &Object, place: &str) {
        let mut form = Form::new(object, place, self.errors);
        let style = form.choice("style", Need::Required, &[1, 2, 3, 4, 5, 6]);
        form.boolean("disabled", Need::Optional);
        let label = form
            .text("label", Need::Optional, 0..=80)
            .filter(|label| !label.is_empty());
        let emoji = emoji(&mut form);
        let has = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
        match style {
            None => return,
            Some(5) => {
                let url = form.text("url", Need::Required, 1..=512);
                if url.is_some_and(|url| !is_link(url)) {
                    form.refuse(
                        "url",
                        "BUTTON_COMPONENT_URL_INVALID",
                        "Scheme must be one of ('discord', 'http', 'https').",
                    );
                }
                if has("custom_id") {
                    form.refuse(
                        "custom_id",
                        "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                        "A custom id and url cannot both be specified",
                    );
                }
            }
            Some(6) => {
                form.snowflake("sku_id", Need::Required);
                for key in ["custom_id", "url", "label", "emoji"] {
                    if has(key) {
                        form.refuse(
                            key,
                            "BUTTON_COMPONENT_INVALID_FOR_PREMIUM",
                            "Premium buttons cannot have this field",
                        );
                    }
                }
                return;
            }
            Some(_) => {
                if has("url") {
                    form.refuse(
                        "url",
                        "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                        "A custom id and url cannot both be specified",
                    );
                }
                self.custom_id(object, place);
            }
        }
        if label.is_none() && !emoji {
            self.errors.add(
                &join(place, "label"),
                "BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED",
                "A label or emoji is required for buttons",
            );
        }
    }

    fn custom_id(&mut self, object: &Object, place: &str) {
        let mut form = Form::new(object, place, self.errors);
        let Some(custom_id) = form.text("custom_id", Need::Required, 1..=100) else {
            return;
        };
        if self.custom_ids.iter().any(|other| other == custom_id) {
            form.refuse(
                "custom_id",
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated",
            );
        }
        self.custom_ids.push(custom_id.to_owned());
    }

    fn select(&mut self, kind: i64, object: &Object, place: &str, checked: &mut Object) {
        self.custom_id(object, place);
        let mut form = Form::new(object, place, self.errors);
        select_fields(kind, &mut form, checked);
    }

    fn section(&mut self, object: &Object, place: &str, checked: &mut Object) {
        let mut form = Form::new(object, place, self.errors);
        let list = form
            .list("components", Need::Required, 1..=3)
            .unwrap_or_default();
        let accessory = form.object("accessory", Need::Required).is_some();
        let children = self.children(list, &[TEXT], &join(place, "components"));
        checked.insert("components".to_owned(), Value::Array(children));
        if accessory
            && let Some(accessory) = self.component(
                &object["accessory"],
                &[BUTTON, THUMBNAIL],
                &join(place, "accessory"),
            )
        {
            checked.insert("accessory".to_owned(), accessory);
        }
    }

    fn words(&mut self, object: &Object, place: &str) {
        let text =
            Form::new(object, place, self.errors).text("content", Need::Required, 1..=MOST_TEXT);
        self.text += text.map_or(0, |text| text.chars().count());
    }

    fn gallery(&mut self, object: &Object, place: &str, checked: &mut Object) {
        let list = Form::new(object, place, self.errors)
            .list("items", Need::Required, 1..=10)
            .unwrap_or_default();
        let mut items = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            let place = join(place, &format!("items.{index}"));
            let Some(object) = item.as_object() else {
                self.errors.add(
                    &place,
                    "DICT_TYPE_CONVERT",
                    "Only dictionaries may be used in a DictType",
                );
                continue;
            };
            let mut item = object.clone();
            self.media(object, "media", &place, &mut item);
            self.described(object, &place);
            items.push(Value::Object(item));
        }
        checked.insert("items".to_owned(), Value::Array(items));
    }

    fn file(&mut self, object: &Object, place: &str, checked: &mut Object) {
        self.media(object, "file", place, checked);
        let url = object
            .get("file")
            .and_then(|file| file["url"].as_str())
            .unwrap_or_default();
        match url.strip_prefix("attachment://") {
            Some(name) => {
                checked.insert("name".to_owned(), json!(name));
            }
            None => self.errors.add(
                &join(place, "file.url"),
                "UNFURLED_MEDIA_ITEM_ATTACHMENT_REQUIRED",
                "File components only support attachment:// references",
            ),
        }
        Form::new(object, place, self.errors).boolean("spoiler", Need::Optional);
    }

    fn described(&mut self, object: &Object, place: &str) {
        let mut form = Form::new(object, place, self.errors);
        form.text("description", Need::Optional, 0..=1_024);
        form.boolean("spoiler", Need::Optional);
    }

    fn media(&mut self, object: &Object, key: &str, place: &str, checked: &mut Object) {
        let mut form = Form::new(object, place, self.errors);
        let Some(media) = form.object(key, Need::Required) else {
            return;
        };
        let place = form.place(key);
        let mut form = Form::new(media, place, form.errors);
        let Some(url) = form.text("url", Need::Required, 1..=2_048) else {
            return;
        };
        if let Some(name) = url.strip_prefix("attachment://") {
            if !self.files.iter().any(|file| file == name) {
                form.refuse(
                    "url",
                    "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
                    format!("The referenced attachment {name} was not found"),
                );
            }
        } else if !is_link(url) {
            form.refuse(
                "url",
                "URL_TYPE_INVALID_SCHEME",
                "Scheme must be one of ('http', 'https', 'attachment').",
            );
        }
        checked.insert(
            key.to_owned(),
            json!({"url": url, "proxy_url": url, "width": null, "height": null, "loading_state": 2, "flags": 0}),
        );
    }

    fn container(&mut self, object: &Object, place: &str, checked: &mut Object) {
        let mut form = Form::new(object, place, self.errors);
        form.integer("accent_color", Need::Optional, 0..=0xFF_FFFF);
        let spoiler = form.boolean("spoiler", Need::Optional).unwrap_or(false);
        checked.insert("spoiler".to_owned(), json!(spoiler));
        let Some(list) = form.list("components", Need::Required, 1..=MOST_COMPONENTS) else {
            return;
        };
        let children = self.children(
            list,
            &[ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR],
            &join(place, "components"),
        );
        checked.insert("components".to_owned(), Value::Array(children));
    }
}

/// Checks what all selects have in common, and the options of string selects.
pub(crate) fn select_fields(kind: i64, form: &mut Form<'_, '_>, checked: &mut Object) {
    form.text("placeholder", Need::Optional, 0..=150);
    form.boolean("disabled", Need::Optional);
    let least = form
        .integer("min_values", Need::Optional, 0..=25)
        .unwrap_or(1);
    let most = form
        .integer("max_values", Need::Optional, 1..=25)
        .unwrap_or(1);
    if least > most {
        form.refuse(
            "min_values",
            "SELECT_COMPONENT_MIN_VALUES_TOO_LARGE",
            "Must be less than or equal to max_values",
        );
    }
    checked.insert("min_values".to_owned(), json!(least));
    checked.insert("max_values".to_owned(), json!(most));
    if kind != STRING_SELECT {
        return;
    }
    let list = form
        .list("options", Need::Required, 1..=25)
        .unwrap_or_default();
    if !list.is_empty() && most as usize > list.len() {
        form.refuse(
            "options",
            "BASE_TYPE_BAD_LENGTH",
            format!("Must be between {most} and 25 in length."),
        );
    }
    let mut values: Vec<&str> = Vec::new();
    let mut defaults = 0;
    for (index, option) in list.iter().enumerate() {
        let place = form.place(&format!("options.{index}"));
        let Some(object) = option.as_object() else {
            form.errors.add(
                &place,
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
            continue;
        };
        let mut form = Form::new(object, place, form.errors);
        form.text("label", Need::Required, 1..=100);
        form.text("description", Need::Optional, 0..=100);
        emoji(&mut form);
        defaults += i64::from(form.boolean("default", Need::Optional).unwrap_or(false));
        if let Some(value) = form.text("value", Need::Required, 1..=100) {
            if values.contains(&value) {
                form.refuse(
                    "value",
                    "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                    "The specified option value is already used",
                );
            }
            values.push(value);
        }
    }
    if defaults > most {
        form.refuse(
            "options",
            "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES",
            "More options are chosen by default than max_values allows",
        );
    }
}

fn emoji(form: &mut Form<'_, '_>) -> bool {
    let Some(object) = form.object("emoji", Need::Optional) else {
        return false;
    };
    let custom = object.get("id").is_some_and(|id| !id.is_null());
    let name = object
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !custom && (name.is_empty() || name.is_ascii()) {
        form.refuse(
            "emoji.name",
            "BUTTON_COMPONENT_INVALID_EMOJI",
            "Invalid emoji",
        );
    }
    true
}

const ROW: i64 = 1;
const BUTTON: i64 = 2;
pub(crate) const STRING_SELECT: i64 = 3;
pub(crate) const USER_SELECT: i64 = 5;
const ROLE_SELECT: i64 = 6;
const MENTIONABLE_SELECT: i64 = 7;
pub(crate) const CHANNEL_SELECT: i64 = 8;
const SECTION: i64 = 9;
pub(crate) const TEXT: i64 = 10;
const THUMBNAIL: i64 = 11;
const GALLERY: i64 = 12;
const FILE: i64 = 13;
const SEPARATOR: i64 = 14;
const CONTAINER: i64 = 17;
const MOST_COMPONENTS: usize = 40;
const MOST_TEXT: usize = 4_000;

#[cfg(test)]
mod tests;
