//! Request guild members (op 8): chunks of a thousand.

use serde_json::{Value, json};

use super::payload::snowflake;
use crate::discord::{
    id::{GuildId, UserId},
    world::{World, dispatch::GUILD_MEMBERS},
};

/// Answers a request with GUILD_MEMBERS_CHUNK events, or with RATE_LIMITED.
pub(crate) fn request(world: &mut World, session_id: &str, data: &Value) {
    let Some(guild_id) = snowflake(data.get("guild_id")).map(GuildId::new) else {
        return;
    };
    let now = world.clock.now_ms();
    let Some(session) = world.sessions.get_mut(session_id) else {
        return;
    };
    let nonce = data
        .get("nonce")
        .and_then(Value::as_str)
        .filter(|nonce| nonce.len() <= 32);
    let query = data.get("query").and_then(Value::as_str);
    let limit = data.get("limit").and_then(Value::as_u64).unwrap_or(0) as usize;
    let wanted: Option<Vec<UserId>> = match data.get("user_ids") {
        Some(Value::Array(list)) => Some(
            list.iter()
                .filter_map(|id| snowflake(Some(id)))
                .map(UserId::new)
                .take(100)
                .collect(),
        ),
        None | Some(Value::Null) => None,
        one => snowflake(one).map(|id| vec![UserId::new(id)]),
    };
    let everybody = wanted.is_none() && query == Some("") && limit == 0;
    if everybody {
        if session.intents & GUILD_MEMBERS == 0 {
            return;
        }
        let last = session.member_requests.insert(guild_id, now);
        if let Some(left) = last
            .and_then(|last| (last + EVERYBODY_MS).checked_sub(now))
            .filter(|left| *left > 0)
        {
            if let Some(last) = last {
                session.member_requests.insert(guild_id, last);
            }
            let json = json!({
                "opcode": 8,
                "retry_after": left as f64 / 1_000.0,
                "meta": {"guild_id": guild_id, "nonce": nonce},
            });
            world.dispatch_to(session_id, "RATE_LIMITED", &json);
            return;
        }
    }
    let bot = session.bot;
    let Some(guild) = world
        .guilds
        .get(&guild_id)
        .filter(|guild| guild.members.contains_key(&bot))
    else {
        return;
    };
    let most = if everybody {
        usize::MAX
    } else {
        limit.clamp(1, 100)
    };
    let found: Vec<UserId> = match (&wanted, query) {
        (Some(wanted), _) => wanted
            .iter()
            .copied()
            .filter(|id| guild.members.contains_key(id))
            .collect(),
        (None, Some(query)) => {
            let query = query.to_lowercase();
            guild
                .members
                .keys()
                .copied()
                .filter(|id| {
                    world
                        .users
                        .get(id)
                        .is_some_and(|user| user.name.to_lowercase().starts_with(&query))
                })
                .take(most)
                .collect()
        }
        (None, None) => return,
    };
    let missing: Vec<UserId> = wanted
        .into_iter()
        .flatten()
        .filter(|id| !found.contains(id))
        .collect();
    let chunks: Vec<&[UserId]> = if found.is_empty() {
        vec![&[]]
    } else {
        found.chunks(CHUNK).collect()
    };
    let count = chunks.len();
    for (index, chunk) in chunks.into_iter().enumerate() {
        let members: Vec<Value> = chunk
            .iter()
            .filter_map(|id| world.member_json(guild_id, *id).ok())
            .collect();
        let mut json = json!({
            "guild_id": guild_id,
            "members": members,
            "chunk_index": index,
            "chunk_count": count,
        });
        if !missing.is_empty() {
            json["not_found"] = json!(missing);
        }
        if let Some(nonce) = nonce {
            json["nonce"] = json!(nonce);
        }
        world.dispatch_to(session_id, "GUILD_MEMBERS_CHUNK", &json);
    }
}

const CHUNK: usize = 1_000;
/// How often all members of a guild may be asked for.
const EVERYBODY_MS: u64 = 30_000;
