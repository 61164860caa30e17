//! `backline simulate`: a Discord on this machine, for tests of any bot.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use backline_runtime::config::Process;
use backline_runtime::lifecycle::Lifecycle;
use backline_runtime::telemetry;
use backline_sim::chat::{ChatOptions, extra_routes};
use backline_sim::discord::{Discord, Options};
use backline_sim::voice::VoiceOptions;

use crate::cli::Simulate;

/// Runs until SIGTERM or SIGINT.
#[expect(
    clippy::print_stdout,
    reason = "addresses and the token are the command's result"
)]
pub async fn execute(arguments: Simulate) -> anyhow::Result<ExitCode> {
    ensure!(
        arguments.bind.is_loopback(),
        "a simulated Discord trusts everybody: bind it to a loopback address such as 127.0.0.1, not {}",
        arguments.bind
    );
    telemetry::init(&Process {
        log: arguments.log,
        ..Process::default()
    })?;
    let lifecycle = Lifecycle::new();
    lifecycle
        .listen_for_signals()
        .context("listening for signals")?;
    let discord = Discord::start(Options {
        ip: arguments.bind,
        port: arguments.port,
        token: arguments.token,
        guilds: arguments.guilds as usize,
        human: Some("you".into()),
        voice: VoiceOptions {
            ip: arguments.bind,
            port: arguments.voice_port,
            ca_file: Some(arguments.ca_file.clone()),
            ..VoiceOptions::default()
        },
        extra: extra_routes(ChatOptions::default()),
        ..Options::default()
    })
    .await
    .context(
        "starting the simulated Discord; --port 0 takes a free port, --ca-file must be writable",
    )?;
    println!("page         {}/", discord.url());
    println!("REST API     {}/v10", discord.api_url());
    println!("gateway      {}", discord.gateway_url());
    println!("application  {}", discord.application_id());
    println!("bot token    {}", discord.token());
    println!("voice CA     {}", arguments.ca_file.display());
    lifecycle.token().cancelled().await;
    discord.stop();
    Ok(ExitCode::SUCCESS)
}
