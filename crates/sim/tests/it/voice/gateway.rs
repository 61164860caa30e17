//! Handshake, refusals, resume.

use std::{net::Ipv4Addr, time::Duration};

use backline_media::voice::Mode;
use backline_sim::voice::VoiceOptions;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use super::{
    BOT, CHANNEL, GUILD,
    client::{Client, Heard, Speaker, select},
    spec, start,
};

#[tokio::test]
async fn tls_and_plaintext_share_the_port_and_the_ca_file_vouches_for_it() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let ca_file = folder.path().join("ca.pem");
    let options = VoiceOptions {
        ca_file: Some(ca_file.clone()),
        ..VoiceOptions::default()
    };
    let (server, ticket) = start(options).await;
    let written = std::fs::read_to_string(ca_file).expect("the CA was written");
    assert_eq!(written, server.ca_pem());

    for host in ["127.0.0.1", "localhost"] {
        let mut client = Client::connect_tls(&ticket, host, &written).await;
        client.identify(&ticket).await;
        client.expect(2).await;
    }
    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    let ready = client.expect(2).await;
    assert_eq!(
        ready["d"]["modes"],
        json!(["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"])
    );
}

#[tokio::test]
async fn wrong_logins_are_closed_with_the_code_for_what_is_wrong() {
    let (_server, ticket) = start(VoiceOptions::default()).await;
    let right = json!({
        "server_id": GUILD.to_string(),
        "user_id": BOT.to_string(),
        "session_id": "session",
        "token": ticket.token,
    });
    let wrong = [
        ("token", json!("0123456789abcdef"), 4004),
        ("session_id", json!("another"), 4006),
        ("user_id", json!("301"), 4004),
        ("server_id", json!("101"), 4011),
        ("token", Value::Null, 4002),
    ];
    for (field, value, code) in wrong {
        let mut identify = right.clone();
        identify[field] = value;
        let mut client = Client::connect(&ticket).await;
        client.say(0, identify).await;
        assert_eq!(client.expect_close().await, Some(code), "wrong {field}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_closed_with_its_code() {
    let (_server, ticket) = start(VoiceOptions::default()).await;
    let data = json!({ "address": "127.0.0.1", "port": 1, "mode": "aead_aes256_gcm_rtpsize" });
    let select = |protocol: &str, mode: &str| {
        let mut data = data.clone();
        data["mode"] = json!(mode);
        json!({ "op": 1, "d": { "protocol": protocol, "data": data } }).to_string()
    };
    let good = "aead_aes256_gcm_rtpsize";
    let table = [
        ("select before identify", false, select("udp", good), 4003),
        (
            "speaking before identify",
            false,
            json!({"op": 5, "d": null}).to_string(),
            4003,
        ),
        (
            "unknown opcode",
            true,
            json!({"op": 99, "d": null}).to_string(),
            4001,
        ),
        (
            "a server's opcode",
            true,
            json!({"op": 2, "d": null}).to_string(),
            4001,
        ),
        ("no JSON", true, "{".to_owned(), 4002),
        ("no envelope", true, "[]".to_owned(), 4002),
        (
            "heartbeat without a number",
            true,
            json!({"op": 3, "d": "x"}).to_string(),
            4002,
        ),
        ("another protocol", true, select("webrtc", good), 4012),
        (
            "discontinued mode",
            true,
            select("udp", "xsalsa20_poly1305"),
            4016,
        ),
        (
            "somebody else's ssrc",
            true,
            json!({"op": 5, "d": {"speaking": 1, "ssrc": 0xFFFF_FFFF_u32}}).to_string(),
            4020,
        ),
    ];
    for (name, identify, text, code) in table {
        let mut client = Client::connect(&ticket).await;
        if identify {
            client.identify(&ticket).await;
            client.expect(2).await;
        }
        client.say_raw(&text).await;
        assert_eq!(client.expect_close().await, Some(code), "{name}");
    }

    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    client.identify(&ticket).await;
    assert_eq!(client.expect_close().await, Some(4005));

    let mut client = Client::connect(&ticket).await;
    client
        .socket
        .send(Message::binary(vec![26, 1, 2]))
        .await
        .expect("the connection stands");
    assert_eq!(client.expect_close().await, Some(4003));
}

#[tokio::test]
async fn heartbeats_are_answered_in_the_form_they_came_in() {
    let (_server, ticket) = start(VoiceOptions::default()).await;
    let mut client = Client::connect(&ticket).await;
    client
        .say(3, json!({ "t": 1_501_184_119_561_u64, "seq_ack": -1 }))
        .await;
    let answer = client.expect(6).await;
    assert_eq!(
        answer,
        json!({ "op": 6, "d": { "t": 1_501_184_119_561_u64 } })
    );

    let mut client = Client::connect_version(&ticket, 4).await;
    client.say(3, json!(77)).await;
    assert_eq!(client.expect(6).await, json!({ "op": 6, "d": 77 }));
}

#[tokio::test]
async fn a_client_without_heartbeats_is_a_zombie_and_may_resume() {
    let heartbeat_interval = Duration::from_millis(200);
    let (_server, ticket) = start(VoiceOptions {
        heartbeat_interval,
        ..VoiceOptions::default()
    })
    .await;
    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    assert_eq!(client.expect_close().await, Some(4009));

    let mut client = Client::connect(&ticket).await;
    client.resume(&ticket, -1).await;
    client.expect(9).await;
}

#[tokio::test]
async fn resume_sends_again_what_was_missed_and_keeps_the_key() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut speaker = Speaker::connect(&ticket, Mode::Aes256GcmRtpsize).await;
    server.participant_joined(CHANNEL, 301);
    let seen = speaker.client.expect(11).await["seq"]
        .as_i64()
        .expect("v8 numbers messages");

    assert!(server.break_connection(GUILD, BOT, None));
    assert_eq!(speaker.client.expect_close().await, None);
    server.participant_joined(CHANNEL, 302);
    server.participant_left(CHANNEL, 301);

    let mut client = Client::connect(&ticket).await;
    client.resume(&ticket, seen).await;
    let mut heard = Vec::new();
    loop {
        let Heard::Text(frame) = client.hear().await else {
            panic!("the connection ended")
        };
        heard.push((frame["op"].clone(), frame["seq"].clone()));
        if frame["op"] == 13 {
            assert_eq!(frame["d"]["user_id"], "301");
            break;
        }
    }
    assert_eq!(heard[0], (json!(9), Value::Null));
    let ops: Vec<_> = heard[1..].iter().map(|(op, _)| op.as_u64()).collect();
    // Flags and platform of the first were still unseen.
    assert_eq!(ops, [18, 20, 11, 18, 20, 13].map(Some));
    let numbers: Vec<_> = heard[1..].iter().map(|(_, seq)| seq.as_i64()).collect();
    assert_eq!(numbers, (seen + 1..=seen + 6).map(Some).collect::<Vec<_>>());

    let mut listener = server.listen(GUILD);
    speaker.speak(b"\xFCstill the same key").await;
    let frame = listener.next().await.expect("the server runs");
    assert_eq!(&frame.opus[..], b"\xFCstill the same key");
}

#[tokio::test]
async fn a_resume_that_does_not_fit_the_session_is_refused() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut client = Client::connect(&ticket).await;
    client.resume(&ticket, -1).await;
    assert_eq!(
        client.expect_close().await,
        Some(4006),
        "nobody has identified yet"
    );

    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    client.expect(2).await;
    server.break_connection(GUILD, BOT, Some(4015));
    assert_eq!(client.expect_close().await, Some(4015));

    let mut client = Client::connect(&ticket).await;
    client.resume(&ticket, 1_000).await;
    assert_eq!(
        client.expect_close().await,
        Some(4006),
        "more acknowledged than was sent"
    );

    let replaced = server.open_session(spec(BOT, "session"));
    assert_ne!(replaced.token, ticket.token);
    let mut client = Client::connect(&ticket).await;
    client.resume(&ticket, -1).await;
    assert_eq!(
        client.expect_close().await,
        Some(4006),
        "the ticket was replaced"
    );
}

#[tokio::test]
async fn leaving_closes_the_connection_and_tells_those_who_stay() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    client.expect(2).await;

    let other_ticket = server.open_session(spec(301, "other"));
    let mut other = Client::connect(&other_ticket).await;
    other
        .say(
            0,
            json!({
                "server_id": GUILD.to_string(),
                "user_id": "301",
                "session_id": "other",
                "token": other_ticket.token,
            }),
        )
        .await;
    assert_eq!(
        other.expect(11).await["d"]["user_ids"],
        json!([BOT.to_string()])
    );
    assert_eq!(client.expect(11).await["d"]["user_ids"], json!(["301"]));
    assert_eq!(client.expect(18).await["d"]["user_id"], "301");
    assert_eq!(client.expect(20).await["d"]["platform"], 0);

    let own = "127.0.0.1:1".parse().expect("it is an address");
    select(&mut client, Mode::XChaCha20Poly1305Rtpsize, own).await;
    assert!(server.is_connected(GUILD, BOT));
    client.say(5, json!({ "speaking": 1, "delay": 0 })).await;
    let speaking = other.expect(5).await;
    assert_eq!(
        (&speaking["d"]["user_id"], &speaking["d"]["speaking"]),
        (&json!("300"), &json!(1))
    );

    server.close_session(GUILD, BOT);
    assert_eq!(client.expect_close().await, Some(4014));
    assert_eq!(other.expect(13).await["d"]["user_id"], "300");
    assert!(!server.is_connected(GUILD, BOT));
}

#[tokio::test]
async fn without_dave_a_client_is_refused_only_where_it_is_required() {
    let (_server, ticket) = start(VoiceOptions {
        require_dave: true,
        ..VoiceOptions::default()
    })
    .await;
    for (offered, accepted) in [(json!(0), false), (Value::Null, false), (json!(1), true)] {
        let mut identify = json!({
            "server_id": GUILD.to_string(),
            "user_id": BOT.to_string(),
            "session_id": "session",
            "token": ticket.token,
        });
        if !offered.is_null() {
            identify["max_dave_protocol_version"] = offered.clone();
        }
        let mut client = Client::connect(&ticket).await;
        client.say(0, identify).await;
        if accepted {
            client.expect(2).await;
        } else {
            assert_eq!(client.expect_close().await, Some(4017), "offered {offered}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_websocket_disturb_nobody() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let port: u16 = server
        .endpoint()
        .rsplit(':')
        .next()
        .expect("a port")
        .parse()
        .expect("a port");
    for bytes in [
        &b"\x16\x03\x01garbage instead of TLS"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
    ] {
        let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("the port is open");
        stream.write_all(bytes).await.expect("it is read");
        stream.shutdown().await.expect("it is still open");
        let mut answer = Vec::new();
        // Whether the answer is an error, a reset or nothing does not matter, but it ends.
        let _ = tokio::time::timeout(super::PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("the server hangs up");
    }
    let mut client = Client::connect(&ticket).await;
    client.identify(&ticket).await;
    client.expect(2).await;
}
