//! What happens in the world, for pages and scripts that watch it.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::id::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, UserId};

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WorldEvent {
    /// A message appeared.
    MessageCreated(Message),
    /// A message changed.
    MessageEdited(Message),
    /// A message is gone.
    MessageDeleted {
        /// Where it was.
        channel: ChannelId,
        /// Which one.
        message: MessageId,
        /// The only user that saw it, if it was ephemeral.
        only_for: Option<UserId>,
    },
    /// A bot acknowledged an interaction, in whatever way.
    InteractionAcknowledged {
        /// Which one.
        interaction: InteractionId,
        /// Where.
        channel: ChannelId,
        /// Whose.
        user: UserId,
        /// Callback type, as Discord numbers them.
        kind: u8,
        /// Time from the dispatch to the callback.
        after: Duration,
    },
    /// A bot did not acknowledge an interaction in time.
    InteractionFailed {
        /// Which one.
        interaction: InteractionId,
        /// Where.
        channel: ChannelId,
        /// Whose.
        user: UserId,
    },
    /// A bot suggests values (callback type 8).
    Suggested {
        /// For which autocomplete interaction.
        interaction: InteractionId,
        /// Whose.
        user: UserId,
        /// List of `{name, value}`.
        choices: Arc<Value>,
    },
    /// A bot opened a modal (callback type 9).
    ModalOpened {
        /// In answer to which interaction.
        interaction: InteractionId,
        /// For whom.
        user: UserId,
        /// `{title, custom_id, components}`.
        modal: Arc<Value>,
    },
    /// Somebody joined, moved, left, or changed a switch.
    VoiceState {
        /// In which guild.
        guild: GuildId,
        /// Who.
        user: UserId,
        /// The channel now.
        channel: Option<ChannelId>,
        /// The channel before.
        before: Option<ChannelId>,
    },
    /// Somebody types.
    Typing {
        /// Where.
        channel: ChannelId,
        /// Who.
        user: UserId,
    },
    /// An application's commands changed.
    CommandsChanged {
        /// Whose.
        application: ApplicationId,
        /// In which guild; none means everywhere.
        guild: Option<GuildId>,
    },
    /// A guild was made.
    GuildCreated(GuildId),
    /// A channel was made.
    ChannelCreated(ChannelId),
}

/// A message as it is now.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it is.
    pub channel: ChannelId,
    /// Who wrote it.
    pub author: UserId,
    /// The only user that sees it, if it is ephemeral.
    pub only_for: Option<UserId>,
    /// The interaction it answers.
    pub interaction: Option<InteractionId>,
    /// The message object, as the REST API returns it.
    pub json: Arc<Value>,
}

impl Message {
    /// Returns whether only one user sees it.
    pub fn is_ephemeral(&self) -> bool {
        self.only_for.is_some()
    }

    /// Returns whether it is a deferred answer without content: "… is thinking".
    pub fn is_loading(&self) -> bool {
        self.json["flags"].as_u64().unwrap_or(0) & (1 << 7) != 0
    }

    /// Returns everything that can be read in it, line by line: content, embeds, text displays,
    /// labels of buttons.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        collect_text(&self.json, &mut lines);
        lines.join("\n")
    }

    /// Returns the custom ids of its buttons and selects, in order.
    pub fn custom_ids(&self) -> Vec<String> {
        let mut found = Vec::new();
        each_component(&self.json["components"], &mut |component| {
            if let Some(id) = component["custom_id"].as_str() {
                found.push(id.to_owned());
            }
        });
        found
    }

    /// Returns the component with a custom id.
    pub fn component(&self, custom_id: &str) -> Option<Value> {
        let mut found = None;
        each_component(&self.json["components"], &mut |component| {
            if component["custom_id"] == custom_id {
                found = Some(component.clone());
            }
        });
        found
    }
}

/// Calls `visit` for every component of a tree.
pub(crate) fn each_component(list: &Value, visit: &mut impl FnMut(&Value)) {
    for component in list.as_array().into_iter().flatten() {
        visit(component);
        each_component(&component["components"], visit);
        for key in ["accessory", "component"] {
            if let Some(inner) = component.get(key).filter(|inner| inner.is_object()) {
                visit(inner);
            }
        }
    }
}

fn collect_text(json: &Value, lines: &mut Vec<String>) {
    let mut add = |value: &Value| {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            lines.push(text.to_owned());
        }
    };
    add(&json["content"]);
    for embed in json["embeds"].as_array().into_iter().flatten() {
        add(&embed["author"]["name"]);
        add(&embed["title"]);
        add(&embed["description"]);
        for field in embed["fields"].as_array().into_iter().flatten() {
            add(&field["name"]);
            add(&field["value"]);
        }
        add(&embed["footer"]["text"]);
    }
    each_component(&json["components"], &mut |component| {
        add(&component["content"]);
        add(&component["label"]);
    });
}
