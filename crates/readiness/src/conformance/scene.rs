//! What a case works with: requests, sessions, calls, files.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use backline_sim::voice::{Listener, SessionSpec, VoiceServer};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Options;
use super::answer::Answer;
use super::case::{Outcome, Stop, fault};
use super::client::{Client, Refused};
use super::web::Web;

/// What all cases share.
#[derive(Debug)]
pub(super) struct Shared {
    base: url::Url,
    password: String,
    http: reqwest::Client,
    voice: VoiceServer,
    web: Web,
    about: Value,
    tracks: tokio::sync::Mutex<HashMap<String, Value>>,
}

/// What one case works with.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    shared: Arc<Shared>,
    notes: Notes,
    /// The bot's user, another one in every case.
    pub(super) user: u64,
    guilds: Arc<AtomicU64>,
}

/// Where an answer was accepted that is not the reference server's.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

/// A request while it is put together.
#[derive(Debug)]
pub(super) struct Ask {
    request: reqwest::RequestBuilder,
    password: Option<String>,
}

/// A call in a simulated voice channel.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) body: Value,
    pub(super) ear: Listener,
}

impl Notes {
    fn add(&self, note: impl Into<String>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note.into());
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    pub(super) fn new(
        options: &Options,
        http: reqwest::Client,
        voice: VoiceServer,
        web: Web,
        about: Value,
    ) -> Self {
        Self {
            base: options.url.clone(),
            password: options.password.clone(),
            http,
            voice,
            web,
            about,
            tracks: tokio::sync::Mutex::default(),
        }
    }

    /// Returns how the server introduces itself.
    pub(super) fn name(&self) -> String {
        let text = |pointer| self.about.pointer(pointer).and_then(Value::as_str);
        format!(
            "{} (lavaplayer {}, jvm {})",
            text("/version/semver").unwrap_or("unknown version"),
            text("/lavaplayer").unwrap_or("unknown"),
            text("/jvm").unwrap_or("unknown"),
        )
    }

    pub(super) fn stop(&self) {
        self.voice.stop();
    }
}

impl Scene {
    pub(super) fn new(shared: &Arc<Shared>, place: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            notes: Notes::default(),
            user: 900_000_000_000_000_000 + place,
            guilds: Arc::new(AtomicU64::new(100_000_000_000_000_000 + place * 1_000)),
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// Notes that an answer was accepted which is not the reference server's.
    pub(super) fn note(&self, note: impl Into<String>) {
        self.notes.add(note);
    }

    /// Demands the reference server's status, or another one that is as good or kinder.
    pub(super) fn either(&self, answer: &Answer, reference: u16, other: u16, why: &str) -> Outcome {
        if answer.status == other {
            self.note(format!("{other} instead of {reference}: {why}"));
            return Ok(());
        }
        answer.status(reference).map(drop)
    }

    /// Returns what the server says about itself.
    pub(super) fn about(&self) -> &Value {
        &self.shared.about
    }

    /// Returns the version as numbers.
    pub(super) fn is_backline(&self) -> bool {
        self.shared
            .about
            .pointer("/lavaplayer")
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with("backline"))
    }

    /// Returns a guild that no other case uses.
    pub(super) fn guild(&self) -> u64 {
        self.guilds.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn voice(&self) -> &VoiceServer {
        &self.shared.voice
    }

    /// Returns the address of a file that the loopback web server has.
    pub(super) fn file(&self, name: &str) -> String {
        self.shared.web.url(name)
    }

    /// Begins a request.
    pub(super) fn ask(&self, method: Method, path: &str) -> Ask {
        let mut url = self.shared.base.clone();
        let (path, query) = path
            .split_once('?')
            .map_or((path, None), |(p, q)| (p, Some(q)));
        url.set_path(path);
        url.set_query(query);
        Ask {
            request: self.shared.http.request(method, url),
            password: Some(self.shared.password.clone()),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Stop> {
        self.ask(Method::GET, path).send().await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Stop> {
        self.ask(Method::POST, path).json(body).send().await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Stop> {
        self.ask(Method::PATCH, path).json(body).send().await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Stop> {
        self.ask(Method::DELETE, path).send().await
    }

    /// Loads an identifier.
    pub(super) async fn load(&self, identifier: &str) -> Result<Answer, Stop> {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("identifier", identifier)
            .finish();
        self.get(&format!("/v4/loadtracks?{query}")).await
    }

    /// Loads a file of the loopback web server, once for all cases; returns its track.
    pub(super) async fn track(&self, file: &str) -> Result<Value, Stop> {
        let mut tracks = self.shared.tracks.lock().await;
        if let Some(track) = tracks.get(file) {
            return Ok(track.clone());
        }
        let answer = self.load(&self.file(file)).await?;
        answer.status(200)?.is("/loadType", &json!("track"))?;
        let track = answer.at("/data")?.clone();
        tracks.insert(file.to_owned(), track.clone());
        Ok(track)
    }

    /// Loads a file of the loopback web server; returns its encoding.
    pub(super) async fn encoded(&self, file: &str) -> Result<String, Stop> {
        let track = self.track(file).await?;
        Ok(track["encoded"].as_str().unwrap_or_default().to_owned())
    }

    /// Opens a session.
    pub(super) async fn open(&self) -> Result<Client, Stop> {
        match self.socket(&[]).await? {
            Ok(client) => client.greeted().await,
            Err(refused) => fault("a WebSocket", format!("status {}", refused.status)),
        }
    }

    /// Opens a WebSocket with other headers; an empty value takes one away.
    pub(super) async fn socket(
        &self,
        headers: &[(&str, &str)],
    ) -> Result<Result<Client, Refused>, Stop> {
        let user = self.user.to_string();
        let mut all: Vec<(&str, &str)> = vec![
            ("Authorization", &self.shared.password),
            ("User-Id", &user),
            ("Client-Name", "backline-conformance/1"),
        ];
        for (name, value) in headers {
            all.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            if !value.is_empty() {
                all.push((name, value));
            }
        }
        let mut url = self.shared.base.clone();
        url.set_path("/v4/websocket");
        Client::connect(self.clone(), &url, &all).await
    }

    /// Lets the bot into a call of a guild; the body of a voice update comes back.
    pub(super) fn invite(&self, guild: u64) -> Call {
        self.invite_to(guild, guild + 500)
    }

    /// Lets the bot into a channel of a guild.
    pub(super) fn invite_to(&self, guild: u64, channel: u64) -> Call {
        let session_id = format!("session-{guild}-{channel}");
        let ticket = self.shared.voice.open_session(SessionSpec {
            guild_id: guild,
            channel_id: channel,
            user_id: self.user,
            session_id: session_id.clone(),
        });
        Call {
            ear: self.shared.voice.listen(guild),
            body: json!({
                "token": ticket.token,
                "endpoint": ticket.endpoint,
                "sessionId": session_id,
                "channelId": channel.to_string(),
            }),
        }
    }

    /// Waits until the bot is in a guild's call; servers may answer a little earlier.
    pub(super) async fn until_connected(&self, guild: u64) -> Outcome {
        for _ in 0..250 {
            if self.voice().is_connected(guild, self.user) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        fault("a voice connection", "none within 5 s")
    }

    /// Sends bytes as they are, and returns status and text of what comes back.
    pub(super) async fn raw(&self, request: &[u8]) -> Result<(u16, String), Stop> {
        let host = self.shared.base.host_str().unwrap_or_default();
        let port = self.shared.base.port_or_known_default().unwrap_or(80);
        let exchange = async {
            let mut stream = TcpStream::connect((host, port)).await?;
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        match exchange.await {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let status = text
                    .split_whitespace()
                    .nth(1)
                    .and_then(|status| status.parse().ok());
                match status {
                    Some(status) => Ok((status, text)),
                    None => fault("an HTTP answer", text),
                }
            }
            Err(error) => fault("an HTTP answer", error.to_string()),
        }
    }

    /// Returns the password, for requests that are written by hand.
    pub(super) fn password(&self) -> &str {
        &self.shared.password
    }
}

impl Ask {
    pub(super) fn password(mut self, password: Option<&str>) -> Self {
        self.password = password.map(str::to_owned);
        self
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// A body that claims to be JSON.
    pub(super) fn text(mut self, body: impl Into<String>) -> Self {
        let body: String = body.into();
        self.request = self
            .request
            .header("Content-Type", "application/json")
            .body(body);
        self
    }

    /// A body that says nothing about its kind.
    pub(super) fn body_without_type(mut self, body: &'static str) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(super) async fn send(self) -> Result<Answer, Stop> {
        let request = match &self.password {
            Some(password) => self.request.header("Authorization", password),
            None => self.request,
        };
        let sent = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            let headers: HeaderMap = answer.headers().clone();
            Ok::<_, reqwest::Error>(Answer::new(status, headers, answer.text().await?))
        };
        match sent.await {
            Ok(answer) => Ok(answer),
            Err(error) => fault("an answer", error.to_string()),
        }
    }
}
