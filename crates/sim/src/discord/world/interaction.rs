//! Interactions: sent, acknowledged once within three seconds, answered for fifteen minutes.

mod webhook;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::RngExt;
use serde_json::{Value, json};

use super::{
    World,
    dispatch::Audience,
    message::{Origin, Post, Upload},
    permission,
};
use crate::discord::{
    check::{
        Form, Need, Object,
        message::{self as message_check, Before, Draft, EPHEMERAL, IS_COMPONENTS_V2},
        modal,
    },
    event::{Message, WorldEvent},
    id::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, UserId},
    journal::Entry,
    refusal::{Errors, Refusal},
    secret::Secret,
};

/// An interaction and what became of it.
#[derive(Debug)]
pub(crate) struct Interaction {
    pub(crate) id: InteractionId,
    pub(crate) application: ApplicationId,
    pub(crate) kind: Kind,
    pub(crate) user: UserId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) channel: ChannelId,
    token: Secret,
    sent_us: u64,
    pub(crate) acknowledged: Option<Acknowledged>,
    expiry_told: bool,
    /// The answer, or for components the message they sit on, once it may be edited.
    pub(crate) original: Option<MessageId>,
    /// The message whose component was used.
    pub(crate) source: Option<MessageId>,
    pub(crate) follow_ups: Vec<MessageId>,
    /// Answers or edits of the original so far.
    pub(crate) answers: u32,
    pub(crate) choices: Option<Arc<Value>>,
    pub(crate) modal: Option<Arc<Value>>,
    command: Option<(String, u64)>,
}

/// The callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) kind: u8,
    pub(crate) after: Duration,
}

/// Type of an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Command,
    Component,
    Autocomplete,
    ModalSubmit,
}

impl Kind {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Command => 2,
            Self::Component => 3,
            Self::Autocomplete => 4,
            Self::ModalSubmit => 5,
        }
    }
}

/// An interaction to be sent.
#[derive(Debug)]
pub(crate) struct NewInteraction {
    pub(crate) application: ApplicationId,
    pub(crate) kind: Kind,
    pub(crate) user: UserId,
    pub(crate) channel: ChannelId,
    pub(crate) what: String,
    pub(crate) data: Value,
    pub(crate) source: Option<MessageId>,
    /// Name and type of the command.
    pub(crate) command: Option<(String, u64)>,
}

/// What a callback is answered with, if the bot asks for it.
#[derive(Debug)]
pub(crate) struct CallbackResult {
    pub(crate) json: Value,
}

impl World {
    /// Makes an interaction and sends it to its application.
    pub(crate) fn send_interaction(
        &mut self,
        new: NewInteraction,
    ) -> Result<InteractionId, Refusal> {
        let id = InteractionId::new(self.next_id());
        let guild = self.channel(new.channel)?.1.guild;
        let mut random = [0_u8; 96];
        rand::rng().fill(&mut random);
        let token = STANDARD_NO_PAD.encode(format!(
            "interaction:{id}:{}",
            random
                .iter()
                .map(|byte| char::from(b'A' + byte % 26))
                .collect::<String>()
        ));
        let bot = self.application(new.application)?.bot;
        let mut json = json!({
            "id": id,
            "application_id": new.application,
            "type": new.kind.number(),
            "token": token,
            "version": 1,
            "data": new.data,
            "channel_id": new.channel,
            "channel": self.channel_json(new.channel, new.user)?,
            "locale": "en-US",
            "entitlements": [],
            "entitlement_sku_ids": [],
            "attachment_size_limit": self.limits.upload_bytes,
        });
        if let Some(guild_id) = guild {
            let (found, channel) = self.channel(new.channel)?;
            let found = found.ok_or_else(Refusal::unknown_guild)?;
            let theirs = permission::in_channel(found, channel, new.user);
            let ours = permission::in_channel(found, channel, bot);
            let mut member = self.member_json(guild_id, new.user)?;
            member["permissions"] = json!(theirs.to_string());
            json["member"] = member;
            json["app_permissions"] = json!(ours.to_string());
            json["guild_id"] = json!(guild_id);
            json["guild"] = json!({"id": guild_id, "locale": "en-US", "features": []});
            json["guild_locale"] = json!("en-US");
            json["context"] = json!(0);
            json["authorizing_integration_owners"] = json!({"0": guild_id});
            json["channel"]["permissions"] = json!(theirs.to_string());
        } else {
            json["user"] = self.user(new.user)?.json();
            json["app_permissions"] = json!(permission::ALL.to_string());
            json["context"] = json!(1);
            json["authorizing_integration_owners"] = json!({"0": "0"});
        }
        if let Some(source) = new.source {
            json["message"] = Value::clone(&self.message(new.channel, source)?.json);
        }
        self.interaction_tokens.insert(token.clone(), id);
        self.interactions.insert(
            id,
            Interaction {
                id,
                application: new.application,
                kind: new.kind,
                user: new.user,
                guild,
                channel: new.channel,
                token: Secret::new(token),
                sent_us: self.clock.now_us(),
                acknowledged: None,
                expiry_told: false,
                original: None,
                source: new.source,
                follow_ups: Vec::new(),
                answers: 0,
                choices: None,
                modal: None,
                command: new.command,
            },
        );
        let audience = match guild {
            Some(guild) => Audience::Own(new.application, guild),
            None => Audience::Direct(new.application),
        };
        let sessions = self.dispatch(audience, 0, "INTERACTION_CREATE", &json);
        self.journal.add(Entry::InteractionSent {
            interaction: id,
            what: new.what,
            sessions,
        });
        self.touch();
        Ok(id)
    }

    /// Takes a callback (`POST /interactions/{id}/{token}/callback`).
    pub(crate) fn callback(
        &mut self,
        id: InteractionId,
        token: &str,
        body: &Object,
        uploads: Vec<Upload>,
    ) -> Result<CallbackResult, Refusal> {
        let now = self.clock.now_us();
        let limit = self.limits.acknowledge;
        let interaction = self
            .interactions
            .get(&id)
            .ok_or_else(Refusal::unknown_interaction)?;
        let after = Duration::from_micros(now.saturating_sub(interaction.sent_us));
        if interaction.token.expose() != token {
            return Err(Refusal::unknown_interaction());
        }
        if interaction.acknowledged.is_some() {
            return Err(Refusal::already_acknowledged());
        }
        if after > limit {
            return Err(Refusal::unknown_interaction());
        }
        let mut errors = Errors::default();
        let choices: &[i64] = match (interaction.kind, interaction.source) {
            (Kind::Command, _) => &[4, 5, 9],
            (Kind::Autocomplete, _) => &[8],
            (Kind::Component, _) => &[4, 5, 6, 7, 9],
            (Kind::ModalSubmit, Some(_)) => &[4, 5, 6, 7],
            (Kind::ModalSubmit, None) => &[4, 5],
        };
        let mut form = Form::new(body, "", &mut errors);
        let kind = form.choice("type", Need::Required, choices);
        let empty = Object::new();
        let needs_data = matches!(kind, Some(4 | 7..=9));
        let need = if needs_data {
            Need::Required
        } else {
            Need::Optional
        };
        let data = form.object("data", need).unwrap_or(&empty);
        errors.finish()?;
        let kind = kind.unwrap_or(0) as u8;
        let mut resource = json!({"type": kind});
        match kind {
            4 => {
                let names = names(&uploads);
                let draft = message_check::check(data, "data", &names, Before::default())?;
                let only_for = only_for(&draft, self.interaction(id)?.user);
                let message = self.answer(id, draft, uploads, only_for, false)?;
                resource["message"] = Value::clone(&message.json);
            }
            5 => {
                let flags = data.get("flags").and_then(Value::as_u64).unwrap_or(0);
                let draft = Draft {
                    flags: Some(flags & !IS_COMPONENTS_V2),
                    ..Draft::default()
                };
                let only_for = only_for(&draft, self.interaction(id)?.user);
                let message = self.answer(id, draft, Vec::new(), only_for, true)?;
                resource["message"] = Value::clone(&message.json);
            }
            6 => {
                let source = self.interaction(id)?.source;
                self.interaction_mut(id)?.original = source;
            }
            7 => {
                let (channel, source) = self.source(id)?;
                let draft = self.edit_draft(channel, source, data, "data", &uploads)?;
                let message = self.edit(channel, source, draft, &uploads)?;
                let interaction = self.interaction_mut(id)?;
                interaction.original = Some(source);
                interaction.answers += 1;
                resource["message"] = Value::clone(&message.json);
            }
            8 => {
                let choices = Arc::new(check_choices(data)?);
                let interaction = self.interaction_mut(id)?;
                interaction.choices = Some(Arc::clone(&choices));
                let user = interaction.user;
                self.tell(WorldEvent::Suggested {
                    interaction: id,
                    user,
                    choices,
                });
            }
            _ => {
                let modal = Arc::new(modal::check(data)?);
                let interaction = self.interaction_mut(id)?;
                interaction.modal = Some(Arc::clone(&modal));
                let user = interaction.user;
                self.tell(WorldEvent::ModalOpened {
                    interaction: id,
                    user,
                    modal,
                });
            }
        }
        let interaction = self.interaction_mut(id)?;
        interaction.acknowledged = Some(Acknowledged { kind, after });
        let (channel, user, guild, number) = (
            interaction.channel,
            interaction.user,
            interaction.guild,
            interaction.kind.number(),
        );
        let message = &resource["message"];
        let json = json!({
            "interaction": {
                "id": id,
                "type": number,
                "response_message_id": message.get("id"),
                "response_message_loading": kind == 5,
                "response_message_ephemeral": message["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0,
                "channel_id": channel,
                "guild_id": guild,
            },
            "resource": resource,
        });
        self.journal.add(Entry::InteractionAcknowledged {
            interaction: id,
            kind,
            after,
        });
        self.tell(WorldEvent::InteractionAcknowledged {
            interaction: id,
            channel,
            user,
            kind,
            after,
        });
        self.touch();
        Ok(CallbackResult { json })
    }

    /// Finds the interaction of a webhook token; it must be acknowledged and not too old.
    pub(crate) fn by_token(
        &self,
        application: ApplicationId,
        token: &str,
    ) -> Result<InteractionId, Refusal> {
        let id = *self
            .interaction_tokens
            .get(token)
            .ok_or_else(Refusal::unknown_webhook)?;
        let interaction = self
            .interactions
            .get(&id)
            .ok_or_else(Refusal::invalid_webhook_token)?;
        if interaction.application != application {
            return Err(Refusal::unknown_webhook());
        }
        let age = self.clock.now_us().saturating_sub(interaction.sent_us);
        if age > self.limits.interaction_token.as_micros() as u64 {
            return Err(Refusal::invalid_webhook_token());
        }
        match interaction.acknowledged {
            None | Some(Acknowledged { kind: 8, .. }) => Err(Refusal::unknown_webhook()),
            Some(_) => Ok(id),
        }
    }

    pub(crate) fn interaction(&self, id: InteractionId) -> Result<&Interaction, Refusal> {
        self.interactions
            .get(&id)
            .ok_or_else(Refusal::unknown_interaction)
    }

    fn interaction_mut(&mut self, id: InteractionId) -> Result<&mut Interaction, Refusal> {
        self.interactions
            .get_mut(&id)
            .ok_or_else(Refusal::unknown_interaction)
    }

    fn source(&self, id: InteractionId) -> Result<(ChannelId, MessageId), Refusal> {
        let interaction = self.interaction(id)?;
        let source = interaction.source.ok_or_else(Refusal::unknown_message)?;
        Ok((interaction.channel, source))
    }

    fn answer(
        &mut self,
        id: InteractionId,
        draft: Draft,
        uploads: Vec<Upload>,
        only_for: Option<UserId>,
        loading: bool,
    ) -> Result<Message, Refusal> {
        let origin = self.origin(id, only_for, loading, false)?;
        let author = self.application(origin.application)?.bot;
        let channel = self.interaction(id)?.channel;
        let message = self.post(Post {
            channel,
            author,
            draft,
            uploads,
            origin: Some(origin),
        })?;
        let interaction = self.interaction_mut(id)?;
        interaction.original = Some(message.id);
        interaction.answers += u32::from(!loading);
        Ok(message)
    }

    fn origin(
        &self,
        id: InteractionId,
        only_for: Option<UserId>,
        loading: bool,
        follow_up: bool,
    ) -> Result<Origin, Refusal> {
        let interaction = self.interaction(id)?;
        let user = self.user(interaction.user)?.json();
        let owners = match interaction.guild {
            Some(guild) => json!({"0": guild}),
            None => json!({"0": "0"}),
        };
        let mut metadata = json!({
            "id": id,
            "type": interaction.kind.number(),
            "user": user,
            "authorizing_integration_owners": owners,
        });
        let mut legacy = None;
        if let Some((name, kind)) = &interaction.command {
            metadata["name"] = json!(name);
            metadata["command_type"] = json!(kind);
            if !follow_up {
                legacy = Some(json!({"id": id, "type": 2, "name": name, "user": user}));
            }
        }
        if let Some(source) = interaction.source
            && interaction.kind == Kind::Component
        {
            metadata["interacted_message_id"] = json!(source);
        }
        if follow_up && let Some(original) = interaction.original {
            metadata["original_response_message_id"] = json!(original);
        }
        let (kind, reply_to) = match (follow_up, interaction.command.as_ref(), interaction.source) {
            (true, _, _) => (19, interaction.original),
            (false, Some((_, 1)), _) | (false, None, None) => (20, None),
            (false, Some(_), _) => (23, None),
            (false, None, Some(source)) => (19, Some(source)),
        };
        Ok(Origin {
            application: interaction.application,
            interaction: id,
            only_for,
            kind,
            metadata,
            legacy,
            loading,
            reply_to,
        })
    }

    /// Forgets interactions whose token is long expired, and tells of those nobody acknowledged.
    pub(crate) fn sweep_interactions(&mut self) {
        let now = self.clock.now_us();
        let limit = self.limits.acknowledge.as_micros() as u64;
        // Kept twice as long as the token lives, so that late requests get the true error.
        let forget = self.limits.interaction_token.as_micros() as u64 * 2;
        while let Some(first) = self.interactions.first_entry() {
            let old = first.get().sent_us + forget < now;
            if !old {
                break;
            }
            let gone = first.remove();
            self.interaction_tokens.remove(gone.token.expose());
        }
        let failed: Vec<(InteractionId, ChannelId, UserId)> = self
            .interactions
            .values_mut()
            .filter(|one| {
                one.acknowledged.is_none() && !one.expiry_told && one.sent_us + limit < now
            })
            .map(|one| {
                one.expiry_told = true;
                (one.id, one.channel, one.user)
            })
            .collect();
        for (interaction, channel, user) in failed {
            self.tell(WorldEvent::InteractionFailed {
                interaction,
                channel,
                user,
            });
            self.touch();
        }
    }
}

fn check_choices(data: &Object) -> Result<Value, Refusal> {
    let mut errors = Errors::default();
    let mut form = Form::new(data, "data", &mut errors);
    let list = form
        .list("choices", Need::Required, 0..=25)
        .unwrap_or_default();
    for (index, choice) in list.iter().enumerate() {
        let place = form.place(&format!("choices.{index}"));
        let Some(object) = choice.as_object() else {
            form.errors.add(
                &place,
                "DICT_TYPE_CONVERT",
                "Only dictionaries may be used in a DictType",
            );
            continue;
        };
        let mut form = Form::new(object, place, form.errors);
        form.text("name", Need::Required, 1..=100);
        match object.get("value") {
            Some(Value::String(_)) => {
                form.text("value", Need::Required, 1..=100);
            }
            Some(Value::Number(_)) => {}
            _ => form.refuse("value", "BASE_TYPE_REQUIRED", "This field is required"),
        }
    }
    errors.finish()?;
    Ok(json!(list))
}

fn only_for(draft: &Draft, user: UserId) -> Option<UserId> {
    (draft.flags.unwrap_or(0) & EPHEMERAL != 0).then_some(user)
}

fn names(uploads: &[Upload]) -> Vec<String> {
    uploads
        .iter()
        .map(|upload| upload.file.name.clone())
        .collect()
}
