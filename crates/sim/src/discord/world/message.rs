//! Messages and their files.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    World,
    dispatch::{Audience, DIRECT_MESSAGES, GUILD_MESSAGES, MESSAGE_CONTENT},
};
use crate::discord::{
    check::message::{
        Draft, EPHEMERAL, IS_COMPONENTS_V2, LOADING, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS,
    },
    clock::iso,
    event::{Message, WorldEvent},
    id::{ApplicationId, AttachmentId, ChannelId, GuildId, InteractionId, MessageId, UserId},
    journal::Entry,
    refusal::{Errors, Refusal},
};

/// The messages of a channel, ephemeral ones among them.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) messages: BTreeMap<MessageId, Message>,
}

/// A file somebody uploaded.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// A file of a request.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// The number in its field name, `files[n]`.
    pub(crate) number: Option<u64>,
    pub(crate) file: StoredFile,
}

/// A message to be made.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) channel: ChannelId,
    pub(crate) author: UserId,
    pub(crate) draft: Draft,
    pub(crate) uploads: Vec<Upload>,
    pub(crate) origin: Option<Origin>,
}

/// The interaction a message answers.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) application: ApplicationId,
    pub(crate) interaction: InteractionId,
    pub(crate) only_for: Option<UserId>,
    /// Message type: 0, 19 (reply), 20 (chat command), 23 (context menu).
    pub(crate) kind: u8,
    pub(crate) metadata: Value,
    /// Old form of the metadata, for commands.
    pub(crate) legacy: Option<Value>,
    pub(crate) loading: bool,
    pub(crate) reply_to: Option<MessageId>,
}

impl World {
    /// Makes a message and tells everybody who may see it.
    pub(crate) fn post(&mut self, post: Post) -> Result<Message, Refusal> {
        let Post {
            channel,
            author,
            draft,
            uploads,
            origin,
        } = post;
        let guild = self.channel(channel)?.1.guild;
        let reference = match draft.reply_to {
            Some(reply) => {
                let target = MessageId::new(reply.message);
                match self.message(channel, target) {
                    Ok(found) if found.only_for.is_none() => {
                        Some((target, Some(found.json.clone())))
                    }
                    _ if !reply.must_exist => None,
                    _ => {
                        return Err(Errors::one(
                            "message_reference",
                            "REPLIES_UNKNOWN_MESSAGE",
                            "Unknown message",
                        ));
                    }
                }
            }
            None => origin
                .as_ref()
                .and_then(|origin| origin.reply_to)
                .map(|target| {
                    let found = self
                        .message(channel, target)
                        .ok()
                        .map(|message| message.json.clone());
                    (target, found)
                }),
        };
        let attachments = self.store_files(channel, &uploads, draft.kept_attachments.as_deref());
        let id = MessageId::new(self.next_id());
        let content = draft.content.unwrap_or_default();
        let mut flags = draft.flags.unwrap_or(0)
            & (SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_COMPONENTS_V2);
        let only_for = origin.as_ref().and_then(|origin| origin.only_for);
        if only_for.is_some() {
            flags |= EPHEMERAL;
        }
        if origin.as_ref().is_some_and(|origin| origin.loading) {
            flags |= LOADING;
        }
        let kind = match (&origin, &reference) {
            (Some(origin), _) => origin.kind,
            (None, Some(_)) => REPLY,
            (None, None) => 0,
        };
        let mut json = json!({
            "id": id,
            "type": kind,
            "channel_id": channel,
            "content": content,
            "author": self.user(author)?.json(),
            "attachments": attachments,
            "embeds": draft.embeds.unwrap_or_default(),
            "mentions": self.mentions(&content),
            "mention_roles": [],
            "mention_everyone": false,
            "pinned": false,
            "tts": draft.tts,
            "timestamp": iso(id.created_ms()),
            "edited_timestamp": null,
            "flags": flags,
            "components": resolve_media(draft.components.unwrap_or_default(), &attachments),
        });
        if let Some(nonce) = draft.nonce {
            json["nonce"] = nonce;
        }
        if let Some((target, found)) = reference {
            json["message_reference"] = json!({
                "type": 0, "channel_id": channel, "message_id": target, "guild_id": guild,
            });
            if guild.is_none()
                && let Some(reference) = json["message_reference"].as_object_mut()
            {
                reference.remove("guild_id");
            }
            json["referenced_message"] = found.map_or(Value::Null, |found| {
                let mut found = Value::clone(&found);
                // One level deep, as on Discord.
                if let Some(found) = found.as_object_mut() {
                    found.remove("referenced_message");
                }
                found
            });
        }
        if let Some(origin) = &origin {
            json["application_id"] = json!(origin.application);
            json["webhook_id"] = json!(origin.application);
            json["interaction_metadata"] = origin.metadata.clone();
            if let Some(legacy) = &origin.legacy {
                json["interaction"] = legacy.clone();
            }
        }
        let message = Message {
            id,
            channel,
            author,
            only_for,
            interaction: origin.as_ref().map(|origin| origin.interaction),
            json: Arc::new(json),
        };
        let most = self.limits.messages_per_channel;
        let log = self.logs.entry(channel).or_default();
        log.messages.insert(id, message.clone());
        if log.messages.len() > most {
            log.messages.pop_first();
        }
        if only_for.is_none() {
            self.set_last_message(channel, id);
        }
        self.journal.add(Entry::MessageCreated {
            channel,
            message: id,
            ephemeral: only_for.is_some(),
        });
        self.announce_message("MESSAGE_CREATE", guild, &message);
        self.tell(WorldEvent::MessageCreated(message.clone()));
        self.touch();
        Ok(message)
    }

    /// Changes a message. What the draft does not name stays.
    pub(crate) fn edit(
        &mut self,
        channel: ChannelId,
        id: MessageId,
        draft: Draft,
        uploads: &[Upload],
    ) -> Result<Message, Refusal> {
        let guild = self.channel(channel)?.1.guild;
        let mut message = self.message(channel, id)?.clone();
        let mut json = Value::clone(&message.json);
        let was_loading = message.is_loading();
        let mut flags = json["flags"].as_u64().unwrap_or(0) & !LOADING;
        if let Some(wanted) = draft.flags {
            let settable = SUPPRESS_EMBEDS;
            flags = flags & !settable | wanted & settable | wanted & IS_COMPONENTS_V2;
        }
        json["flags"] = json!(flags);
        if let Some(content) = draft.content {
            json["mentions"] = self.mentions(&content);
            json["content"] = json!(content);
        }
        if let Some(embeds) = draft.embeds {
            json["embeds"] = json!(embeds);
        }
        if draft.kept_attachments.is_some() || !uploads.is_empty() {
            let mut kept: Vec<Value> = json["attachments"].as_array().cloned().unwrap_or_default();
            if let Some(listed) = &draft.kept_attachments {
                kept.retain(|old| listed.iter().any(|entry| entry["id"] == old["id"]));
            }
            kept.extend(self.store_files(channel, uploads, draft.kept_attachments.as_deref()));
            json["attachments"] = json!(kept);
        }
        if let Some(components) = draft.components {
            let attachments = json["attachments"].as_array().cloned().unwrap_or_default();
            json["components"] = json!(resolve_media(components, &attachments));
        }
        let empty = |key: &str| json[key].as_array().is_none_or(Vec::is_empty);
        if json["content"]
            .as_str()
            .unwrap_or_default()
            .trim()
            .is_empty()
            && empty("embeds")
            && empty("components")
            && empty("attachments")
        {
            return Err(Refusal::empty_message());
        }
        // WIRE: the first edit of a deferred answer is its creation, not an edit.
        if !was_loading {
            json["edited_timestamp"] = json!(iso(self.clock.now_ms()));
        }
        message.json = Arc::new(json);
        self.logs
            .entry(channel)
            .or_default()
            .messages
            .insert(id, message.clone());
        self.journal.add(Entry::MessageEdited {
            channel,
            message: id,
        });
        self.announce_message("MESSAGE_UPDATE", guild, &message);
        self.tell(WorldEvent::MessageEdited(message.clone()));
        self.touch();
        Ok(message)
    }

    /// Removes a message.
    pub(crate) fn delete_message(
        &mut self,
        channel: ChannelId,
        id: MessageId,
    ) -> Result<(), Refusal> {
        let guild = self.channel(channel)?.1.guild;
        let message = self
            .logs
            .get_mut(&channel)
            .and_then(|log| log.messages.remove(&id))
            .ok_or_else(Refusal::unknown_message)?;
        let mut json = json!({"id": id, "channel_id": channel});
        if let Some(guild) = guild {
            json["guild_id"] = json!(guild);
        }
        if message.only_for.is_none() {
            self.dispatch_in(
                guild,
                channel,
                GUILD_MESSAGES,
                DIRECT_MESSAGES,
                "MESSAGE_DELETE",
                &json,
            );
        }
        self.tell(WorldEvent::MessageDeleted {
            channel,
            message: id,
            only_for: message.only_for,
        });
        self.touch();
        Ok(())
    }

    /// Finds a message, ephemeral or not.
    pub(crate) fn message(&self, channel: ChannelId, id: MessageId) -> Result<&Message, Refusal> {
        self.logs
            .get(&channel)
            .and_then(|log| log.messages.get(&id))
            .ok_or_else(Refusal::unknown_message)
    }

    /// Finds a message that everybody in the channel sees.
    pub(crate) fn public_message(
        &self,
        channel: ChannelId,
        id: MessageId,
    ) -> Result<&Message, Refusal> {
        self.channel(channel)?;
        self.message(channel, id)
            .ok()
            .filter(|message| message.only_for.is_none())
            .ok_or_else(Refusal::unknown_message)
    }

    /// Sends an event about a channel to those who see it.
    pub(crate) fn dispatch_in(
        &mut self,
        guild: Option<GuildId>,
        channel: ChannelId,
        guild_intent: u64,
        direct_intent: u64,
        name: &str,
        json: &Value,
    ) {
        if let Some(guild) = guild {
            self.dispatch(Audience::Channel(guild, channel), guild_intent, name, json);
        } else if let Some(application) = self.application_of_direct(channel) {
            self.dispatch(Audience::Direct(application), direct_intent, name, json);
        }
    }

    fn application_of_direct(&self, channel: ChannelId) -> Option<ApplicationId> {
        let recipients = &self.direct.get(&channel)?.recipients;
        self.applications
            .values()
            .find(|application| recipients.contains(&application.bot))
            .map(|application| application.id)
    }

    fn announce_message(&mut self, name: &str, guild: Option<GuildId>, message: &Message) {
        let mut json = Value::clone(&message.json);
        let Some(guild) = guild else {
            self.dispatch_in(None, message.channel, 0, DIRECT_MESSAGES, name, &json);
            return;
        };
        if message.only_for.is_some() {
            // WIRE: ephemeral messages go to the bot that wrote them, without guild and member.
            let author = self
                .applications
                .values()
                .find(|application| application.bot == message.author);
            if let Some(application) = author.map(|application| application.id) {
                self.dispatch(Audience::Direct(application), DIRECT_MESSAGES, name, &json);
            }
            return;
        }
        json["guild_id"] = json!(guild);
        if let Some(member) = self
            .guilds
            .get(&guild)
            .and_then(|guild| guild.members.get(&message.author))
        {
            json["member"] = member.partial_json();
        }
        let mut bare = json.clone();
        bare["content"] = json!("");
        for key in ["embeds", "attachments", "components"] {
            bare[key] = json!([]);
        }
        let mentioned: Vec<UserId> = json["mentions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|user| user["id"].as_str()?.parse().ok())
            .collect();
        let author = message.author;
        let bare = &bare;
        self.dispatch_each(
            Audience::Channel(guild, message.channel),
            GUILD_MESSAGES,
            name,
            |bot, intents| {
                let sees =
                    intents & MESSAGE_CONTENT != 0 || bot == author || mentioned.contains(&bot);
                (!sees).then_some(bare)
            },
            &json,
        );
    }

    fn set_last_message(&mut self, channel: ChannelId, id: MessageId) {
        let found = match self.homes.get(&channel) {
            Some(guild) => self
                .guilds
                .get_mut(guild)
                .and_then(|guild| guild.channels.get_mut(&channel)),
            None => self.direct.get_mut(&channel),
        };
        if let Some(found) = found {
            found.last_message = Some(id);
        }
    }

    /// Keeps files and writes them as attachments.
    fn store_files(
        &mut self,
        channel: ChannelId,
        uploads: &[Upload],
        listed: Option<&[Value]>,
    ) -> Vec<Value> {
        let mut attachments = Vec::with_capacity(uploads.len());
        for upload in uploads {
            let id = AttachmentId::new(self.next_id());
            // `attachments: [{id: n, filename, description}]` describes the upload `files[n]`.
            let described = listed.into_iter().flatten().find(|entry| {
                let number = entry["id"]
                    .as_u64()
                    .or_else(|| entry["id"].as_str()?.parse().ok());
                number.is_some() && number == upload.number
            });
            let name = described
                .and_then(|entry| entry["filename"].as_str())
                .unwrap_or(&upload.file.name)
                .to_owned();
            let escaped =
                percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
                    .replace("%2E", ".")
                    .replace("%5F", "_")
                    .replace("%2D", "-");
            let url = format!("{}/attachments/{channel}/{id}/{escaped}", self.base_url);
            let mut attachment = json!({
                "id": id,
                "filename": name,
                "size": upload.file.bytes.len(),
                "url": url,
                "proxy_url": url,
                "content_scan_version": 0,
            });
            if let Some(kind) = &upload.file.content_type {
                attachment["content_type"] = json!(kind);
                attachment["original_content_type"] = json!(kind);
            }
            if let Some(description) = described.and_then(|entry| entry["description"].as_str()) {
                attachment["description"] = json!(description);
            }
            self.files.insert(id, upload.file.clone());
            if self.files.len() > MOST_FILES
                && let Some(oldest) = self.files.keys().min().copied()
            {
                self.files.remove(&oldest);
            }
            attachments.push(attachment);
        }
        attachments
    }

    /// Writes the users that a text mentions as `<@id>`.
    fn mentions(&self, text: &str) -> Value {
        let mut users: Vec<UserId> = Vec::new();
        for part in text.split("<@").skip(1) {
            let digits: String = part
                .trim_start_matches('!')
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            if let Ok(id) = digits.parse()
                && self.users.contains_key(&id)
                && !users.contains(&id)
            {
                users.push(id);
            }
        }
        users
            .iter()
            .filter_map(|id| self.users.get(id))
            .map(super::user::User::json)
            .collect()
    }
}

/// Replaces `attachment://` links in components by the places of the files.
fn resolve_media(mut components: Vec<Value>, attachments: &[Value]) -> Vec<Value> {
    fn walk(value: &mut Value, attachments: &[Value]) {
        match value {
            Value::Object(object) => {
                let name = object
                    .get("url")
                    .and_then(Value::as_str)
                    .and_then(|url| url.strip_prefix("attachment://"));
                if let Some(found) =
                    name.and_then(|name| attachments.iter().find(|file| file["filename"] == name))
                {
                    let (url, id, kind) = (
                        found["url"].clone(),
                        found["id"].clone(),
                        found["content_type"].clone(),
                    );
                    object.insert("url".to_owned(), url.clone());
                    object.insert("proxy_url".to_owned(), url);
                    object.insert("attachment_id".to_owned(), id);
                    if !kind.is_null() {
                        object.insert("content_type".to_owned(), kind);
                    }
                }
                object
                    .values_mut()
                    .for_each(|value| walk(value, attachments));
            }
            Value::Array(list) => list.iter_mut().for_each(|value| walk(value, attachments)),
            _ => {}
        }
    }
    for component in &mut components {
        walk(component, attachments);
    }
    components
}

const REPLY: u8 = 19;
/// Files kept at once.
const MOST_FILES: usize = 256;
