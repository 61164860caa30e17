//! A gateway client and a REST client without any library that knows Discord.

use std::time::Duration;

use backline_sim::discord::Discord;
use flate2::{Decompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

enum Inflate {
    None,
    Zlib(Decompress),
    Zstd(Decoder<'static>),
}

/// A gateway connection.
pub struct Gateway {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    inflate: Inflate,
    /// Sequence of the last event.
    pub sequence: Option<u64>,
}

/// What came from the gateway.
#[derive(Debug)]
pub enum Incoming {
    /// A payload.
    Payload(Value),
    /// The end, with the close code if there was one.
    Closed(Option<u16>),
}

impl Gateway {
    /// Connects and reads HELLO.
    pub async fn connect(discord: &Discord) -> Self {
        Self::connect_with(discord, "v=10&encoding=json").await
    }

    /// Connects with a query of its own and reads HELLO.
    pub async fn connect_with(discord: &Discord, query: &str) -> Self {
        let mut gateway = Self::open(discord, query).await;
        let hello = gateway.payload().await;
        assert_eq!(hello["op"], 10, "{hello}");
        assert!(hello["d"]["heartbeat_interval"].is_u64());
        gateway
    }

    /// Connects without reading anything.
    pub async fn open(discord: &Discord, query: &str) -> Self {
        let url = format!("{}/?{query}", discord.gateway_url());
        let (socket, _) = connect_async(url).await.expect("the gateway accepts");
        let inflate = if query.contains("zlib-stream") {
            Inflate::Zlib(Decompress::new(true))
        } else if query.contains("zstd-stream") {
            Inflate::Zstd(Decoder::new().expect("zstd is there"))
        } else {
            Inflate::None
        };
        Self {
            socket,
            inflate,
            sequence: None,
        }
    }

    /// Connects, identifies and reads READY.
    pub async fn ready(discord: &Discord, intents: u64) -> (Self, Value) {
        let mut gateway = Self::connect(discord).await;
        gateway
            .identify(&discord.token(), json!({"intents": intents}))
            .await;
        let ready = gateway.event("READY").await;
        (gateway, ready)
    }

    pub async fn identify(&mut self, token: &str, extra: Value) {
        let mut d = json!({
            "token": token, "intents": 1,
            "properties": {"os": "linux", "browser": "raw", "device": "raw"},
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            d[key] = value.clone();
        }
        self.send(&json!({"op": 2, "d": d})).await;
    }

    pub async fn send(&mut self, payload: &Value) {
        self.send_text(payload.to_string()).await;
    }

    pub async fn send_text(&mut self, text: String) {
        // The other side may have closed already; the close code tells.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// Closes with a code and waits until the other side has seen it.
    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).await.expect("it closes");
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    pub async fn next(&mut self) -> Incoming {
        let message = timeout(PATIENCE, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return other,
                }
            }
        })
        .await
        .expect("the gateway says something");
        let bytes = match message {
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Binary(bytes))) => self.decompress(&bytes),
            Some(Ok(Message::Close(frame))) => {
                return Incoming::Closed(frame.map(|frame| frame.code.into()));
            }
            Some(Ok(_) | Err(_)) | None => return Incoming::Closed(None),
        };
        let payload: Value = serde_json::from_slice(&bytes).expect("payloads are JSON");
        if let Some(sequence) = payload["s"].as_u64() {
            self.sequence = Some(sequence);
        }
        Incoming::Payload(payload)
    }

    pub async fn payload(&mut self) -> Value {
        match self.next().await {
            Incoming::Payload(payload) => payload,
            Incoming::Closed(code) => panic!("the gateway closed with {code:?}"),
        }
    }

    /// Reads up to an event of this name and returns its data.
    pub async fn event(&mut self, name: &str) -> Value {
        for _ in 0..1_000 {
            let mut payload = self.payload().await;
            if payload["t"] == name {
                return payload["d"].take();
            }
        }
        panic!("{name} did not come");
    }

    /// Reads up to a payload with this opcode.
    pub async fn opcode(&mut self, op: u64) -> Value {
        for _ in 0..1_000 {
            let payload = self.payload().await;
            if payload["op"] == op {
                return payload;
            }
        }
        panic!("op {op} did not come");
    }

    /// Reads up to the end.
    pub async fn closed(&mut self) -> Option<u16> {
        for _ in 0..1_000 {
            if let Incoming::Closed(code) = self.next().await {
                return code;
            }
        }
        panic!("the gateway did not close");
    }

    /// Collects the names of events until a heartbeat sent now is acknowledged: everything
    /// that was pending has then arrived.
    pub async fn pending(&mut self) -> Vec<(String, Value)> {
        self.send(&json!({"op": 1, "d": self.sequence})).await;
        let mut events = Vec::new();
        loop {
            let mut payload = self.payload().await;
            match (
                payload["op"].as_u64(),
                payload["t"].as_str().map(ToOwned::to_owned),
            ) {
                (Some(11), _) => return events,
                (_, Some(name)) => events.push((name, payload["d"].take())),
                _ => {}
            }
        }
    }

    fn decompress(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match &mut self.inflate {
            Inflate::None => return bytes.to_vec(),
            Inflate::Zlib(inflate) => {
                assert!(bytes.ends_with(&[0, 0, 0xFF, 0xFF]), "no sync marker");
                let begin = inflate.total_in();
                loop {
                    out.reserve(64 * 1024);
                    let used = (inflate.total_in() - begin) as usize;
                    inflate
                        .decompress_vec(&bytes[used..], &mut out, FlushDecompress::Sync)
                        .expect("it is zlib");
                    let used = (inflate.total_in() - begin) as usize;
                    if used == bytes.len() && out.len() < out.capacity() {
                        break;
                    }
                }
            }
            Inflate::Zstd(decoder) => {
                let mut input = InBuffer::around(bytes);
                let mut chunk = vec![0; 64 * 1024];
                loop {
                    let mut output = OutBuffer::around(chunk.as_mut_slice());
                    decoder.run(&mut input, &mut output).expect("it is zstd");
                    let full = output.pos() == 64 * 1024;
                    out.extend_from_slice(output.as_slice());
                    if input.pos() == bytes.len() && !full {
                        break;
                    }
                }
            }
        }
        out
    }
}

/// A REST client.
#[derive(Clone)]
pub struct Rest {
    client: reqwest::Client,
    url: String,
    token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Answer {
    /// Status and Discord's code.
    pub fn codes(&self) -> (u16, u64) {
        (
            self.status.as_u16(),
            self.json["code"].as_u64().unwrap_or(0),
        )
    }
}

impl Rest {
    pub fn new(discord: &Discord) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            client: reqwest::Client::builder()
                .user_agent("DiscordBot (https://example.org, 1)")
                .build()
                .expect("a client"),
            url: format!("{}/v10", discord.api_url()),
            token: discord.token(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .header("authorization", format!("Bot {}", self.token))
    }

    pub async fn finish(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("it answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("it has a body");
        Answer {
            status,
            headers,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::finish(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }
}
