//! A node on a free port, and a small Lavalink client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use backline_node::RunningNode;
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up; generous, machines are noisy.
pub const DEADLINE: Duration = Duration::from_secs(45);

pub const PASSWORD: &str = "youshallnotpass";

/// A node that serves `assets` as its local folder.
pub struct TestNode {
    pub running: RunningNode,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub metrics: Metrics,
    http: reqwest::Client,
}

pub struct TestSocket {
    pub headers: http::HeaderMap,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Messages that were read while looking for others.
    seen: Vec<Value>,
}

pub fn assets() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"))
        .canonicalize()
        .unwrap()
}

pub fn test_config() -> config::Node {
    let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = config::Node {
        bind: "127.0.0.1:0".parse().unwrap(),
        clock_threads: 1,
        encode_threads: 2,
        player_update_interval_s: 1,
        drain_timeout_s: 0,
        ..config::Node::default()
    };
    config.local.root = Some(assets());
    config.voice.plaintext_loopback = true;
    config
}

impl TestNode {
    pub async fn start() -> Self {
        Self::start_with(test_config()).await
    }

    pub async fn start_with(config: config::Node) -> Self {
        let shutdown = CancellationToken::new();
        let metrics = Metrics::new();
        let running = backline_node::start(&config, PASSWORD.into(), &metrics, shutdown.clone())
            .await
            .unwrap();
        let address = running.local_addr();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(DEADLINE)
            .build()
            .unwrap();
        Self {
            running,
            address,
            shutdown,
            metrics,
            http,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.address))
            .header("Authorization", PASSWORD)
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Loads an identifier.
    pub async fn load(&self, identifier: &str) -> Value {
        let identifier: String =
            reqwest::Url::parse_with_params("http://x/", [("identifier", identifier)])
                .unwrap()
                .query()
                .unwrap()
                .to_owned();
        let (status, body) = self.get(&format!("/v4/loadtracks?{identifier}")).await;
        assert_eq!(status, 200, "loading always answers 200: {body}");
        body
    }

    /// Loads a file of `assets`, which has to be a track; returns its encoding.
    pub async fn encoded(&self, file: &str) -> String {
        let body = self.load(file).await;
        assert_eq!(body["loadType"], "track", "{file}: {body}");
        body["data"]["encoded"].as_str().unwrap().to_owned()
    }

    /// Opens a socket; returns it and the id of its session.
    pub async fn connect(&self) -> (TestSocket, String) {
        let mut socket = self.socket(&[]).await.unwrap();
        let ready = socket.next().await;
        assert_eq!(ready["op"], "ready");
        let session = ready["sessionId"].as_str().unwrap().to_owned();
        assert_eq!(socket.next().await["op"], "stats");
        (socket, session)
    }

    pub async fn socket(
        &self,
        headers: &[(&'static str, &str)],
    ) -> Result<TestSocket, tungstenite::Error> {
        let url = format!("ws://{}/v4/websocket", self.address);
        let mut request = url.into_client_request().unwrap();
        let defaults = [
            ("Authorization", PASSWORD),
            ("User-Id", "42"),
            ("Client-Name", "tests/1"),
        ];
        for (name, value) in defaults.iter().chain(headers) {
            // An empty value takes a default away.
            if value.is_empty() {
                request.headers_mut().remove(*name);
            } else {
                request.headers_mut().insert(*name, value.parse().unwrap());
            }
        }
        let (stream, response) = tokio_tungstenite::connect_async(request).await?;
        Ok(TestSocket {
            headers: response.headers().clone(),
            stream,
            seen: Vec::new(),
        })
    }

    /// Ends the node and waits for it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.running.stopped())
            .await
            .unwrap();
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["lavalink-api-version"], "4");
    let status = response.status();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

impl TestSocket {
    /// Returns the next message.
    pub async fn next(&mut self) -> Value {
        self.next_or_close()
            .await
            .unwrap_or_else(|close| panic!("socket closed: {close:?}"))
    }

    /// Returns the next message, or how the socket closed.
    pub async fn next_or_close(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.stream.next()).await;
            match message.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Returns the next message for which `wanted` holds; others are kept aside.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = tokio::time::Instant::now() + DEADLINE;
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
            self.seen.push(message);
            assert!(
                tokio::time::Instant::now() < until,
                "no {what} among {:#?}",
                self.seen
            );
        }
    }

    /// Returns the next event of any type.
    pub async fn event(&mut self) -> Value {
        self.until("event", |message| message["op"] == "event")
            .await
    }

    /// Sends something, which servers ignore.
    /// Sends what the node may refuse before it has read all of it.
    pub async fn try_say(&mut self, text: &str) {
        let _refused = self.stream.send(Message::text(text)).await;
    }

    pub async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// Sends a ping and waits for its pong.
    pub async fn ping(&mut self) {
        self.stream
            .send(Message::Ping(bytes::Bytes::from_static(b"x")))
            .await
            .unwrap();
        loop {
            match tokio::time::timeout(DEADLINE, self.stream.next())
                .await
                .unwrap()
            {
                Some(Ok(Message::Pong(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("no pong but {other:?}"),
            }
        }
    }

    /// Closes the socket.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
