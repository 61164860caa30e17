//! Speaks in a voice channel: a handshake and a loop of packets.

use std::{net::SocketAddr, time::Duration};

use backline_media::{
    demux::{Event, ogg::OggDemuxer},
    frame::SILENCE,
    voice::{Mode, RtpHeader, Sealer, discovery},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpStream, UdpSocket},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// What the voice server has to be told.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) guild: String,
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) token: String,
    pub(crate) endpoint: String,
}

/// Which song plays, and how many frames into it; none is silence.
pub(crate) type Song = Option<usize>;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Plays what `song` says until the socket ends.
pub(crate) async fn speak(ticket: Ticket, mut song: watch::Receiver<Song>) -> Option<()> {
    let url = format!("ws://{}/?v=8", ticket.endpoint);
    let (mut socket, _) = connect_async(url).await.ok()?;
    let identify = json!({
        "server_id": ticket.guild,
        "user_id": ticket.user,
        "session_id": ticket.session,
        "token": ticket.token,
    });
    say(&mut socket, 0, identify).await?;
    let ready = hear(&mut socket, 2).await?;
    let ssrc = ready["ssrc"].as_u64()? as u32;
    let server: SocketAddr = format!("{}:{}", ready["ip"].as_str()?, ready["port"])
        .parse()
        .ok()?;
    let udp = UdpSocket::bind("127.0.0.1:0").await.ok()?;
    udp.connect(server).await.ok()?;
    udp.send(&discovery::request(ssrc)).await.ok()?;
    let mut answer = [0; 128];
    let length = udp.recv(&mut answer).await.ok()?;
    let own = discovery::parse_answer(&answer[..length], ssrc).ok()?;
    let mode = Mode::Aes256GcmRtpsize;
    let data = json!({ "address": own.ip().to_string(), "port": own.port(), "mode": mode.name() });
    say(&mut socket, 1, json!({ "protocol": "udp", "data": data })).await?;
    let description = hear(&mut socket, 4).await?;
    let key: [u8; 32] = serde_json::from_value(description["secret_key"].clone()).ok()?;
    say(
        &mut socket,
        5,
        json!({ "speaking": 1, "delay": 0, "ssrc": ssrc }),
    )
    .await?;

    let frames = frames();
    let mut sealer = Sealer::new(mode, &key);
    let mut header = RtpHeader {
        sequence: 0,
        timestamp: 0,
        ssrc,
    };
    let mut packet = Vec::new();
    let mut at = *song.borrow_and_update();
    let mut clock = interval(Duration::from_millis(20));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut heartbeat = interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if song.has_changed().ok()? {
                    at = *song.borrow_and_update();
                }
                let opus = at.map_or(&SILENCE[..], |at| &frames[at % frames.len()]);
                at = at.map(|at| at + 1);
                sealer.seal(&header, opus, &mut packet).ok()?;
                header = header.advanced(1);
                udp.send(&packet).await.ok()?;
            }
            _ = heartbeat.tick() => say(&mut socket, 3, json!({ "t": 1, "seq_ack": 0 })).await?,
            message = socket.next() => {
                message?.ok()?;
            }
        }
    }
}

/// The Opus packets of the demo's nocturne.
fn frames() -> Vec<Vec<u8>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../assets/music/nocturne.opus"
    );
    let bytes = std::fs::read(path).expect("the music is in the repository");
    let mut demuxer = OggDemuxer::new();
    let mut fed = 0;
    let mut frames = Vec::new();
    loop {
        match demuxer.next().expect("the music is Ogg Opus") {
            Event::NeedData if fed == bytes.len() => demuxer.finish(),
            Event::NeedData => fed += demuxer.push(&bytes[fed..]),
            Event::Packet(packet) => frames.push(packet.data.to_vec()),
            Event::Head(_) => {}
            Event::End => return frames,
        }
    }
}

async fn say(socket: &mut Socket, op: u8, d: Value) -> Option<()> {
    socket
        .send(Message::text(json!({ "op": op, "d": d }).to_string()))
        .await
        .ok()
}

async fn hear(socket: &mut Socket, op: u8) -> Option<Value> {
    loop {
        if let Message::Text(text) = socket.next().await?.ok()? {
            let mut frame: Value = serde_json::from_str(&text).ok()?;
            if frame["op"] == op {
                return Some(frame["d"].take());
            }
        }
    }
}
