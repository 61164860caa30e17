//! The bot itself, its application, and where the gateway is.

use serde_json::{Value, json};

use super::{Caller, Reply, body::Content, query_value, route::Me};
use crate::discord::{
    check::{Form, Need},
    id::{GuildId, UserId},
    refusal::{Errors, Refusal},
    world::{World, dispatch::GUILDS, permission},
};

pub(crate) fn handle(
    world: &mut World,
    caller: Option<Caller>,
    route: &Me,
    query: &str,
    content: &Content,
) -> Result<Reply, Refusal> {
    if *route == Me::Gateway {
        return Ok(Reply::Json(json!({"url": world.gateway_url})));
    }
    let caller = caller.ok_or_else(Refusal::unauthorized)?;
    match route {
        Me::Gateway | Me::GatewayBot => {
            let guilds = world.guilds_of_shard(caller.bot, (0, 1));
            let shards = world
                .limits
                .recommended_shards
                .unwrap_or_else(|| guilds.div_ceil(GUILDS_PER_SHARD).max(1) as u32);
            Ok(Reply::Json(json!({
                "url": world.gateway_url,
                "shards": shards,
                "session_start_limit": world.start_limit_json(caller.application),
            })))
        }
        Me::User => Ok(Reply::Json(world.user(caller.bot)?.own_json())),
        Me::OtherUser(id) => Ok(Reply::Json(world.user(*id)?.json())),
        Me::EditUser => {
            let mut errors = Errors::default();
            let mut form = Form::new(content.object()?, "", &mut errors);
            let name = form
                .text("username", Need::Optional, 2..=32)
                .map(ToOwned::to_owned);
            errors.finish()?;
            if let (Some(name), Some(user)) = (name, world.users.get_mut(&caller.bot)) {
                user.name = name;
            }
            Ok(Reply::Json(world.user(caller.bot)?.own_json()))
        }
        Me::MyGuilds => my_guilds(world, caller.bot, query),
        Me::OpenDirect => {
            let mut errors = Errors::default();
            let mut form = Form::new(content.object()?, "", &mut errors);
            let person = form.snowflake("recipient_id", Need::Required);
            errors.finish()?;
            let person = UserId::new(person.unwrap_or_default());
            let channel = world.open_direct(caller.bot, person)?;
            Ok(Reply::Json(world.channel_json(channel, caller.bot)?))
        }
        Me::Application => Ok(Reply::Json(world.application_json(caller.application)?)),
        Me::EditApplication => {
            let mut errors = Errors::default();
            let mut form = Form::new(content.object()?, "", &mut errors);
            let description = form
                .text("description", Need::Optional, 0..=400)
                .map(ToOwned::to_owned);
            errors.finish()?;
            if let (Some(description), Some(application)) =
                (description, world.applications.get_mut(&caller.application))
            {
                application.description = description;
            }
            Ok(Reply::Json(world.application_json(caller.application)?))
        }
        Me::LeaveGuild(guild) => leave(world, caller, *guild),
        Me::VoiceRegions => Ok(Reply::Json(json!([
            {"id": "rotterdam", "name": "Rotterdam", "custom": false, "deprecated": false, "optimal": true},
            {"id": "us-east", "name": "US East", "custom": false, "deprecated": false, "optimal": false},
        ]))),
    }
}

fn my_guilds(world: &World, bot: UserId, query: &str) -> Result<Reply, Refusal> {
    let number = |key: &str| query_value(query, key).and_then(|value| value.parse::<u64>().ok());
    let limit = number("limit").unwrap_or(200);
    if !(1..=200).contains(&limit) {
        return Err(Errors::one(
            "limit",
            "NUMBER_TYPE_MAX",
            "int value should be between 1 and 200.",
        ));
    }
    let after = number("after").unwrap_or(0);
    let before = number("before").unwrap_or(u64::MAX);
    let guilds: Vec<Value> = world
        .guilds
        .values()
        .filter(|guild| {
            guild.members.contains_key(&bot) && guild.id.get() > after && guild.id.get() < before
        })
        .take(limit as usize)
        .map(|guild| {
            json!({
                "id": guild.id,
                "name": guild.name,
                "icon": null,
                "banner": null,
                "owner": guild.owner == bot,
                "permissions": permission::in_guild(guild, bot).to_string(),
                "features": [],
                "approximate_member_count": guild.members.len(),
                "approximate_presence_count": guild.members.len(),
            })
        })
        .collect();
    Ok(Reply::Json(json!(guilds)))
}

fn leave(world: &mut World, caller: Caller, guild: GuildId) -> Result<Reply, Refusal> {
    if !world.guild(guild)?.members.contains_key(&caller.bot) {
        return Err(Refusal::unknown_guild());
    }
    world.set_voice(guild, caller.bot, None);
    let json = json!({"id": guild});
    world.dispatch(
        crate::discord::world::dispatch::Audience::Own(caller.application, guild),
        GUILDS,
        "GUILD_DELETE",
        &json,
    );
    if let Ok(guild) = world.guild_mut(guild) {
        guild.members.remove(&caller.bot);
    }
    world.touch();
    Ok(Reply::Empty)
}

const GUILDS_PER_SHARD: usize = 1_000;
