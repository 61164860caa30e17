//! Owns music sessions: conducts Lavalink v4 nodes, restores after restart.
//!
//! One task per guild takes everything that happens to it, strictly in order, and lets
//! [`backline_core::music::Session`] decide. Guilds run in parallel. What is slow (looking up a query,
//! a request to a node) runs beside the guild and comes back as one more thing that happened.

mod clock;
mod conductor;
mod guild;
mod node;
mod query;

use std::sync::Arc;

use backline_core::music::Settings;
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_runtime::net::client::ClientError;
use backline_service::Services;
use backline_service::sessions::SessionError;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use guild::Context;
use node::Nodes;

/// Where a node is.
#[derive(Debug, Clone)]
pub struct NodeAddress {
    /// Its name in logs.
    pub name: String,
    /// Scheme (`http` or `https`), host, port, and perhaps a path.
    pub url: url::Url,
    /// Its password.
    pub password: SecretString,
}

/// Why the audio role did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no node to play on.
    #[error("no audio node is configured")]
    NoNodes,
    /// The address of a node is not one.
    #[error("the address of node `{name}` must start with http:// or https://")]
    Scheme {
        /// Which node.
        name: String,
    },
    /// The HTTP client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The saved sessions could not be read.
    #[error("the saved sessions could not be read")]
    Sessions {
        /// Why.
        #[source]
        source: SessionError,
    },
}

/// The audio role at work.
#[derive(Debug)]
pub struct RunningAudio {
    nodes: Arc<Nodes>,
    task: JoinHandle<()>,
}

/// Starts the audio role. It plays once a node is there, and the gateway has said who the bot is.
///
/// # Errors
/// The nodes are misconfigured, or the saved sessions could not be read.
pub async fn start(
    config: &config::Audio,
    nodes: Vec<NodeAddress>,
    services: Services,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<RunningAudio, StartError> {
    let nodes = Arc::new(Nodes::new(nodes)?);
    let saved = services
        .sessions
        .all()
        .await
        .map_err(|source| StartError::Sessions { source })?;
    let context = Context {
        services,
        nodes: Arc::clone(&nodes),
        settings: Settings {
            queue_limit: config.queue_limit,
            idle_leave_ms: u64::from(config.idle_leave_s) * 1_000,
            alone_leave_ms: u64::from(config.alone_leave_s) * 1_000,
        },
        search_prefix: config.search_prefix.as_str().into(),
        metrics: metrics.audio.clone(),
    };
    let task = tokio::spawn(conductor::conduct(context, saved, shutdown));
    Ok(RunningAudio { nodes, task })
}

impl RunningAudio {
    /// Waits until at least one node is there. Cancel-safe.
    pub async fn ready(&self) {
        self.nodes.some_ready().await;
    }

    /// Whether at least one node is there just now.
    pub fn is_ready(&self) -> bool {
        self.nodes.is_ready()
    }

    /// Waits until everything is saved and every node was left, after shutdown was asked for.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            error!(error = %error, "audio role died");
        }
    }
}
