//! Answers after the callback: follow-ups, and edits of what was answered.

use serde_json::Value;

use super::{names, only_for};
use crate::discord::{
    check::{
        Object, join,
        message::{self as message_check, Before, Draft, IS_COMPONENTS_V2},
    },
    event::Message,
    id::{ChannelId, InteractionId, MessageId},
    refusal::{Errors, Refusal},
    world::{
        World,
        message::{Post, Upload},
    },
};

impl World {
    /// Posts a follow-up; the first one after a deferral fills the deferred answer.
    pub(crate) fn follow_up(
        &mut self,
        id: InteractionId,
        body: &Object,
        uploads: Vec<Upload>,
    ) -> Result<Message, Refusal> {
        let names = names(&uploads);
        let draft = message_check::check(body, "", &names, Before::default())?;
        let (channel, user, original) = {
            let interaction = self.interaction(id)?;
            (interaction.channel, interaction.user, interaction.original)
        };
        if let Some(original) = original
            && self
                .message(channel, original)
                .is_ok_and(Message::is_loading)
        {
            let message = self.edit(channel, original, draft, &uploads)?;
            self.interaction_mut(id)?.answers += 1;
            self.touch();
            return Ok(message);
        }
        let only_for = only_for(&draft, user);
        let origin = self.origin(id, only_for, false, true)?;
        let author = self.application(origin.application)?.bot;
        let message = self.post(Post {
            channel,
            author,
            draft,
            uploads,
            origin: Some(origin),
        })?;
        let interaction = self.interaction_mut(id)?;
        interaction.follow_ups.push(message.id);
        interaction.answers += 1;
        self.touch();
        Ok(message)
    }

    /// Resolves `@original` or an id to a message of this interaction.
    pub(crate) fn webhook_message(
        &self,
        id: InteractionId,
        name: &str,
    ) -> Result<(ChannelId, MessageId), Refusal> {
        let interaction = self.interaction(id)?;
        let message = if name == "@original" {
            interaction.original
        } else {
            name.parse().ok().filter(|wanted: &MessageId| {
                interaction.original == Some(*wanted) || interaction.follow_ups.contains(wanted)
            })
        };
        let message = message.ok_or_else(Refusal::unknown_message)?;
        self.message(interaction.channel, message)?;
        Ok((interaction.channel, message))
    }

    /// Edits a message of this interaction.
    pub(crate) fn webhook_edit(
        &mut self,
        id: InteractionId,
        name: &str,
        body: &Object,
        uploads: &[Upload],
    ) -> Result<Message, Refusal> {
        let (channel, message) = self.webhook_message(id, name)?;
        let draft = self.edit_draft(channel, message, body, "", uploads)?;
        let edited = self.edit(channel, message, draft, uploads)?;
        self.interaction_mut(id)?.answers += 1;
        self.touch();
        Ok(edited)
    }

    /// Checks the body of an edit against what the message is.
    pub(crate) fn edit_draft(
        &self,
        channel: ChannelId,
        id: MessageId,
        body: &Object,
        place: &str,
        uploads: &[Upload],
    ) -> Result<Draft, Refusal> {
        let message = self.message(channel, id)?;
        let files: Vec<String> = message.json["attachments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|file| file["filename"].as_str().map(ToOwned::to_owned))
            .collect();
        let before = Before {
            is_v2: message.json["flags"].as_u64().unwrap_or(0) & IS_COMPONENTS_V2 != 0,
            is_edit: true,
            files: &files,
        };
        let draft = message_check::check(body, place, &names(uploads), before)?;
        let becomes_v2 = !before.is_v2 && draft.flags.unwrap_or(0) & IS_COMPONENTS_V2 != 0;
        if becomes_v2 {
            refuse_leftovers(&message.json, &draft, place)?;
        }
        Ok(draft)
    }
}

/// A message can only turn to the second component version if its text and embeds are taken
/// away in the same edit.
fn refuse_leftovers(json: &Value, draft: &Draft, place: &str) -> Result<(), Refusal> {
    let mut errors = Errors::default();
    let has_text = !json["content"].as_str().unwrap_or_default().is_empty();
    let has_embeds = json["embeds"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    for (key, left) in [
        ("content", has_text && draft.content.is_none()),
        ("embeds", has_embeds && draft.embeds.is_none()),
    ] {
        if left {
            errors.add(
                &join(place, key),
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                format!(
                    "The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                ),
            );
        }
    }
    errors.finish()
}
