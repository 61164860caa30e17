//! Checks modals (callback type 9).

use serde_json::{Value, json};

use super::{
    Form, Need, Object,
    component::{CHANNEL_SELECT, STRING_SELECT, TEXT, USER_SELECT, number, select_fields},
    join,
};
use crate::discord::refusal::{Errors, Refusal};

/// Checks the data of a modal and returns it with ids.
pub(crate) fn check(data: &Object) -> Result<Value, Refusal> {
    let mut errors = Errors::default();
    let mut form = Form::new(data, "data", &mut errors);
    form.text("title", Need::Required, 1..=45);
    form.text("custom_id", Need::Required, 1..=100);
    let list = form
        .list("components", Need::Required, 1..=5)
        .unwrap_or_default();
    let mut custom_ids: Vec<String> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let place = format!("data.components.{index}");
        match (value.get("type").and_then(Value::as_i64), value.as_object()) {
            (Some(ROW), Some(object)) => {
                let mut form = Form::new(object, place.as_str(), &mut errors);
                let children = form
                    .list("components", Need::Required, 1..=1)
                    .unwrap_or_default();
                for child in children {
                    field(
                        child,
                        &[TEXT_INPUT],
                        Labelled::Itself,
                        &join(&place, "components.0"),
                        &mut custom_ids,
                        &mut errors,
                    );
                }
            }
            (Some(LABEL), Some(object)) => {
                let mut form = Form::new(object, place.as_str(), &mut errors);
                form.text("label", Need::Required, 1..=45);
                form.text("description", Need::Optional, 0..=100);
                if form.object("component", Need::Required).is_some() {
                    let allowed = [
                        TEXT_INPUT,
                        STRING_SELECT,
                        5,
                        6,
                        7,
                        CHANNEL_SELECT,
                        FILE_UPLOAD,
                        RADIO,
                        CHECKBOXES,
                        CHECKBOX,
                    ];
                    field(
                        &object["component"],
                        &allowed,
                        Labelled::ByParent,
                        &join(&place, "component"),
                        &mut custom_ids,
                        &mut errors,
                    );
                }
            }
            (Some(TEXT), Some(object)) => {
                Form::new(object, place, &mut errors).text("content", Need::Required, 1..=4_000);
            }
            _ => errors.add(
                &join(&place, "type"),
                "UNION_TYPE_CHOICES",
                "Value of field \"type\" must be one of (1, 10, 18).",
            ),
        }
    }
    errors.finish()?;
    let mut modal = json!({
        "title": data.get("title"),
        "custom_id": data.get("custom_id"),
        "components": data.get("components"),
    });
    let (mut used, mut next) = (Vec::new(), 1);
    if let Some(Value::Array(components)) = modal.get_mut("components") {
        for component in components {
            number(component, &mut used, &mut next);
        }
    }
    Ok(modal)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labelled {
    Itself,
    ByParent,
}

fn field(
    value: &Value,
    allowed: &[i64],
    labelled: Labelled,
    place: &str,
    custom_ids: &mut Vec<String>,
    errors: &mut Errors,
) {
    let Some(object) = value.as_object() else {
        errors.add(
            place,
            "DICT_TYPE_CONVERT",
            "Only dictionaries may be used in a DictType",
        );
        return;
    };
    let mut form = Form::new(object, place, errors);
    let Some(kind) = form.integer("type", Need::Required, i64::MIN..=i64::MAX) else {
        return;
    };
    if !allowed.contains(&kind) {
        form.refuse(
            "type",
            "UNION_TYPE_CHOICES",
            format!("Value of field \"type\" must be one of {allowed:?}."),
        );
        return;
    }
    if let Some(custom_id) = form.text("custom_id", Need::Required, 1..=100) {
        if custom_ids.iter().any(|other| other == custom_id) {
            form.refuse(
                "custom_id",
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated",
            );
        }
        custom_ids.push(custom_id.to_owned());
    }
    form.boolean("required", Need::Optional);
    match kind {
        TEXT_INPUT => {
            form.choice("style", Need::Required, &[1, 2]);
            if labelled == Labelled::Itself {
                form.text("label", Need::Required, 1..=45);
            }
            let least = form
                .integer("min_length", Need::Optional, 0..=4_000)
                .unwrap_or(0);
            let most = form
                .integer("max_length", Need::Optional, 1..=4_000)
                .unwrap_or(4_000);
            if least > most {
                form.refuse(
                    "min_length",
                    "NUMBER_TYPE_MAX",
                    "min_length must not exceed max_length",
                );
            }
            form.text("placeholder", Need::Optional, 0..=100);
            form.text("value", Need::Optional, 0..=4_000);
        }
        STRING_SELECT | USER_SELECT..=CHANNEL_SELECT => {
            select_fields(kind, &mut form, &mut Object::new());
        }
        RADIO | CHECKBOXES => {
            let most = 10;
            let least = if kind == RADIO { 2 } else { 1 };
            form.list("options", Need::Required, least..=most);
        }
        _ => {}
    }
}

const ROW: i64 = 1;
pub(crate) const TEXT_INPUT: i64 = 4;
const LABEL: i64 = 18;
const FILE_UPLOAD: i64 = 19;
const RADIO: i64 = 21;
const CHECKBOXES: i64 = 22;
const CHECKBOX: i64 = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modals_hold_one_to_five_fields_with_labels() {
        let input = json!({"type": 4, "custom_id": "a", "style": 1});
        let label = |inner: &Value| json!({"type": 18, "label": "l", "component": inner});
        let rows = [
            (
                "labelled input",
                json!({"title": "t", "custom_id": "m", "components": [label(&input)]}),
                true,
            ),
            (
                "row needs a label on the input",
                json!({"title": "t", "custom_id": "m", "components": [{"type": 1, "components": [input]}]}),
                false,
            ),
            (
                "no title",
                json!({"custom_id": "m", "components": [label(&input)]}),
                false,
            ),
            (
                "long title",
                json!({"title": "t".repeat(46), "custom_id": "m", "components": [label(&input)]}),
                false,
            ),
            (
                "no fields",
                json!({"title": "t", "custom_id": "m", "components": []}),
                false,
            ),
            (
                "same id twice",
                json!({"title": "t", "custom_id": "m", "components": [label(&input), label(&input)]}),
                false,
            ),
            (
                "a button",
                json!({"title": "t", "custom_id": "m", "components": [label(&json!({"type": 2, "style": 1, "custom_id": "b", "label": "b"}))]}),
                false,
            ),
        ];
        for (row, data, fine) in rows {
            let result = check(data.as_object().expect("an object"));
            assert_eq!(result.is_ok(), fine, "{row}: {result:?}");
        }
    }
}
