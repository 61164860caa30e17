//! The chat page: its files, what it is told, and what it hears.

use std::{net::SocketAddr, time::Duration};

use backline_media::{
    demux::{Event, ogg::OggDemuxer},
    frame::SILENCE,
    voice::Mode,
};
use backline_sim::{
    chat::{ChatOptions, extra_routes},
    discord::{ChannelKind, Discord, GuildId, Options},
    voice::SessionSpec,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::voice::client::Speaker;

const PATIENCE: Duration = Duration::from_secs(30);

async fn start() -> Discord {
    let suggestions = vec!["/play nocturne".to_owned()];
    Discord::start(Options {
        guilds: 1,
        human: Some("Robin".to_owned()),
        extra: extra_routes(ChatOptions {
            user: None,
            suggestions,
        }),
        ..Options::default()
    })
    .await
    .expect("ports are free")
}

/// A response whose body is still to come.
struct Response {
    head: String,
    body: BufReader<TcpStream>,
}

impl Response {
    fn status(&self) -> u16 {
        let code = self
            .head
            .split(' ')
            .nth(1)
            .expect("a status line has a code");
        code.parse().expect("a status is a number")
    }

    async fn text(mut self) -> String {
        let mut text = String::new();
        timeout(PATIENCE, self.body.read_to_string(&mut text))
            .await
            .expect("the body ends")
            .expect("the body is text");
        text
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.body.read_line(&mut line))
            .await
            .expect("a line comes")
            .expect("the stream is text");
        line
    }

    /// Waits for an event of a kind.
    async fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "the stream ended before `{kind}`");
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let event: Value = serde_json::from_str(data).expect("events are JSON");
            if event["type"] == kind {
                return event;
            }
        }
    }
}

async fn request(to: SocketAddr, line: &str, body: Option<Value>) -> Response {
    let mut stream = TcpStream::connect(to).await.expect("the port is open");
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    // HTTP/1.0 spares us the chunks.
    let text = format!(
        "{line} HTTP/1.0\r\nHost: {to}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(text.as_bytes())
        .await
        .expect("the request is read");
    let mut body = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        timeout(PATIENCE, body.read_line(&mut line))
            .await
            .expect("the head comes")
            .expect("the head is text");
        if line.trim().is_empty() {
            return Response { head, body };
        }
        head.push_str(&line.to_ascii_lowercase());
    }
}

async fn get(discord: &Discord, path: &str) -> Response {
    request(discord.address(), &format!("GET {path}"), None).await
}

async fn post(discord: &Discord, path: &str, body: Value) -> (u16, Value) {
    let response = request(discord.address(), &format!("POST {path}"), Some(body)).await;
    let status = response.status();
    let text = response.text().await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn first_guild(discord: &Discord) -> GuildId {
    discord.guilds().first().expect("there is a guild").id()
}

#[tokio::test]
async fn the_page_and_its_files_allow_nothing_from_elsewhere() {
    let discord = start().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/icon.svg", "image/svg+xml"),
        ("/css/base.css", "text/css"),
        ("/js/main.js", "text/javascript"),
    ] {
        let response = get(&discord, path).await;
        assert_eq!(response.status(), 200, "{path}");
        let head = response.head.clone();
        assert!(
            head.contains(&format!("content-type: {kind}")),
            "{path}: {head}"
        );
        assert!(head.contains("script-src 'self'"), "{path}: {head}");
        let text = response.text().await;
        assert!(
            !text.contains("https://fonts") && !text.contains("cdn"),
            "{path}"
        );
    }
    for path in [
        "/js/missing.js",
        "/css/..%2findex.html",
        "/js/..%2f..%2fCargo.toml",
    ] {
        assert_eq!(get(&discord, path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_told_the_world_and_then_what_happens() {
    let discord = start().await;
    let mut events = get(&discord, "/chat/events").await;
    let world = events.event("world").await;
    assert_eq!(world["me"]["name"], "Robin");
    assert_eq!(world["suggestions"], json!(["/play nocturne"]));
    let guild = &world["guilds"][0];
    let kinds: Vec<_> = guild["channels"]
        .as_array()
        .expect("channels are a list")
        .iter()
        .map(|channel| (channel["name"].clone(), channel["kind"].clone()))
        .collect();
    let expected = [("general", "text"), ("bot", "text"), ("Music", "voice")];
    assert_eq!(
        kinds,
        expected.map(|(name, kind)| (json!(name), json!(kind)))
    );
    assert_eq!(guild["voice"][0]["user_id"], world["me"]["id"]);
    let channel = world["channel_id"]
        .as_str()
        .expect("a channel is proposed")
        .to_owned();

    let (status, _) = post(
        &discord,
        "/chat/message",
        json!({ "channel_id": channel, "content": "hello" }),
    )
    .await;
    assert_eq!(status, 200);
    let message = events.event("message").await;
    assert_eq!(message["message"]["content"], "hello");
    assert_eq!(message["message"]["author"]["id"], world["me"]["id"]);

    let other = discord.guild(first_guild(&discord)).add_user("Mira");
    let voice = discord
        .guild(first_guild(&discord))
        .add_channel("Quiet", ChannelKind::Voice);
    discord
        .join_voice(other, voice)
        .expect("the channel is open to all");
    loop {
        let places = events.event("guilds").await;
        let voice = places["guilds"][0]["voice"]
            .as_array()
            .expect("a list")
            .len();
        if voice == 2 {
            assert!(places["users"].to_string().contains("Mira"));
            break;
        }
    }
}

#[tokio::test]
async fn what_a_person_could_not_do_is_refused_with_a_sentence() {
    let discord = start().await;
    let mut events = get(&discord, "/chat/events").await;
    let world = events.event("world").await;
    let channel = &world["channel_id"];
    let refused = [
        (
            "/chat/command",
            json!({ "channel_id": channel, "name": "nothing", "options": [] }),
        ),
        (
            "/chat/press",
            json!({ "channel_id": channel, "message_id": "1", "custom_id": "x" }),
        ),
        (
            "/chat/message",
            json!({ "channel_id": "1", "content": "hello" }),
        ),
        ("/chat/voice", json!({ "channel_id": channel })),
        ("/chat/voice", json!({ "channel_id": "not a number" })),
    ];
    for (path, body) in refused {
        let (status, answer) = post(&discord, path, body.clone()).await;
        assert_eq!(status, 409, "{path} {body}");
        let sentence = answer["message"].as_str().expect("a refusal has a message");
        assert!(!sentence.is_empty(), "{path} {body}");
    }
    for body in [
        json!([]),
        json!({ "channel_id": 5, "content": "x" }),
        json!({}),
    ] {
        let (status, _) = post(&discord, "/chat/message", body.clone()).await;
        assert_eq!(status, 422, "{body}");
    }
}

#[tokio::test]
async fn joining_and_leaving_decides_whether_the_page_may_listen() {
    let discord = start().await;
    let guild = first_guild(&discord);
    let music = discord
        .guild(guild)
        .channels()
        .into_iter()
        .find_map(|(id, _, kind)| (kind == ChannelKind::Voice).then_some(id))
        .expect("there is a voice channel");
    let path = format!("/chat/audio/{guild}.webm");
    assert_eq!(get(&discord, &path).await.status(), 200);
    post(
        &discord,
        "/chat/voice",
        json!({ "guild_id": guild, "channel_id": null }),
    )
    .await;
    assert_eq!(get(&discord, &path).await.status(), 403);
    post(
        &discord,
        "/chat/voice",
        json!({ "guild_id": guild, "channel_id": music }),
    )
    .await;
    assert_eq!(get(&discord, &path).await.status(), 200);
    assert_eq!(get(&discord, "/chat/audio/1.webm").await.status(), 403);
    assert_eq!(
        get(&discord, &format!("/chat/audio/{guild}.mp3"))
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn the_page_hears_the_frames_bit_by_bit_and_sees_who_speaks() {
    let discord = start().await;
    let guild = first_guild(&discord);
    let mut events = get(&discord, "/chat/events").await;
    let world = events.event("world").await;
    let mut audio = get(&discord, &format!("/chat/audio/{guild}.ogg")).await;
    assert_eq!(audio.status(), 200);

    // This speaker knows no DAVE.
    discord.voice().exempt_from_dave(1);
    let ticket = discord.voice().open_session(SessionSpec {
        guild_id: guild.get(),
        channel_id: 1,
        user_id: 77,
        session_id: "session".to_owned(),
    });
    let mut speaker = Speaker::connect_as(&ticket, Mode::Aes256GcmRtpsize, guild.get(), 77).await;
    let frames: Vec<Vec<u8>> = (0..40_u8)
        .map(|n| [&[0xFC][..], &[n; 90]].concat())
        .collect();
    for frame in &frames {
        speaker.speak(frame).await;
    }
    let speaking = events.event("speaking").await;
    assert_eq!(
        (&speaking["user_id"], &speaking["on"]),
        (&json!("77"), &json!(true))
    );
    assert_eq!(speaking["guild_id"], world["guilds"][0]["id"]);

    let mut demuxer = OggDemuxer::new();
    let mut heard: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 4_096];
    while heard.len() < frames.len() {
        match demuxer.next().expect("the stream is Ogg Opus") {
            Event::Packet(packet) if packet.data == SILENCE => {}
            Event::Packet(packet) => heard.push(packet.data.to_vec()),
            Event::NeedData => {
                let length = timeout(PATIENCE, audio.body.read(&mut buffer))
                    .await
                    .expect("sound comes")
                    .expect("the stream stands");
                assert_ne!(length, 0, "the stream ended");
                let mut rest = &buffer[..length];
                while !rest.is_empty() {
                    let taken = demuxer.push(rest);
                    rest = &rest[taken..];
                    if taken == 0 {
                        break;
                    }
                }
                assert!(rest.is_empty(), "the demuxer takes small pieces whole");
            }
            Event::Head(head) => assert_eq!(head.channels, 2),
            Event::End => panic!("a live stream has no end"),
        }
    }
    assert_eq!(heard, frames);

    let silent = events.event("speaking").await;
    assert_eq!(silent["on"], false);
    let summary = events.event("heard").await;
    assert_eq!(
        (&summary["heard"], &summary["lost"]),
        (&json!(40), &json!(0))
    );
}
