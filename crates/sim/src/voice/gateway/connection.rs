//! One connection to the voice gateway.

use std::{sync::Arc, time::Duration};

use backline_media::voice::Sealer;
use backline_proto::voice::{
    Close, Hello, Identify, Opcode, Ready, Resume, SelectProtocol, ServerMessage,
    SessionDescription, Snowflake, Speaking, binary,
};
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tracing::debug;

use super::Context;
use crate::voice::{
    dave,
    ear::Key,
    session::{Order, Session},
};

/// A client's connection, and the session it has proved to own.
pub(super) struct Connection<S> {
    socket: WebSocketStream<S>,
    context: Context,
    id: u64,
    version: u8,
    session: Option<Arc<Session>>,
    /// Highest version of DAVE that the client offers.
    max_dave: u16,
    orders: mpsc::UnboundedReceiver<Order>,
    order_sender: mpsc::UnboundedSender<Order>,
    heartbeat_due: Instant,
    budget: Budget,
}

/// How a connection ends.
enum End {
    /// We close it.
    Close(Close),
    /// The client closed it with this code, or it broke.
    Gone(Option<u16>),
    /// We break it off.
    Dropped,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(socket: WebSocketStream<S>, context: Context, version: u8) -> Self {
        let (order_sender, orders) = mpsc::unbounded_channel();
        let id = context.registry.next_connection();
        let heartbeat_due = Instant::now() + patience(&context);
        let budget = Budget::new();
        Self {
            socket,
            context,
            id,
            version,
            session: None,
            max_dave: 0,
            orders,
            order_sender,
            heartbeat_due,
            budget,
        }
    }

    /// Talks until one side ends it.
    pub(super) async fn run(mut self) {
        let end = self.talk().await;
        if let Some(session) = &self.session {
            // Who says goodbye does not come back to the same session.
            let goodbye = matches!(end, End::Gone(Some(1000 | 1001)));
            if session.detach(self.id, !goodbye) {
                self.lost(session, goodbye);
            }
        }
        match end {
            End::Close(close) => {
                debug!(code = close.0, "voice connection closed");
                self.close(close).await;
            }
            End::Gone(code) => debug!(code, "voice client left"),
            End::Dropped => {}
        }
    }

    /// Takes a client out of its call that does not come back.
    fn lost(&self, session: &Arc<Session>, goodbye: bool) {
        let registry = &self.context.registry;
        let spec = &session.spec;
        if goodbye {
            registry.leave_call(spec.channel_id, spec.user_id);
            return;
        }
        let window = registry.options.resume_window;
        let (registry, session) = (Arc::downgrade(registry), Arc::clone(session));
        tokio::spawn(async move {
            sleep(window).await;
            if let Some(registry) = registry.upgrade()
                && session.is_lost_for(window)
            {
                registry.leave_call(session.spec.channel_id, session.spec.user_id);
            }
        });
    }

    async fn talk(&mut self) -> End {
        let hello = Hello {
            v: self.version,
            heartbeat_interval_ms: self.context.registry.options.heartbeat_interval.as_millis()
                as u64,
        };
        if let Err(end) = self.send(&ServerMessage::Hello(hello)).await {
            return end;
        }
        loop {
            let step = tokio::select! {
                incoming = self.socket.next() => self.handle(incoming).await,
                Some(order) = self.orders.recv() => self.obey(order).await,
                () = sleep_until(self.heartbeat_due) => Err(End::Close(Close::SESSION_TIMEOUT)),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Send(message) => self.send_message(message).await,
            Order::Close(close) => Err(End::Close(close)),
            Order::Drop => Err(End::Dropped),
        }
    }

    async fn handle(&mut self, incoming: Option<Result<Message, Error>>) -> Result<(), End> {
        match incoming {
            Some(Ok(Message::Text(text))) => self.handle_text(text.as_str()).await,
            Some(Ok(Message::Binary(bytes))) => self.handle_binary(&bytes),
            Some(Ok(Message::Close(frame))) => {
                Err(End::Gone(frame.map(|frame| u16::from(frame.code))))
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(Error::Capacity(_) | Error::Utf8(_) | Error::Protocol(_))) => {
                Err(End::Close(Close::DECODE_ERROR))
            }
            Some(Err(_)) | None => Err(End::Gone(None)),
        }
    }

    async fn handle_text(&mut self, text: &str) -> Result<(), End> {
        let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Close::DECODE_ERROR)?;
        let opcode = Opcode::from_u8(frame.op);
        if opcode != Some(Opcode::Heartbeat) && !self.budget.take() {
            return Err(Close::RATE_LIMITED.into());
        }
        match opcode {
            Some(Opcode::Heartbeat) => return self.heartbeat(&frame).await,
            Some(Opcode::Identify) => return self.identify(&frame.body()?).await,
            Some(Opcode::Resume) => return self.resume(&frame).await,
            _ => {}
        }
        let known = opcode.is_some() || matches!(frame.op, VIDEO | VOICE_BACKEND_VERSION);
        if !known {
            return Err(Close::UNKNOWN_OPCODE.into());
        }
        let session = self.session.clone().ok_or(Close::NOT_AUTHENTICATED)?;
        match (opcode, frame.op) {
            (Some(Opcode::SelectProtocol), _) => self.select(&session, &frame),
            (Some(Opcode::Speaking), _) => self.speaking(&session, &frame.body()?),
            (_, VOICE_BACKEND_VERSION) => {
                let body = json!({ "voice": "0.12.0", "rtc_worker": "0.4.0" });
                self.send(&ServerMessage::Other {
                    op: VOICE_BACKEND_VERSION,
                    body,
                })
                .await
            }
            (_, VIDEO) | (Some(Opcode::MediaSinkWants), _) => Ok(()),
            (Some(op @ (Opcode::DaveTransitionReady | Opcode::MlsInvalidCommitWelcome)), _) => {
                let body = frame.body()?;
                self.context
                    .registry
                    .handle_dave(&session, &dave::Frame::Text { op, body });
                Ok(())
            }
            // What only a server says.
            _ => Err(Close::UNKNOWN_OPCODE.into()),
        }
    }

    fn handle_binary(&mut self, bytes: &[u8]) -> Result<(), End> {
        if !self.budget.take() {
            return Err(Close::RATE_LIMITED.into());
        }
        let frame = binary::ClientFrame::parse(bytes).map_err(|error| error.close())?;
        let session = self.session.as_ref().ok_or(Close::NOT_AUTHENTICATED)?;
        let op = frame.op;
        if !matches!(op, Opcode::MlsKeyPackage | Opcode::MlsCommitWelcome) {
            return Err(Close::UNKNOWN_OPCODE.into());
        }
        let payload = frame.payload.to_vec();
        let registry = &self.context.registry;
        registry.handle_dave(session, &dave::Frame::Binary { op, payload });
        Ok(())
    }

    /// Answers in the form of the question: a bare number up to version 7, `t` since.
    async fn heartbeat(&mut self, frame: &Frame<'_>) -> Result<(), End> {
        let body: Value = frame.body()?;
        let answer = match &body {
            Value::Number(nonce) => json!(nonce),
            Value::Object(fields) => match fields.get("t") {
                Some(t @ Value::Number(_)) => json!({ "t": t }),
                _ => return Err(Close::DECODE_ERROR.into()),
            },
            _ => return Err(Close::DECODE_ERROR.into()),
        };
        self.heartbeat_due = Instant::now() + patience(&self.context);
        self.send(&ServerMessage::Other {
            op: Opcode::HeartbeatAck as u8,
            body: answer,
        })
        .await
    }

    async fn identify(&mut self, identify: &Identify) -> Result<(), End> {
        if self.session.is_some() {
            return Err(Close::ALREADY_AUTHENTICATED.into());
        }
        let options = &self.context.registry.options;
        let session = self.context.registry.identify(identify)?;
        // Its messages are numbered since version 8 only.
        self.max_dave = match self.version {
            8.. => identify.max_dave_protocol_version,
            _ => 0,
        };
        if options.require_dave
            && self.max_dave == 0
            && !self
                .context
                .registry
                .calls
                .is_exempt(session.spec.channel_id)
        {
            return Err(Close::DAVE_REQUIRED.into());
        }
        let ready = ServerMessage::Ready(Ready {
            ssrc: session.ssrc,
            ip: self.context.udp_address.ip(),
            port: self.context.udp_address.port(),
            modes: options.modes.clone(),
            experiments: vec!["fixed_keyframe_interval".to_owned()],
        });
        session.attach(self.id, self.version, self.order_sender.clone());
        self.session = Some(Arc::clone(&session));
        self.send(&ready).await?;
        self.context.registry.welcome(&session);
        Ok(())
    }

    async fn resume(&mut self, frame: &Frame<'_>) -> Result<(), End> {
        if self.session.is_some() {
            return Err(Close::ALREADY_AUTHENTICATED.into());
        }
        let mut body: Value = frame.body()?;
        // Before version 8 nothing is numbered, and nothing is sent again.
        if self.version < 8
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("seq_ack".to_owned(), json!(i64::MIN));
        }
        let resume: Resume = serde_json::from_value(body).map_err(|_| Close::DECODE_ERROR)?;
        let registry = &self.context.registry;
        let session = registry.find_resumed(&resume)?;
        let acknowledged = (self.version >= 8).then_some(resume.seq_ack);
        let missed = session.resume(
            self.id,
            self.version,
            self.order_sender.clone(),
            acknowledged,
            registry.options.resume_window,
        )?;
        self.session = Some(session);
        self.send(&ServerMessage::Resumed).await?;
        for message in missed {
            self.send_message(message).await?;
        }
        Ok(())
    }

    fn select(&self, session: &Arc<Session>, frame: &Frame<'_>) -> Result<(), End> {
        let body: Value = frame.body()?;
        if body.get("protocol").and_then(Value::as_str) != Some("udp") {
            return Err(Close::UNKNOWN_PROTOCOL.into());
        }
        let select: SelectProtocol =
            serde_json::from_value(body).map_err(|_| Close::DECODE_ERROR)?;
        let mode = select.data.mode;
        let offered = self.context.registry.options.modes.contains(&mode);
        let secret_key = rand::rng().random::<[u8; 32]>();
        let key = Key::new(&mode, &secret_key).filter(|_| offered);
        let key = key.ok_or(Close::UNKNOWN_ENCRYPTION_MODE)?;
        if let Ok(mode) = mode.parse() {
            session.listens_with(Sealer::new(mode, &secret_key));
        }
        session.ear().learn(key);
        session.described();
        let registry = &self.context.registry;
        registry.join_call(session, self.max_dave, |version| {
            let description = SessionDescription {
                mode,
                secret_key,
                dave_protocol_version: version,
                audio_codec: Some("opus".to_owned()),
                media_session_id: Some(format!("{:032x}", rand::rng().random::<u128>())),
            };
            session.send_numbered(&ServerMessage::SessionDescription(description));
        });
        Ok(())
    }

    fn speaking(&self, session: &Session, update: &SpeakingUpdate) -> Result<(), End> {
        if update.ssrc.is_some_and(|ssrc| ssrc != session.ssrc) {
            return Err(Close::BAD_REQUEST.into());
        }
        session.ear().announced(update.speaking != 0);
        let speaking = ServerMessage::Speaking(Speaking {
            user_id: Snowflake::new(session.spec.user_id),
            ssrc: session.ssrc,
            speaking: update.speaking,
        });
        let spec = &session.spec;
        self.context
            .registry
            .tell_others(spec.channel_id, spec.user_id, &speaking);
        Ok(())
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), End> {
        self.send_text(message.to_json(None)).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.send_message(Message::text(text)).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone(None)),
        }
    }

    /// Sends the close frame and waits for the answer, so that no reset overtakes it.
    async fn close(&mut self, close: Close) {
        let frame = CloseFrame {
            code: CloseCode::from(close.0),
            reason: reason(close).into(),
        };
        let farewell = async {
            if self.socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // Whoever does not answer is cut off.
        let _ = timeout(CLOSE_TIMEOUT, farewell).await;
    }
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// How long a client may be silent: one missed heartbeat, and a little.
fn patience(context: &Context) -> Duration {
    context.registry.options.heartbeat_interval.mul_f32(1.5)
}

#[derive(Deserialize)]
struct Frame<'a> {
    op: u8,
    #[serde(borrow, default)]
    d: Option<&'a serde_json::value::RawValue>,
}

impl Frame<'_> {
    fn body<T: DeserializeOwned>(&self) -> Result<T, Close> {
        let text = self.d.map_or("null", |body| body.get());
        serde_json::from_str(text).map_err(|_| Close::DECODE_ERROR)
    }
}

/// Opcode 5 as clients really send it: some leave their own SSRC out.
#[derive(Deserialize)]
struct SpeakingUpdate {
    speaking: u32,
    #[serde(default)]
    ssrc: Option<u32>,
}

/// Messages a client may send a minute, heartbeats not counted.
struct Budget {
    since: Instant,
    used: u32,
}

impl Budget {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            used: 0,
        }
    }

    fn take(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_mins(1) {
            *self = Self {
                since: now,
                used: 0,
            };
        }
        self.used += 1;
        self.used <= MESSAGES_PER_MINUTE
    }
}

fn reason(close: Close) -> &'static str {
    match close {
        Close::UNKNOWN_OPCODE => "Unknown opcode.",
        Close::DECODE_ERROR => "Failed to decode payload.",
        Close::NOT_AUTHENTICATED => "Not authenticated.",
        Close::AUTHENTICATION_FAILED => "Authentication failed.",
        Close::ALREADY_AUTHENTICATED => "Already authenticated.",
        Close::SESSION_INVALID => "Session is no longer valid.",
        Close::SESSION_TIMEOUT => "Session timed out.",
        Close::SERVER_NOT_FOUND => "Server not found.",
        Close::UNKNOWN_PROTOCOL => "Unknown protocol.",
        Close::DISCONNECTED => "Disconnected.",
        Close::SERVER_CRASHED => "Voice server crashed.",
        Close::UNKNOWN_ENCRYPTION_MODE => "Unknown encryption mode.",
        Close::DAVE_REQUIRED => "E2EE/DAVE protocol required.",
        Close::BAD_REQUEST => "Bad request.",
        Close::RATE_LIMITED => "Rate limited.",
        Close::CALL_TERMINATED => "Call terminated.",
        _ => "",
    }
}

/// Undocumented opcodes that public clients send.
const VIDEO: u8 = 12;
const VOICE_BACKEND_VERSION: u8 = 16;
const MESSAGES_PER_MINUTE: u32 = 240;
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
