use serde_json::json;

use super::{
    binary::{ClientFrame, ServerFrame},
    *,
};

#[track_caller]
fn client(text: &serde_json::Value) -> ClientMessage {
    let message = ClientMessage::from_json(&text.to_string()).expect("readable");
    let again: serde_json::Value = serde_json::from_str(&message.to_json()).expect("json");
    assert_eq!(&again, text, "writing gives back what was read");
    message
}

#[track_caller]
fn server(text: &serde_json::Value) -> SequencedMessage {
    let read = ServerMessage::from_json(&text.to_string()).expect("readable");
    let again: serde_json::Value =
        serde_json::from_str(&read.message.to_json(read.seq)).expect("json");
    assert_eq!(&again, text, "writing gives back what was read");
    read
}

#[test]
fn client_messages_round_trip() {
    client(
        &json!({"op": 0, "d": {"server_id": "41771983423143937", "user_id": "104694319306248192",
        "session_id": "my_session_id", "token": "my_token", "max_dave_protocol_version": 1}}),
    );
    client(
        &json!({"op": 1, "d": {"protocol": "udp", "data": {"address": "127.0.0.1", "port": 1337,
        "mode": "aead_aes256_gcm_rtpsize"}}}),
    );
    client(&json!({"op": 3, "d": {"t": 1_501_184_119_561_u64, "seq_ack": -1}}));
    client(&json!({"op": 5, "d": {"speaking": 1, "delay": 0, "ssrc": 1}}));
    client(
        &json!({"op": 7, "d": {"server_id": "41771983423143937", "session_id": "s",
        "token": "t", "seq_ack": 10}}),
    );
    client(&json!({"op": 15, "d": {"any": 0}}));
    client(&json!({"op": 23, "d": {"transition_id": 10}}));
    client(&json!({"op": 31, "d": {"transition_id": 10}}));
}

#[test]
fn server_messages_round_trip() {
    server(&json!({"op": 8, "d": {"v": 8, "heartbeat_interval": 41250}}));
    server(
        &json!({"op": 2, "d": {"ssrc": 1, "ip": "127.0.0.1", "port": 1234,
        "modes": ["aead_aes256_gcm_rtpsize"], "experiments": []}}),
    );
    let key: Vec<u8> = (0..32).collect();
    let read = server(
        &json!({"op": 4, "seq": 1, "d": {"mode": "aead_xchacha20_poly1305_rtpsize",
        "secret_key": key, "dave_protocol_version": 0}}),
    );
    assert_eq!(read.seq, Some(1));
    server(&json!({"op": 5, "seq": 2, "d": {"user_id": "1", "ssrc": 3, "speaking": 1}}));
    server(&json!({"op": 6, "d": {"t": 7}}));
    server(&json!({"op": 9, "d": null}));
    server(&json!({"op": 11, "seq": 3, "d": {"user_ids": ["1", "2"]}}));
    server(&json!({"op": 13, "seq": 4, "d": {"user_id": "2"}}));
    server(&json!({"op": 24, "seq": 5, "d": {"protocol_version": 1, "epoch": 1}}));
    server(&json!({"op": 99, "d": {"new": true}}));
}

#[test]
fn unknown_fields_are_ignored_and_wrong_types_are_not() {
    let cases = [
        (r#"{"op":3,"d":{"t":1,"seq_ack":2,"extra":[]}}"#, None),
        (
            r#"{"op":0,"d":{"server_id":41,"user_id":"1","session_id":"s","token":"t"}}"#,
            Some(4002),
        ),
        (
            r#"{"op":0,"d":{"server_id":"+41","user_id":"1","session_id":"s","token":"t"}}"#,
            Some(4002),
        ),
        (r#"{"op":3,"d":{"t":1}}"#, Some(4002)),
        (r#"{"op":3}"#, Some(4002)),
        (r#"{"op":300,"d":{}}"#, Some(4002)),
        (r#"{"op":8,"d":{"v":8,"heartbeat_interval":1}}"#, Some(4001)),
        (r#"{"op":10,"d":{}}"#, Some(4001)),
        ("", Some(4002)),
        ("[]", Some(4002)),
    ];
    for (text, close) in cases {
        let read = ClientMessage::from_json(text);
        assert_eq!(read.err().map(|error| error.close().0), close, "{text}");
    }
}

#[test]
fn hello_takes_fractions_and_refuses_nonsense() {
    let text = r#"{"op":8,"d":{"heartbeat_interval":13750.5}}"#;
    let read = ServerMessage::from_json(text).expect("readable").message;
    assert_eq!(
        read,
        ServerMessage::Hello(Hello {
            v: 0,
            heartbeat_interval_ms: 13750
        })
    );
    for bad in ["0", "-1", "1e300", "null", "\"1\""] {
        let text = format!(r#"{{"op":8,"d":{{"heartbeat_interval":{bad}}}}}"#);
        ServerMessage::from_json(&text).expect_err(bad);
    }
}

#[test]
fn a_key_of_another_length_is_refused() {
    for length in [0, 31, 33] {
        let key = vec![0_u8; length];
        let text = json!({"op": 4, "d": {"mode": "m", "secret_key": key}}).to_string();
        ServerMessage::from_json(&text).expect_err("wrong length");
    }
}

#[test]
fn debug_output_shows_no_secrets() {
    let identify = client(&json!({"op": 0, "d": {"server_id": "1", "user_id": "2",
        "session_id": "hidden", "token": "hidden", "max_dave_protocol_version": 0}}));
    let resume = client(
        &json!({"op": 7, "d": {"server_id": "1", "session_id": "hidden",
        "token": "hidden", "seq_ack": 10}}),
    );
    let description = SessionDescription {
        mode: "m".into(),
        secret_key: [0x5a; 32],
        dave_protocol_version: 0,
        audio_codec: None,
        media_session_id: None,
    };
    let text = format!("{identify:?} {resume:?} {description:?}");
    assert!(!text.contains("hidden") && !text.contains("90"), "{text}");
}

#[test]
fn binary_frames_round_trip_and_refuse_text_opcodes() {
    let frame = ServerFrame {
        seq: 0x0102,
        op: Opcode::MlsProposals,
        payload: &[9, 8],
    };
    assert_eq!(frame.to_bytes(), [1, 2, 27, 9, 8]);
    assert_eq!(
        ServerFrame::parse(&frame.to_bytes()).expect("readable"),
        frame
    );
    let frame = ClientFrame {
        op: Opcode::MlsKeyPackage,
        payload: &[],
    };
    assert_eq!(frame.to_bytes(), [26]);
    assert_eq!(
        ClientFrame::parse(&frame.to_bytes()).expect("readable"),
        frame
    );
    for bytes in [&[][..], &[1], &[1, 2], &[1, 2, 21], &[1, 2, 200]] {
        ServerFrame::parse(bytes).expect_err("malformed");
    }
    ClientFrame::parse(&[23]).expect_err("JSON only");
}

#[test]
fn close_codes_resume_reconnect_or_surface() {
    let table = [
        (Reaction::Resume, &[1001, 1006, 4000, 4001, 4002, 4015][..]),
        (Reaction::Reconnect, &[4003, 4005, 4009, 4012, 4016, 4020]),
        (
            Reaction::Surface,
            &[1000, 4004, 4006, 4011, 4014, 4017, 4021, 4022, 4999, 3000],
        ),
    ];
    for (reaction, codes) in table {
        for code in codes {
            assert_eq!(Close(*code).reaction(), reaction, "{code}");
        }
    }
}
