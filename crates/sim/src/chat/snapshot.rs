//! What one user sees of the world, in the page's words.

use serde_json::{Value, json};

use crate::discord::{
    ChannelId, ChannelKind, GuildId, Message, UserId,
    world::{World, channel::Channel, guild::Guild, permission},
};

/// Everything a page needs to begin.
pub(super) fn world(world: &World, me: UserId, suggestions: &[String]) -> Value {
    json!({
        "type": "world",
        "me": user(world, me),
        "users": users(world, me),
        "guilds": guilds(world, me),
        "guild_id": home(world, me).map(|(guild, _)| guild),
        "channel_id": home(world, me).map(|(_, channel)| channel),
        "messages": messages(world, me),
        "commands": commands(world),
        "suggestions": suggestions,
    })
}

/// The parts that change when channels are made or people come and go.
pub(super) fn places(world: &World, me: UserId) -> Value {
    json!({ "type": "guilds", "users": users(world, me), "guilds": guilds(world, me) })
}

/// The commands of all bots.
pub(super) fn all_commands(world: &World) -> Value {
    json!({ "type": "commands", "commands": commands(world) })
}

/// A message, if this user may see it.
pub(super) fn message(world: &World, me: UserId, message: &Message) -> Option<Value> {
    let hidden = message.only_for.is_some_and(|only| only != me);
    (!hidden && sees(world, me, message.channel))
        .then(|| json!({ "type": "message", "message": &*message.json }))
}

/// Where this user is in voice.
pub(super) fn voice_place(world: &World, me: UserId) -> Option<(GuildId, ChannelId)> {
    world
        .guilds
        .values()
        .find_map(|guild| Some((guild.id, guild.voice.get(&me)?.channel)))
}

/// Whether a user may see a channel.
pub(super) fn sees(world: &World, me: UserId, channel: ChannelId) -> bool {
    match world.channel(channel) {
        Ok((Some(guild), channel)) => can_view(guild, channel, me),
        Ok((None, channel)) => channel.recipients.contains(&me),
        Err(_) => false,
    }
}

/// The guild and text channel to show first: where the user is in voice, if anywhere.
fn home(world: &World, me: UserId) -> Option<(GuildId, ChannelId)> {
    let guild = voice_place(world, me)
        .and_then(|(guild, _)| world.guilds.get(&guild))
        .or_else(|| {
            world
                .guilds
                .values()
                .find(|guild| guild.members.contains_key(&me))
        })?;
    let channel = sorted(guild, me)
        .into_iter()
        .find(|channel| channel.kind == ChannelKind::Text)?;
    Some((guild.id, channel.id))
}

fn user(world: &World, id: UserId) -> Value {
    world.users.get(&id).map_or(
        Value::Null,
        |user| json!({ "id": id, "name": user.name, "bot": user.bot }),
    )
}

fn users(world: &World, me: UserId) -> Vec<Value> {
    let mut known: Vec<UserId> = own_guilds(world, me)
        .flat_map(|guild| guild.members.keys().copied())
        .collect();
    known.push(me);
    known.sort_unstable();
    known.dedup();
    known.truncate(MOST_USERS);
    known.into_iter().map(|id| user(world, id)).collect()
}

fn guilds(world: &World, me: UserId) -> Vec<Value> {
    own_guilds(world, me)
        .map(|guild| {
            let channels: Vec<Value> = sorted(guild, me).into_iter().map(channel).collect();
            let mut voice: Vec<_> = guild.voice.values().collect();
            voice.sort_unstable_by_key(|state| state.user);
            let voice: Vec<Value> = voice
                .into_iter()
                .map(|state| json!({ "user_id": state.user, "channel_id": state.channel }))
                .collect();
            json!({ "id": guild.id, "name": guild.name, "channels": channels, "voice": voice })
        })
        .collect()
}

fn channel(channel: &Channel) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "kind": if channel.kind.is_voice() { "voice" } else { "text" },
        "topic": channel.topic,
    })
}

fn messages(world: &World, me: UserId) -> Value {
    let mut messages = serde_json::Map::new();
    for guild in own_guilds(world, me) {
        for channel in sorted(guild, me) {
            let Some(log) = world.logs.get(&channel.id) else {
                continue;
            };
            let mut shown: Vec<Value> = log
                .messages
                .values()
                .rev()
                .filter(|message| message.only_for.is_none_or(|only| only == me))
                .take(MESSAGES_PER_CHANNEL)
                .map(|message| Value::clone(&message.json))
                .collect();
            shown.reverse();
            messages.insert(channel.id.to_string(), Value::Array(shown));
        }
    }
    Value::Object(messages)
}

fn commands(world: &World) -> Vec<Value> {
    let mut commands = Vec::new();
    for application in world.applications.values() {
        let global = application
            .global_commands
            .values()
            .map(|command| (None, command));
        let guild = application
            .guild_commands
            .iter()
            .flat_map(|(guild, commands)| commands.values().map(|command| (Some(*guild), command)));
        commands.extend(
            global
                .chain(guild)
                .map(|(guild, command)| command.json(application.id, guild, false)),
        );
    }
    commands
}

fn own_guilds(world: &World, me: UserId) -> impl Iterator<Item = &Guild> {
    world
        .guilds
        .values()
        .filter(move |guild| guild.members.contains_key(&me))
        .take(MOST_GUILDS)
}

/// Channels in the order of the list, without headings and what may not be seen.
fn sorted(guild: &Guild, me: UserId) -> Vec<&Channel> {
    let mut channels: Vec<&Channel> = guild
        .channels
        .values()
        .filter(|channel| channel.kind != ChannelKind::Category && can_view(guild, channel, me))
        .collect();
    channels.sort_by_key(|channel| (channel.position, channel.id));
    channels
}

fn can_view(guild: &Guild, channel: &Channel, me: UserId) -> bool {
    permission::in_channel(guild, channel, me) & permission::VIEW_CHANNEL != 0
}

/// A page is for a person to look at, not for a load test.
const MOST_GUILDS: usize = 50;
const MOST_USERS: usize = 1_000;
const MESSAGES_PER_CHANNEL: usize = 100;
