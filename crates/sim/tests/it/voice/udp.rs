//! What is heard, and what is not.

use backline_media::{
    frame::SILENCE,
    voice::{Mode, RtpHeader, discovery},
};
use backline_sim::voice::{HeardStats, SessionSpec, VoiceOptions, VoiceServer};
use tokio::{net::UdpSocket, time::timeout};

use super::{BOT, GUILD, PATIENCE, client::Speaker, start};

/// Packets are handled in order, so when this one was heard, all before were judged.
async fn settle(server: &VoiceServer, speaker: &mut Speaker) -> HeardStats {
    let mut listener = server.listen(GUILD);
    speaker.speak(b"\xFClast").await;
    loop {
        let frame = timeout(PATIENCE, listener.next())
            .await
            .expect("the last frame is heard");
        if &frame.expect("the server runs").opus[..] == b"\xFClast" {
            return listener.stats();
        }
    }
}

#[tokio::test]
async fn both_modes_carry_frames_bit_by_bit() {
    for mode in Mode::ALL {
        let (server, ticket) = start(VoiceOptions::default()).await;
        let mut listener = server.listen(GUILD);
        let mut speaker = Speaker::connect(&ticket, mode).await;
        let frames: Vec<Vec<u8>> = (1..=120_u8)
            .map(|n| std::iter::repeat_n(n, usize::from(n) * 10).collect())
            .collect();
        for frame in &frames {
            speaker.speak(frame).await;
        }
        for (index, expected) in frames.iter().enumerate() {
            let frame = timeout(PATIENCE, listener.next())
                .await
                .expect("frames are heard");
            let frame = frame.expect("the server runs");
            assert_eq!(
                &frame.opus[..],
                &expected[..],
                "{} frame {index}",
                mode.name()
            );
            assert_eq!((frame.user_id, frame.ssrc), (BOT, speaker.header.ssrc));
            assert_eq!(frame.sequence, (u16::MAX - 1).wrapping_add(index as u16));
        }
        let stats = listener.stats();
        let expected = HeardStats {
            heard: 120,
            ..HeardStats::default()
        };
        assert_eq!(
            HeardStats {
                late: 0,
                max_lateness: stats.max_lateness,
                ..stats
            },
            expected
        );
        assert_eq!(server.total_stats(), server.stats(GUILD));
        assert_eq!(listener.recent().len(), 120);
    }
}

#[tokio::test]
async fn replays_garbage_plaintext_and_strangers_are_counted_and_not_heard() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut speaker = Speaker::connect(&ticket, Mode::Aes256GcmRtpsize).await;
    let first = speaker.seal(b"\xFConce");
    speaker.send(&first).await;
    speaker.send(&first).await;

    let mut forged = speaker.seal(b"\xFCforged");
    forged[20] ^= 1;
    speaker.send(&forged).await;
    let ssrc = speaker.header.ssrc;
    let mut bare = RtpHeader {
        sequence: 9,
        timestamp: 9,
        ssrc,
    }
    .to_bytes()
    .to_vec();
    bare.extend_from_slice(&SILENCE);
    speaker.send(&bare).await;
    for junk in [&b""[..], b"\x80", b"hello", &[0xFF; 1_500]] {
        speaker.send(junk).await;
    }
    let stranger = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let server_address = speaker.udp.peer_addr().expect("it is connected");
    let stolen = speaker.seal(b"\xFCstolen");
    stranger
        .send_to(&stolen, server_address)
        .await
        .expect("loopback takes packets");

    speaker.speak(&SILENCE).await;
    let stats = settle(&server, &mut speaker).await;
    let counted = (
        stats.heard,
        stats.replayed,
        stats.garbage,
        stats.plaintext,
        stats.strangers,
    );
    assert_eq!(counted, (3, 1, 1, 1, 1));
    // The forged and the stolen packet had sequence numbers of their own.
    assert_eq!((stats.lost, stats.silence), (2, 1));
}

#[tokio::test]
async fn audio_before_speaking_is_noticed() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut speaker = Speaker::connect(&ticket, Mode::XChaCha20Poly1305Rtpsize).await;
    speaker.speak(b"\xFCannounced").await;
    assert_eq!(settle(&server, &mut speaker).await.before_speaking, 0);

    let ssrc = speaker.header.ssrc;
    let silent = serde_json::json!({ "speaking": 0, "delay": 0, "ssrc": ssrc });
    speaker.client.say(5, silent).await;
    speaker
        .client
        .say(3, serde_json::json!({ "t": 2, "seq_ack": 0 }))
        .await;
    speaker.client.expect(6).await;
    speaker.speak(b"\xFCunannounced").await;
    assert_eq!(settle(&server, &mut speaker).await.before_speaking, 2);
}

#[tokio::test]
async fn discovery_is_answered_for_known_sources_only_and_keepalives_are_echoed() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let speaker = Speaker::connect(&ticket, Mode::Aes256GcmRtpsize).await;
    let unknown = speaker.header.ssrc.wrapping_add(1);
    speaker
        .udp
        .send(&discovery::request(unknown))
        .await
        .expect("loopback takes packets");
    speaker
        .udp
        .send(b"\x01\0\0\0\0\0\0\0")
        .await
        .expect("loopback takes packets");
    let mut answer = [0; 128];
    let length = timeout(PATIENCE, speaker.udp.recv(&mut answer))
        .await
        .expect("the keepalive is echoed")
        .expect("loopback gives packets");
    assert_eq!(&answer[..length], b"\x01\0\0\0\0\0\0\0");
    assert_eq!(server.stats(GUILD), HeardStats::default());
}

#[tokio::test]
async fn listeners_come_to_their_end_when_the_servers_stop() {
    let (server, ticket) = start(VoiceOptions::default()).await;
    let mut listener = server.listen(GUILD);
    let mut speaker = Speaker::connect(&ticket, Mode::Aes256GcmRtpsize).await;
    server.stop();
    assert!(
        timeout(PATIENCE, listener.next())
            .await
            .expect("it ends")
            .is_none()
    );
    speaker.client.expect_close().await;
}

#[tokio::test]
async fn many_sessions_share_the_socket_without_mixing() {
    let server = VoiceServer::start(VoiceOptions {
        recorded_frames: 8,
        ..VoiceOptions::default()
    })
    .await
    .expect("ports are free");
    let guilds: Vec<u64> = (1_000..1_200).collect();
    let mut speakers = Vec::new();
    for guild_id in &guilds {
        let ticket = server.open_session(SessionSpec {
            guild_id: *guild_id,
            channel_id: *guild_id,
            user_id: BOT,
            session_id: "session".to_owned(),
        });
        let mode = Mode::ALL[speakers.len() % 2];
        speakers.push(Speaker::connect_as(&ticket, mode, *guild_id, BOT).await);
    }
    for round in 1..=5_u64 {
        for (guild_id, speaker) in guilds.iter().zip(&mut speakers) {
            speaker.speak(format!("\u{7f}{guild_id}").as_bytes()).await;
        }
        // The kernel's buffer is small on many machines, so each round is heard before the next.
        timeout(PATIENCE, async {
            while server.total_stats().heard < round * guilds.len() as u64 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("every frame is heard");
    }
    for guild_id in &guilds {
        let stats = server.stats(*guild_id);
        assert_eq!(
            (stats.heard, stats.lost, stats.garbage),
            (5, 0, 0),
            "guild {guild_id}"
        );
        for frame in server.listen(*guild_id).recent() {
            assert_eq!(&frame.opus[..], format!("\u{7f}{guild_id}").as_bytes());
        }
    }
}
