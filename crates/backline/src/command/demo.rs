//! `backline demo`: a simulated Discord, the bot, and music, without any account.

mod headless;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use backline_runtime::config::{Config, Process};
use backline_runtime::health::Health;
use backline_runtime::lifecycle::Lifecycle;
use backline_runtime::metrics::Metrics;
use backline_runtime::telemetry;
use backline_sim::chat::{ChatOptions, extra_routes};
use backline_sim::discord::{Discord, Options};
use backline_sim::voice::VoiceOptions;
use secrecy::SecretString;
use url::Url;

use crate::cli::Demo;
use crate::music;
use crate::platform::Platform;

/// Runs for a person until SIGTERM or SIGINT, or for a scripted listener until it is done.
pub async fn execute(arguments: Demo) -> anyhow::Result<ExitCode> {
    telemetry::init(&Process {
        log: arguments.log.clone(),
        ..Process::default()
    })?;
    let lifecycle = Lifecycle::new();
    lifecycle
        .listen_for_signals()
        .context("listening for signals")?;
    let folder = Folder::make()?;
    let tunes = music::unpack(&folder.music())?;
    let discord = start_discord(&arguments, &folder.path).await?;
    let config = configuration(&discord, &folder.path)?;
    let shutdown = lifecycle.token();
    let metrics = Metrics::new();
    let platform = Platform::start(&config, &metrics, &Health::new(), &shutdown).await?;

    let code = if arguments.headless {
        let listened = tokio::select! {
            listened = headless::listen(&discord, &metrics, &tunes, arguments.listen) => listened,
            () = shutdown.cancelled() => Err(anyhow!("stopped before the time was over")),
        };
        listened.and_then(|summary| headless::report(&summary))
    } else {
        welcome(&discord);
        platform.watch(&shutdown).await;
        Ok(ExitCode::SUCCESS)
    };
    let ended = platform.drain().await;
    discord.stop();
    ended?;
    code
}

#[expect(clippy::print_stdout, reason = "the address is the command's result")]
fn welcome(discord: &Discord) {
    println!();
    println!("  Backline is running. Open this page, and type /play nocturne:");
    println!();
    println!("      {}/", discord.url());
    println!();
    println!("  Everything runs on this machine: a simulated Discord, the bot, its audio node.");
    println!("  Ctrl-C ends it.");
    println!();
}

async fn start_discord(arguments: &Demo, folder: &Path) -> anyhow::Result<Discord> {
    let options = |port| Options {
        port,
        guilds: 1,
        human: Some("you".into()),
        voice: VoiceOptions {
            ca_file: Some(folder.join(CA_FILE)),
            ..VoiceOptions::default()
        },
        extra: extra_routes(ChatOptions {
            suggestions: SUGGESTIONS.iter().map(|line| (*line).to_owned()).collect(),
            ..ChatOptions::default()
        }),
        ..Options::default()
    };
    // A scripted listener needs no well-known address.
    let port = if arguments.headless {
        0
    } else {
        arguments.port
    };
    Discord::start(options(port)).await.with_context(|| {
        format!("starting the simulated Discord; is port {port} taken? --port 0 takes a free one")
    })
}

/// The bot of the demo: all in one folder that is gone afterwards, voice over TLS.
fn configuration(discord: &Discord, folder: &Path) -> anyhow::Result<Config> {
    let mut config = Config::default();
    config.discord.token = Some(SecretString::from(discord.token()));
    config.discord.api_url = Some(Url::parse(&discord.url()).context("the simulator's address")?);
    config.store.url = format!("sqlite:{}", folder.join("backline.db").display()).into();
    config.node.bind = ([127, 0, 0, 1], 0).into();
    config.node.local.root = Some(folder.join(MUSIC));
    config.node.voice.extra_ca_file = Some(folder.join(CA_FILE));
    Ok(config)
}

/// A folder for the life of the demo.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let name = format!("backline-demo-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let made = Self { path };
        std::fs::create_dir_all(made.music())
            .with_context(|| format!("making the folder {}", made.path.display()))?;
        Ok(made)
    }

    fn music(&self) -> PathBuf {
        self.path.join(MUSIC)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now, the system's cleaning of temporary files removes.
        let _kept = std::fs::remove_dir_all(&self.path);
    }
}

const MUSIC: &str = "music";
const CA_FILE: &str = "voice-ca.pem";
const SUGGESTIONS: &[&str] = &["/play nocturne", "/play bossa", "/play waltz", "/queue"];
