//! What a client of Discord puts into interactions: options, ids resolved, fields of modals.

use serde_json::{Map, Value, json};

use crate::discord::{
    check::command::{CHANNEL, INTEGER, NUMBER, STRING, SUB_COMMAND, SUB_COMMAND_GROUP},
    event::each_component,
    id::GuildId,
    world::World,
};

/// Fills the options of a command as a client does, following the path of subcommands.
pub(super) fn fill_options(
    world: &World,
    guild: Option<GuildId>,
    list: &Value,
    path: &[&str],
    given: &[(&str, Value)],
    focused: Option<&str>,
    resolved: &mut Map<String, Value>,
) -> Result<Vec<Value>, String> {
    let known: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    let nested = |option: &Value| {
        matches!(
            option["type"].as_u64(),
            Some(SUB_COMMAND | SUB_COMMAND_GROUP)
        )
    };
    if known.iter().any(|option| nested(option)) {
        let name = path.first().ok_or("a subcommand is missing")?;
        let option = known
            .iter()
            .find(|option| option["name"] == *name)
            .ok_or_else(|| format!("there is no subcommand `{name}`"))?;
        let below = fill_options(
            world,
            guild,
            &option["options"],
            &path[1..],
            given,
            focused,
            resolved,
        )?;
        return Ok(vec![
            json!({"type": option["type"], "name": name, "options": below}),
        ]);
    }
    for (name, _) in given {
        if !known.iter().any(|option| option["name"] == *name) {
            return Err(format!("there is no option `{name}`"));
        }
    }
    let mut filled = Vec::new();
    for option in known {
        let name = option["name"].as_str().unwrap_or_default();
        let kind = option["type"].as_u64().unwrap_or(STRING);
        let Some((_, value)) = given.iter().find(|(given, _)| *given == name) else {
            if option["required"] == true && focused.is_none() {
                return Err(format!("the option `{name}` is required"));
            }
            continue;
        };
        let mut entry = json!({"type": kind, "name": name, "value": value});
        if focused == Some(name) {
            if option["autocomplete"] != true {
                return Err(format!("the option `{name}` has no autocomplete"));
            }
            entry["focused"] = json!(true);
        } else if focused.is_none() {
            check_option(option, kind, value)
                .map_err(|why| format!("the option `{name}` {why}"))?;
        }
        if matches!(kind, 6..=9) {
            resolve(
                world,
                guild,
                value.as_str().unwrap_or_default(),
                kind,
                resolved,
            );
        }
        filled.push(entry);
    }
    Ok(filled)
}

fn check_option(option: &Value, kind: u64, value: &Value) -> Result<(), String> {
    let fits = match kind {
        STRING => value.is_string(),
        INTEGER => value.is_i64() || value.is_u64(),
        5 => value.is_boolean(),
        NUMBER => value.is_number(),
        _ => value.as_str().is_some_and(|id| id.parse::<u64>().is_ok()),
    };
    if !fits {
        return Err(format!("does not take {value}"));
    }
    if let Some(choices) = option["choices"]
        .as_array()
        .filter(|choices| !choices.is_empty())
        && !choices.iter().any(|choice| choice["value"] == *value)
    {
        return Err(format!("has no choice {value}"));
    }
    if let Some(number) = value.as_f64() {
        if option["min_value"]
            .as_f64()
            .is_some_and(|least| number < least)
        {
            return Err(format!("must be at least {}", option["min_value"]));
        }
        if option["max_value"]
            .as_f64()
            .is_some_and(|most| number > most)
        {
            return Err(format!("must be at most {}", option["max_value"]));
        }
    }
    if let Some(text) = value.as_str() {
        let count = text.chars().count() as u64;
        let least = option["min_length"].as_u64().unwrap_or(0);
        let most = option["max_length"].as_u64().unwrap_or(6_000);
        if kind == STRING && !(least..=most).contains(&count) {
            return Err(format!("takes {least} to {most} characters"));
        }
    }
    Ok(())
}

/// Adds what an id stands for to `resolved`; `kind` as in command options: 6 user, 7 channel,
/// 8 role, 9 either user or role.
pub(super) fn resolve(
    world: &World,
    guild: Option<GuildId>,
    id: &str,
    kind: u64,
    resolved: &mut Map<String, Value>,
) {
    let mut add = |group: &str, value: Value| {
        let group = resolved.entry(group).or_insert_with(|| json!({}));
        group[id] = value;
    };
    let found = guild.and_then(|guild| world.guild(guild).ok());
    if matches!(kind, 6 | 9)
        && let Some(user) = id.parse().ok().and_then(|id| world.users.get(&id))
    {
        add("users", user.json());
        if let Some(member) = found.and_then(|guild| guild.members.get(&user.id)) {
            let mut member = member.partial_json();
            member["permissions"] = json!("0");
            add("members", member);
        }
    }
    if kind == CHANNEL
        && let Some(channel) = id.parse().ok().and_then(|id| found?.channels.get(&id))
    {
        let mut channel = channel.json();
        channel["permissions"] = json!("0");
        add("channels", channel);
    }
    if matches!(kind, 8 | 9)
        && let Some(role) = id.parse().ok().and_then(|id| found?.roles.get(&id))
    {
        add("roles", role.json());
    }
}

pub(super) fn check_values(component: &Value, values: &[&str]) -> Result<(), String> {
    let least = component["min_values"].as_u64().unwrap_or(1) as usize;
    let most = component["max_values"].as_u64().unwrap_or(1) as usize;
    if !(least..=most).contains(&values.len()) {
        return Err(format!("takes {least} to {most} values"));
    }
    if component["type"] == STRING {
        let options: Vec<&str> = component["options"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|option| option["value"].as_str())
            .collect();
        if let Some(stranger) = values.iter().find(|value| !options.contains(value)) {
            return Err(format!("has no option `{stranger}`, only {options:?}"));
        }
    }
    Ok(())
}

/// Fills the fields of a modal, in the shape Discord submits them.
pub(super) fn fill(components: &Value, fields: &[(&str, Value)]) -> Result<Vec<Value>, String> {
    let mut known = Vec::new();
    each_component(components, &mut |component| {
        if let Some(id) = component["custom_id"].as_str() {
            known.push(id.to_owned());
        }
    });
    if let Some((stranger, _)) = fields
        .iter()
        .find(|(name, _)| !known.iter().any(|id| id == name))
    {
        return Err(format!("there is no field `{stranger}`, only {known:?}"));
    }
    let submit = |field: &Value| -> Result<Value, String> {
        let id = field["custom_id"].as_str().unwrap_or_default();
        let given = fields
            .iter()
            .find(|(name, _)| *name == id)
            .map(|(_, value)| value);
        let mut entry = json!({"type": field["type"], "custom_id": id, "id": field["id"]});
        if field["type"] == TEXT_INPUT {
            let text = given
                .and_then(Value::as_str)
                .or_else(|| field["value"].as_str())
                .unwrap_or_default();
            let count = text.chars().count() as u64;
            let least = field["min_length"].as_u64().unwrap_or(0);
            let most = field["max_length"].as_u64().unwrap_or(4_000);
            let required = field["required"].as_bool().unwrap_or(true);
            if (required && count == 0) || (count > 0 && count < least) || count > most {
                return Err(format!(
                    "the field `{id}` takes {least} to {most} characters"
                ));
            }
            entry["value"] = json!(text);
        } else if let Some(list) = given.filter(|value| value.is_array()) {
            entry["values"] = list.clone();
        } else {
            entry["value"] = given.cloned().unwrap_or(Value::Null);
        }
        Ok(entry)
    };
    let mut filled = Vec::new();
    for component in components.as_array().into_iter().flatten() {
        let id = &component["id"];
        match component["type"].as_u64() {
            Some(ROW) => {
                let inner = submit(&component["components"][0])?;
                filled.push(json!({"type": ROW, "id": id, "components": [inner]}));
            }
            Some(LABEL) => {
                let inner = submit(&component["component"])?;
                filled.push(json!({"type": LABEL, "id": id, "component": inner}));
            }
            _ => filled.push(json!({"type": component["type"], "id": id})),
        }
    }
    Ok(filled)
}

const ROW: u64 = 1;
const TEXT_INPUT: u64 = 4;
const LABEL: u64 = 18;
