//! A music bot on lavalink-rs and twilight, played by a test: each line of JSON on stdin says
//! what to do, each line on stdout what was done or what the node told, as in
//! `tests/clients/js/drive.mjs`, with the same environment.

use std::{env, error::Error, time::Duration};

use lavalink_rs::{
    client::LavalinkClient,
    model::{
        BoxFuture, ChannelId, GuildId, UserId,
        client::NodeDistributionStrategy,
        events::{Events, Ready, TrackEnd, TrackException, TrackStart, TrackStuck, WebSocketClosed},
        http::ResumingState,
        player::{Filters, LowPass},
        track::{TrackData, TrackLoadData},
    },
    node::NodeBuilder,
    player_context::PlayerContext,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use twilight_gateway::{
    ConfigBuilder, Event, EventTypeFlags, Intents, MessageSender, Shard, ShardId, StreamExt,
};
use twilight_model::{gateway::payload::outgoing::UpdateVoiceState, id::Id};

type Answer = Result<Value, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Nothing is encrypted here, but both libraries want to be able to.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut bot = Bot::log_in().await;
    // Nobody is left behind when the test that started us ends.
    while let Ok(Some(line)) = lines.next_line().await {
        let order: Value = serde_json::from_str(&line).expect("orders are JSON");
        let what = order["do"].as_str().expect("orders say what").to_owned();
        match bot.obey(&what, &order).await {
            Ok(mut facts) => {
                facts["did"] = json!(what);
                println!("{facts}");
            }
            Err(error) => {
                println!("{}", json!({ "failed": what, "error": error.to_string() }));
                std::process::exit(1);
            }
        }
    }
    std::process::exit(0);
}

struct Bot {
    user: u64,
    guild: u64,
    shard: MessageSender,
    /// Updates of the voice state, which the client has to be given.
    updates: tokio::sync::mpsc::UnboundedReceiver<Event>,
    client: Option<LavalinkClient>,
    player: Option<PlayerContext>,
}

impl Bot {
    async fn log_in() -> Self {
        let gateway = variable("CLIENT_API").replace("http://", "ws://");
        let gateway = gateway.replace("/api", "/gateway");
        let intents = Intents::GUILDS | Intents::GUILD_VOICE_STATES;
        let config = ConfigBuilder::new(variable("CLIENT_TOKEN"), intents)
            .proxy_url(gateway)
            .build();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        let sender = shard.sender();
        let (events, mut updates) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(event) = shard.next_event(EventTypeFlags::all()).await {
                if let Ok(event) = event {
                    // The bot reads until it ends.
                    let _ = events.send(event);
                }
            }
        });
        let user = loop {
            if let Some(Event::Ready(ready)) = updates.recv().await {
                break ready.user.id.get();
            }
        };
        Self {
            user,
            guild: variable("CLIENT_GUILD").parse().expect("an id"),
            shard: sender,
            updates,
            client: None,
            player: None,
        }
    }

    async fn obey(&mut self, what: &str, order: &Value) -> Answer {
        if what == "connect" {
            return self.connect().await;
        }
        let url = order["url"].as_str().unwrap_or_default();
        if what == "load" {
            let track = self.load(url).await?;
            return Ok(json!({
                "type": "track", "title": track.info.title, "ms": track.info.length,
            }));
        }
        let player = self.player.clone().ok_or("not connected")?;
        match what {
            "play" => drop(player.play_now(&self.load(url).await?).await?),
            "pause" => drop(player.set_pause(true).await?),
            "resume" => drop(player.set_pause(false).await?),
            "seek" => {
                let to = Duration::from_millis(order["ms"].as_u64().unwrap_or_default());
                player.set_position(to).await?;
            }
            "volume" => {
                let percent = order["percent"].as_u64().unwrap_or_default();
                player.set_volume(percent as u16).await?;
            }
            "filter" => {
                let low_pass = Some(LowPass {
                    smoothing: Some(20.0),
                });
                let filters = Filters {
                    low_pass,
                    ..Filters::default()
                };
                player.set_filters(filters).await?;
            }
            "unfilter" => drop(player.set_filters(Filters::default()).await?),
            "stop" => drop(player.stop_now().await?),
            "leave" => {
                let client = self.client.clone().ok_or("not connected")?;
                client.delete_player(GuildId(self.guild)).await?;
                self.go_to(None)?;
            }
            _ => return Err("unknown order".into()),
        }
        Ok(json!({}))
    }

    async fn connect(&mut self) -> Answer {
        let node = NodeBuilder {
            hostname: variable("CLIENT_NODE"),
            password: variable("CLIENT_PASSWORD"),
            user_id: UserId(self.user),
            ..NodeBuilder::default()
        };
        let strategy = NodeDistributionStrategy::sharded();
        let client = LavalinkClient::new(events(), vec![node], strategy).await;
        let node = client.get_node_by_index(0).ok_or("no node")?;
        // Until the node is ready, the library has a number of its own in that place.
        while node.session_id.load().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let session = node.session_id.load().to_string();
        let resuming = ResumingState {
            resuming: Some(true),
            timeout: Some(60),
        };
        node.http.set_resuming_state(&session, &resuming).await?;

        self.go_to(Some(variable("CLIENT_CHANNEL").parse()?))?;
        let (mut has_state, mut has_server) = (false, false);
        while !(has_state && has_server) {
            match self.updates.recv().await.ok_or("the gateway is gone")? {
                Event::VoiceStateUpdate(state) if state.user_id.get() == self.user => {
                    has_state = true;
                    client.handle_voice_state_update(
                        GuildId(self.guild),
                        state.channel_id.map(|channel| ChannelId(channel.get())),
                        UserId(self.user),
                        state.session_id.clone(),
                    );
                }
                Event::VoiceServerUpdate(server) => {
                    has_server = true;
                    client.handle_voice_server_update(
                        GuildId(self.guild),
                        server.token.clone(),
                        server.endpoint.clone(),
                    );
                }
                _ => {}
            }
        }
        let patience = Duration::from_secs(2);
        let info = client
            .get_connection_info(GuildId(self.guild), patience)
            .await?;
        let player = client
            .create_player_context(GuildId(self.guild), info)
            .await?;
        self.player = Some(player);
        self.client = Some(client);
        Ok(json!({ "library": "lavalink-rs 0.15.0", "session": session }))
    }

    fn go_to(&self, channel: Option<u64>) -> Result<(), Box<dyn Error>> {
        let channel = channel.map(Id::new);
        let update = UpdateVoiceState::new(Id::new(self.guild), channel, true, false);
        Ok(self.shard.command(&update)?)
    }

    async fn load(&self, url: &str) -> Result<TrackData, Box<dyn Error>> {
        let client = self.client.as_ref().ok_or("not connected")?;
        match client.load_tracks(GuildId(self.guild), url).await?.data {
            Some(TrackLoadData::Track(track)) => Ok(track),
            other => Err(format!("no track but {other:?}").into()),
        }
    }
}

fn events() -> Events {
    Events {
        ready: Some(on_ready),
        track_start: Some(on_start),
        track_end: Some(on_end),
        track_exception: Some(on_exception),
        track_stuck: Some(on_stuck),
        websocket_closed: Some(on_closed),
        ..Events::default()
    }
}

fn tell(line: &Value) -> BoxFuture<'static, ()> {
    println!("{line}");
    Box::pin(async {})
}

fn on_ready(_: LavalinkClient, _: String, event: &Ready) -> BoxFuture<'_, ()> {
    if event.resumed {
        return tell(&json!({ "event": "resumed" }));
    }
    Box::pin(async {})
}

fn on_start(_: LavalinkClient, _: String, event: &TrackStart) -> BoxFuture<'_, ()> {
    tell(&json!({ "event": "start", "title": event.track.info.title }))
}

fn on_end(_: LavalinkClient, _: String, event: &TrackEnd) -> BoxFuture<'_, ()> {
    tell(&json!({ "event": "end", "reason": format!("{:?}", event.reason) }))
}

fn on_exception(_: LavalinkClient, _: String, event: &TrackException) -> BoxFuture<'_, ()> {
    tell(&json!({ "event": "exception", "message": event.exception.message }))
}

fn on_stuck(_: LavalinkClient, _: String, _: &TrackStuck) -> BoxFuture<'_, ()> {
    tell(&json!({ "event": "stuck" }))
}

fn on_closed(_: LavalinkClient, _: String, event: &WebSocketClosed) -> BoxFuture<'_, ()> {
    tell(&json!({ "event": "closed", "code": event.code }))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}
