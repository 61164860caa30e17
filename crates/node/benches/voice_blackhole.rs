//! A thousand voice servers that never answer: is everybody answered in time, and is the node
//! there for others meanwhile?
//!
//! `cargo bench -p backline-node --bench voice_blackhole`
//!
//! Half of the endpoints accept connections and say nothing, half do not even accept: their
//! queue is full, so the kernel drops what comes, as with an address that nobody routes. All
//! requests are sent at once; until the last is answered, `/v4/stats` is asked without pause on
//! a connection of its own.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

const ENDPOINTS: usize = 1_000;
const CONNECT_TIMEOUT_MS: u32 = 5_000;
const PASSWORD: &str = "youshallnotpass";
/// What an answer may take beyond the time-out on a noisy machine.
const SLACK: Duration = Duration::from_millis(500);
const STATS_P99: Duration = Duration::from_millis(10);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = config::Node {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        ..config::Node::default()
    };
    config.voice.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    config.voice.plaintext_loopback = true;
    let shutdown = CancellationToken::new();
    let node = backline_node::start(&config, PASSWORD.into(), &Metrics::new(), shutdown.clone())
        .await
        .expect("the node starts");
    let address = node.local_addr();
    let (_client, session) = connect(address).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");

    let mute = mute().await;
    let full = full().await;
    let endpoints = [mute, full.address];
    let quiet = ask_stats(&http, address, Duration::from_secs(2)).await;

    let begun = Instant::now();
    let mut requests: FuturesUnordered<_> = (0..ENDPOINTS)
        .map(|index| {
            let http = http.clone();
            let url = format!(
                "http://{address}/v4/sessions/{session}/players/{}",
                index + 1
            );
            let body = json!({"voice": {
                "token": "t",
                "endpoint": endpoints[index % 2].to_string(),
                "sessionId": "s",
                "channelId": "5",
            }});
            async move {
                let answer = http
                    .patch(url)
                    .header("Authorization", PASSWORD)
                    .json(&body)
                    .send()
                    .await
                    .expect("an answer");
                (answer.status().as_u16(), begun.elapsed())
            }
        })
        .collect();
    let stats = tokio::spawn({
        let http = http.clone();
        let until = Duration::from_millis(CONNECT_TIMEOUT_MS.into());
        async move { ask_stats(&http, address, until).await }
    });
    let mut answers = Vec::new();
    while let Some(answer) = requests.next().await {
        answers.push(answer);
    }
    let busy = stats.await.expect("stats are asked");

    let deadline = Duration::from_millis(CONNECT_TIMEOUT_MS.into()) + SLACK;
    let refused = answers.iter().filter(|(status, _)| *status == 500).count();
    let in_time = answers.iter().filter(|(_, took)| *took <= deadline).count();
    let slowest = answers
        .iter()
        .map(|(_, took)| *took)
        .max()
        .unwrap_or_default();
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| {
        let _closed = writeln!(out, "{line}");
    };
    say(format!(
        "{ENDPOINTS} black-holed endpoints, time-out {CONNECT_TIMEOUT_MS} ms: {refused} refused, \
         {in_time} in time, slowest {slowest:?}"
    ));
    for (name, times) in [("before", &quiet), ("meanwhile", &busy)] {
        say(format!(
            "/v4/stats {name}: {} answers, p50 {:?}, p99 {:?}, max {:?}",
            times.len(),
            quantile(times, 0.5),
            quantile(times, 0.99),
            quantile(times, 1.0),
        ));
    }
    let holds = refused == ENDPOINTS && in_time == ENDPOINTS && quantile(&busy, 0.99) < STATS_P99;
    say(format!("holds: {holds}"));
    shutdown.cancel();
    node.stopped().await;
    if !holds {
        std::process::exit(1);
    }
}

/// Connects as a client; returns its socket and its session.
async fn connect(address: SocketAddr) -> (impl Sized, String) {
    let mut request = format!("ws://{address}/v4/websocket")
        .into_client_request()
        .expect("a request");
    for (name, value) in [
        ("Authorization", PASSWORD),
        ("User-Id", "42"),
        ("Client-Name", "bench/1"),
    ] {
        request
            .headers_mut()
            .insert(name, value.parse().expect("a header"));
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request)
        .await
        .expect("a socket");
    let ready = socket.next().await.expect("a message").expect("a message");
    let ready: Value = serde_json::from_str(ready.to_text().expect("text")).expect("JSON");
    let session = ready["sessionId"].as_str().expect("a session").to_owned();
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    (reader, session)
}

/// Asks for stats again and again, one after the other; returns the times, sorted.
async fn ask_stats(http: &reqwest::Client, address: SocketAddr, during: Duration) -> Vec<Duration> {
    let until = Instant::now() + during;
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let answer = http
            .get(format!("http://{address}/v4/stats"))
            .header("Authorization", PASSWORD)
            .send()
            .await
            .expect("an answer");
        let _body = answer.bytes().await.expect("a body");
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_unstable();
    times
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let index = ((sorted.len() as f64 - 1.0) * share) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Returns a port that accepts connections and says nothing.
async fn mute() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// A port that connections cannot be made to.
struct Full {
    address: SocketAddr,
    _socket: Socket,
    _waiting: Vec<TcpStream>,
}

async fn full() -> Full {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port");
    socket.listen(0).expect("a queue");
    let address = socket
        .local_addr()
        .expect("an address")
        .as_socket()
        .expect("IPv4");
    let mut waiting = Vec::new();
    let patience = Duration::from_millis(300);
    while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        waiting.push(stream.expect("a connection"));
    }
    Full {
        address,
        _socket: socket,
        _waiting: waiting,
    }
}
