//! `backline run`: the bot, with all roles in one process.

use std::process::ExitCode;

use anyhow::Context;
use backline_runtime::health::{self, Health};
use backline_runtime::lifecycle::Lifecycle;
use backline_runtime::metrics::Metrics;
use backline_runtime::{config, telemetry};
use tokio_util::sync::CancellationToken;

use super::Environment;
use crate::cli::WithConfig;
use crate::platform::Platform;

/// Runs until SIGTERM or SIGINT, or until Discord refuses the bot for good; then drains.
pub async fn execute(arguments: WithConfig, environment: Environment) -> anyhow::Result<ExitCode> {
    let config = config::load(arguments.config.as_deref(), environment.into_iter())?;
    telemetry::init(&config.process)?;
    let lifecycle = Lifecycle::new();
    lifecycle
        .listen_for_signals()
        .context("listening for signals")?;
    let metrics = Metrics::new();
    let health = Health::new();
    // The internal port goes last: it tells whoever asks that the process drains.
    let end = CancellationToken::new();
    let internal = health::serve(
        config.process.internal_bind,
        health.clone(),
        metrics.clone(),
        end.clone(),
    )
    .await
    .context(
        "choose another address with `process.internal_bind` (BACKLINE_PROCESS__INTERNAL_BIND)",
    )?;
    let shutdown = lifecycle.token();
    let platform = Platform::start(&config, &metrics, &health, &shutdown).await?;
    tracing::info!("backline started");
    platform.watch(&shutdown).await;
    health.drain();
    let ended = platform.drain().await;
    end.cancel();
    internal.stopped().await;
    tracing::info!("backline stopped");
    ended?;
    Ok(ExitCode::SUCCESS)
}
