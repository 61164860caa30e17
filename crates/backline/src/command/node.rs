//! `backline node`: the Lavalink v4 server alone.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use backline_runtime::health::{self, Health};
use backline_runtime::lifecycle::Lifecycle;
use backline_runtime::metrics::Metrics;
use backline_runtime::{config, telemetry};
use tokio_util::sync::CancellationToken;

use super::Environment;
use crate::cli::Node;
use crate::platform::node_advice;

/// Runs until SIGTERM or SIGINT, then closes its sockets.
pub async fn execute(arguments: Node, environment: Environment) -> anyhow::Result<ExitCode> {
    let (config, warnings) = configuration(&arguments, environment)?;
    let password = config.node.password.clone().context(
        "a node needs a password: set BACKLINE_NODE__PASSWORD, BACKLINE_NODE__PASSWORD_FILE or `node.password`",
    )?;
    telemetry::init(&config.process)?;
    for warning in warnings {
        tracing::warn!(warning, "a setting of application.yml was passed over");
    }
    let lifecycle = Lifecycle::new();
    lifecycle
        .listen_for_signals()
        .context("listening for signals")?;
    let metrics = Metrics::new();
    let health = Health::new();
    let part = health.component("node");
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
    let node = backline_node::start(&config.node, password, &metrics, lifecycle.token())
        .await
        .with_context(|| format!("starting the node{}", node_advice(&config.node)))?;
    part.ready();
    tracing::info!(node.address = %node.local_addr(), "node started");
    lifecycle.token().cancelled().await;
    health.drain();
    node.stopped().await;
    end.cancel();
    internal.stopped().await;
    tracing::info!("node stopped");
    Ok(ExitCode::SUCCESS)
}

/// Reads our configuration, or Lavalink's with what has no counterpart in it.
fn configuration(
    arguments: &Node,
    environment: Environment,
) -> anyhow::Result<(config::Config, Vec<String>)> {
    let found = || {
        let usual = PathBuf::from("application.yml");
        (arguments.config.is_none() && usual.is_file()).then_some(usual)
    };
    let Some(file) = arguments.application_yml.clone().or_else(found) else {
        let config = config::load(arguments.config.as_deref(), environment.into_iter())?;
        return Ok((config, Vec::new()));
    };
    let read = config::load_application_yml(&file, environment.into_iter())?;
    Ok((read.config, read.warnings))
}
