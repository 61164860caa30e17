//! What the person at the page does.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Chat;
use crate::discord::{ChannelId, MessageId, ScriptError};

#[derive(Debug, Deserialize)]
pub(super) struct Command {
    #[serde(deserialize_with = "id")]
    channel_id: ChannelId,
    name: String,
    options: Vec<CommandOption>,
}

#[derive(Debug, Deserialize)]
struct CommandOption {
    name: String,
    value: Value,
    #[serde(default)]
    focused: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Press {
    #[serde(deserialize_with = "id")]
    channel_id: ChannelId,
    #[serde(deserialize_with = "id")]
    message_id: MessageId,
    custom_id: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Text {
    #[serde(deserialize_with = "id")]
    channel_id: ChannelId,
    content: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct VoiceMove {
    #[serde(default)]
    channel_id: Option<String>,
}

/// `POST /chat/command`: answers when the bot has acknowledged.
pub(super) async fn command(State(chat): State<Chat>, Json(command): Json<Command>) -> Answer {
    let options = pairs(&command.options);
    let name = format!("/{}", command.name);
    let interaction = chat
        .discord()
        .command(chat.me(), command.channel_id, &name, &options)?;
    patiently(interaction.acknowledged()).await?;
    Ok(Json(json!({})))
}

/// `POST /chat/autocomplete`: answers with what the bot suggests.
pub(super) async fn autocomplete(State(chat): State<Chat>, Json(command): Json<Command>) -> Answer {
    let focused = command.options.iter().find(|option| option.focused);
    let focused = focused.ok_or_else(|| Refusal("No option is being typed.".to_owned()))?;
    let options = pairs(&command.options);
    let name = format!("/{}", command.name);
    let interaction = chat.discord().autocomplete(
        chat.me(),
        command.channel_id,
        &name,
        &options,
        &focused.name,
    )?;
    let choices = patiently(interaction.choices()).await?;
    Ok(Json(json!({ "choices": &*choices })))
}

/// `POST /chat/press`: a button, or a choice in a list.
pub(super) async fn press(State(chat): State<Chat>, Json(press): Json<Press>) -> Answer {
    let Press {
        channel_id,
        message_id,
        custom_id,
        values,
    } = press;
    let interaction = match values {
        Some(values) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            chat.discord()
                .choose(chat.me(), channel_id, message_id, &custom_id, &values)?
        }
        None => chat
            .discord()
            .press(chat.me(), channel_id, message_id, &custom_id)?,
    };
    patiently(interaction.acknowledged()).await?;
    Ok(Json(json!({})))
}

/// `POST /chat/message`: an ordinary message.
pub(super) async fn message(State(chat): State<Chat>, Json(text): Json<Text>) -> Answer {
    chat.discord()
        .say(chat.me(), text.channel_id, &text.content)?;
    Ok(Json(json!({})))
}

/// `POST /chat/voice`: joins a voice channel, or leaves.
pub(super) async fn voice(State(chat): State<Chat>, Json(wish): Json<VoiceMove>) -> Answer {
    match wish.channel_id {
        Some(channel) => {
            let channel: ChannelId = channel
                .parse()
                .map_err(|_| Refusal("There is no such channel.".to_owned()))?;
            chat.discord().join_voice(chat.me(), channel)?;
        }
        None => chat.discord().leave_voice(chat.me()),
    }
    Ok(Json(json!({})))
}

type Answer = Result<Json<Value>, Refusal>;

/// Why something was not done, as a sentence for the person.
#[derive(Debug)]
pub(super) struct Refusal(String);

impl From<ScriptError> for Refusal {
    fn from(error: ScriptError) -> Self {
        Self(match error {
            ScriptError::Refused { why, .. } => sentence(&why),
            ScriptError::TimedOut { .. } => NO_ANSWER.to_owned(),
            other => sentence(&other.to_string()),
        })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::CONFLICT, Json(json!({ "message": self.0 }))).into_response()
    }
}

/// Waits a little longer than a bot may take.
async fn patiently<T>(answer: impl Future<Output = Result<T, ScriptError>>) -> Result<T, Refusal> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Refusal(NO_ANSWER.to_owned())),
    }
}

/// Makes the sentence of an error fit to be shown.
fn sentence(text: &str) -> String {
    let text = text.replace('`', "");
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}

fn pairs(options: &[CommandOption]) -> Vec<(&str, Value)> {
    options
        .iter()
        .map(|option| (option.name.as_str(), option.value.clone()))
        .collect()
}

fn id<'de, D: Deserializer<'de>, T: std::str::FromStr>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom("an identifier is a number in a string"))
}

const NO_ANSWER: &str = "The bot did not answer in time.";
const PATIENCE: Duration = Duration::from_millis(3_500);
