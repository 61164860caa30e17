//! Application commands.

use serde_json::{Value, json};

use super::{
    Caller, Reply,
    body::Content,
    query_value,
    route::{CommandAction, Commands},
};
use crate::discord::{
    check::command::{check, check_all},
    refusal::Refusal,
    world::World,
};

pub(crate) fn handle(
    world: &mut World,
    caller: Caller,
    route: &Commands,
    query: &str,
    content: &Content,
) -> Result<Reply, Refusal> {
    if route.application != caller.application {
        return Err(Refusal::wrong_application());
    }
    if let Some(guild) = route.guild
        && !world
            .guild(guild)
            .is_ok_and(|guild| guild.members.contains_key(&caller.bot))
    {
        return Err(Refusal::missing_access());
    }
    let (application, guild) = (route.application, route.guild);
    match route.action {
        CommandAction::List => {
            let localizations =
                query_value(query, "with_localizations").is_some_and(|value| value == "true");
            let list: Vec<Value> = world
                .commands(application, guild)?
                .into_iter()
                .flat_map(|commands| commands.values())
                .map(|command| command.json(application, guild, localizations))
                .collect();
            Ok(Reply::Json(json!(list)))
        }
        CommandAction::Create => {
            let fields = check(content.value()?)?;
            let (is_new, json) = world.upsert_command(application, guild, fields)?;
            Ok(if is_new {
                Reply::Created(json)
            } else {
                Reply::Json(json)
            })
        }
        CommandAction::Overwrite => {
            let list = check_all(content.value()?)?;
            Ok(Reply::Json(json!(world.overwrite_commands(
                application,
                guild,
                list
            )?)))
        }
        CommandAction::Get(id) => {
            let command = world
                .commands(application, guild)?
                .and_then(|commands| commands.get(&id))
                .ok_or_else(Refusal::unknown_command)?;
            Ok(Reply::Json(command.json(application, guild, true)))
        }
        CommandAction::Edit(id) => {
            let mut fields = world
                .commands(application, guild)?
                .and_then(|commands| commands.get(&id))
                .ok_or_else(Refusal::unknown_command)?
                .fields
                .clone();
            for (key, value) in content.object()? {
                if key != "type" {
                    fields.insert(key.clone(), value.clone());
                }
            }
            let fields = check(&Value::Object(fields))?;
            Ok(Reply::Json(world.replace_command(
                application,
                guild,
                id,
                fields,
            )?))
        }
        CommandAction::Delete(id) => {
            world.delete_command(application, guild, id)?;
            Ok(Reply::Empty)
        }
        CommandAction::Permissions | CommandAction::Entitlements | CommandAction::Skus => {
            Ok(Reply::Json(json!([])))
        }
        CommandAction::Emojis => Ok(Reply::Json(json!({"items": []}))),
    }
}
