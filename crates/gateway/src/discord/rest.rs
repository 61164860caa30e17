//! Discord's REST API, as far as the role calls it. Rate limits are twilight's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backline_core::id::{ChannelId, MessageId, UserId};
use backline_runtime::metrics::gateway::Delivery;
use serde::Deserialize;
use twilight_http::Client;
use twilight_http::api_error::ApiError;
use twilight_http::error::ErrorType;
use twilight_model::application::command::Command;
use twilight_model::channel::message::component::Component;
use twilight_model::channel::message::{AllowedMentions, MessageFlags};
use twilight_model::gateway::connection_info::BotConnectionInfo;
use twilight_model::http::interaction::InteractionResponse;
use twilight_model::id::Id;
use twilight_model::id::marker::{
    ApplicationMarker, ChannelMarker, InteractionMarker, MessageMarker,
};
use url::Url;

use super::interaction::InteractionId;
use super::pace::Pace;

/// Who we are towards Discord.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The bot's user.
    pub bot: UserId,
    /// The application the bot belongs to.
    pub application: Id<ApplicationMarker>,
}

/// A client of Discord's REST API; cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    client: Arc<Client>,
    /// Acknowledgements go round these: twilight's rate limiter sends requests without a bucket
    /// one after another, and an acknowledgement must not wait for somebody else's.
    lanes: Arc<[Client]>,
    lane: Arc<AtomicUsize>,
    /// Of all requests but those about interactions, which do not count towards the limit.
    pace: Arc<Mutex<Pace>>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// What it was about is gone: a deleted message, an expired interaction.
    #[error("what the request was about does not exist any more (code {code})")]
    Gone {
        /// Discord's error code.
        code: u64,
    },
    /// The bot may not do this.
    #[error("the bot is not permitted to do this (code {code})")]
    Forbidden {
        /// Discord's error code.
        code: u64,
    },
    /// The token is not valid.
    #[error("the bot token is not valid")]
    Unauthorized,
    /// Discord refused the request as it was written.
    #[error("Discord refused the request with status {status} (code {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Discord's error code.
        code: u64,
    },
    /// Discord failed or could not be reached.
    #[error("Discord did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer was not what it should be.
    #[error("Discord's answer could not be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("Discord did not answer in time")]
    Late,
}

impl RestError {
    /// Returns whether the same request may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late | Self::Unreadable(_) => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Gone { .. } | Self::Forbidden { .. } | Self::Unauthorized => false,
        }
    }

    /// Returns its label in metrics.
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Gone { .. } => Delivery::Gone,
            Self::Forbidden { .. } => Delivery::Forbidden,
            _ => Delivery::Failed,
        }
    }
}

impl Rest {
    /// Returns a client. Nothing is sent yet.
    pub fn new(token: &str, api_url: Option<&Url>) -> Self {
        let build = || {
            let builder = Client::builder()
                .token(token.to_owned())
                .timeout(TIMEOUT)
                // Titles may look like mentions; nobody is to be pinged by one.
                .default_allowed_mentions(AllowedMentions::default());
            match api_url.and_then(authority) {
                Some((authority, plain)) => builder.proxy(authority, plain).build(),
                None => builder.build(),
            }
        };
        Self {
            client: Arc::new(build()),
            lanes: (0..LANES).map(|_| build()).collect(),
            lane: Arc::default(),
            pace: Arc::new(Mutex::new(Pace::new(PER_SECOND, BURST))),
        }
    }

    /// Returns where the gateway is and how many sessions may be begun.
    pub async fn gateway(&self) -> Result<BotConnectionInfo, RestError> {
        self.client
            .gateway()
            .authed()
            .await
            .map_err(classify)?
            .model()
            .await
            .map_err(unreadable)
    }

    /// Returns who the token belongs to.
    pub async fn identity(&self) -> Result<Identity, RestError> {
        #[derive(Deserialize)]
        struct User {
            id: UserId,
        }
        #[derive(Deserialize)]
        struct Application {
            id: Id<ApplicationMarker>,
        }
        // Read as text: twilight's models ask for more fields than these answers must have.
        let user = self
            .client
            .current_user()
            .await
            .map_err(classify)?
            .text()
            .await
            .map_err(unreadable)?;
        let user: User = serde_json::from_str(&user).map_err(unreadable)?;
        let application = self
            .client
            .current_user_application()
            .await
            .map_err(classify)?;
        let application = application.text().await.map_err(unreadable)?;
        let application: Application = serde_json::from_str(&application).map_err(unreadable)?;
        Ok(Identity {
            bot: user.id,
            application: application.id,
        })
    }

    /// Returns the commands that Discord knows.
    pub async fn commands(&self, who: Identity) -> Result<Vec<Command>, RestError> {
        let client = self.client.interaction(who.application);
        client
            .global_commands()
            .await
            .map_err(classify)?
            .model()
            .await
            .map_err(unreadable)
    }

    /// Replaces the commands that Discord knows.
    pub async fn set_commands(&self, who: Identity, commands: &[Command]) -> Result<(), RestError> {
        let client = self.client.interaction(who.application);
        client
            .set_global_commands(commands)
            .await
            .map_err(classify)?;
        Ok(())
    }

    /// Answers or acknowledges an interaction; given up when Discord would not take it any more.
    pub async fn respond(
        &self,
        who: Identity,
        interaction: InteractionId,
        token: &str,
        response: &InteractionResponse,
    ) -> Result<(), RestError> {
        let lane = self.lane.fetch_add(1, Ordering::Relaxed) % LANES;
        let client = self.lanes[lane].interaction(who.application);
        let id = Id::<InteractionMarker>::new(interaction.as_u64());
        let request = client.create_response(id, token, response).into_future();
        tokio::time::timeout(RESPONSE_LIMIT, request)
            .await
            .map_err(|_| RestError::Late)?
            .map_err(classify)?;
        Ok(())
    }

    /// Replaces what an interaction was answered with, or fills in what was deferred.
    pub async fn edit_answer(
        &self,
        who: Identity,
        token: &str,
        message: &[Component],
    ) -> Result<(), RestError> {
        let client = self.client.interaction(who.application);
        let request = client
            .update_response(token)
            .flags(MessageFlags::IS_COMPONENTS_V2)
            .components(Some(message));
        request.await.map_err(classify)?;
        Ok(())
    }

    /// Sends a further, private answer to an interaction.
    pub async fn follow_up(
        &self,
        who: Identity,
        token: &str,
        message: &[Component],
    ) -> Result<(), RestError> {
        let client = self.client.interaction(who.application);
        let flags = MessageFlags::IS_COMPONENTS_V2 | MessageFlags::EPHEMERAL;
        client
            .create_followup(token)
            .flags(flags)
            .components(message)
            .await
            .map_err(classify)?;
        Ok(())
    }

    /// Writes a message.
    pub async fn create_message(
        &self,
        channel: ChannelId,
        message: &[Component],
    ) -> Result<MessageId, RestError> {
        self.keep_pace().await;
        #[derive(Deserialize)]
        struct Message {
            id: MessageId,
        }
        let request = self
            .client
            .create_message(id_of(channel))
            .flags(MessageFlags::IS_COMPONENTS_V2);
        let response = request.components(message).await.map_err(classify)?;
        let text = response.text().await.map_err(unreadable)?;
        let created: Message = serde_json::from_str(&text).map_err(unreadable)?;
        Ok(created.id)
    }

    /// Edits a message.
    pub async fn edit_message(
        &self,
        channel: ChannelId,
        message: MessageId,
        components: &[Component],
    ) -> Result<(), RestError> {
        self.keep_pace().await;
        let request = self
            .client
            .update_message(id_of(channel), message_id_of(message));
        request
            .flags(MessageFlags::IS_COMPONENTS_V2)
            .components(Some(components))
            .await
            .map_err(classify)?;
        Ok(())
    }

    async fn keep_pace(&self) {
        let now = Instant::now();
        let at = self
            .pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .reserve(now);
        if at > now {
            tokio::time::sleep_until(at.into()).await;
        }
    }

    /// Takes a message away.
    pub async fn delete_message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<(), RestError> {
        self.keep_pace().await;
        self.client
            .delete_message(id_of(channel), message_id_of(message))
            .await
            .map_err(classify)?;
        Ok(())
    }
}

fn id_of(channel: ChannelId) -> Id<ChannelMarker> {
    Id::new(channel.as_u64())
}

fn message_id_of(message: MessageId) -> Id<MessageMarker> {
    Id::new(message.as_u64())
}

/// Returns host and port of a base URL, and whether it is plaintext.
fn authority(url: &Url) -> Option<(String, bool)> {
    let host = url.host_str()?;
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Some((authority, url.scheme() == "http"))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> RestError {
    RestError::Unreadable(Box::new(error))
}

fn classify(error: twilight_http::Error) -> RestError {
    let (status, code) = match error.kind() {
        ErrorType::Unauthorized => return RestError::Unauthorized,
        ErrorType::Response { error, status, .. } => {
            let code = match error {
                ApiError::General(error) => error.code,
                _ => 0,
            };
            (status.get(), code)
        }
        ErrorType::RequestTimedOut => return RestError::Late,
        ErrorType::Parsing { .. } | ErrorType::Json => {
            return RestError::Unreadable(Box::new(error));
        }
        _ => return RestError::Unreachable(Box::new(error)),
    };
    match (status, code) {
        (
            _,
            UNKNOWN_CHANNEL
            | UNKNOWN_MESSAGE
            | UNKNOWN_WEBHOOK
            | UNKNOWN_INTERACTION
            | INVALID_WEBHOOK_TOKEN,
        )
        | (404, _) => RestError::Gone { code },
        (403, _) => RestError::Forbidden { code },
        (401, _) => RestError::Unauthorized,
        _ => RestError::Refused { status, code },
    }
}

const LANES: usize = 8;

/// With the burst below Discord's fifty requests a second.
const PER_SECOND: u32 = 35;
const BURST: u32 = 10;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Discord takes a first response for three seconds.
const RESPONSE_LIMIT: Duration = Duration::from_secs(3);

const UNKNOWN_CHANNEL: u64 = 10_003;
const UNKNOWN_MESSAGE: u64 = 10_008;
const UNKNOWN_WEBHOOK: u64 = 10_015;
const UNKNOWN_INTERACTION: u64 = 10_062;
const INVALID_WEBHOOK_TOKEN: u64 = 50_027;
