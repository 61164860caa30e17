//! A guild with a person in voice, and the role at work.

use std::future::Future;
use std::time::Duration;

use backline_core::id::{ChannelId, GuildId};
use backline_core::music::{LoopMode, Playback, Track, View};
use backline_gateway::{GatewayError, RunningGateway, StartError, start};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::message::{CommandMessage, ToAudio, UiNow};
use backline_service::{Consumer, Services};
use backline_sim::discord::{self as sim, Discord, Guild, Interaction, Limits, Options};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub struct House {
    pub discord: Discord,
    pub guild: Guild,
    pub text: sim::ChannelId,
    pub voice: sim::ChannelId,
    pub user: sim::UserId,
    pub services: Services,
    pub metrics: Metrics,
    pub commands: Consumer<CommandMessage>,
    pub to_audio: Consumer<ToAudio>,
    role: Option<(RunningGateway, CancellationToken)>,
}

impl House {
    /// A guild with one person in voice; the role is logged in.
    pub async fn open() -> Self {
        let mut house = Self::closed(Limits::default()).await;
        house.start().await;
        house
    }

    /// The same, before the role starts.
    pub async fn closed(limits: Limits) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let limits = Limits {
            identify_window: Duration::from_millis(200),
            ..limits
        };
        let discord = Discord::start(Options {
            limits,
            ..Options::default()
        })
        .await
        .unwrap();
        let guild = discord.add_guild("Harbour");
        let text = guild.add_text_channel("general");
        let voice = guild.add_voice_channel("Music");
        let user = guild.add_user("ada");
        discord.join_voice(user, voice).unwrap();
        let store = config::Store {
            url: "sqlite::memory:".into(),
            ..config::Store::default()
        };
        let services = Services::open(&store, &config::Redis::default(), &Metrics::new())
            .await
            .unwrap();
        let commands = services.lines.commands();
        let to_audio = services.lines.to_audio();
        let metrics = Metrics::new();
        Self {
            discord,
            guild,
            text,
            voice,
            user,
            services,
            metrics,
            commands,
            to_audio,
            role: None,
        }
    }

    pub fn config(&self) -> config::Discord {
        config::Discord {
            token: Some(self.discord.token().into()),
            api_url: Some(self.discord.api_url().parse().unwrap()),
            ..config::Discord::default()
        }
    }

    pub async fn start(&mut self) {
        let config = self.config();
        self.start_with(&config).await.expect("the role starts");
        let (role, _) = self.role.as_ref().expect("started");
        in_time("the role to be ready", role.ready()).await;
        assert!(role.is_ready(), "{:?}", self.discord.journal().tail(0, 40));
    }

    pub async fn start_with(&mut self, config: &config::Discord) -> Result<(), StartError> {
        let shutdown = CancellationToken::new();
        let role = start(
            config,
            self.services.clone(),
            &self.metrics,
            shutdown.clone(),
        )
        .await?;
        self.role = Some((role, shutdown));
        Ok(())
    }

    /// Lets the role end as on SIGTERM.
    pub async fn stop(&mut self) -> Result<(), GatewayError> {
        let (role, shutdown) = self.role.take().expect("running");
        shutdown.cancel();
        in_time("the role to stop", role.stopped()).await
    }

    /// Waits until the role ended by itself.
    pub async fn stopped(&mut self) -> Result<(), GatewayError> {
        let (role, _shutdown) = self.role.take().expect("running");
        in_time("the role to stop", role.stopped()).await
    }

    pub fn command(&self, name: &str, options: &[(&str, Value)]) -> Interaction {
        self.discord
            .command(self.user, self.text, name, options)
            .unwrap()
    }

    pub async fn next_command(&mut self) -> CommandMessage {
        in_time("a command", self.commands.next())
            .await
            .expect("the bus is open")
            .into_body()
    }

    pub async fn next_to_audio(&mut self) -> ToAudio {
        in_time("a voice event", self.to_audio.next())
            .await
            .expect("the bus is open")
            .into_body()
    }

    pub fn show(&self, view: Option<View>) {
        self.services.lines.publish_now(UiNow {
            guild: self.guild_id(),
            text_channel: Some(channel(self.text)),
            view,
        });
    }

    pub fn guild_id(&self) -> GuildId {
        GuildId::new(self.guild.id().get()).unwrap()
    }
}

pub fn channel(id: sim::ChannelId) -> ChannelId {
    ChannelId::new(id.get()).unwrap()
}

pub fn track(title: &str) -> Track {
    Track {
        encoded: "QAAA".into(),
        title: title.into(),
        author: "Low Tide".into(),
        length_ms: Some(215_000),
        seekable: true,
        uri: Some("https://music.example/sea".into()),
        artwork_url: Some("https://music.example/sea.png".into()),
        source: "http".into(),
        requester: None,
    }
}

/// A paused track: its message does not change by itself.
pub fn view(title: &str) -> View {
    View {
        voice_channel: None,
        playing: Some(Playback {
            track: track(title),
            position_ms: 63_000,
            at_ms: 0,
            paused: true,
        }),
        up_next: vec![track("Sky")],
        queue_length: 1,
        queue_ms: 215_000,
        volume: 100,
        loop_mode: LoopMode::Off,
        autoplay: false,
        bring_to_front: false,
    }
}

/// Waits for something that must happen, however slow the machine is.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(30), future).await {
        Ok(value) => value,
        Err(elapsed) => panic!("waited in vain for {what}: {elapsed}"),
    }
}
