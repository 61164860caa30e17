use super::*;

fn codes(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "_errors" {
                    into.extend(
                        value
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter_map(|error| error["code"].as_str().map(ToOwned::to_owned)),
                    );
                } else {
                    codes(value, into);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| codes(value, into)),
        _ => {}
    }
}

fn refused(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Err(refusal) = check(body)
        && let Some(errors) = refusal.errors
    {
        codes(&errors, &mut found);
    }
    found
}

#[test]
fn commands_are_refused_with_the_code_of_their_fault() {
    let option = |name: &str| json!({"type": 3, "name": name, "description": "d"});
    let rows = [
        (
            "fine",
            json!({"name": "play", "description": "d", "options": [option("query")]}),
            vec![],
        ),
        (
            "no name",
            json!({"description": "d"}),
            vec!["BASE_TYPE_REQUIRED"],
        ),
        (
            "upper case",
            json!({"name": "Play", "description": "d"}),
            vec!["APPLICATION_COMMAND_INVALID_NAME"],
        ),
        (
            "context menu may have capitals",
            json!({"type": 3, "name": "Play This"}),
            vec![],
        ),
        (
            "too long",
            json!({"name": "a".repeat(33), "description": "d"}),
            vec!["BASE_TYPE_BAD_LENGTH"],
        ),
        (
            "no description",
            json!({"name": "a"}),
            vec!["BASE_TYPE_REQUIRED"],
        ),
        (
            "long description",
            json!({"name": "a", "description": "d".repeat(101)}),
            vec!["BASE_TYPE_BAD_LENGTH"],
        ),
        (
            "26 options",
            json!({"name": "a", "description": "d", "options": (0..26).map(|i| option(&format!("o{i}"))).collect::<Vec<_>>()}),
            vec!["BASE_TYPE_MAX_LENGTH"],
        ),
        (
            "required after optional",
            json!({"name": "a", "description": "d", "options": [
                option("first"), {"type": 3, "name": "second", "description": "d", "required": true},
            ]}),
            vec!["APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"],
        ),
        (
            "two options of one name",
            json!({"name": "a", "description": "d", "options": [option("x"), option("x")]}),
            vec!["APPLICATION_COMMAND_OPTIONS_DUPLICATE_NAME"],
        ),
        (
            "26 choices",
            json!({"name": "a", "description": "d", "options": [{"type": 3, "name": "x", "description": "d",
                "choices": (0..26).map(|i| json!({"name": i.to_string(), "value": i.to_string()})).collect::<Vec<_>>()}]}),
            vec!["BASE_TYPE_MAX_LENGTH"],
        ),
        (
            "choices beside autocomplete",
            json!({"name": "a", "description": "d", "options": [{"type": 3, "name": "x", "description": "d",
                "autocomplete": true, "choices": [{"name": "n", "value": "v"}]}]}),
            vec!["APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_WITH_CHOICES"],
        ),
        (
            "group in a subcommand",
            json!({"name": "a", "description": "d", "options": [{"type": 1, "name": "s", "description": "d",
                "options": [{"type": 2, "name": "g", "description": "d", "options": []}]}]}),
            vec!["BASE_TYPE_BAD_LENGTH"],
        ),
        (
            "more than 8,000 characters",
            json!({"name": "a", "description": "d", "options": (0..25).map(|i| json!({
                "type": 3, "name": format!("o{i}"), "description": "d".repeat(100),
                "choices": (0..25).map(|j| json!({"name": format!("{j}{}", "n".repeat(90)), "value": j.to_string()})).collect::<Vec<_>>(),
            })).collect::<Vec<_>>()}),
            vec!["APPLICATION_COMMAND_TOO_LARGE"],
        ),
    ];
    for (row, body, expected) in rows {
        let found = refused(&body);
        if row == "group in a subcommand" {
            assert!(!found.is_empty(), "{row}");
        } else {
            assert_eq!(found, expected, "{row}");
        }
    }
}

#[test]
fn a_bulk_overwrite_has_unique_names_and_at_most_100_chat_commands() {
    let command = |i: usize| json!({"name": format!("c{i}"), "description": "d"});
    assert_eq!(
        check_all(&json!((0..100).map(command).collect::<Vec<_>>())).map(|list| list.len()),
        Ok(100)
    );
    let refusal =
        check_all(&json!((0..101).map(command).collect::<Vec<_>>())).expect_err("101 are too many");
    assert_eq!(refusal.code, 30_032);
    let refusal = check_all(&json!([command(1), command(1)])).expect_err("names repeat");
    assert_eq!(refusal.code, 50_035);
}
