use super::*;

fn button(id: &str) -> Value {
    json!({"type": 2, "style": 1, "label": "b", "custom_id": id})
}

fn row(children: impl IntoIterator<Item = Value>) -> Value {
    let children: Vec<Value> = children.into_iter().collect();
    json!({"type": 1, "components": children})
}

fn text(content: &str) -> Value {
    json!({"type": 10, "content": content})
}

fn select(options: usize) -> Value {
    json!({"type": 3, "custom_id": "s", "options": (0..options)
        .map(|i| json!({"label": "l", "value": i.to_string()})).collect::<Vec<_>>()})
}

fn codes(list: &Value, version: Version) -> String {
    let mut errors = Errors::default();
    check(
        list.as_array().expect("a list"),
        version,
        &["a.png".to_owned()],
        "components",
        &mut errors,
    );
    let Err(refusal) = errors.finish() else {
        return String::new();
    };
    refusal.errors.expect("a tree").to_string()
}

#[test]
fn messages_of_the_first_version_are_rows() {
    let rows = [
        ("one row", json!([row(vec![button("a")])]), ""),
        (
            "text without the flag",
            json!([text("x")]),
            "UNION_TYPE_CHOICES",
        ),
        (
            "six rows",
            json!(
                (0..6)
                    .map(|i| row(vec![button(&i.to_string())]))
                    .collect::<Vec<_>>()
            ),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "six buttons",
            json!([row((0..6).map(|i| button(&i.to_string())))]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        ("empty row", json!([row(vec![])]), "BASE_TYPE_BAD_LENGTH"),
        (
            "same custom id",
            json!([row(vec![button("a"), button("a")])]),
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
        (
            "long custom id",
            json!([row(vec![button(&"a".repeat(101))])]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "button beside select",
            json!([row(vec![button("a"), select(1)])]),
            "UNION_TYPE_CHOICES",
        ),
        (
            "two selects",
            json!([row(vec![select(1), select(1)])]),
            "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
        ),
        (
            "link without url",
            json!([row(vec![json!({"type": 2, "style": 5, "label": "l"})])]),
            "BASE_TYPE_REQUIRED",
        ),
        (
            "link with custom id",
            json!([row(vec![
                json!({"type": 2, "style": 5, "label": "l", "url": "https://example.org", "custom_id": "x"})
            ])]),
            "MUTUALLY_EXCLUSIVE",
        ),
        (
            "premium with label",
            json!([row(vec![
                json!({"type": 2, "style": 6, "sku_id": "1", "label": "l"})
            ])]),
            "INVALID_FOR_PREMIUM",
        ),
        (
            "no label",
            json!([row(vec![json!({"type": 2, "style": 1, "custom_id": "x"})])]),
            "LABEL_OR_EMOJI",
        ),
        (
            "emoji instead of label",
            json!([row(vec![
                json!({"type": 2, "style": 1, "custom_id": "x", "emoji": {"name": "⏯"}})
            ])]),
            "",
        ),
        (
            "style 7",
            json!([row(vec![
                json!({"type": 2, "style": 7, "custom_id": "x", "label": "l"})
            ])]),
            "BASE_TYPE_CHOICES",
        ),
        (
            "26 select options",
            json!([row(vec![select(26)])]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "no select options",
            json!([row(vec![select(0)])]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "nested rows",
            json!([row(vec![row(vec![button("a")])])]),
            "UNION_TYPE_CHOICES",
        ),
    ];
    for (name, list, code) in rows {
        let found = codes(&list, Version::V1);
        assert!(
            if code.is_empty() {
                found.is_empty()
            } else {
                found.contains(code)
            },
            "{name}: {found}"
        );
    }
}

#[test]
fn messages_of_the_second_version_nest_by_rule() {
    let container = |children: Vec<Value>| json!({"type": 17, "components": children});
    let thumbnail = json!({"type": 11, "media": {"url": "https://example.org/a.png"}});
    let section = |texts: usize, accessory: Value| json!({"type": 9, "components": vec![text("t"); texts], "accessory": accessory});
    let rows = [
        ("text", json!([text("x")]), ""),
        ("empty text", json!([text("")]), "BASE_TYPE_REQUIRED"),
        (
            "container",
            json!([container(vec![text("x"), row(vec![button("a")])])]),
            "",
        ),
        (
            "container in container",
            json!([container(vec![container(vec![text("x")])])]),
            "UNION_TYPE_CHOICES",
        ),
        ("section", json!([section(3, thumbnail.clone())]), ""),
        (
            "section with a button",
            json!([section(1, button("a"))]),
            "",
        ),
        (
            "section with four texts",
            json!([section(4, thumbnail.clone())]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "section without accessory",
            json!([section(1, Value::Null)]),
            "BASE_TYPE_REQUIRED",
        ),
        ("thumbnail on top", json!([thumbnail]), "UNION_TYPE_CHOICES"),
        ("button on top", json!([button("a")]), "UNION_TYPE_CHOICES"),
        (
            "gallery of an upload",
            json!([{"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]}]),
            "",
        ),
        (
            "gallery of nothing",
            json!([{"type": 12, "items": []}]),
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            "missing upload",
            json!([{"type": 12, "items": [{"media": {"url": "attachment://b.png"}}]}]),
            "NOT_FOUND",
        ),
        (
            "file",
            json!([{"type": 13, "file": {"url": "attachment://a.png"}}]),
            "",
        ),
        (
            "file elsewhere",
            json!([{"type": 13, "file": {"url": "https://example.org/a"}}]),
            "ATTACHMENT_REQUIRED",
        ),
        (
            "separator",
            json!([text("x"), {"type": 14, "spacing": 2}]),
            "",
        ),
        (
            "bad spacing",
            json!([{"type": 14, "spacing": 3}]),
            "BASE_TYPE_CHOICES",
        ),
        (
            "4,001 characters",
            json!([text(&"a".repeat(2_000)), text(&"a".repeat(2_001))]),
            "TEXT_SIZE_EXCEEDED",
        ),
        ("40 components", json!([container(vec![text("x"); 39])]), ""),
        (
            "41 components",
            json!([container(vec![text("x"); 40])]),
            "MAX_TOTAL_COMPONENTS_EXCEEDED",
        ),
        (
            "same id twice",
            json!([{"type": 10, "id": 7, "content": "x"}, {"type": 10, "id": 7, "content": "x"}]),
            "COMPONENT_ID_DUPLICATED",
        ),
        (
            "text input",
            json!([{"type": 4, "custom_id": "x", "style": 1, "label": "l"}]),
            "UNION_TYPE_CHOICES",
        ),
    ];
    for (name, list, code) in rows {
        let found = codes(&list, Version::V2);
        assert!(
            if code.is_empty() {
                found.is_empty()
            } else {
                found.contains(code)
            },
            "{name}: {found}"
        );
    }
}

#[test]
fn components_without_ids_are_numbered_around_the_given_ones() {
    let mut errors = Errors::default();
    let list = json!([
        {"type": 10, "content": "x"},
        {"type": 17, "id": 2, "components": [{"type": 10, "content": "y"}]},
    ]);
    let checked = check(
        list.as_array().expect("a list"),
        Version::V2,
        &[],
        "components",
        &mut errors,
    );
    assert!(errors.is_empty());
    assert_eq!(checked[0]["id"], 1);
    assert_eq!(checked[1]["id"], 2);
    assert_eq!(checked[1]["components"][0]["id"], 3);
}
