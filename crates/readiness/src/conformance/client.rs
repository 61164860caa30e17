//! A session: its WebSocket, and what comes over it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answer::Answer;
use super::case::{Outcome, Stop, fault, short};
use super::scene::{Call, Scene};

/// A session of the server, as its client sees it.
#[derive(Debug)]
pub(super) struct Client {
    scene: Scene,
    /// The session's name; empty before it was told.
    pub(super) session: String,
    /// Headers of the handshake's answer.
    pub(super) headers: HeaderMap,
    heard: mpsc::UnboundedReceiver<Heard>,
    say: mpsc::UnboundedSender<Message>,
    /// What came and was not asked for yet.
    pub(super) seen: Vec<Value>,
    _task: DropGuard,
}

/// A handshake that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

/// What came over the socket.
#[derive(Debug)]
pub(super) enum Heard {
    Text(String),
    Pong,
    Closed,
}

impl Client {
    pub(super) async fn connect(
        scene: Scene,
        url: &url::Url,
        headers: &[(&str, &str)],
    ) -> Result<Result<Self, Refused>, Stop> {
        let mut url = url.clone();
        let _same_kind = url.set_scheme("ws");
        let request = url.as_str().into_client_request();
        let Ok(mut request) = request else {
            return fault("a URL for a WebSocket", url.as_str());
        };
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(*name), HeaderValue::try_from(*value))
            {
                request.headers_mut().insert(name, value);
            }
        }
        let connected = timeout(PATIENCE, tokio_tungstenite::connect_async(request)).await;
        let (stream, response) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(tungstenite::Error::Http(response))) => {
                return Ok(Err(Refused {
                    status: response.status().as_u16(),
                    headers: response.headers().clone(),
                }));
            }
            Ok(Err(error)) => return fault("a handshake", error.to_string()),
            Err(_) => return fault("a handshake in time", "none"),
        };
        let (tell, heard) = mpsc::unbounded_channel();
        let (say, mut said) = mpsc::unbounded_channel::<Message>();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let (mut sink, mut stream) = stream.split();
            loop {
                tokio::select! {
                    message = stream.next() => {
                        let heard = match message {
                            Some(Ok(Message::Text(text))) => Heard::Text(text.to_string()),
                            Some(Ok(Message::Pong(_))) => Heard::Pong,
                            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Closed,
                            Some(Ok(_)) => continue,
                        };
                        let over = matches!(heard, Heard::Closed);
                        if tell.send(heard).is_err() || over {
                            return;
                        }
                    }
                    message = said.recv() => {
                        let Some(message) = message else { return };
                        if sink.send(message).await.is_err() {
                            return;
                        }
                    }
                    () = stopped.cancelled() => {
                        let _gone = sink.send(Message::Close(None)).await;
                        return;
                    }
                }
            }
        });
        Ok(Ok(Self {
            scene,
            session: String::new(),
            headers: response.headers().clone(),
            heard,
            say,
            seen: Vec::new(),
            _task: stop.drop_guard(),
        }))
    }

    /// Waits for the first two messages, and takes the session's name from them.
    pub(super) async fn greeted(mut self) -> Result<Self, Stop> {
        let ready = self.ready().await?;
        ready["sessionId"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut self.session);
        Ok(self)
    }

    /// Waits for ready; the reference server's first stats may overtake it.
    pub(super) async fn ready(&mut self) -> Result<Value, Stop> {
        self.until("ready", |message| message["op"] == "ready")
            .await
    }

    /// Returns the next message.
    pub(super) async fn next(&mut self) -> Result<Value, Stop> {
        if !self.seen.is_empty() {
            return Ok(self.seen.remove(0));
        }
        self.receive(Instant::now() + PATIENCE).await
    }

    async fn receive(&mut self, until: Instant) -> Result<Value, Stop> {
        loop {
            match timeout_at(until, self.heard.recv()).await {
                Ok(Some(Heard::Text(text))) => match serde_json::from_str(&text) {
                    Ok(value) => return Ok(value),
                    Err(_) => return fault("messages in JSON", text),
                },
                Ok(Some(Heard::Pong)) => {}
                Ok(Some(Heard::Closed) | None) => return fault("a message", "the socket closed"),
                Err(_) => return fault("a message in time", "none"),
            }
        }
    }

    /// Returns the first message, of those kept and those to come, for which `wanted` holds.
    pub(super) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        self.until_within(PATIENCE, what, wanted).await
    }

    pub(super) async fn until_within(
        &mut self,
        patience: Duration,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        if let Some(at) = self.seen.iter().position(&wanted) {
            return Ok(self.seen.remove(at));
        }
        let until = Instant::now() + patience;
        loop {
            match self.receive(until).await {
                Ok(message) if wanted(&message) => return Ok(message),
                Ok(message) => self.seen.push(message),
                Err(Stop::Fault { got, .. }) => {
                    let kinds: Vec<_> = self.seen.iter().map(kind).collect();
                    return fault(what, short(&format!("{got}; before: {}", kinds.join(", "))));
                }
                Err(skip) => return Err(skip),
            }
        }
    }

    /// Returns the next event of a type.
    pub(super) async fn event(&mut self, kind: &str) -> Result<Value, Stop> {
        self.until(kind, |message| {
            message["op"] == "event" && message["type"] == kind
        })
        .await
    }

    /// Returns the next event, whatever its type.
    pub(super) async fn any_event(&mut self) -> Result<Value, Stop> {
        self.until("an event", |message| message["op"] == "event")
            .await
    }

    /// Returns the next playerUpdate of a guild.
    pub(super) async fn update(&mut self, guild: u64) -> Result<Value, Stop> {
        let guild = guild.to_string();
        self.until("a playerUpdate", |message| {
            message["op"] == "playerUpdate" && message["guildId"] == guild.as_str()
        })
        .await
    }

    /// Forgets what came so far.
    pub(super) async fn forget(&mut self) {
        self.collect(Duration::from_millis(50)).await;
        self.seen.clear();
    }

    /// Keeps what comes within a time, and returns all of it.
    pub(super) async fn collect(&mut self, time: Duration) -> &[Value] {
        let until = Instant::now() + time;
        while let Ok(message) = self.receive(until).await {
            self.seen.push(message);
        }
        &self.seen
    }

    /// Demands that within a time nothing comes for which `unwanted` holds.
    pub(super) async fn quiet(
        &mut self,
        time: Duration,
        what: &str,
        unwanted: impl Fn(&Value) -> bool,
    ) -> Outcome {
        self.collect(time).await;
        match self.seen.iter().find(|message| unwanted(message)) {
            None => Ok(()),
            Some(found) => fault(format!("no {what}"), short(&found.to_string())),
        }
    }

    /// Sends a text.
    pub(super) fn say(&self, text: &str) {
        let _gone = self.say.send(Message::text(text.to_owned()));
    }

    /// Sends a ping and waits for its pong.
    pub(super) async fn ping(&mut self) -> Outcome {
        let _gone = self.say.send(Message::Ping("conformance".into()));
        let until = Instant::now() + PATIENCE;
        loop {
            match timeout_at(until, self.heard.recv()).await {
                Ok(Some(Heard::Pong)) => return Ok(()),
                Ok(Some(Heard::Text(text))) => {
                    self.seen
                        .push(serde_json::from_str(&text).unwrap_or_default());
                }
                Ok(Some(Heard::Closed) | None) => return fault("a pong", "the socket closed"),
                Err(_) => return fault("a pong in time", "none"),
            }
        }
    }

    /// Closes the socket, and waits until the server has noticed.
    pub(super) async fn close(mut self) -> Result<String, Stop> {
        let _gone = self.say.send(Message::Close(None));
        let until = Instant::now() + PATIENCE;
        while let Ok(Some(heard)) = timeout_at(until, self.heard.recv()).await {
            if matches!(heard, Heard::Closed) {
                break;
            }
        }
        let players = format!("/v4/sessions/{}/players", self.session);
        while self.scene.get(&players).await?.status != 404 {
            if Instant::now() > until {
                return fault("no live session after its socket closed", "still there");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(self.session)
    }

    /// Returns the path of the session.
    pub(super) fn path(&self) -> String {
        format!("/v4/sessions/{}", self.session)
    }

    /// Returns the path of a player.
    pub(super) fn player(&self, guild: u64) -> String {
        format!("/v4/sessions/{}/players/{guild}", self.session)
    }

    /// Changes a player.
    pub(super) async fn patch(&self, guild: u64, body: &Value) -> Result<Answer, Stop> {
        self.scene.patch(&self.player(guild), body).await
    }

    /// Changes a player, which has to work.
    pub(super) async fn set(&self, guild: u64, body: &Value) -> Result<Answer, Stop> {
        let answer = self.patch(guild, body).await?;
        answer.status(200)?;
        Ok(answer)
    }

    /// Asks for a player.
    pub(super) async fn get(&self, guild: u64) -> Result<Answer, Stop> {
        self.scene.get(&self.player(guild)).await
    }

    /// Joins a call.
    pub(super) async fn join(&self, guild: u64) -> Result<Call, Stop> {
        let call = self.scene.invite(guild);
        self.set(guild, &json!({"voice": call.body})).await?;
        self.scene.until_connected(guild).await?;
        Ok(call)
    }

    /// Joins a call and plays a file there; returns when its sound is heard.
    pub(super) async fn play(&mut self, guild: u64, file: &str) -> Result<Call, Stop> {
        let encoded = self.scene.encoded(file).await?;
        let mut call = self.join(guild).await?;
        self.set(guild, &json!({"track": {"encoded": encoded}}))
            .await?;
        call.sound().await?;
        Ok(call)
    }
}

impl Call {
    /// Waits for a frame that is not silence.
    pub(super) async fn sound(&mut self) -> Result<backline_sim::voice::HeardFrame, Stop> {
        let until = Instant::now() + PATIENCE;
        loop {
            match timeout_at(until, self.ear.next()).await {
                Ok(Some(frame)) if frame.opus.as_ref() != SILENCE => return Ok(frame),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    return fault("sound in the call", format!("none; {:?}", self.ear.stats()));
                }
            }
        }
    }

    /// Waits until nothing but silence came for a time.
    pub(super) async fn silence(&mut self, time: Duration) -> Outcome {
        let until = Instant::now() + PATIENCE;
        let mut last = Instant::now();
        while last.elapsed() < time {
            match timeout(time, self.ear.next()).await {
                Ok(Some(frame)) if frame.opus.as_ref() != SILENCE => last = Instant::now(),
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => return fault("a call", "it ended"),
            }
            if Instant::now() > until {
                return fault("silence in the call", "sound");
            }
        }
        Ok(())
    }
}

/// Returns what kind of message something is, for reports.
fn kind(message: &Value) -> String {
    let op = message["op"].as_str().unwrap_or("?");
    match message["type"].as_str() {
        Some(kind) => format!("{op} {kind}"),
        None => op.to_owned(),
    }
}

/// The Opus silence frame.
pub(super) const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

const PATIENCE: Duration = Duration::from_secs(20);
