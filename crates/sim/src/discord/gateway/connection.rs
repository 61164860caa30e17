//! One gateway connection.

use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};

use super::{
    compress::{Compression, Compressor},
    members,
    payload::{Close, Identify, Payload, parse},
};
use crate::discord::{
    Shared,
    id::{ChannelId, GuildId},
    journal::Entry,
    world::{
        World,
        dispatch::{KNOWN, PRIVILEGED},
        permission::{self, CONNECT, MOVE_MEMBERS, VIEW_CHANNEL},
        session::{Link, Order, Start},
        voice::VoiceWish,
    },
};

pub(super) struct Connection {
    shared: Arc<Shared>,
    socket: WebSocket,
    compressor: Compressor,
    link: Link,
    orders: mpsc::UnboundedReceiver<Order>,
    session: Option<String>,
    /// The last event written to the socket.
    sent: u64,
    /// The sequence of this connection's own RESUMED; those of earlier ones are not replayed.
    resumed_at: u64,
    /// When the client's last payloads came, for the limit per minute.
    received: VecDeque<Instant>,
    heard: Instant,
}

/// How a connection ended.
enum End {
    /// The client closed it, with a code if it said one.
    Client(Option<u16>),
    /// We close it.
    Us(u16, &'static str),
    /// It broke, or shall look like it.
    Broken,
}

type Step = ControlFlow<End>;

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        socket: WebSocket,
        compression: Compression,
    ) -> io::Result<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let (sender, orders) = mpsc::unbounded_channel();
        Ok(Self {
            compressor: Compressor::new(compression)?,
            link: Link {
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                wake: Arc::new(Notify::new()),
                orders: sender,
            },
            orders,
            shared,
            socket,
            session: None,
            sent: 0,
            resumed_at: 0,
            received: VecDeque::new(),
            heard: Instant::now(),
        })
    }

    /// Speaks with the client until one of the two has enough.
    pub(super) async fn run(mut self, version: &str) {
        let end = if version == "10" || version == "9" {
            match self.speak().await {
                ControlFlow::Break(end) => end,
                ControlFlow::Continue(()) => End::Broken,
            }
        } else {
            closed(Close::InvalidVersion)
        };
        let (code, by_bot) = match &end {
            End::Client(code) => (*code, true),
            End::Us(code, _) => (Some(*code), false),
            End::Broken => (None, false),
        };
        if let Some(id) = &self.session {
            let mut world = self.shared.world();
            world.journal.add(Entry::GatewayClosed {
                session: Some(id.clone()),
                code,
                by_bot,
            });
            // Closing with 1000 or 1001 ends the session, everything else leaves it to be resumed.
            let is_final = if by_bot {
                matches!(code, Some(1000 | 1001))
            } else {
                code == Some(Close::AuthenticationFailed.frame().0)
            };
            if is_final {
                world.end_session(id);
            } else {
                world.unlink_session(id, self.link.number);
            }
        } else {
            self.shared.world().journal.add(Entry::GatewayClosed {
                session: None,
                code,
                by_bot,
            });
        }
        self.shared.world().touch();
        if let End::Us(code, reason) = end {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            let _ = self.socket.send(Message::Close(Some(frame))).await;
            // Let the client answer the close, so that it sees our code and not a reset.
            let _ = timeout(CLOSE_GRACE, async {
                while let Some(Ok(message)) = self.socket.recv().await {
                    if matches!(message, Message::Close(_)) {
                        break;
                    }
                }
            })
            .await;
        }
    }

    async fn speak(&mut self) -> Step {
        let (interval, wake, stop) = (
            self.shared.limits.heartbeat_interval,
            Arc::clone(&self.link.wake),
            self.shared.stop.clone(),
        );
        self.heard = Instant::now();
        self.send(&json!({
            "t": null, "s": null, "op": 10,
            "d": {"heartbeat_interval": interval.as_millis() as u64, "_trace": ["[\"gateway-sim\",{\"micros\":0.0}]"]},
        }))
        .await?;
        loop {
            let silence = self.heard + interval + interval / 2;
            tokio::select! {
                () = stop.cancelled() => return ControlFlow::Break(End::Us(1001, "Going away.")),
                () = sleep_until(silence) => return ControlFlow::Break(closed(Close::SessionTimedOut)),
                message = self.socket.recv() => self.receive(message).await?,
                order = self.orders.recv() => match order {
                    Some(Order::Send(value)) => {
                        self.flush_events().await?;
                        self.send(&value).await?;
                    }
                    Some(Order::Close(code, reason)) => return ControlFlow::Break(End::Us(code, reason)),
                    Some(Order::Break) | None => return ControlFlow::Break(End::Broken),
                },
                () = wake.notified() => self.flush_events().await?,
            }
        }
    }

    /// Writes the session's events that were not written yet.
    async fn flush_events(&mut self) -> Step {
        loop {
            let Some(id) = &self.session else {
                return ControlFlow::Continue(());
            };
            let delay = self.shared.faults.event_delay();
            let events = {
                let world = self.shared.world();
                let Some(session) = world.sessions.get(id) else {
                    return ControlFlow::Continue(());
                };
                if session
                    .link
                    .as_ref()
                    .is_none_or(|link| link.number != self.link.number)
                {
                    return ControlFlow::Break(End::Us(
                        4000,
                        "The session is on another connection.",
                    ));
                }
                // A client that reads slower than it is told is cut off, as on Discord.
                let Some(events) = session.after(self.sent, BATCH) else {
                    return ControlFlow::Break(End::Us(4000, "Too slow."));
                };
                events
            };
            if events.is_empty() {
                return ControlFlow::Continue(());
            }
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            for event in events {
                self.sent += 1;
                let old = self.sent < self.resumed_at && event.starts_with(RESUMED);
                if !old {
                    self.feed(&event).await?;
                }
            }
            if self.socket.flush().await.is_err() {
                return ControlFlow::Break(End::Broken);
            }
        }
    }

    async fn send(&mut self, value: &Value) -> Step {
        self.feed(&value.to_string()).await?;
        match self.socket.flush().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Broken),
        }
    }

    async fn feed(&mut self, text: &str) -> Step {
        let message = match self.compressor.compress(text.as_bytes()) {
            Ok(None) => Message::Text(text.into()),
            Ok(Some(bytes)) => Message::Binary(bytes.into()),
            Err(_) => return ControlFlow::Break(End::Broken),
        };
        match self.socket.feed(message).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Broken),
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, axum::Error>>) -> Step {
        let bytes = match message {
            None | Some(Err(_)) => return ControlFlow::Break(End::Broken),
            Some(Ok(Message::Close(frame))) => {
                // The library answers a close frame when the stream is read on.
                let _ = timeout(CLOSE_GRACE, self.socket.next()).await;
                return ControlFlow::Break(End::Client(frame.map(|frame| frame.code)));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return ControlFlow::Continue(()),
            Some(Ok(Message::Text(text))) => axum::body::Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
        };
        let now = Instant::now();
        while self
            .received
            .front()
            .is_some_and(|first| now - *first > MINUTE)
        {
            self.received.pop_front();
        }
        self.received.push_back(now);
        if self.received.len() > self.shared.limits.gateway_sends as usize {
            return ControlFlow::Break(closed(Close::RateLimited));
        }
        match parse(&bytes) {
            Ok(payload) => self.handle(payload).await,
            Err(close) => ControlFlow::Break(closed(close)),
        }
    }

    async fn handle(&mut self, payload: Payload) -> Step {
        match (payload, self.session.clone()) {
            (Payload::Heartbeat(_), _) => {
                self.heard = Instant::now();
                if self.shared.faults.answers_heartbeats() {
                    self.send(&json!({"t": null, "s": null, "op": 11, "d": null}))
                        .await?;
                }
                ControlFlow::Continue(())
            }
            (Payload::Identify(_) | Payload::Resume { .. }, Some(_)) => {
                ControlFlow::Break(closed(Close::AlreadyAuthenticated))
            }
            (Payload::Identify(identify), None) => self.identify(identify).await,
            (
                Payload::Resume {
                    token,
                    session,
                    sequence,
                },
                None,
            ) => self.resume(token.expose(), session, sequence).await,
            (_, None) => ControlFlow::Break(closed(Close::NotAuthenticated)),
            (Payload::Presence(presence), Some(id)) => {
                if let Some(session) = self.shared.world().sessions.get_mut(&id) {
                    session.presence = presence;
                }
                ControlFlow::Continue(())
            }
            (
                Payload::Voice {
                    guild,
                    channel,
                    self_mute,
                    self_deaf,
                },
                Some(id),
            ) => {
                let wish = channel.map(|channel| VoiceWish {
                    channel: ChannelId::new(channel),
                    session: id.clone(),
                    self_mute,
                    self_deaf,
                });
                voice(&mut self.shared.world(), &id, GuildId::new(guild), wish);
                ControlFlow::Continue(())
            }
            (Payload::Members(data), Some(id)) => {
                members::request(&mut self.shared.world(), &id, &data);
                ControlFlow::Continue(())
            }
            (Payload::Ignored, Some(_)) => ControlFlow::Continue(()),
        }
    }

    async fn identify(&mut self, identify: Identify) -> Step {
        match self.start(identify) {
            Err(close) => ControlFlow::Break(closed(close)),
            Ok(None) => self.invalid_session(false).await,
            Ok(started) => {
                self.session = started;
                self.flush_events().await
            }
        }
    }

    /// Begins a session; `None` if the client identifies too fast.
    fn start(&self, identify: Identify) -> Result<Option<String>, Close> {
        let mut world = self.shared.world();
        let token = identify.token.expose().trim_start_matches("Bot ");
        let application = *world.tokens.get(token).ok_or(Close::AuthenticationFailed)?;
        let owner = world
            .application(application)
            .map_err(|_| Close::AuthenticationFailed)?;
        let (bot, privileged) = (owner.bot, owner.privileged_intents);
        if identify.intents & !KNOWN != 0 {
            return Err(Close::InvalidIntents);
        }
        if identify.intents & PRIVILEGED & !privileged != 0 {
            return Err(Close::DisallowedIntents);
        }
        if world.guilds_of_shard(bot, identify.shard) > world.limits.guilds_per_shard {
            return Err(Close::ShardingRequired);
        }
        match world.start_session(application, identify.shard.0) {
            Start::Granted => {}
            Start::TooFast => return Ok(None),
            Start::Exhausted => {
                world.reset_token(application);
                return Err(Close::AuthenticationFailed);
            }
        }
        Ok(world.open_session(
            application,
            identify.shard,
            identify.intents,
            identify.presence,
            self.link.clone(),
        ))
    }

    async fn resume(&mut self, token: &str, id: String, sequence: u64) -> Step {
        match self.take_over(token, &id, sequence) {
            Err(close) => ControlFlow::Break(closed(close)),
            Ok(None) => self.invalid_session(false).await,
            Ok(Some(resumed_at)) => {
                self.resumed_at = resumed_at;
                self.session = Some(id);
                self.sent = sequence;
                self.flush_events().await
            }
        }
    }

    /// Takes a session over and pushes RESUMED, whose sequence is returned; `None` if the
    /// session is gone or its events are.
    fn take_over(&self, token: &str, id: &str, sequence: u64) -> Result<Option<u64>, Close> {
        let mut world = self.shared.world();
        world.sweep_sessions();
        let application = *world
            .tokens
            .get(token.trim_start_matches("Bot "))
            .ok_or(Close::AuthenticationFailed)?;
        let most = world.limits.replay_events;
        let session = world
            .sessions
            .get_mut(id)
            .filter(|session| session.application == application);
        let resumed_at = match session {
            None => None,
            Some(session) if sequence > session.sequence => return Err(Close::InvalidSequence),
            Some(session) => session.can_replay(sequence).then(|| {
                session.order(Order::Close(4000, "The session is on another connection."));
                session.link = Some(self.link.clone());
                let trace = json!({"_trace": ["[\"gateway-sim\",{\"micros\":1}]"]});
                session.push("RESUMED", &trace, most);
                session.sequence
            }),
        };
        world.journal.add(Entry::Resume {
            session: id.to_owned(),
            sequence,
            accepted: resumed_at.is_some(),
        });
        if resumed_at.is_none() {
            world.end_session(id);
        }
        world.touch();
        Ok(resumed_at)
    }

    async fn invalid_session(&mut self, resumable: bool) -> Step {
        self.send(&json!({"t": null, "s": null, "op": 9, "d": resumable}))
            .await
    }
}

/// Joins, moves or leaves, if the bot may; if not, nothing happens, as on Discord.
fn voice(world: &mut World, session: &str, guild_id: GuildId, wish: Option<VoiceWish>) {
    let Some(bot) = world.sessions.get(session).map(|session| session.bot) else {
        return;
    };
    let Some(guild) = world
        .guilds
        .get(&guild_id)
        .filter(|guild| guild.members.contains_key(&bot))
    else {
        return;
    };
    let Some(wish) = wish else {
        world.set_voice(guild_id, bot, None);
        return;
    };
    let Some(channel) = guild
        .channels
        .get(&wish.channel)
        .filter(|channel| channel.kind.is_voice())
    else {
        return;
    };
    let may = permission::in_channel(guild, channel, bot);
    if may & (VIEW_CHANNEL | CONNECT) != VIEW_CHANNEL | CONNECT {
        return;
    }
    let here = guild
        .voice
        .get(&bot)
        .is_some_and(|state| state.channel == wish.channel);
    let crowd = guild
        .voice
        .values()
        .filter(|state| state.channel == wish.channel)
        .count();
    let full = channel.user_limit > 0 && crowd >= channel.user_limit as usize;
    if full && !here && may & MOVE_MEMBERS == 0 {
        return;
    }
    world.set_voice(guild_id, bot, Some(wish));
    world.offer_voice_server(guild_id, bot);
}

fn closed(close: Close) -> End {
    let (code, reason) = close.frame();
    End::Us(code, reason)
}

/// Events taken from the world at once.
const BATCH: usize = 128;
const RESUMED: &str = r#"{"t":"RESUMED""#;
const MINUTE: Duration = Duration::from_mins(1);
const CLOSE_GRACE: Duration = Duration::from_secs(2);
