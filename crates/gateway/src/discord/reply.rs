//! Does on Discord what the audio role asks for: answers, voice, notices.

use std::sync::Arc;

use backline_core::id::GuildId;
use backline_core::music::Outcome;
use backline_runtime::metrics::gateway::{Delivery, GatewayMetrics, ReplyLabels};
use backline_service::Consumer;
use backline_service::message::{ReplyKind, ReplyTo, ToDiscord};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::render::{self, outcome};
use super::rest::{Identity, Rest, RestError};
use super::voice::Voice;

/// Delivers to Discord what comes over the line.
#[derive(Debug, Clone)]
pub struct Replies {
    /// REST.
    pub rest: Rest,
    /// Who we are.
    pub who: Identity,
    /// Where voice requests go.
    pub voice: Voice,
    /// Counts.
    pub metrics: GatewayMetrics,
}

impl Replies {
    /// Runs until shutdown or until the line is closed.
    pub async fn run(
        self,
        mut line: Consumer<ToDiscord>,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let delivery = tokio::select! {
                () = shutdown.cancelled() => return,
                delivery = line.next() => match delivery {
                    Some(delivery) => delivery,
                    None => return,
                },
            };
            let (message, receipt) = delivery.into_parts();
            match message {
                // Orders of one guild keep their order: they go out from here, not from a task.
                ToDiscord::Voice { guild, channel } => {
                    self.voice.request(guild, channel);
                    receipt.ack();
                }
                ToDiscord::Reply { guild, to, outcome } => {
                    let slot = Arc::clone(&slots)
                        .acquire_owned()
                        .await
                        .expect("never closed");
                    let replies = self.clone();
                    tracker.spawn(async move {
                        replies.reply(guild, &to, &outcome).await;
                        receipt.ack();
                        drop(slot);
                    });
                }
                ToDiscord::Notice {
                    guild,
                    text_channel,
                    outcome,
                } => {
                    let slot = Arc::clone(&slots)
                        .acquire_owned()
                        .await
                        .expect("never closed");
                    let replies = self.clone();
                    tracker.spawn(async move {
                        let result = replies
                            .rest
                            .create_message(text_channel, &render::outcome(&outcome))
                            .await;
                        replies.count(guild, result.as_ref().err());
                        receipt.ack();
                        drop(slot);
                    });
                }
            }
        }
    }

    /// Answers a person. An interaction that expired is past answering.
    pub async fn reply(&self, guild: GuildId, to: &ReplyTo, outcome: &Outcome) {
        let result = match to.kind {
            ReplyKind::Command => {
                self.rest
                    .edit_answer(self.who, &to.token, &render::outcome(outcome))
                    .await
            }
            ReplyKind::Button if outcome::is_told_after_button(outcome) => {
                self.rest
                    .follow_up(self.who, &to.token, &render::outcome(outcome))
                    .await
            }
            ReplyKind::Button => return,
        };
        self.count(guild, result.as_ref().err());
    }

    fn count(&self, guild: GuildId, error: Option<&RestError>) {
        let result = error.map_or(Delivery::Ok, RestError::delivery);
        self.metrics
            .replies
            .get_or_create(&ReplyLabels { result })
            .inc();
        match error {
            None => {}
            Some(error @ RestError::Gone { .. }) => {
                debug!(guild.id = %guild, error = %error, "answer came too late");
            }
            Some(error) => warn!(guild.id = %guild, error = %error, "answer was not delivered"),
        }
    }
}

/// Requests on their way at the same time; more wait on the line.
const AT_ONCE: usize = 256;
