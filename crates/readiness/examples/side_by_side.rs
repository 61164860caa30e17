//! The same work on any Lavalink v4 server: so many players that pass Opus through, then so many
//! that transcode MP3, through the same REST calls, heard by simulated voice servers. Prints CPU
//! seconds and resident memory of the server's process as JSON.
//!
//! `scripts/bench-lavalink.sh` runs it on Backline and on a real Lavalink.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_readiness::conformance::web::Web;
use backline_sim::voice::{SessionSpec, VoiceOptions, VoiceServer};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const USER: u64 = 900_000_000_000_000_001;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are the program's result")]
async fn main() -> Result<(), Failed> {
    backline_runtime::net::tls::install_provider();
    let mut given: HashMap<String, String> = HashMap::new();
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        given.insert(name.trim_start_matches("--").to_owned(), value);
    }
    let number = |name: &str, default: u64| -> u64 {
        given
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    };
    let url = given.get("url").cloned().ok_or("--url is missing")?;
    let password = given
        .get("password")
        .cloned()
        .ok_or("--password is missing")?;
    let seconds = number("seconds", 30);

    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/music/");
    let read = |name: &str| std::fs::read(format!("{assets}{name}")).map(Arc::from);
    let web = Web::start(&[
        ("/rain.webm", "audio/webm", read("rain.webm")?),
        ("/bossa.mp3", "audio/mpeg", read("bossa.mp3")?),
    ])
    .await?;
    let voice = VoiceServer::start(VoiceOptions {
        ca_file: given.get("voice-ca-out").map(Into::into),
        from_anywhere: true,
        recorded_frames: 0,
        late_tolerance: Duration::from_millis(20),
        ..VoiceOptions::default()
    })
    .await?;
    let server = Server {
        http: reqwest::Client::builder().no_proxy().build()?,
        url,
        password,
    };
    server.until_up().await?;
    // Its process is known once it listens: the script writes the number down.
    let pid = number("pid", 0);
    let idle = memory(pid)?;
    let mut results = Vec::new();
    for (work, file, players) in [
        ("passthrough", "rain.webm", number("passthrough", 100)),
        ("transcode", "bossa.mp3", number("transcode", 20)),
    ] {
        results.push(
            server
                .work(work, &web.url(file), players, seconds, pid, &voice)
                .await?,
        );
    }
    println!("{}", json!({"idle_bytes": idle, "work": results}));
    voice.stop();
    Ok(())
}

struct Server {
    http: reqwest::Client,
    url: String,
    password: String,
}

impl Server {
    async fn until_up(&self) -> Result<(), Failed> {
        let until = Instant::now() + Duration::from_mins(2);
        while self.get("/v4/info").await.is_err() {
            if Instant::now() > until {
                return Err("the server does not answer".into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Value, Failed> {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request
            .header("Authorization", &self.password)
            .send()
            .await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Lets players play, and measures the server's process meanwhile.
    async fn work(
        &self,
        work: &str,
        file: &str,
        players: u64,
        seconds: u64,
        pid: u64,
        voice: &VoiceServer,
    ) -> Result<Value, Failed> {
        let mut request =
            format!("{}/v4/websocket", self.url.replacen("http", "ws", 1)).into_client_request()?;
        for (name, value) in [
            ("Authorization", self.password.clone()),
            ("User-Id", USER.to_string()),
            ("Client-Name", "side-by-side/1".into()),
        ] {
            request.headers_mut().insert(name, value.parse()?);
        }
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let session = loop {
            let Some(message) = socket.next().await else {
                return Err("the socket closed".into());
            };
            let message: Value = serde_json::from_str(message?.to_text()?)?;
            if message["op"] == "ready" {
                break message["sessionId"].as_str().unwrap_or_default().to_owned();
            }
        };
        let listening = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        let identifier: String = url::form_urlencoded::byte_serialize(file.as_bytes()).collect();
        let loaded = self
            .get(&format!("/v4/loadtracks?identifier={identifier}"))
            .await?;
        let encoded = loaded["data"]["encoded"]
            .as_str()
            .ok_or("the track does not load")?
            .to_owned();
        let begun = Instant::now();
        for player in 0..players {
            let guild = 700_000_000_000_000_000 + player;
            let session_id = format!("s{guild}");
            let ticket = voice.open_session(SessionSpec {
                guild_id: guild,
                channel_id: guild + 1_000_000,
                user_id: USER,
                session_id: session_id.clone(),
            });
            let body = json!({
                "voice": {"token": ticket.token, "endpoint": ticket.endpoint, "sessionId": session_id, "channelId": (guild + 1_000_000).to_string()},
                "track": {"encoded": encoded},
            });
            let path = format!("{}/v4/sessions/{session}/players/{guild}", self.url);
            let request = self
                .http
                .patch(path)
                .header("Authorization", &self.password)
                .json(&body);
            request.send().await?.error_for_status()?;
        }
        let starting = begun.elapsed();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (cpu, heard, clock) = (cpu_seconds(pid)?, voice.total_stats(), Instant::now());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let measured = clock.elapsed().as_secs_f64();
        let used = cpu_seconds(pid)? - cpu;
        let after = voice.total_stats();
        let frames = after.heard - heard.heard;
        let resident = memory(pid)?;
        listening.abort();
        tokio::time::sleep(Duration::from_secs(3)).await;
        // What is heard counts, not what was asked for: a player is 50 frames a second.
        let playing = frames as f64 / 50.0 / measured;
        Ok(json!({
            "work": work,
            "players": players,
            "players_heard": playing,
            "start_ms_per_player": starting.as_secs_f64() * 1_000.0 / players.max(1) as f64,
            "cpu_seconds_per_second": used / measured,
            "players_per_cpu_second": playing / (used / measured).max(1e-9),
            "late": after.late - heard.late,
            "lost": after.lost - heard.lost,
            "resident_bytes": resident,
        }))
    }
}

/// User and system time of a process.
fn cpu_seconds(pid: u64) -> Result<f64, Failed> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // Linux counts in hundredths of a second for user space, on every architecture we run on.
    Ok(fields.iter().sum::<u64>() as f64 / 100.0)
}

/// Resident memory of a process.
fn memory(pid: u64) -> Result<u64, Failed> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
    Ok(kib * 1_024)
}
