//! Answers after the callback: follow-ups, and edits of what was answered.

use super::{names, only_for};
use crate::discord::{
    check::{
        Object,
        message::{self as message_check, Before, Draft, IS_COMPONENTS_V2},
    },
    event::Message,
    id::{ChannelId, InteractionId, MessageId},
    refusal::Refusal,
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
        message_check::check(body, place, &names(uploads), before)
    }
}
