//! A bot of a few commands and one panel, on raw sockets.

use std::{collections::HashMap, time::Duration};

use backline_sim::discord::Discord;
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::watch, time::interval};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::sound::{Song, Ticket, speak};

/// What the bot knows.
struct Bot {
    http: reqwest::Client,
    api: String,
    token: String,
    application: String,
    user: String,
    /// Where people are in voice.
    places: HashMap<String, String>,
    session: Option<String>,
    queue: Vec<&'static str>,
    panel: Option<(String, String)>,
    song: watch::Sender<Song>,
    paused: bool,
}

/// Logs in and answers until the simulation ends.
pub(crate) async fn run(discord: Discord) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let bot = discord.bot();
    let bot = Bot {
        http: reqwest::Client::new(),
        api: discord.api_url(),
        token: bot.token,
        application: bot.application.to_string(),
        user: bot.user.to_string(),
        places: HashMap::new(),
        session: None,
        queue: Vec::new(),
        panel: None,
        song: watch::channel(None).0,
        paused: false,
    };
    bot.serve(&discord.gateway_url()).await;
}

impl Bot {
    async fn serve(mut self, gateway: &str) -> Option<()> {
        let path = format!("/applications/{}/commands", self.application);
        self.rest(Method::PUT, &path, commands()).await?;
        let url = format!("{gateway}/?v=10&encoding=json");
        let (mut socket, _) = connect_async(url).await.ok()?;
        let properties = json!({ "os": "linux", "browser": "example", "device": "example" });
        let identify = json!({ "token": self.token, "intents": 129, "properties": properties });
        let identify = json!({ "op": 2, "d": identify });
        socket
            .send(Message::text(identify.to_string()))
            .await
            .ok()?;
        let mut sequence = Value::Null;
        let mut heartbeat = interval(Duration::from_secs(20));
        loop {
            let reply = tokio::select! {
                _ = heartbeat.tick() => Some(json!({ "op": 1, "d": sequence })),
                message = socket.next() => match message?.ok()? {
                    Message::Text(text) => {
                        let frame: Value = serde_json::from_str(&text).ok()?;
                        if !frame["s"].is_null() {
                            sequence = frame["s"].clone();
                        }
                        self.handle(frame["t"].as_str().unwrap_or_default(), &frame["d"]).await
                    }
                    _ => None,
                },
            };
            if let Some(reply) = reply {
                socket.send(Message::text(reply.to_string())).await.ok()?;
            }
        }
    }

    /// Handles an event; may return a gateway message.
    async fn handle(&mut self, name: &str, d: &Value) -> Option<Value> {
        match name {
            "GUILD_CREATE" => {
                for state in d["voice_states"].as_array()? {
                    self.places
                        .insert(text(&state["user_id"]), text(&state["channel_id"]));
                }
                None
            }
            "VOICE_STATE_UPDATE" => {
                self.places
                    .insert(text(&d["user_id"]), text(&d["channel_id"]));
                if text(&d["user_id"]) == self.user {
                    self.session = Some(text(&d["session_id"]));
                }
                None
            }
            "VOICE_SERVER_UPDATE" => {
                let ticket = Ticket {
                    guild: text(&d["guild_id"]),
                    user: self.user.clone(),
                    session: self.session.clone()?,
                    token: text(&d["token"]),
                    endpoint: text(&d["endpoint"]),
                };
                tokio::spawn(speak(ticket, self.song.subscribe()));
                None
            }
            "INTERACTION_CREATE" => match d["type"].as_u64()? {
                2 => self.command(d).await,
                3 => self.press(d).await,
                4 => self.suggest(d).await,
                _ => None,
            },
            _ => None,
        }
    }

    async fn command(&mut self, d: &Value) -> Option<Value> {
        let defer = json!({ "type": 5, "data": { "flags": 64 } });
        self.callback(d, defer).await?;
        let name = text(&d["data"]["name"]);
        let mut join = None;
        let (accent, line) = match name.as_str() {
            "play" => {
                let query = text(&d["data"]["options"][0]["value"]).to_lowercase();
                match TITLES
                    .iter()
                    .find(|title| title.to_lowercase().contains(&query))
                {
                    None => (RED, format!("I found nothing for “{query}”.")),
                    Some(title) => {
                        self.queue.push(title);
                        if self.queue.len() == 1 {
                            self.song.send_replace(Some(0));
                            let channel = self.places.get(&text(&d["member"]["user"]["id"]));
                            let place = json!({ "guild_id": d["guild_id"], "channel_id": channel, "self_mute": false, "self_deaf": true });
                            join = Some(json!({ "op": 4, "d": place }));
                            (GREEN, format!("Playing **{title}**."))
                        } else {
                            (
                                GREEN,
                                format!(
                                    "Added **{title}** to the queue at place `{}`.",
                                    self.queue.len() - 1
                                ),
                            )
                        }
                    }
                }
            }
            "queue" => {
                let lines = self
                    .queue
                    .iter()
                    .enumerate()
                    .map(|(place, title)| format!("`{place}.` {title}"));
                (
                    AMBER,
                    format!("### Queue\n{}", lines.collect::<Vec<_>>().join("\n")),
                )
            }
            "seek" => (
                RED,
                "I could not read that position. Write it like `1:23`, `83` or `1m23s`.".to_owned(),
            ),
            _ => (
                AMBER,
                "Pong! I am well. Discord's gateway answers in 2 ms.".to_owned(),
            ),
        };
        // Long enough to be seen thinking.
        tokio::time::sleep(Duration::from_millis(350)).await;
        let path = format!(
            "/webhooks/{}/{}/messages/@original",
            self.application,
            text(&d["token"])
        );
        let box_ = json!({ "type": 17, "accent_color": accent, "components": [{ "type": 10, "content": line }] });
        self.rest(
            Method::PATCH,
            &path,
            json!({ "flags": V2, "components": [box_] }),
        )
        .await?;
        if name == "play" {
            self.show_panel(&text(&d["channel_id"])).await?;
        }
        join
    }

    async fn press(&mut self, d: &Value) -> Option<Value> {
        self.callback(d, json!({ "type": 6 })).await?;
        match d["data"]["custom_id"].as_str()? {
            "np:skip" if !self.queue.is_empty() => {
                self.queue.remove(0);
                self.song
                    .send_replace((!self.queue.is_empty()).then_some(600));
            }
            "np:stop" => {
                self.queue.clear();
                self.song.send_replace(None);
            }
            "np:toggle" => {
                self.paused = !self.paused;
                self.song.send_replace((!self.paused).then_some(300));
            }
            _ => {}
        }
        self.show_panel(&text(&d["channel_id"])).await?;
        None
    }

    async fn suggest(&mut self, d: &Value) -> Option<Value> {
        let typed = text(&d["data"]["options"][0]["value"]).to_lowercase();
        let fitting = TITLES
            .iter()
            .filter(|title| title.to_lowercase().contains(&typed));
        let choices: Vec<Value> = fitting
            .map(|title| json!({ "name": title, "value": title }))
            .collect();
        self.callback(d, json!({ "type": 8, "data": { "choices": choices } }))
            .await?;
        None
    }

    async fn callback(&self, d: &Value, body: Value) -> Option<Value> {
        let path = format!(
            "/interactions/{}/{}/callback",
            text(&d["id"]),
            text(&d["token"])
        );
        self.rest(Method::POST, &path, body).await
    }

    /// Posts the panel, or edits the one there is.
    async fn show_panel(&mut self, channel: &str) -> Option<()> {
        let body = json!({ "flags": V2, "components": [self.draw()] });
        if let Some((channel, message)) = &self.panel {
            self.rest(
                Method::PATCH,
                &format!("/channels/{channel}/messages/{message}"),
                body,
            )
            .await?;
        } else {
            let message = self
                .rest(Method::POST, &format!("/channels/{channel}/messages"), body)
                .await?;
            self.panel = Some((channel.to_owned(), text(&message["id"])));
        }
        Some(())
    }

    fn draw(&self) -> Value {
        let mut parts = Vec::new();
        match self.queue.first() {
            Some(title) => {
                let heading = format!("### [{title}](https://example.com/music)\nby The Backline House Band · from local\n-# asked for by you");
                parts.push(json!({
                    "type": 9,
                    "components": [{ "type": 10, "content": heading }],
                    "accessory": { "type": 11, "media": { "url": "https://example.com/cover.png" }, "description": title },
                }));
                let mark = if self.paused { "⏸" } else { "▶" };
                parts.push(json!({ "type": 10, "content": format!("{mark} `1:07` ━━━━━━━●────────── `3:12`") }));
            }
            None => parts.push(json!({ "type": 10, "content": "### Nothing is playing\nAdd something with `/play`; I am listening." })),
        }
        parts.push(json!({ "type": 10, "content": "-# volume 100 % · loop off" }));
        if self.queue.len() > 1 {
            let lines = self.queue[1..]
                .iter()
                .enumerate()
                .map(|(at, title)| format!("\n`{}.` {title}", at + 1));
            parts.push(json!({ "type": 14 }));
            parts.push(json!({ "type": 10, "content": format!("**Up next**{}", lines.collect::<String>()) }));
        }
        let idle = self.queue.is_empty();
        let rows = [
            [
                ("toggle", "⏸️", "Pause", 2, idle),
                ("back", "⏪", "10 s", 2, idle),
                ("forward", "⏩", "10 s", 2, idle),
                ("skip", "⏭️", "Skip", 2, idle),
            ],
            [
                ("vol_down", "🔉", "Vol −", 2, false),
                ("vol_up", "🔊", "Vol +", 2, false),
                ("loop", "🔁", "Loop", 3, false),
                ("stop", "⏹️", "Stop", 4, false),
            ],
            [
                ("shuffle", "🔀", "Shuffle", 2, idle),
                ("queue", "📜", "Queue", 2, false),
                ("clear", "🗑️", "Clear", 2, true),
                ("autoplay", "✨", "Autoplay", 2, false),
            ],
        ];
        for row in rows {
            let buttons: Vec<Value> = row
                .iter()
                .map(|(id, emoji, label, style, disabled)| {
                    json!({ "type": 2, "custom_id": format!("np:{id}"), "emoji": { "name": emoji }, "label": label, "style": style, "disabled": disabled })
                })
                .collect();
            parts.push(json!({ "type": 1, "components": buttons }));
        }
        json!({ "type": 17, "accent_color": AMBER, "components": parts })
    }

    async fn rest(&self, method: Method, path: &str, body: Value) -> Option<Value> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.api))
            .header("authorization", format!("Bot {}", self.token))
            .header("user-agent", "DiscordBot (https://example.com, 1)")
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.ok()?;
        let bytes = response.bytes().await.ok()?;
        Some(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

fn commands() -> Value {
    let query = json!([{ "type": 3, "name": "query", "description": "A title, a link or a file", "required": true, "autocomplete": true }]);
    let position = json!([{ "type": 3, "name": "position", "description": "Such as 1:23 or +10", "required": true }]);
    json!([
        { "name": "play", "description": "Plays a track, or adds it to the queue", "options": query },
        { "name": "queue", "description": "Shows what comes next" },
        { "name": "seek", "description": "Goes to a position", "options": position },
        { "name": "ping", "description": "Says how it is" },
    ])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const TITLES: [&str; 4] = [
    "Nocturne for Two Modems and a Very Patient Piano",
    "Waltz of the Dropped Packets",
    "Rain on a Tin Server",
    "Bossa for Bufferbloat",
];
const V2: u32 = 1 << 15;
const AMBER: u32 = 0xFF_B5_5C;
const GREEN: u32 = 0x5F_E0_B0;
const RED: u32 = 0xFF_7B_7B;
