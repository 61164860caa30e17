//! The ear of a page: a voice channel as an endless media file.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use rand::RngExt;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::{
    Chat, snapshot,
    tape::{Format, Tape},
};
use crate::{discord::GuildId, voice::Listener};

/// `GET /chat/audio/{guild}.webm` and `.ogg`
pub(super) async fn stream(State(chat): State<Chat>, Path(name): Path<String>) -> Response {
    let Some((guild, format)) = parse(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Whoever is not in the voice channel does not hear it.
    let place = chat.look(snapshot::voice_place);
    if place.is_none_or(|(here, _)| here != guild) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(voice) = chat.voice() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (player, chunks) = mpsc::channel(QUEUED_CHUNKS);
    tokio::spawn(record(voice.listen(guild.get()), format, player));
    let body = Body::from_stream(ReceiverStream::new(chunks).map(Ok::<_, std::io::Error>));
    let kind = match format {
        Format::Ogg => "audio/ogg; codecs=opus",
        Format::Webm => "audio/webm; codecs=opus",
    };
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn parse(name: &str) -> Option<(GuildId, Format)> {
    let (guild, extension) = name.split_once('.')?;
    let format = match extension {
        "ogg" => Format::Ogg,
        "webm" => Format::Webm,
        _ => return None,
    };
    Some((guild.parse().ok()?, format))
}

/// Records until the player goes away or the voice servers stop.
async fn record(mut listener: Listener, format: Format, player: mpsc::Sender<Bytes>) {
    let begin = Instant::now();
    let mut tape = Tape::new(format, rand::rng().random());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let chunk = tape.take();
        if !chunk.is_empty() && player.send(Bytes::from(chunk)).await.is_err() {
            return;
        }
        tokio::select! {
            frame = listener.next() => match frame {
                Some(frame) => tape.hear(begin.elapsed(), &frame),
                None => return,
            },
            _ = tick.tick() => tape.fill(begin.elapsed()),
            () = player.closed() => return,
        }
        while let Some(frame) = listener.try_next() {
            tape.hear(begin.elapsed(), &frame);
        }
    }
}

/// How often gaps are looked for.
const TICK: Duration = Duration::from_millis(40);
const QUEUED_CHUNKS: usize = 64;
