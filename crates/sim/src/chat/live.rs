//! What happens, told to a page as it happens (server-sent events).

use std::{
    collections::HashMap,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use backline_media::frame::SILENCE;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::{MissedTickBehavior, interval},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{Chat, snapshot};
use crate::{
    discord::{GuildId, WorldEvent},
    voice::{HeardFrame, Listener},
};

/// `GET /chat/events`
pub(super) async fn events(
    State(chat): State<Chat>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (page, events) = mpsc::channel(QUEUED_EVENTS);
    tokio::spawn(follow(chat, page));
    let events = ReceiverStream::new(events)
        .map(|event: Value| Ok(Event::default().data(event.to_string())));
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Tells a page what happens until it goes away.
async fn follow(chat: Chat, page: mpsc::Sender<Value>) {
    let mut happenings = chat.look(|world, _| world.subscribe());
    let mut speakers = Speakers::default();
    if !begin(&chat, &page).await {
        return;
    }
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let news = tokio::select! {
            happening = happenings.recv() => match happening {
                Ok(happening) => tell(&chat, &happening),
                // Too much happened at once: the page begins anew.
                Err(RecvError::Lagged(_)) => {
                    if !begin(&chat, &page).await {
                        return;
                    }
                    Vec::new()
                }
                Err(RecvError::Closed) => return,
            },
            frame = speakers.next() => speakers.hear(frame),
            _ = tick.tick() => {
                let place = chat.look(snapshot::voice_place);
                speakers.tick(&chat, place.map(|(guild, _)| guild))
            }
            () = page.closed() => return,
        };
        for event in news {
            if page.send(event).await.is_err() {
                return;
            }
        }
    }
}

async fn begin(chat: &Chat, page: &mpsc::Sender<Value>) -> bool {
    let world = chat.look(|world, me| snapshot::world(world, me, chat.suggestions()));
    page.send(world).await.is_ok()
}

fn tell(chat: &Chat, happening: &WorldEvent) -> Vec<Value> {
    chat.look(|world, me| match happening {
        WorldEvent::MessageCreated(message) | WorldEvent::MessageEdited(message) => {
            snapshot::message(world, me, message)
        }
        WorldEvent::MessageDeleted {
            channel,
            message,
            only_for,
        } => only_for
            .is_none_or(|only| only == me)
            .then(|| json!({ "type": "message_gone", "channel_id": channel, "id": message })),
        WorldEvent::InteractionFailed { user, .. } if *user == me => {
            Some(json!({ "type": "failed", "text": "The bot did not answer in time." }))
        }
        WorldEvent::VoiceState { .. }
        | WorldEvent::GuildCreated(_)
        | WorldEvent::ChannelCreated(_) => Some(snapshot::places(world, me)),
        WorldEvent::CommandsChanged { .. } => Some(snapshot::all_commands(world)),
        _ => None,
    })
    .into_iter()
    .collect()
}

/// Who speaks where the page's person listens.
#[derive(Debug, Default)]
struct Speakers {
    place: Option<(GuildId, Listener)>,
    speaking: HashMap<u64, Instant>,
    ticks: u32,
}

impl Speakers {
    /// Waits for a frame; for ever if the person is nowhere. Cancel-safe.
    async fn next(&mut self) -> Option<HeardFrame> {
        match &mut self.place {
            Some((_, listener)) => listener.next().await,
            None => std::future::pending().await,
        }
    }

    fn hear(&mut self, frame: Option<HeardFrame>) -> Vec<Value> {
        let Some(frame) = frame else {
            self.place = None;
            return Vec::new();
        };
        let Some((guild, _)) = &self.place else {
            return Vec::new();
        };
        if frame.opus[..] == SILENCE {
            return Vec::new();
        }
        let is_new = self.speaking.insert(frame.user_id, frame.arrival).is_none();
        is_new
            .then(|| speaking(*guild, frame.user_id, true))
            .into_iter()
            .collect()
    }

    fn tick(&mut self, chat: &Chat, place: Option<GuildId>) -> Vec<Value> {
        let mut news = Vec::new();
        let now = Instant::now();
        let before = self.place.as_ref().map(|(guild, _)| *guild);
        if let Some(guild) = before {
            self.speaking.retain(|user, last| {
                let goes_on = place == before && now.saturating_duration_since(*last) < HOLD;
                if !goes_on {
                    news.push(speaking(guild, *user, false));
                }
                goes_on
            });
        }
        if place != before {
            self.place = place.and_then(|guild| Some((guild, chat.voice()?.listen(guild.get()))));
        }
        self.ticks = self.ticks.wrapping_add(1);
        if let Some((guild, listener)) = &self.place
            && self.ticks.is_multiple_of(TICKS_PER_SUMMARY)
        {
            let stats = listener.stats();
            news.push(json!({
                "type": "heard",
                "guild_id": guild,
                "heard": stats.heard,
                "lost": stats.lost,
                "late": stats.late,
            }));
        }
        news
    }
}

fn speaking(guild: GuildId, user: u64, on: bool) -> Value {
    json!({ "type": "speaking", "guild_id": guild, "user_id": user.to_string(), "on": on })
}

const QUEUED_EVENTS: usize = 256;
const TICK: Duration = Duration::from_millis(150);
const TICKS_PER_SUMMARY: u32 = 13;
/// How long somebody counts as speaking after their last frame.
const HOLD: Duration = Duration::from_millis(350);
