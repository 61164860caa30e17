//! The table of commands as Discord wants it, and whether Discord has it already.

use serde_json::{Value as Json, json};
use twilight_model::application::command::{
    Command, CommandOption, CommandOptionChoice, CommandOptionChoiceValue, CommandOptionType,
    CommandOptionValue, CommandType,
};
use twilight_model::application::interaction::InteractionContextType;
use twilight_model::id::Id;
use twilight_model::oauth::ApplicationIntegrationType;

use crate::command::{COMMANDS, CommandSpec, OptionKind, OptionSpec};

/// Returns all commands, as they are registered.
pub fn commands() -> Vec<Command> {
    COMMANDS.iter().map(command).collect()
}

/// Returns whether `registered` differs from our commands in anything people or we notice.
pub fn differs(registered: &[Command]) -> bool {
    shapes(registered) != shapes(&commands())
}

#[expect(
    deprecated,
    reason = "the struct still has the field that contexts replaced"
)]
fn command(spec: &CommandSpec) -> Command {
    Command {
        application_id: None,
        contexts: Some(vec![InteractionContextType::Guild]),
        default_member_permissions: None,
        description: spec.description.to_owned(),
        description_localizations: None,
        dm_permission: None,
        guild_id: None,
        id: None,
        integration_types: Some(vec![ApplicationIntegrationType::GuildInstall]),
        kind: CommandType::ChatInput,
        name: spec.name.to_owned(),
        name_localizations: None,
        nsfw: None,
        options: spec.options.iter().map(option).collect(),
        // Ignored when registering; the type has no way to leave it out.
        version: Id::new(1),
    }
}

fn option(spec: &OptionSpec) -> CommandOption {
    let mut option = CommandOption {
        autocomplete: None,
        channel_types: None,
        choices: None,
        description: spec.description.to_owned(),
        description_localizations: None,
        file_types: None,
        kind: CommandOptionType::String,
        max_length: None,
        max_value: None,
        min_length: None,
        min_value: None,
        name: spec.name.to_owned(),
        name_localizations: None,
        options: None,
        required: Some(spec.required),
    };
    match spec.kind {
        OptionKind::Text { max, complete } => {
            option.max_length = Some(max);
            option.autocomplete = complete.then_some(true);
        }
        OptionKind::Integer { min, max } => {
            option.kind = CommandOptionType::Integer;
            option.min_value = Some(CommandOptionValue::Integer(min));
            option.max_value = Some(CommandOptionValue::Integer(max));
        }
        OptionKind::Choice(choices) => {
            option.choices = Some(
                choices
                    .iter()
                    .map(|(name, value)| CommandOptionChoice {
                        name: (*name).to_owned(),
                        name_localizations: None,
                        value: CommandOptionChoiceValue::String((*value).to_owned()),
                    })
                    .collect(),
            );
        }
    }
    option
}

/// Returns what counts of commands, sorted by name: Discord adds ids, versions and defaults.
fn shapes(commands: &[Command]) -> Vec<(String, Json)> {
    let mut shapes: Vec<_> = commands
        .iter()
        .map(|command| {
            let options: Vec<Json> = command.options.iter().map(option_shape).collect();
            let contexts: Option<Vec<u8>> = command
                .contexts
                .as_ref()
                .map(|contexts| contexts.iter().map(|context| u8::from(*context)).collect());
            let shape = json!({
                "kind": u8::from(command.kind),
                "description": command.description,
                "contexts": contexts,
                "options": options,
            });
            (command.name.clone(), shape)
        })
        .collect();
    shapes.sort_by(|a, b| a.0.cmp(&b.0));
    shapes
}

fn option_shape(option: &CommandOption) -> Json {
    let number = |value: Option<CommandOptionValue>| match value {
        Some(CommandOptionValue::Integer(value)) => Some(value),
        // Written as `0.0` by some; ours are whole.
        Some(CommandOptionValue::Number(value)) => Some(value as i64),
        None => None,
    };
    let choices: Vec<Json> = option
        .choices
        .iter()
        .flatten()
        .map(|choice| {
            json!([
                choice.name,
                serde_json::to_value(&choice.value).unwrap_or_default()
            ])
        })
        .collect();
    json!({
        "kind": option.kind as u8,
        "name": option.name,
        "description": option.description,
        "required": option.required.unwrap_or(false),
        "autocomplete": option.autocomplete.unwrap_or(false),
        "choices": choices,
        "min_value": number(option.min_value),
        "max_value": number(option.max_value),
        "min_length": option.min_length,
        "max_length": option.max_length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_passes_the_validation_of_discord_clients() {
        for command in commands() {
            twilight_validate::command::command(&command).expect(&command.name);
        }
    }

    #[test]
    fn what_discord_adds_is_no_difference() {
        let mut registered = commands();
        registered.reverse();
        for (command, id) in registered.iter_mut().zip(100..) {
            command.id = Some(Id::new(id));
            command.application_id = Some(Id::new(1));
            command.version = Id::new(id + 1000);
            command.nsfw = Some(false);
            for option in &mut command.options {
                option.required = option.required.filter(|required| *required);
                option.autocomplete = option.autocomplete.or(Some(false));
            }
        }
        assert!(!differs(&registered));
    }

    #[test]
    fn what_people_notice_is_a_difference() {
        type Change = fn(&mut Vec<Command>);
        let changes: [(&str, Change); 6] = [
            ("a command is missing", |commands| {
                commands.pop();
            }),
            ("another command is there", |commands| {
                let mut other = commands[0].clone();
                other.name = "other".into();
                commands.push(other);
            }),
            ("a description", |commands| {
                commands[0].description.push('!');
            }),
            ("a limit", |commands| {
                commands[0].options[0].max_length = Some(7);
            }),
            ("an option is optional", |commands| {
                commands[0].options[0].required = Some(false);
            }),
            ("where it can be used", |commands| {
                commands[0].contexts = None;
            }),
        ];
        for (name, change) in changes {
            let mut registered = commands();
            change(&mut registered);
            assert!(differs(&registered), "{name}");
        }
    }
}
