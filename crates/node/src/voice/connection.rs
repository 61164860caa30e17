//! One voice connection: a task that feeds a [`VoiceSession`] and does what it asks for.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use backline_media::voice::{EndToEnd, Mode, Sealer};
use backline_proto::voice::session::{Closed, Effect, Established, VoiceSession};
use backline_proto::voice::{Close, SPEAKING_MICROPHONE};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::dial::{DialError, Dialer, Socket};
use super::udp::{self, Discovered};
use super::{Pulse, Status};
use crate::engine::transport::Transport;

/// Who is told what happens to a connection.
pub trait Owner: Send + 'static {
    /// Packets go there now.
    fn handle_transport(&self, transport: Box<Transport>);
    /// The control connection stands, for the first time or again.
    fn handle_ready(&self);
    /// The control connection is lost; without retry the connection is over.
    fn handle_closed(&self, closed: &Closed);
}

/// What a connection works with.
pub struct Connection<O> {
    /// The conversation.
    pub session: VoiceSession,
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
        self.session.handle_speaking(SPEAKING_MICROPHONE);
        loop {
            while let Some(effect) = self.session.poll() {
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
                    Effect::Established(established) => {
                        match udp.as_ref().map(|udp| transport(udp, &established)) {
                            Some(Ok(transport)) => {
                                self.owner.handle_transport(Box::new(transport));
                                self.live();
                            }
                            Some(Err(error)) => {
                                tracing::warn!(%error, "voice socket failed");
                                self.session.handle_leave();
                            }
                            None => self.session.handle_leave(),
                        }
                    }
                    Effect::Resumed => self.live(),
                    Effect::Closed(closed) => {
                        socket = None;
                        self.pulse.set(false, None);
                        let status = if closed.will_retry {
                            Status::Connecting
                        } else {
                            Status::Over
                        };
                        self.owner.handle_closed(&closed);
                        self.status.send_replace(status);
                    }
                    // What others do in the call does not concern a node that only sends; DAVE
                    // is not offered yet.
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
            let due = self.session.deadline().map(|due| self.started + due);
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
                () = wait(due) => self.session.handle_deadline(self.now()),
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
    let end_to_end = if established.dave_protocol_version == 0 {
        EndToEnd::Off
    } else {
        EndToEnd::Pending
    };
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
