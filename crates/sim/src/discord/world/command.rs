//! Application commands.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::World;
use crate::discord::{
    check::{Object, command::MOST},
    event::WorldEvent,
    id::{ApplicationId, CommandId, GuildId},
    journal::Entry,
    refusal::Refusal,
};

/// A registered command.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: CommandId,
    version: u64,
    pub(crate) fields: Object,
}

impl Command {
    pub(crate) fn name(&self) -> &str {
        self.fields
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> u64 {
        self.fields.get("type").and_then(Value::as_u64).unwrap_or(1)
    }

    /// Writes the command as the REST API returns it.
    pub(crate) fn json(
        &self,
        application: ApplicationId,
        guild: Option<GuildId>,
        localizations: bool,
    ) -> Value {
        let mut json = Value::Object(self.fields.clone());
        json["id"] = json!(self.id);
        json["application_id"] = json!(application);
        json["version"] = json!(self.version.to_string());
        if let Some(guild) = guild {
            json["guild_id"] = json!(guild);
            if let Some(object) = json.as_object_mut() {
                object.remove("contexts");
                object.remove("integration_types");
                object.remove("dm_permission");
            }
        }
        if !localizations && let Some(object) = json.as_object_mut() {
            object.remove("name_localizations");
            object.remove("description_localizations");
        }
        json
    }
}

impl World {
    /// Returns the commands of a scope.
    pub(crate) fn commands(
        &self,
        application: ApplicationId,
        guild: Option<GuildId>,
    ) -> Result<Option<&BTreeMap<CommandId, Command>>, Refusal> {
        let application = self.application(application)?;
        Ok(match guild {
            None => Some(&application.global_commands),
            Some(guild) => application.guild_commands.get(&guild),
        })
    }

    fn scope(
        &mut self,
        application: ApplicationId,
        guild: Option<GuildId>,
    ) -> Result<&mut BTreeMap<CommandId, Command>, Refusal> {
        let application = self
            .applications
            .get_mut(&application)
            .ok_or_else(Refusal::unknown_application)?;
        Ok(match guild {
            None => &mut application.global_commands,
            Some(guild) => application.guild_commands.entry(guild).or_default(),
        })
    }

    /// Replaces all commands of a scope; those whose name stays keep their id.
    pub(crate) fn overwrite_commands(
        &mut self,
        application: ApplicationId,
        guild: Option<GuildId>,
        list: Vec<Object>,
    ) -> Result<Vec<Value>, Refusal> {
        let before = std::mem::take(self.scope(application, guild)?);
        let mut after = BTreeMap::new();
        for fields in list {
            let known = before.values().find(|command| {
                command.fields.get("name") == fields.get("name")
                    && command.fields.get("type") == fields.get("type")
            });
            let (id, version) = match known {
                Some(command) if command.fields == fields => (command.id, command.version),
                Some(command) => (command.id, self.next_id()),
                None => {
                    let id = self.next_id();
                    (CommandId::new(id), id)
                }
            };
            after.insert(
                id,
                Command {
                    id,
                    version,
                    fields,
                },
            );
        }
        let json = after
            .values()
            .map(|command| command.json(application, guild, true))
            .collect();
        *self.scope(application, guild)? = after;
        self.commands_changed(application, guild);
        Ok(json)
    }

    /// Creates a command, or replaces the one of the same name. Returns whether it is new.
    pub(crate) fn upsert_command(
        &mut self,
        application: ApplicationId,
        guild: Option<GuildId>,
        fields: Object,
    ) -> Result<(bool, Value), Refusal> {
        let fresh = self.next_id();
        let scope = self.scope(application, guild)?;
        let known = scope
            .values()
            .find(|command| {
                command.fields.get("name") == fields.get("name")
                    && command.fields.get("type") == fields.get("type")
            })
            .map(|command| command.id);
        let kind = fields.get("type").and_then(Value::as_u64).unwrap_or(1);
        let most = MOST
            .iter()
            .find(|(of, _)| *of == kind)
            .map_or(1, |(_, most)| *most);
        if known.is_none()
            && scope
                .values()
                .filter(|command| command.kind() == kind)
                .count()
                >= most
        {
            return Err(Refusal::too_many_commands());
        }
        let id = known.unwrap_or(CommandId::new(fresh));
        let command = Command {
            id,
            version: fresh,
            fields,
        };
        let json = command.json(application, guild, true);
        scope.insert(id, command);
        if known.is_none() {
            let created = self
                .applications
                .get_mut(&application)
                .map(|application| application.created_today.entry(guild).or_default());
            if let Some(created) = created {
                *created += 1;
                if *created > CREATES_PER_DAY {
                    self.scope(application, guild)?.remove(&id);
                    return Err(Refusal::too_many_command_creates());
                }
            }
        }
        self.commands_changed(application, guild);
        Ok((known.is_none(), json))
    }

    /// Replaces a command's fields, its id stays.
    pub(crate) fn replace_command(
        &mut self,
        application: ApplicationId,
        guild: Option<GuildId>,
        id: CommandId,
        fields: Object,
    ) -> Result<Value, Refusal> {
        let version = self.next_id();
        let scope = self.scope(application, guild)?;
        let command = scope.get_mut(&id).ok_or_else(Refusal::unknown_command)?;
        command.fields = fields;
        command.version = version;
        let json = command.json(application, guild, true);
        self.commands_changed(application, guild);
        Ok(json)
    }

    /// Removes a command.
    pub(crate) fn delete_command(
        &mut self,
        application: ApplicationId,
        guild: Option<GuildId>,
        id: CommandId,
    ) -> Result<(), Refusal> {
        self.scope(application, guild)?
            .remove(&id)
            .ok_or_else(Refusal::unknown_command)?;
        self.commands_changed(application, guild);
        Ok(())
    }

    fn commands_changed(&mut self, application: ApplicationId, guild: Option<GuildId>) {
        let names = self
            .commands(application, guild)
            .ok()
            .flatten()
            .map(|commands| {
                commands
                    .values()
                    .map(|command| command.name().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        self.journal.add(Entry::CommandsRegistered { guild, names });
        self.tell(WorldEvent::CommandsChanged { application, guild });
        self.touch();
    }

    /// Finds a command as a client would: of the guild, else global.
    pub(crate) fn find_command(
        &self,
        application: ApplicationId,
        guild: Option<GuildId>,
        name: &str,
    ) -> Option<(Option<GuildId>, Command)> {
        [guild, None].into_iter().find_map(|scope| {
            let commands = self.commands(application, scope).ok()??;
            let command = commands.values().find(|command| command.name() == name)?;
            Some((scope, command.clone()))
        })
    }
}

const CREATES_PER_DAY: u32 = 200;
