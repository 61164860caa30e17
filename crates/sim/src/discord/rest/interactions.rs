//! Callbacks and follow-ups of interactions: no bot token, only theirs.

use serde_json::Value;

use super::{Reply, body::Content, query_value, route::Interactions};
use crate::discord::{refusal::Refusal, world::World};

pub(crate) fn handle(
    world: &mut World,
    route: &Interactions,
    query: &str,
    content: Content,
) -> Result<Reply, Refusal> {
    match route {
        Interactions::Callback { interaction, token } => {
            let body = content.object()?.clone();
            let result = world.callback(*interaction, token, &body, content.uploads)?;
            let wanted = query_value(query, "with_response")
                .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
            Ok(if wanted {
                Reply::Json(result.json)
            } else {
                Reply::Empty
            })
        }
        Interactions::FollowUp(hook) => {
            let id = world.by_token(hook.application, &hook.token)?;
            let body = content.object()?.clone();
            let message = world.follow_up(id, &body, content.uploads)?;
            Ok(Reply::Json(Value::clone(&message.json)))
        }
        Interactions::Get(hook, name) => {
            let id = world.by_token(hook.application, &hook.token)?;
            let (channel, message) = world.webhook_message(id, name)?;
            Ok(Reply::Json(Value::clone(
                &world.message(channel, message)?.json,
            )))
        }
        Interactions::Edit(hook, name) => {
            let id = world.by_token(hook.application, &hook.token)?;
            let message = world.webhook_edit(id, name, content.object()?, &content.uploads)?;
            Ok(Reply::Json(Value::clone(&message.json)))
        }
        Interactions::Delete(hook, name) => {
            let id = world.by_token(hook.application, &hook.token)?;
            let (channel, message) = world.webhook_message(id, name)?;
            world.delete_message(channel, message)?;
            Ok(Reply::Empty)
        }
    }
}
