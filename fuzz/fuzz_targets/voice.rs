#![no_main]
//! Voice gateway frames: what is read is written and read again; a session survives anything.

use std::time::Duration;

use backline_proto::voice::{
    ClientMessage, ServerMessage, Snowflake,
    binary::{ClientFrame, ServerFrame},
    session::{Options, VoiceSession},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = ServerFrame::parse(data) {
        assert_eq!(frame.to_bytes(), data);
    }
    if let Ok(frame) = ClientFrame::parse(data) {
        assert_eq!(frame.to_bytes(), data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(message) = ClientMessage::from_json(text) {
        ClientMessage::from_json(&message.to_json()).expect("our own");
    }
    if let Ok(read) = ServerMessage::from_json(text) {
        ServerMessage::from_json(&read.message.to_json(read.seq)).expect("our own");
    }

    // One frame a line; between them time passes.
    let mut now = Duration::from_secs(1);
    let mut session = VoiceSession::new(
        Options {
            url: "wss://voice.example/?v=8".into(),
            server_id: Snowflake::new(1),
            user_id: Snowflake::new(2),
            session_id: "session".into(),
            token: "token".into(),
            max_dave_protocol_version: 0,
            modes: vec!["aead_aes256_gcm_rtpsize".into()],
        },
        now,
    );
    for line in text.lines().take(100) {
        session.handle_opened(now, 0.5);
        session.handle_text(line, now);
        session.handle_binary(line.as_bytes(), now);
        session.handle_discovered("203.0.113.9:6000".parse().expect("an address"), now);
        session.handle_speaking(1);
        let effects = std::iter::from_fn(|| session.poll()).count();
        assert!(effects < 20, "bounded");
        now = session.deadline().unwrap_or(now).max(now) + Duration::from_millis(1);
        session.handle_deadline(now);
    }
});
