//! Checks application commands and brings them into the shape Discord returns.

use serde_json::{Value, json};

use super::{Form, Need, Object, join};
use crate::discord::refusal::{Errors, Refusal};

/// Checks one command of a request body and returns its normalised fields, without ids.
pub(crate) fn check(body: &Value) -> Result<Object, Refusal> {
    let mut errors = Errors::default();
    let command = command(body, "", &mut errors);
    errors.finish()?;
    command.ok_or_else(Refusal::invalid_form)
}

/// Checks the list of a bulk overwrite.
pub(crate) fn check_all(body: &Value) -> Result<Vec<Object>, Refusal> {
    let Some(list) = body.as_array() else {
        return Err(Errors::one(
            "",
            "LIST_TYPE_CONVERT",
            "Only iterables may be used in a ListType",
        ));
    };
    let mut errors = Errors::default();
    let mut commands: Vec<Object> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let Some(command) = command(value, &index.to_string(), &mut errors) else {
            continue;
        };
        let twin =
            |other: &Object| other["name"] == command["name"] && other["type"] == command["type"];
        if commands.iter().any(twin) {
            errors.add(
                &index.to_string(),
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique",
            );
        }
        commands.push(command);
    }
    errors.finish()?;
    for (kind, most) in MOST {
        if commands
            .iter()
            .filter(|command| command["type"] == kind)
            .count()
            > most
        {
            return Err(Refusal::too_many_commands());
        }
    }
    Ok(commands)
}

/// How many commands of a type an application may have per scope.
pub(crate) const MOST: [(u64, usize); 3] = [(CHAT_INPUT, 100), (2, 15), (3, 15)];

fn command(body: &Value, place: &str, errors: &mut Errors) -> Option<Object> {
    let Some(object) = body.as_object() else {
        errors.add(
            place,
            "DICT_TYPE_CONVERT",
            "Only dictionaries may be used in a DictType",
        );
        return None;
    };
    let mut form = Form::new(object, place, errors);
    let kind = form
        .choice("type", Need::Optional, &[1, 2, 3, 4])
        .unwrap_or(1) as u64;
    let name = form.text("name", Need::Required, 1..=32);
    if let Some(name) = name
        && kind == CHAT_INPUT
        && !is_chat_name(name)
    {
        form.refuse(
            "name",
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        );
    }
    localizations(&mut form, "name_localizations", 32, kind == CHAT_INPUT);
    let description = if kind == CHAT_INPUT || kind == PRIMARY_ENTRY_POINT {
        form.text("description", Need::Required, 1..=100)
    } else {
        if form
            .object
            .get("description")
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
        {
            form.refuse(
                "description",
                "APPLICATION_COMMAND_DESCRIPTION_INVALID",
                "Context menu commands cannot have description",
            );
        }
        Some("")
    };
    localizations(&mut form, "description_localizations", 100, false);
    let permissions = member_permissions(&mut form);
    let nsfw = form.boolean("nsfw", Need::Optional).unwrap_or(false);
    let integration_types = numbers(&mut form, "integration_types", &[0, 1]);
    let contexts = numbers(&mut form, "contexts", &[0, 1, 2]);
    let dm_permission = form
        .boolean("dm_permission", Need::Optional)
        .unwrap_or(true);
    let list = form
        .list("options", Need::Optional, 0..=25)
        .unwrap_or_default();
    if kind != CHAT_INPUT && !list.is_empty() {
        form.refuse(
            "options",
            "APPLICATION_COMMAND_OPTIONS_INVALID",
            "Context menu commands cannot have options",
        );
    }
    let options_place = form.place("options");
    let options = options(list, &options_place, form.errors, Depth::Command);
    let (name, description) = (name?, description?);
    let mut command = json!({
        "type": kind,
        "name": name,
        "name_localizations": object.get("name_localizations"),
        "description": description,
        "description_localizations": object.get("description_localizations"),
        "default_member_permissions": permissions,
        "dm_permission": dm_permission,
        "nsfw": nsfw,
        "integration_types": integration_types.unwrap_or_else(|| vec![0]),
        "contexts": contexts,
    });
    if !options.is_empty() {
        command["options"] = Value::Array(options);
    }
    let size = characters(&command);
    if size > MOST_CHARACTERS {
        errors.add(
            place,
            "APPLICATION_COMMAND_TOO_LARGE",
            format!("Command exceeds maximum size ({MOST_CHARACTERS})"),
        );
    }
    match command {
        Value::Object(command) => Some(command),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Command,
    Group,
    Subcommand,
}

fn options(list: &[Value], place: &str, errors: &mut Errors, depth: Depth) -> Vec<Value> {
    let mut checked: Vec<Value> = Vec::with_capacity(list.len());
    let mut optional_seen = false;
    let mut groups = 0;
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
        let Some(option) = option(object, &place, errors, depth) else {
            continue;
        };
        if checked.iter().any(|other| other["name"] == option["name"]) {
            errors.add(
                &place,
                "APPLICATION_COMMAND_OPTIONS_DUPLICATE_NAME",
                "Option name must be unique within the list of options",
            );
        }
        let nested = matches!(
            option["type"].as_u64(),
            Some(SUB_COMMAND | SUB_COMMAND_GROUP)
        );
        groups += usize::from(nested);
        if option["required"] == true {
            if optional_seen {
                errors.add(
                    &place,
                    "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                    "Required options must be placed before non-required options",
                );
            }
        } else if !nested {
            optional_seen = true;
        }
        checked.push(option);
    }
    if groups > 0 && groups < checked.len() {
        errors.add(
            place,
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
            "Sub-command and sub-command group option types are mutually exclusive to all other types",
        );
    }
    checked
}

fn option(object: &Object, place: &str, errors: &mut Errors, depth: Depth) -> Option<Value> {
    let mut form = Form::new(object, place, errors);
    let kind = form
        .choice("type", Need::Required, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        .map(|kind| kind as u64);
    let name = form.text("name", Need::Required, 1..=32);
    if let Some(name) = name
        && !is_chat_name(name)
    {
        form.refuse(
            "name",
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid",
        );
    }
    localizations(&mut form, "name_localizations", 32, true);
    localizations(&mut form, "description_localizations", 100, false);
    let description = form.text("description", Need::Required, 1..=100);
    let required = form.boolean("required", Need::Optional);
    let autocomplete = form.boolean("autocomplete", Need::Optional);
    let kind = kind?;
    let allowed = match depth {
        Depth::Command => true,
        Depth::Group => kind == SUB_COMMAND,
        Depth::Subcommand => kind > SUB_COMMAND_GROUP,
    };
    if !allowed {
        form.refuse(
            "type",
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
            "Sub-commands and sub-command groups cannot be nested like this",
        );
        return None;
    }
    let mut option = json!({"type": kind, "name": name?, "description": description?});
    for key in ["name_localizations", "description_localizations"] {
        if let Some(value) = object.get(key).filter(|value| !value.is_null()) {
            option[key] = value.clone();
        }
    }
    if required == Some(true) {
        option["required"] = json!(true);
    }
    if autocomplete == Some(true) {
        if !matches!(kind, STRING | INTEGER | NUMBER) {
            form.refuse(
                "autocomplete",
                "APPLICATION_COMMAND_OPTION_AUTOCOMPLETE_INVALID",
                "Autocomplete is only available for string, integer and number options",
            );
        }
        option["autocomplete"] = json!(true);
    }
    let list = form
        .list("choices", Need::Optional, 0..=25)
        .unwrap_or_default();
    if !list.is_empty() {
        if !matches!(kind, STRING | INTEGER | NUMBER) {
            form.refuse(
                "choices",
                "APPLICATION_COMMAND_OPTION_CHOICES_INVALID",
                "Choices are only available for string, integer and number options",
            );
        }
        if autocomplete == Some(true) {
            form.refuse(
                "choices",
                "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_WITH_CHOICES",
                "Autocomplete options cannot have choices",
            );
        }
        let place = form.place("choices");
        choices(list, kind, &place, form.errors);
        option["choices"] = Value::Array(list.to_vec());
    }
    for key in ["min_value", "max_value"] {
        let Some(value) = object.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let fits = match kind {
            INTEGER => value.is_i64() || value.as_f64().is_some_and(|value| value.fract() == 0.0),
            NUMBER => value.is_number(),
            _ => false,
        };
        if !fits {
            form.refuse(
                key,
                "NUMBER_TYPE_COERCE",
                format!("Value \"{value}\" does not fit the option's type."),
            );
        }
        option[key] = value.clone();
    }
    for (key, least) in [("min_length", 0), ("max_length", 1)] {
        if let Some(value) = form.integer(key, Need::Optional, least..=6_000) {
            option[key] = json!(value);
        }
    }
    if kind == CHANNEL
        && let Some(types) = numbers(
            &mut form,
            "channel_types",
            &[0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16],
        )
    {
        option["channel_types"] = json!(types);
    }
    if kind == SUB_COMMAND || kind == SUB_COMMAND_GROUP {
        let least = usize::from(kind == SUB_COMMAND_GROUP);
        let need = if least == 1 {
            Need::Required
        } else {
            Need::Optional
        };
        let list = form.list("options", need, least..=25).unwrap_or_default();
        let below = if kind == SUB_COMMAND {
            Depth::Subcommand
        } else {
            Depth::Group
        };
        let place = form.place("options");
        option["options"] = Value::Array(options(list, &place, form.errors, below));
    } else if object
        .get("options")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
    {
        form.refuse(
            "options",
            "APPLICATION_COMMAND_OPTIONS_INVALID",
            "Only sub-commands and groups have options",
        );
    }
    Some(option)
}

fn choices(list: &[Value], kind: u64, place: &str, errors: &mut Errors) {
    let mut names: Vec<&str> = Vec::with_capacity(list.len());
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
        let mut form = Form::new(object, place, errors);
        if let Some(name) = form.text("name", Need::Required, 1..=100) {
            if names.contains(&name) {
                form.refuse(
                    "name",
                    "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS",
                    "Choice name must be unique",
                );
            }
            names.push(name);
        }
        match kind {
            STRING => {
                form.text("value", Need::Required, 1..=100);
            }
            INTEGER => {
                form.integer("value", Need::Required, -(1 << 53)..=1 << 53);
            }
            _ => match object.get("value") {
                Some(value) if value.is_number() => {}
                _ => form.refuse("value", "NUMBER_TYPE_COERCE", "Value is not a number."),
            },
        }
    }
}

fn localizations(form: &mut Form<'_, '_>, key: &str, most: usize, chat_name: bool) {
    let Some(object) = form.object(key, Need::Optional) else {
        return;
    };
    for (locale, value) in object {
        let inner = format!("{key}.{locale}");
        if !LOCALES.contains(&locale.as_str()) {
            form.refuse(&inner, "BASE_TYPE_CHOICES", "Locale is not known");
            continue;
        }
        let Some(text) = value.as_str() else {
            if !value.is_null() {
                form.refuse(
                    &inner,
                    "STRING_TYPE_CONVERT",
                    format!("Could not interpret \"{value}\" as string."),
                );
            }
            continue;
        };
        if text.is_empty() || text.chars().count() > most {
            form.refuse(
                &inner,
                "BASE_TYPE_BAD_LENGTH",
                format!("Must be between 1 and {most} in length."),
            );
        } else if chat_name && !is_chat_name(text) {
            form.refuse(
                &inner,
                "APPLICATION_COMMAND_INVALID_NAME",
                "Command name is invalid",
            );
        }
    }
}

fn member_permissions(form: &mut Form<'_, '_>) -> Option<String> {
    let value = form.object.get("default_member_permissions")?;
    match value {
        Value::Null => None,
        Value::String(text) if text.parse::<u64>().is_ok() => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        other => {
            let message = format!("Value \"{other}\" is not a set of permissions.");
            form.refuse("default_member_permissions", "NUMBER_TYPE_COERCE", message);
            None
        }
    }
}

fn numbers(form: &mut Form<'_, '_>, key: &str, choices: &[u64]) -> Option<Vec<u64>> {
    let list = form.list(key, Need::Optional, 0..=32)?;
    let mut numbers = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        match value.as_u64().filter(|value| choices.contains(value)) {
            Some(value) => numbers.push(value),
            None => form.refuse(
                &format!("{key}.{index}"),
                "BASE_TYPE_CHOICES",
                format!("Value must be one of {choices:?}."),
            ),
        }
    }
    Some(numbers)
}

/// Names of chat commands and options: letters, digits, `-`, `_` and `'`, nothing in upper case.
fn is_chat_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= 32
        && name.chars().all(|c| {
            (c.is_alphanumeric() || matches!(c, '-' | '_' | '\''))
                && c.to_lowercase().eq(std::iter::once(c))
        })
}

/// Counts the characters that Discord limits to 8,000: names, descriptions and choice values.
fn characters(command: &Value) -> usize {
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .map_or(0, |text| text.chars().count())
    };
    let below = |key: &str| {
        command
            .get(key)
            .and_then(Value::as_array)
            .map_or(0, |list| list.iter().map(characters).sum::<usize>())
    };
    text(command, "name")
        + text(command, "description")
        + text(command, "value")
        + below("options")
        + below("choices")
}

pub(crate) const CHAT_INPUT: u64 = 1;
const PRIMARY_ENTRY_POINT: u64 = 4;
pub(crate) const SUB_COMMAND: u64 = 1;
pub(crate) const SUB_COMMAND_GROUP: u64 = 2;
pub(crate) const STRING: u64 = 3;
pub(crate) const INTEGER: u64 = 4;
pub(crate) const CHANNEL: u64 = 7;
pub(crate) const NUMBER: u64 = 10;
const MOST_CHARACTERS: usize = 8_000;
const LOCALES: [&str; 34] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl",
    "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko", "ar", "he",
];

#[cfg(test)]
mod tests;
