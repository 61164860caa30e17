//! Guilds: channels, members, roles, voice states.

use serde_json::{Value, json};

use super::{
    Caller, Reply,
    body::Content,
    query_value,
    route::{GuildAction, Guilds},
};
use crate::discord::{
    check::{Form, Need},
    id::{ChannelId, GuildId, UserId},
    refusal::{Errors, Refusal},
    world::{
        World,
        channel::ChannelKind,
        guild::Role,
        permission::{MANAGE_CHANNELS, MOVE_MEMBERS, in_guild},
        voice::VoiceWish,
    },
};

pub(crate) fn handle(
    world: &mut World,
    caller: Caller,
    route: &Guilds,
    query: &str,
    content: &Content,
) -> Result<Reply, Refusal> {
    let (id, bot) = (route.guild, caller.bot);
    let guild = world.guild(id)?;
    if !guild.members.contains_key(&bot) {
        // WIRE: a guild one is not in does not exist.
        return Err(Refusal::unknown_guild());
    }
    match &route.action {
        GuildAction::Get => {
            let mut json = guild.json();
            if query_value(query, "with_counts").is_some_and(|value| value == "true") {
                json["approximate_member_count"] = json!(guild.members.len());
                json["approximate_presence_count"] = json!(guild.members.len());
            }
            Ok(Reply::Json(json))
        }
        GuildAction::Channels => {
            let list: Vec<Value> = guild
                .channels
                .values()
                .map(|channel| channel.json_for(guild, bot))
                .collect();
            Ok(Reply::Json(json!(list)))
        }
        GuildAction::CreateChannel => create_channel(world, id, caller, content),
        GuildAction::Members => {
            let limit = query_value(query, "limit")
                .and_then(|value| value.parse().ok())
                .unwrap_or(1_usize);
            let after = query_value(query, "after")
                .and_then(|value| value.parse().ok())
                .unwrap_or(0_u64);
            if !(1..=1_000).contains(&limit) {
                return Err(Errors::one(
                    "limit",
                    "NUMBER_TYPE_MAX",
                    "int value should be less than or equal to 1000.",
                ));
            }
            if world.application(caller.application)?.privileged_intents & (1 << 1) == 0 {
                return Err(Refusal::missing_access());
            }
            let list: Vec<Value> = guild
                .members
                .keys()
                .filter(|user| user.get() > after)
                .take(limit)
                .filter_map(|user| world.member_json(id, *user).ok())
                .collect();
            Ok(Reply::Json(json!(list)))
        }
        GuildAction::Member(user) => {
            world.user(*user)?;
            Ok(Reply::Json(world.member_json(id, *user)?))
        }
        GuildAction::EditMember(user) => edit_member(world, id, *user, caller, content),
        GuildAction::Roles => Ok(Reply::Json(guild.roles.values().map(Role::json).collect())),
        GuildAction::Role(role) => Ok(Reply::Json(
            guild
                .roles
                .get(role)
                .ok_or_else(Refusal::unknown_role)?
                .json(),
        )),
        GuildAction::MyVoiceState => voice_state(world, id, bot),
        GuildAction::EditMyVoiceState => edit_voice_state(world, id, bot, content),
        GuildAction::VoiceState(user) => voice_state(world, id, *user),
    }
}

fn voice_state(world: &World, guild: GuildId, user: UserId) -> Result<Reply, Refusal> {
    let state = world
        .guild(guild)?
        .voice
        .get(&user)
        .ok_or_else(Refusal::unknown_voice_state)?;
    let mut json = state.json();
    json["guild_id"] = json!(guild);
    json["member"] = world.member_json(guild, user)?;
    Ok(Reply::Json(json))
}

/// On a stage: speak, or ask to.
fn edit_voice_state(
    world: &mut World,
    guild: GuildId,
    bot: UserId,
    content: &Content,
) -> Result<Reply, Refusal> {
    let mut errors = Errors::default();
    let mut form = Form::new(content.object()?, "", &mut errors);
    form.snowflake("channel_id", Need::Optional);
    let suppress = form.boolean("suppress", Need::Optional);
    errors.finish()?;
    let state = world
        .guild_mut(guild)?
        .voice
        .get_mut(&bot)
        .ok_or_else(Refusal::unknown_voice_state)?;
    if let Some(suppress) = suppress {
        state.suppress = suppress;
    }
    Ok(Reply::Empty)
}

fn create_channel(
    world: &mut World,
    guild: GuildId,
    caller: Caller,
    content: &Content,
) -> Result<Reply, Refusal> {
    if in_guild(world.guild(guild)?, caller.bot) & MANAGE_CHANNELS == 0 {
        return Err(Refusal::missing_permissions());
    }
    let mut errors = Errors::default();
    let mut form = Form::new(content.object()?, "", &mut errors);
    let name = form
        .text("name", Need::Required, 1..=100)
        .unwrap_or_default()
        .to_owned();
    let kind = form
        .choice("type", Need::Optional, &[0, 2, 4, 13])
        .unwrap_or(0);
    errors.finish()?;
    let kind = ChannelKind::from_number(kind).unwrap_or(ChannelKind::Text);
    let id = world.add_channel(guild, &name, kind)?;
    Ok(Reply::Created(world.channel_json(id, caller.bot)?))
}

/// Moves a member to another voice channel or out of voice; renames it.
fn edit_member(
    world: &mut World,
    guild_id: GuildId,
    user: UserId,
    caller: Caller,
    content: &Content,
) -> Result<Reply, Refusal> {
    let body = content.object()?;
    let mut errors = Errors::default();
    let mut form = Form::new(body, "", &mut errors);
    let channel = form
        .snowflake("channel_id", Need::Optional)
        .map(ChannelId::new);
    let nick = form
        .text("nick", Need::Optional, 0..=32)
        .map(ToOwned::to_owned);
    errors.finish()?;
    let guild = world.guild(guild_id)?;
    if !guild.members.contains_key(&user) {
        return Err(Refusal::unknown_member());
    }
    if body.contains_key("channel_id") {
        if in_guild(guild, caller.bot) & MOVE_MEMBERS == 0 {
            return Err(Refusal::missing_permissions());
        }
        let state = guild
            .voice
            .get(&user)
            .ok_or_else(Refusal::target_not_in_voice)?
            .clone();
        if let Some(channel) = channel
            && !guild
                .channels
                .get(&channel)
                .is_some_and(|channel| channel.kind.is_voice())
        {
            return Err(Refusal::unknown_channel());
        }
        world.move_voice(
            guild_id,
            user,
            channel.map(|channel| VoiceWish {
                channel,
                session: state.session,
                self_mute: state.self_mute,
                self_deaf: state.self_deaf,
            }),
        );
    }
    if let Some(nick) = nick {
        if user != caller.bot && in_guild(world.guild(guild_id)?, caller.bot) & (1 << 27) == 0 {
            return Err(Refusal::missing_permissions());
        }
        if let Some(member) = world.guild_mut(guild_id)?.members.get_mut(&user) {
            member.nick = Some(nick).filter(|nick| !nick.is_empty());
        }
    }
    Ok(Reply::Json(world.member_json(guild_id, user)?))
}
