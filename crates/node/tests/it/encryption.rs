//! The ways to a voice server: with TLS and without, with either transport encryption.

use backline_sim::voice::{VoiceOptions, VoiceServer};
use serde_json::json;

use crate::call::{self, player, sound};
use crate::client::{TestNode, test_config};

#[tokio::test(flavor = "multi_thread")]
async fn both_transport_encryptions_are_spoken() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    for (guild, mode) in [
        (1, "aead_aes256_gcm_rtpsize"),
        (2, "aead_xchacha20_poly1305_rtpsize"),
    ] {
        let modes = vec![mode.to_owned()];
        let options = VoiceOptions {
            modes,
            ..VoiceOptions::default()
        };
        let voice = VoiceServer::start(options).await.unwrap();
        let mut listener = call::play(&node, &session, &voice, guild, "music/rain.webm").await;
        sound(&mut listener).await;
        let stats = voice.stats(guild);
        assert_eq!((stats.garbage, stats.plaintext), (0, 0), "{mode}");
    }
    let modes = vec!["xsalsa20_poly1305".to_owned()];
    let old = VoiceServer::start(VoiceOptions {
        modes,
        ..VoiceOptions::default()
    })
    .await
    .unwrap();
    let body = json!({"voice": call::invite(&old, 3)});
    let (status, _) = node.patch(&player(&session, 3), body).await;
    assert_eq!(status, 500, "encryption that is discontinued is not spoken");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_needs_an_authority_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let options = VoiceOptions {
        ca_file: Some(ca_file.clone()),
        ..VoiceOptions::default()
    };
    let voice = VoiceServer::start(options).await.unwrap();
    for (trusted, status) in [(true, 200), (false, 500)] {
        let mut config = test_config();
        config.voice.plaintext_loopback = false;
        config.voice.connect_timeout_ms = 5_000;
        config.voice.extra_ca_file = trusted.then(|| ca_file.clone());
        let node = TestNode::start_with(config).await;
        let (_socket, session) = node.connect().await;
        let mut listener = voice.listen(9);
        let encoded = node.encoded("music/rain.webm").await;
        let body = json!({"voice": call::invite(&voice, 9), "track": {"encoded": encoded}});
        let (told, body) = node.patch(&player(&session, 9), body).await;
        assert_eq!(told, status, "{body}");
        if trusted {
            sound(&mut listener).await;
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_demands_end_to_end_encryption_gets_no_sound_in_the_clear() {
    let node = TestNode::start().await;
    let (mut socket, session) = node.connect().await;
    let options = VoiceOptions {
        require_dave: true,
        ..VoiceOptions::default()
    };
    let voice = VoiceServer::start(options).await.unwrap();
    let body = json!({"voice": call::invite(&voice, 1)});
    let (status, _) = node.patch(&player(&session, 1), body).await;
    assert_eq!(status, 500);
    let closed = socket
        .until("close", |message| message["type"] == "WebSocketClosedEvent")
        .await;
    assert_eq!(closed["code"], 4017);
    assert_eq!(voice.stats(1).heard, 0);
    node.stop().await;
}
