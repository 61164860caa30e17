//! Simulated voice calls.

use std::time::Duration;

use backline_sim::voice::{HeardFrame, Listener, SessionSpec, VoiceOptions, VoiceServer};
use serde_json::{Value, json};

use crate::client::{DEADLINE, TestNode};

pub const USER: u64 = 42;

/// The Opus silence frame.
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// Voice servers that do not mind a noisy machine.
pub async fn voice_server() -> VoiceServer {
    let late_tolerance = Duration::from_secs(5);
    VoiceServer::start(VoiceOptions {
        late_tolerance,
        ..VoiceOptions::default()
    })
    .await
    .unwrap()
}

/// Lets the bot into a call; returns the body of the voice update.
pub fn invite(voice: &VoiceServer, guild: u64) -> Value {
    let session_id = format!("session-{guild}");
    let channel_id = guild + 1;
    let spec = SessionSpec {
        guild_id: guild,
        channel_id,
        user_id: USER,
        session_id,
    };
    let session_id = spec.session_id.clone();
    let ticket = voice.open_session(spec);
    json!({
        "token": ticket.token,
        "endpoint": ticket.endpoint,
        "sessionId": session_id,
        "channelId": channel_id.to_string(),
    })
}

/// Joins the call of a guild and plays a file of `assets` in it.
pub async fn play(
    node: &TestNode,
    session: &str,
    voice: &VoiceServer,
    guild: u64,
    file: &str,
) -> Listener {
    let encoded = node.encoded(file).await;
    let listener = voice.listen(guild);
    let body = json!({"voice": invite(voice, guild), "track": {"encoded": encoded}});
    let (status, body) = node.patch(&player(session, guild), body).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["state"]["connected"], true, "{body}");
    listener
}

pub fn player(session: &str, guild: u64) -> String {
    format!("/v4/sessions/{session}/players/{guild}")
}

/// Returns the next frame that is not silence.
pub async fn sound(listener: &mut Listener) -> HeardFrame {
    let sound = async {
        loop {
            let frame = listener.next().await.expect("the voice servers run");
            if frame.opus.as_ref() != SILENCE {
                return frame;
            }
        }
    };
    tokio::time::timeout(DEADLINE, sound)
        .await
        .expect("sound in time")
}

/// Returns the next `count` frames that are not silence.
pub async fn sounds(listener: &mut Listener, count: usize) -> Vec<HeardFrame> {
    let mut frames = Vec::with_capacity(count);
    for _ in 0..count {
        frames.push(sound(listener).await);
    }
    frames
}

/// Returns what is heard until `silence` frames of silence came.
pub async fn until_silence(listener: &mut Listener, silence: usize) -> Vec<HeardFrame> {
    let mut frames = Vec::new();
    let mut silent = 0;
    let heard = async {
        while silent < silence {
            let frame = listener.next().await.expect("the voice servers run");
            silent += usize::from(frame.opus.as_ref() == SILENCE);
            frames.push(frame);
        }
    };
    tokio::time::timeout(DEADLINE, heard)
        .await
        .expect("silence in time");
    frames
}
