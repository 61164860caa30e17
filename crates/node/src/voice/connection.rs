//! One voice connection: a task that feeds a [`VoiceSession`] and does what it asks for.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use backline_media::voice::dave::{Effect as DaveEffect, Input};
use backline_media::voice::{EndToEnd, Mode, Sealer};
use backline_proto::voice::dave::{DaveMessage, Transition};
use backline_proto::voice::session::{Closed, Effect, Established, VoiceSession};
use backline_proto::voice::{Close, Opcode, SPEAKING_MICROPHONE, Snowflake};
use backline_runtime::metrics::voice::VoiceMetrics;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::dave::Desk;
use super::dial::{DialError, Dialer, Socket};
use super::udp::{self, Discovered};
use super::{Pulse, Status};
use crate::engine::transport::Transport;

/// Who is told what happens to a connection.
pub trait Owner: Send + 'static {
    /// Packets go there now.
    fn handle_transport(&self, transport: Box<Transport>);
    /// They are protected so from now on.
    fn handle_protection(&self, end_to_end: EndToEnd);
    /// The control connection stands, for the first time or again.
    fn handle_ready(&self);
    /// The control connection is lost; without retry the connection is over.
    fn handle_closed(&self, closed: &Closed);
}

/// What a connection works with.
pub struct Connection<O> {
    /// The conversation.
    pub session: VoiceSession,
    /// End-to-end encryption.
    pub desk: Desk,
    /// What is counted.
    pub metrics: VoiceMetrics,
    /// Opens the gateway.
    pub dialer: Dialer,
    /// Who is told.
    pub owner: O,
    /// What the REST side reads.
    pub pulse: Arc<Pulse>,
    /// Where the status is told.
    pub status: watch::Sender<Status>,
    /// Leaves the call when cancelled.
    pub leave: CancellationToken,
    /// What times are counted from.
    pub started: Instant,
}

type Opening = Pin<Box<dyn Future<Output = Result<Socket, DialError>> + Send>>;
type Discovery = Pin<Box<dyn Future<Output = io::Result<Discovered>> + Send>>;

/// How long sending one frame may take.
const SEND: Duration = Duration::from_secs(5);
/// How long a close handshake may take.
const CLOSE: Duration = Duration::from_secs(2);

impl<O: Owner> Connection<O> {
    /// Runs until the session is over.
    pub async fn run(mut self) {
        let mut socket: Option<Socket> = None;
        let mut opening: Option<Opening> = None;
        let mut discovery: Option<Discovery> = None;
        let mut udp: Option<std::net::UdpSocket> = None;
        let mut closing: Option<JoinHandle<()>> = None;
        let mut came_up = false;
        self.session.handle_speaking(SPEAKING_MICROPHONE);
        loop {
            while let Some(effect) = self.next_effect() {
                match effect {
                    Effect::Connect { url, .. } => {
                        socket = None;
                        let dialer = self.dialer.clone();
                        opening = Some(Box::pin(async move { dialer.open(&url).await }));
                    }
                    Effect::SendText(text) => {
                        self.send(&mut socket, Message::text(text)).await;
                    }
                    Effect::SendBinary(bytes) => {
                        self.send(&mut socket, Message::binary(bytes)).await;
                    }
                    Effect::CloseSocket(code) => {
                        opening = None;
                        discovery = None;
                        closing = close(socket.take(), code).or(closing);
                    }
                    Effect::OpenUdp { address, ssrc } => {
                        discovery = Some(Box::pin(udp::discover(address, ssrc)));
                    }
                    Effect::Begun => self.desk.begin(),
                    Effect::Established(established) => {
                        self.desk.describe(established.dave_protocol_version);
                        match udp.as_ref().map(|udp| transport(udp, &established)) {
                            Some(Ok(transport)) => {
                                self.owner.handle_transport(Box::new(transport));
                                // Nobody here listens to anybody.
                                self.session.handle_deafened();
                                if !std::mem::replace(&mut came_up, true) {
                                    let took = self.started.elapsed();
                                    self.metrics.connect_time.observe(took.as_secs_f64());
                                }
                                self.live();
                            }
                            Some(Err(error)) => {
                                tracing::warn!(%error, "voice socket failed");
                                self.session.handle_leave();
                            }
                            None => self.session.handle_leave(),
                        }
                    }
                    Effect::Resumed => {
                        self.desk.put(Input::Resumed);
                        self.live();
                    }
                    Effect::ClientsConnected(users) => {
                        let users = users.into_iter().map(Snowflake::value).collect();
                        self.desk.put(Input::Connected(users));
                    }
                    Effect::ClientDisconnected(user) => {
                        self.desk.put(Input::Disconnected(user.value()));
                    }
                    Effect::DaveText { op, body } => {
                        self.desk.hear(DaveMessage::from_text(op, &body));
                    }
                    Effect::DaveBinary { op, payload } => {
                        self.desk.hear(DaveMessage::from_binary(op, &payload));
                    }
                    Effect::Closed(closed) => {
                        socket = None;
                        self.metrics.count_close(closed.code.0);
                        self.pulse.set(false, None);
                        let status = if closed.will_retry {
                            Status::Connecting
                        } else {
                            Status::Over
                        };
                        self.owner.handle_closed(&closed);
                        self.status.send_replace(status);
                    }
                    // Who speaks does not concern a node that only sends.
                    _ => {}
                }
            }
            let live = self.session.is_live();
            self.pulse.set(live, self.session.ping());
            if self.session.is_over() {
                closing = close(socket.take(), Close::NORMAL).or(closing);
                self.status.send_replace(Status::Over);
                if let Some(closing) = closing {
                    let _closed = closing.await;
                }
                return;
            }
            let due = [self.session.deadline(), self.desk.deadline()];
            let due = due.into_iter().flatten().min();
            let due = due.map(|due| self.started + due);
            tokio::select! {
                () = self.leave.cancelled() => self.session.handle_leave(),
                opened = done(&mut opening) => {
                    opening = None;
                    match opened {
                        Ok(opened) => {
                            socket = Some(opened);
                            self.session.handle_opened(self.now(), rand::random());
                        }
                        Err(error) => {
                            tracing::debug!(error = &error as &dyn std::error::Error, "voice gateway did not open");
                            self.session.handle_connect_failed(self.now());
                        }
                    }
                }
                found = done(&mut discovery) => {
                    discovery = None;
                    match found.and_then(|found| Ok((found.socket.into_std()?, found.ours))) {
                        Ok((found, ours)) => {
                            udp = Some(found);
                            self.session.handle_discovered(ours, self.now());
                        }
                        Err(_) => self.session.handle_udp_failed(self.now()),
                    }
                }
                message = next(&mut socket) => self.receive(message, &mut socket),
                back = self.desk.back() => if back.is_err() {
                    tracing::error!("end-to-end encryption panicked");
                    self.owner.handle_protection(EndToEnd::Pending);
                    self.session.handle_leave();
                },
                () = wait(due) => self.session.handle_deadline(self.now()),
            }
        }
    }

    /// Returns the session's next effect, letting the end-to-end side say what it has to.
    fn next_effect(&mut self) -> Option<Effect> {
        loop {
            if let Some(effect) = self.session.poll() {
                return Some(effect);
            }
            self.desk.work(self.now());
            match self.desk.poll()? {
                DaveEffect::KeyPackage(package) => self
                    .session
                    .handle_dave_binary(Opcode::MlsKeyPackage, &package),
                DaveEffect::CommitWelcome(commit) => self
                    .session
                    .handle_dave_binary(Opcode::MlsCommitWelcome, &commit),
                DaveEffect::TransitionReady(transition_id) => {
                    let body = serde_json::json!(Transition { transition_id });
                    self.session
                        .handle_dave_text(Opcode::DaveTransitionReady, body);
                }
                DaveEffect::InvalidCommitWelcome(transition_id) => {
                    let body = serde_json::json!(Transition { transition_id });
                    self.session
                        .handle_dave_text(Opcode::MlsInvalidCommitWelcome, body);
                }
                DaveEffect::Protect(end_to_end) => self.owner.handle_protection(end_to_end),
                DaveEffect::Restart => self.session.handle_unusable(self.now()),
                _ => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn live(&mut self) {
        self.pulse.set(true, self.session.ping());
        self.owner.handle_ready();
        self.status.send_replace(Status::Live);
    }

    async fn send(&mut self, socket: &mut Option<Socket>, message: Message) {
        let Some(open) = socket else { return };
        if !matches!(timeout(SEND, open.send(message)).await, Ok(Ok(()))) {
            *socket = None;
            self.session.handle_closed(None, "", self.now());
        }
    }

    fn receive(&mut self, message: Option<Result<Message, Error>>, socket: &mut Option<Socket>) {
        let now = self.now();
        match message {
            Some(Ok(Message::Text(text))) => self.session.handle_text(&text, now),
            Some(Ok(Message::Binary(bytes))) => self.session.handle_binary(&bytes, now),
            Some(Ok(Message::Close(frame))) => {
                *socket = None;
                let code = frame.as_ref().map(|frame| Close(u16::from(frame.code)));
                let reason = frame.as_ref().map_or("", |frame| frame.reason.as_str());
                self.session.handle_closed(code, reason, now);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => {
                *socket = None;
                self.session.handle_closed(None, "", now);
            }
        }
    }
}

impl<O> std::fmt::Debug for Connection<O> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

fn transport(udp: &std::net::UdpSocket, established: &Established) -> io::Result<Transport> {
    let mode: Mode = established
        .mode
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::Unsupported, "unknown encryption"))?;
    let end_to_end = EndToEnd::begin(established.dave_protocol_version);
    Ok(Transport::new(
        udp::for_sending(udp)?,
        Sealer::new(mode, &established.key),
        end_to_end,
        established.ssrc,
        (rand::random(), rand::random()),
    ))
}

/// Closes a socket without making anybody wait for the other side.
fn close(socket: Option<Socket>, code: Close) -> Option<JoinHandle<()>> {
    let mut socket = socket?;
    let frame = CloseFrame {
        code: code.0.into(),
        reason: "".into(),
    };
    Some(tokio::spawn(async move {
        let _gone = timeout(CLOSE, socket.close(Some(frame))).await;
    }))
}

async fn done<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn next(socket: &mut Option<Socket>) -> Option<Result<Message, Error>> {
    match socket {
        Some(socket) => socket.next().await,
        None => pending().await,
    }
}

async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
