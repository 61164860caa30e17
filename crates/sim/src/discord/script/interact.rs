//! Interactions as people start them: commands, suggestions, buttons, selects, modals.

mod fill;

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};

use self::fill::{check_values, fill, fill_options, resolve};
use super::{Json, ScriptError};
use crate::discord::{
    Discord,
    check::command::{CHANNEL, CHAT_INPUT, STRING},
    event::Message,
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

const BUTTON: u64 = 2;
