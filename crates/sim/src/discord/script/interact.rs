//! Interactions as people start them: commands, suggestions, buttons, selects, modals.

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};

use super::{Json, ScriptError};
use crate::discord::{
    Discord,
    check::command::{
        CHANNEL, CHAT_INPUT, INTEGER, NUMBER, STRING, SUB_COMMAND, SUB_COMMAND_GROUP,
    },
    event::{Message, each_component},
    id::{ChannelId, GuildId, InteractionId, MessageId, UserId},
    world::{
        World,
        interaction::{Kind, NewInteraction},
    },
};

/// An interaction under way.
#[derive(Clone)]
pub struct Interaction {
    discord: Discord,
    id: InteractionId,
    what: String,
}

impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interaction")
            .field("id", &self.id)
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

/// How a bot acknowledged an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Callback type, as Discord numbers them: 4 message, 5 deferred, 6 deferred update,
    /// 7 update, 8 suggestions, 9 modal.
    pub kind: u8,
    /// Time from the dispatch to the callback.
    pub after: Duration,
}

/// What became of an interaction so far.
#[derive(Debug, Clone)]
pub struct InteractionState {
    /// The callback, once there is one.
    pub acknowledgement: Option<Acknowledgement>,
    /// The original answer, loading or not; for components the message they sit on.
    pub original: Option<Message>,
    /// Follow-ups, oldest first.
    pub follow_ups: Vec<Message>,
}

impl Interaction {
    /// Returns its id.
    pub fn id(&self) -> InteractionId {
        self.id
    }

    /// Returns what became of it so far.
    pub fn state(&self) -> InteractionState {
        let world = self.discord.shared.world();
        let Ok(one) = world.interaction(self.id) else {
            return InteractionState {
                acknowledgement: None,
                original: None,
                follow_ups: Vec::new(),
            };
        };
        let message = |id: MessageId| world.message(one.channel, id).ok().cloned();
        InteractionState {
            acknowledgement: one.acknowledged.map(|one| Acknowledgement {
                kind: one.kind,
                after: one.after,
            }),
            original: one.original.and_then(message),
            follow_ups: one.follow_ups.iter().copied().filter_map(message).collect(),
        }
    }

    /// Waits for the callback.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn acknowledged(&self) -> Result<Acknowledgement, ScriptError> {
        self.wait("an acknowledgement of", |this| this.state().acknowledgement)
            .await
    }

    /// Waits for the answer with content: the response, the edited deferred response, the
    /// updated message, or, if none of these comes, a follow-up.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn answer(&self) -> Result<Message, ScriptError> {
        self.wait("an answer to", |this| {
            let answers = this
                .discord
                .shared
                .world()
                .interaction(this.id)
                .map_or(0, |one| one.answers);
            if answers == 0 {
                return None;
            }
            let state = this.state();
            let is_update = state
                .acknowledgement
                .is_some_and(|one| matches!(one.kind, 6));
            let original = state.original.filter(|message| !message.is_loading());
            if is_update && let Some(last) = state.follow_ups.last() {
                return Some(last.clone());
            }
            original.or_else(|| state.follow_ups.last().cloned())
        })
        .await
    }

    /// Waits for the first follow-up that is a message of its own.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn follow_up(&self) -> Result<Message, ScriptError> {
        self.wait("a follow-up to", |this| {
            this.state().follow_ups.into_iter().next()
        })
        .await
    }

    /// Waits for suggestions: a list of `{name, value}`.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn choices(&self) -> Result<Json, ScriptError> {
        self.wait("suggestions for", |this| {
            this.discord
                .shared
                .world()
                .interaction(this.id)
                .ok()?
                .choices
                .clone()
        })
        .await
    }

    /// Waits for a modal.
    ///
    /// # Errors
    /// `TimedOut`.
    pub async fn modal(&self) -> Result<Json, ScriptError> {
        self.wait("a modal in answer to", |this| {
            this.discord
                .shared
                .world()
                .interaction(this.id)
                .ok()?
                .modal
                .clone()
        })
        .await
    }

    /// Fills in the modal that answered this interaction and sends it: pairs of custom id and
    /// value, where selects take lists.
    ///
    /// # Errors
    /// `Refused` if there is no modal, or a field is unknown, missing or too long.
    pub fn submit(&self, fields: &[(&str, Value)]) -> Result<Self, ScriptError> {
        let what = "the modal".to_owned();
        let mut world = self.discord.shared.world();
        let refused = |why: String| ScriptError::Refused {
            what: what.clone(),
            why,
        };
        let one = world
            .interaction(self.id)
            .map_err(|refusal| refused(refusal.message))?;
        let modal = one
            .modal
            .clone()
            .ok_or_else(|| refused("none was opened".to_owned()))?;
        let (application, user, channel, source) =
            (one.application, one.user, one.channel, one.source);
        let components = fill(&modal["components"], fields).map_err(refused)?;
        let data = json!({"custom_id": modal["custom_id"], "components": components});
        let name = format!("modal {}", modal["custom_id"]);
        let id = world
            .send_interaction(NewInteraction {
                application,
                kind: Kind::ModalSubmit,
                user,
                channel,
                what: name.clone(),
                data,
                source,
                command: None,
            })
            .map_err(|refusal| refused(refusal.message))?;
        Ok(Self {
            discord: self.discord.clone(),
            id,
            what: name,
        })
    }

    async fn wait<T>(
        &self,
        what: &str,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, ScriptError> {
        let this = self.clone();
        self.discord
            .until(&format!("{what} {}", self.what), move |_| probe(&this))
            .await
    }
}

impl Discord {
    /// Lets a person use a chat command: `/name`, or `/name sub` with subcommands. Options are
    /// pairs of name and value: text, numbers, Booleans; ids as text for users and channels.
    ///
    /// # Errors
    /// `NoCommand`, or `Refused` for what a client would not send.
    pub fn command(
        &self,
        user: UserId,
        channel: ChannelId,
        command: &str,
        options: &[(&str, Value)],
    ) -> Result<Interaction, ScriptError> {
        self.invoke(user, channel, command, options, None)
    }

    /// Lets a person type in an option of a command, so that the bot suggests values.
    ///
    /// # Errors
    /// `NoCommand`, or `Refused` if the option has no autocomplete.
    pub fn autocomplete(
        &self,
        user: UserId,
        channel: ChannelId,
        command: &str,
        options: &[(&str, Value)],
        focused: &str,
    ) -> Result<Interaction, ScriptError> {
        self.invoke(user, channel, command, options, Some(focused))
    }

    /// Lets a person press a button.
    ///
    /// # Errors
    /// `Refused` if the person does not see the message, or the button is missing or disabled.
    pub fn press(
        &self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
    ) -> Result<Interaction, ScriptError> {
        self.component(user, channel, message, custom_id, None)
    }

    /// Lets a person choose in a select.
    ///
    /// # Errors
    /// `Refused` as for `press`, or if the values are not among the options or too many.
    pub fn choose(
        &self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        values: &[&str],
    ) -> Result<Interaction, ScriptError> {
        self.component(user, channel, message, custom_id, Some(values))
    }

    fn invoke(
        &self,
        user: UserId,
        channel: ChannelId,
        command: &str,
        options: &[(&str, Value)],
        focused: Option<&str>,
    ) -> Result<Interaction, ScriptError> {
        let mut world = self.shared.world();
        let refused = |why: String| ScriptError::Refused {
            what: format!("`{command}`"),
            why,
        };
        world
            .demand(user, channel, 1 << 31)
            .map_err(|refusal| refused(refusal.message))?;
        let guild = world
            .channel(channel)
            .ok()
            .and_then(|(_, channel)| channel.guild);
        let mut words = command.trim_start_matches('/').split_whitespace();
        let name = words.next().unwrap_or_default();
        let found = applications_here(&world, guild)
            .into_iter()
            .find_map(|application| {
                Some((application, world.find_command(application, guild, name)?))
            });
        let Some((application, (scope, registered))) = found else {
            return Err(ScriptError::NoCommand {
                name: name.to_owned(),
                registered: registered_names(&world, guild),
            });
        };
        let path: Vec<&str> = words.collect();
        let fields = Value::Object(registered.fields.clone());
        let (list, mut resolved) = (fields["options"].clone(), Map::new());
        let filled = fill_options(&world, guild, &list, &path, options, focused, &mut resolved)
            .map_err(refused)?;
        let mut data = json!({
            "id": registered.id,
            "name": registered.name(),
            "type": CHAT_INPUT,
        });
        if !filled.is_empty() {
            data["options"] = json!(filled);
        }
        if !resolved.is_empty() {
            data["resolved"] = Value::Object(resolved);
        }
        if let Some(scope) = scope {
            data["guild_id"] = json!(scope);
        }
        let (kind, what) = match focused {
            None => (
                Kind::Command,
                format!("/{}", command.trim_start_matches('/')),
            ),
            Some(_) => (Kind::Autocomplete, format!("suggestions for /{name}")),
        };
        let id = world
            .send_interaction(NewInteraction {
                application,
                kind,
                user,
                channel,
                what: what.clone(),
                data,
                source: None,
                command: Some((registered.name().to_owned(), CHAT_INPUT)),
            })
            .map_err(|refusal| refused(refusal.message))?;
        drop(world);
        Ok(Interaction {
            discord: self.clone(),
            id,
            what,
        })
    }

    fn component(
        &self,
        user: UserId,
        channel: ChannelId,
        message: MessageId,
        custom_id: &str,
        values: Option<&[&str]>,
    ) -> Result<Interaction, ScriptError> {
        let mut world = self.shared.world();
        let refused = |why: &str| ScriptError::Refused {
            what: format!("`{custom_id}`"),
            why: why.to_owned(),
        };
        world
            .demand(user, channel, 0)
            .map_err(|refusal| refused(&refusal.message))?;
        let seen = world
            .message(channel, message)
            .ok()
            .filter(|message| message.only_for.is_none_or(|only| only == user))
            .ok_or_else(|| refused("the message is not there"))?;
        let component = seen
            .component(custom_id)
            .ok_or_else(|| refused(&format!("the message has only {:?}", seen.custom_ids())))?;
        if component["disabled"] == true {
            return Err(refused("it is disabled"));
        }
        let application = seen.json["application_id"]
            .as_str()
            .and_then(|id| id.parse().ok());
        let application = application
            .or_else(|| {
                let author = seen.author;
                world
                    .applications
                    .values()
                    .find(|application| application.bot == author)
                    .map(|application| application.id)
            })
            .ok_or_else(|| refused("no bot wrote the message"))?;
        let kind = component["type"].as_u64().unwrap_or(0);
        let mut data =
            json!({"custom_id": custom_id, "component_type": kind, "id": component["id"]});
        match (kind, values) {
            (BUTTON, None) if component["custom_id"].is_string() => {}
            (BUTTON, _) => return Err(refused("it is a button")),
            (_, None) => return Err(refused("it is a select")),
            (kind, Some(values)) => {
                check_values(&component, values).map_err(|why| refused(&why))?;
                data["values"] = json!(values);
                if kind != STRING {
                    let guild = world
                        .channel(channel)
                        .ok()
                        .and_then(|(_, channel)| channel.guild);
                    let mut resolved = Map::new();
                    // Selects and options number the same things differently.
                    let as_option = match kind {
                        5 => 6,
                        6 => 8,
                        7 => 9,
                        _ => CHANNEL,
                    };
                    for value in values {
                        resolve(&world, guild, value, as_option, &mut resolved);
                    }
                    data["resolved"] = Value::Object(resolved);
                }
            }
        }
        let what = format!("component {custom_id}");
        let id = world
            .send_interaction(NewInteraction {
                application,
                kind: Kind::Component,
                user,
                channel,
                what: what.clone(),
                data,
                source: Some(message),
                command: None,
            })
            .map_err(|refusal| refused(&refusal.message))?;
        drop(world);
        Ok(Interaction {
            discord: self.clone(),
            id,
            what,
        })
    }
}

fn applications_here(world: &World, guild: Option<GuildId>) -> Vec<crate::discord::ApplicationId> {
    world
        .applications
        .values()
        .filter(|application| {
            guild.is_none_or(|guild| {
                world
                    .guild(guild)
                    .is_ok_and(|guild| guild.members.contains_key(&application.bot))
            })
        })
        .map(|application| application.id)
        .collect()
}

fn registered_names(world: &World, guild: Option<GuildId>) -> String {
    let mut names: Vec<String> = Vec::new();
    for application in applications_here(world, guild) {
        for scope in [None, guild] {
            if let Ok(Some(commands)) = world.commands(application, scope) {
                names.extend(
                    commands
                        .values()
                        .map(|command| format!("/{}", command.name())),
                );
            }
        }
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(" ")
    }
}

/// Fills the options of a command as a client does, following the path of subcommands.
fn fill_options(
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
fn resolve(
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

fn check_values(component: &Value, values: &[&str]) -> Result<(), String> {
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
fn fill(components: &Value, fields: &[(&str, Value)]) -> Result<Vec<Value>, String> {
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
const BUTTON: u64 = 2;
const TEXT_INPUT: u64 = 4;
const LABEL: u64 = 18;
