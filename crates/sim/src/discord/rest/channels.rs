//! Channels and the messages in them.

use serde_json::{Value, json};

use super::{
    Caller, Reply,
    body::Content,
    query_value,
    route::{ChannelAction, Channels},
};
use crate::discord::{
    check::{
        Form, Need,
        message::{Before, EPHEMERAL, check},
    },
    event::WorldEvent,
    id::{ChannelId, MessageId},
    refusal::{Errors, Refusal},
    world::{
        World,
        dispatch::{
            DIRECT_MESSAGE_REACTIONS, DIRECT_MESSAGE_TYPING, GUILD_MESSAGE_REACTIONS,
            GUILD_MESSAGE_TYPING,
        },
        message::Post,
        permission::{
            ADD_REACTIONS, ATTACH_FILES, MANAGE_MESSAGES, READ_MESSAGE_HISTORY, SEND_MESSAGES,
        },
    },
};

pub(crate) fn handle(
    world: &mut World,
    caller: Caller,
    route: &Channels,
    query: &str,
    content: Content,
) -> Result<Reply, Refusal> {
    let (channel, bot) = (route.channel, caller.bot);
    world.demand(bot, channel, 0)?;
    match &route.action {
        ChannelAction::Get => Ok(Reply::Json(world.channel_json(channel, bot)?)),
        ChannelAction::List => list(world, channel, query, caller),
        ChannelAction::Post => post(world, channel, caller, content),
        ChannelAction::Message(id) => {
            world.demand(bot, channel, READ_MESSAGE_HISTORY)?;
            Ok(Reply::Json(Value::clone(
                &world.public_message(channel, *id)?.json,
            )))
        }
        ChannelAction::Edit(id) => {
            if world.public_message(channel, *id)?.author != bot {
                return Err(Refusal::not_your_message());
            }
            let draft = world.edit_draft(channel, *id, content.object()?, "", &content.uploads)?;
            let message = world.edit(channel, *id, draft, &content.uploads)?;
            Ok(Reply::Json(Value::clone(&message.json)))
        }
        ChannelAction::Delete(id) => {
            if world.public_message(channel, *id)?.author != bot {
                world.demand(bot, channel, MANAGE_MESSAGES)?;
            }
            world.delete_message(channel, *id)?;
            Ok(Reply::Empty)
        }
        ChannelAction::BulkDelete => {
            world.demand(bot, channel, MANAGE_MESSAGES)?;
            let mut errors = Errors::default();
            let mut form = Form::new(content.object()?, "", &mut errors);
            let ids = form
                .list("messages", Need::Required, 2..=100)
                .unwrap_or_default();
            errors.finish()?;
            for id in ids.iter().filter_map(|id| id.as_str()?.parse().ok()) {
                // Those that are gone already are skipped, as on Discord.
                let _ = world.delete_message(channel, id);
            }
            Ok(Reply::Empty)
        }
        ChannelAction::Typing => {
            world.demand(bot, channel, SEND_MESSAGES)?;
            typing(world, channel, caller)
        }
        ChannelAction::React(id, emoji) => react(world, channel, *id, emoji, caller, Reaction::Add),
        ChannelAction::Unreact(id, emoji) => {
            react(world, channel, *id, emoji, caller, Reaction::Remove)
        }
        ChannelAction::VoiceStatus => {
            let mut errors = Errors::default();
            let mut form = Form::new(content.object()?, "", &mut errors);
            let status = form
                .text("status", Need::Optional, 0..=500)
                .map(ToOwned::to_owned);
            errors.finish()?;
            world.demand(bot, channel, 1 << 48)?;
            voice_status(world, channel, status)
        }
    }
}

fn list(world: &World, channel: ChannelId, query: &str, caller: Caller) -> Result<Reply, Refusal> {
    world.demand(caller.bot, channel, 0)?;
    let number = |key: &str| query_value(query, key).and_then(|value| value.parse::<u64>().ok());
    let limit = number("limit").unwrap_or(50);
    if !(1..=100).contains(&limit) {
        let (code, message) = if limit == 0 {
            (
                "NUMBER_TYPE_MIN",
                "int value should be greater than or equal to 1.",
            )
        } else {
            (
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 100.",
            )
        };
        return Err(Errors::one("limit", code, message));
    }
    if world
        .demand(caller.bot, channel, READ_MESSAGE_HISTORY)
        .is_err()
    {
        return Ok(Reply::Json(json!([])));
    }
    let limit = limit as usize;
    let seen = || {
        world
            .logs
            .get(&channel)
            .into_iter()
            .flat_map(|log| log.messages.values())
            .filter(|message| message.only_for.is_none())
    };
    let mut found: Vec<&Value> = if let Some(after) = number("after") {
        let mut found: Vec<&Value> = seen()
            .filter(|message| message.id.get() > after)
            .take(limit)
            .map(|message| &*message.json)
            .collect();
        found.reverse();
        found
    } else {
        let before = number("before").unwrap_or(u64::MAX);
        let mut all: Vec<&Value> = seen()
            .filter(|message| message.id.get() < before)
            .map(|message| &*message.json)
            .collect();
        all.reverse();
        all
    };
    found.truncate(limit);
    Ok(Reply::Json(json!(found)))
}

fn post(
    world: &mut World,
    channel: ChannelId,
    caller: Caller,
    content: Content,
) -> Result<Reply, Refusal> {
    let mut needed = SEND_MESSAGES;
    if !content.uploads.is_empty() {
        needed |= ATTACH_FILES;
    }
    world.demand(caller.bot, channel, needed)?;
    let names: Vec<String> = content
        .uploads
        .iter()
        .map(|upload| upload.file.name.clone())
        .collect();
    let mut draft = check(content.object()?, "", &names, Before::default())?;
    if draft.reply_to.is_some() {
        world.demand(caller.bot, channel, READ_MESSAGE_HISTORY)?;
    }
    // Nothing can be ephemeral without an interaction.
    draft.flags = draft.flags.map(|flags| flags & !EPHEMERAL);
    let message = world.post(Post {
        channel,
        author: caller.bot,
        draft,
        uploads: content.uploads,
        origin: None,
    })?;
    Ok(Reply::Json(Value::clone(&message.json)))
}

fn typing(world: &mut World, channel: ChannelId, caller: Caller) -> Result<Reply, Refusal> {
    let guild = world.channel(channel)?.1.guild;
    let mut json = json!({
        "channel_id": channel,
        "user_id": caller.bot,
        "timestamp": world.clock.now_ms() / 1_000,
    });
    if let Some(guild) = guild {
        json["guild_id"] = json!(guild);
        json["member"] = world.member_json(guild, caller.bot)?;
    }
    world.dispatch_in(
        guild,
        channel,
        GUILD_MESSAGE_TYPING,
        DIRECT_MESSAGE_TYPING,
        "TYPING_START",
        &json,
    );
    world.tell(WorldEvent::Typing {
        channel,
        user: caller.bot,
    });
    Ok(Reply::Empty)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Add,
    Remove,
}

fn react(
    world: &mut World,
    channel: ChannelId,
    id: MessageId,
    emoji: &str,
    caller: Caller,
    what: Reaction,
) -> Result<Reply, Refusal> {
    world.demand(caller.bot, channel, READ_MESSAGE_HISTORY)?;
    if what == Reaction::Add {
        world.demand(caller.bot, channel, ADD_REACTIONS)?;
    }
    let (name, emoji_id) = match emoji.split_once(':') {
        Some((name, id)) if id.parse::<u64>().is_ok() => (name, Some(id)),
        None if !emoji.is_ascii() => (emoji, None),
        _ => return Err(Refusal::unknown_emoji()),
    };
    let mut message = world.public_message(channel, id)?.clone();
    let mut json = Value::clone(&message.json);
    let emoji = json!({"id": emoji_id, "name": name});
    let mut list = json["reactions"].as_array().cloned().unwrap_or_default();
    let at = list.iter().position(|one| one["emoji"] == emoji);
    match (what, at) {
        (Reaction::Add, Some(_)) | (Reaction::Remove, None) => return Ok(Reply::Empty),
        (Reaction::Add, None) => list.push(json!({
            "emoji": emoji, "count": 1, "count_details": {"burst": 0, "normal": 1},
            "burst_colors": [], "me_burst": false, "burst_me": false, "me": true, "burst_count": 0,
        })),
        (Reaction::Remove, Some(at)) => {
            list.remove(at);
        }
    }
    json["reactions"] = json!(list);
    message.json = json.into();
    if let Some(log) = world.logs.get_mut(&channel) {
        log.messages.insert(id, message.clone());
    }
    let guild = world.channel(channel)?.1.guild;
    let mut event = json!({
        "user_id": caller.bot, "channel_id": channel, "message_id": id, "emoji": emoji,
        "type": 0, "burst": false, "message_author_id": message.author,
    });
    if let Some(guild) = guild {
        event["guild_id"] = json!(guild);
        if what == Reaction::Add {
            event["member"] = world.member_json(guild, caller.bot)?;
        }
    }
    let name = match what {
        Reaction::Add => "MESSAGE_REACTION_ADD",
        Reaction::Remove => "MESSAGE_REACTION_REMOVE",
    };
    world.dispatch_in(
        guild,
        channel,
        GUILD_MESSAGE_REACTIONS,
        DIRECT_MESSAGE_REACTIONS,
        name,
        &event,
    );
    world.tell(WorldEvent::MessageEdited(message));
    world.touch();
    Ok(Reply::Empty)
}

fn voice_status(
    world: &mut World,
    channel: ChannelId,
    status: Option<String>,
) -> Result<Reply, Refusal> {
    let (guild, found) = world.channel(channel)?;
    let guild = guild
        .map(|guild| guild.id)
        .ok_or_else(Refusal::unknown_channel)?;
    if !found.kind.is_voice() {
        return Err(Refusal::new(
            400,
            50_024,
            "Cannot execute action on this channel type",
        ));
    }
    let json = json!({"id": channel, "guild_id": guild, "status": status});
    if let Some(found) = world.guild_mut(guild)?.channels.get_mut(&channel) {
        found.status = status.filter(|status| !status.is_empty());
    }
    world.dispatch(
        crate::discord::world::dispatch::Audience::Channel(guild, channel),
        crate::discord::world::dispatch::GUILDS,
        "VOICE_CHANNEL_STATUS_UPDATE",
        &json,
    );
    world.touch();
    Ok(Reply::Empty)
}
