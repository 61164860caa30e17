//! Carries out what was decided about an interaction: acknowledge first, then hand on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_core::id::GuildId;
use backline_core::music::{Outcome, Refusal};
use backline_runtime::metrics::gateway::{
    GatewayMetrics, InteractionKind, InteractionLabels, InteractionResult,
};
use backline_service::message::CommandMessage;
use backline_service::{History, Lines, Suggestion};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, info, warn};
use twilight_model::application::command::{CommandOptionChoice, CommandOptionChoiceValue};
use twilight_model::channel::message::MessageFlags;
use twilight_model::channel::message::component::Component;
use twilight_model::http::interaction::{
    InteractionResponse, InteractionResponseData, InteractionResponseType,
};

use super::interaction::{Ack, Decision, Interaction};
use super::order::Turn;
use super::render::{self, answer};
use super::reply::Replies;
use super::rest::RestError;

/// Carries out decisions, each in a task of its own.
#[derive(Debug, Clone)]
pub struct Interactions {
    replies: Replies,
    lines: Lines,
    history: History,
    metrics: GatewayMetrics,
    tracker: TaskTracker,
    slots: Arc<Semaphore>,
}

impl Interactions {
    /// Returns what all shards share.
    pub fn new(
        replies: Replies,
        lines: Lines,
        history: History,
        metrics: GatewayMetrics,
        tracker: TaskTracker,
    ) -> Self {
        Self {
            replies,
            lines,
            history,
            metrics,
            tracker,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Starts to carry out a decision. `turn` keeps the order within the guild, `latency` is how
    /// the gateway is.
    pub fn carry_out(
        &self,
        interaction: Box<Interaction>,
        decision: Decision,
        turn: Option<Turn>,
        latency: Option<Duration>,
    ) {
        let kind = interaction.kind();
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            // The person sees that the bot did not answer; the others are served.
            warn!("interaction was shed");
            self.count(kind, InteractionResult::Shed);
            return;
        };
        let arrived = Instant::now();
        let this = self.clone();
        self.tracker.spawn(async move {
            let result = this
                .run(&interaction, decision, turn, latency, arrived)
                .await;
            this.count(kind, result);
            drop(slot);
        });
    }

    async fn run(
        &self,
        interaction: &Interaction,
        decision: Decision,
        turn: Option<Turn>,
        latency: Option<Duration>,
        arrived: Instant,
    ) -> InteractionResult {
        let response = match decision {
            Decision::Forward { ack, message } => {
                let acknowledged = self
                    .respond(interaction, &acknowledgement(ack), arrived)
                    .await;
                if acknowledged.is_err() {
                    // Discord told the person that it failed: doing it anyway would surprise.
                    return InteractionResult::Unacknowledged;
                }
                return self.forward(message, turn).await;
            }
            Decision::Answer(answer) => private(render::answer(&answer)),
            Decision::Ping => private(answer::ping(latency.map(|latency| latency.as_millis()))),
            Decision::Complete { guild, text } => choices(&self.suggest(guild, &text).await),
            Decision::NoSuggestions => choices(&[]),
        };
        drop(turn);
        match self.respond(interaction, &response, arrived).await {
            Ok(()) => InteractionResult::Answered,
            Err(()) => InteractionResult::Unacknowledged,
        }
    }

    async fn respond(
        &self,
        interaction: &Interaction,
        response: &InteractionResponse,
        arrived: Instant,
    ) -> Result<(), ()> {
        let replies = &self.replies;
        let result = replies
            .rest
            .respond(replies.who, interaction.id, &interaction.token, response)
            .await;
        self.metrics.ack.observe(arrived.elapsed().as_secs_f64());
        match result {
            Ok(()) => Ok(()),
            Err(error @ RestError::Gone { .. }) => {
                debug!(error = %error, "interaction had expired");
                Err(())
            }
            Err(error) => {
                warn!(error = %error, "interaction was not acknowledged");
                Err(())
            }
        }
    }

    async fn forward(&self, message: CommandMessage, mut turn: Option<Turn>) -> InteractionResult {
        let guild = message.guild;
        let reply = message.reply.clone();
        if let Some(turn) = &mut turn {
            turn.comes().await;
        }
        let sent = self.lines.send_command(message).await;
        drop(turn);
        match sent {
            Ok(()) => {
                info!(guild.id = %guild, "command was handed on");
                InteractionResult::Forwarded
            }
            Err(error) => {
                error!(guild.id = %guild, error = %error, "command was not handed on");
                let outcome = Outcome::Refused {
                    refusal: Refusal::Internal,
                };
                self.replies.reply(guild, &reply, &outcome).await;
                InteractionResult::Lost
            }
        }
    }

    async fn suggest(&self, guild: GuildId, text: &str) -> Vec<Suggestion> {
        self.history
            .suggest(guild, text, CHOICES)
            .await
            .unwrap_or_else(|error| {
                warn!(guild.id = %guild, error = %error, "suggestions were not found");
                Vec::new()
            })
    }

    fn count(&self, kind: InteractionKind, result: InteractionResult) {
        self.metrics
            .interactions
            .get_or_create(&InteractionLabels { kind, result })
            .inc();
    }
}

fn acknowledgement(ack: Ack) -> InteractionResponse {
    match ack {
        Ack::DeferPrivate => InteractionResponse {
            kind: InteractionResponseType::DeferredChannelMessageWithSource,
            data: Some(InteractionResponseData {
                flags: Some(MessageFlags::EPHEMERAL),
                ..InteractionResponseData::default()
            }),
        },
        Ack::DeferUpdate => InteractionResponse {
            kind: InteractionResponseType::DeferredUpdateMessage,
            data: None,
        },
    }
}

fn private(components: Vec<Component>) -> InteractionResponse {
    InteractionResponse {
        kind: InteractionResponseType::ChannelMessageWithSource,
        data: Some(InteractionResponseData {
            flags: Some(MessageFlags::EPHEMERAL | MessageFlags::IS_COMPONENTS_V2),
            components: Some(components),
            ..InteractionResponseData::default()
        }),
    }
}

/// Returns suggestions as choices. A value that Discord would not carry back is left out.
fn choices(suggestions: &[Suggestion]) -> InteractionResponse {
    let choices = suggestions
        .iter()
        .filter_map(|suggestion| {
            let name = match suggestion.author.trim() {
                "" => suggestion.title.clone(),
                author => format!("{} – {author}", suggestion.title),
            };
            let name = shortened(name.trim());
            let fits =
                |text: &str| !text.trim().is_empty() && text.chars().count() <= CHOICE_LENGTH;
            let value = [&suggestion.query, &suggestion.title]
                .into_iter()
                .find(|text| fits(text))?;
            Some(CommandOptionChoice {
                name: if name.is_empty() {
                    shortened(value)
                } else {
                    name
                },
                name_localizations: None,
                value: CommandOptionChoiceValue::String(value.clone()),
            })
        })
        .take(CHOICES)
        .collect();
    InteractionResponse {
        kind: InteractionResponseType::ApplicationCommandAutocompleteResult,
        data: Some(InteractionResponseData {
            choices: Some(choices),
            ..InteractionResponseData::default()
        }),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CHOICE_LENGTH {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(CHOICE_LENGTH - 1).collect();
    short.push('…');
    short
}

/// Interactions carried out at the same time; Discord gives each three seconds.
const AT_ONCE: usize = 2048;

const CHOICES: usize = 25;
const CHOICE_LENGTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn suggestion(title: &str, author: &str, query: &str) -> Suggestion {
        Suggestion {
            title: title.into(),
            author: author.into(),
            query: query.into(),
        }
    }

    fn pairs(suggestions: &[Suggestion]) -> Vec<(String, String)> {
        let list = choices(suggestions)
            .data
            .and_then(|data| data.choices)
            .expect("choices");
        list.into_iter()
            .map(|choice| match choice.value {
                CommandOptionChoiceValue::String(value) => (choice.name, value),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn suggestions_keep_discords_limits() {
        let long = "x".repeat(150);
        let rows = [
            (
                suggestion("Sea", "Low Tide", "https://a.example"),
                Some(("Sea – Low Tide", "https://a.example")),
            ),
            (
                suggestion("Sea", " ", "https://a.example"),
                Some(("Sea", "https://a.example")),
            ),
            (suggestion("Sea", "", &long), Some(("Sea", "Sea"))),
            (
                suggestion("", "", "https://a.example"),
                Some(("https://a.example", "https://a.example")),
            ),
            (suggestion(&long, "", &long), None),
            (suggestion("", "", " "), None),
        ];
        for (given, expected) in rows {
            let expected: Vec<_> = expected
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(pairs(std::slice::from_ref(&given)), expected, "{given:?}");
        }
        let long_name = pairs(&[suggestion(&"ö".repeat(150), "", "https://a.example")]);
        assert_eq!(long_name[0].0.chars().count(), 100);
        assert_eq!(pairs(&vec![suggestion("Sea", "", "a"); 40]).len(), 25);
    }
}
