//! The ways to a voice server: with TLS and without, with either transport encryption.

use std::time::Duration;

use backline_proto::voice::Opcode;
use backline_sim::voice::dave::{CallState, Fault, Harm};
use backline_sim::voice::{Listener, VoiceOptions, VoiceServer};
use serde_json::json;

use crate::call::{self, USER, player, sound, sounds};
use crate::client::{DEADLINE, TestNode, test_config};

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

/// A voice server whose calls are encrypted end to end, as Discord's are.
async fn dave_server() -> VoiceServer {
    let options = VoiceOptions {
        require_dave: true,
        late_tolerance: Duration::from_secs(5),
        ..VoiceOptions::default()
    };
    VoiceServer::start(options).await.unwrap()
}

/// Waits until the call of a channel is as `fits` wants it.
async fn call_until(voice: &VoiceServer, channel: u64, fits: impl Fn(&CallState) -> bool) {
    let settled = async {
        while !voice.dave(channel).is_some_and(|state| fits(&state)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, settled)
        .await
        .unwrap_or_else(|_| panic!("{:?}", voice.dave(channel)));
}

/// Listens to a second of sound without a missing frame: the clock never stops for keys.
async fn a_second_without_gap(listener: &mut Listener) {
    let frames = sounds(listener, 50).await;
    for pair in frames.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        let packets = pair[1].sequence.wrapping_sub(pair[0].sequence);
        assert_eq!((step, packets), (960, 1), "{pair:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_encrypted_end_to_end_is_heard_by_its_members_only() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let voice = dave_server().await;
    let channel = 2;
    voice.participant_joined(channel, 500);
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    sound(&mut listener).await;
    // Somebody comes and somebody goes, and every time the keys change.
    for user in [501, 502, 503] {
        voice.participant_joined(channel, user);
        call_until(&voice, channel, |state| {
            state.settled && state.group.contains(&user)
        })
        .await;
        a_second_without_gap(&mut listener).await;
    }
    for user in [500, 502] {
        voice.participant_left(channel, user);
        call_until(&voice, channel, |state| {
            state.settled && !state.group.contains(&user)
        })
        .await;
        a_second_without_gap(&mut listener).await;
    }
    let stats = voice.stats(1);
    assert_eq!(
        (stats.plaintext_frames, stats.undecryptable, stats.lost),
        (0, 0, 0),
        "{stats:?}"
    );
    assert_eq!(stats.encrypted + stats.silence, stats.heard, "{stats:?}");
    let text = node.metrics.encode();
    assert!(
        text.contains("backline_node_voice_dave_connections{mode=\"keyed\"} 1"),
        "{text}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_only_silence_leaves() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let voice = dave_server().await;
    // Nobody else is there, so there is no group and no key.
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    let silence = call::until_silence(&mut listener, 50).await;
    assert_eq!(silence.len(), 50, "nothing but silence");
    let before = voice.stats(1);
    assert_eq!(
        (before.plaintext_frames, before.unheard),
        (0, 0),
        "{before:?}"
    );
    voice.participant_joined(2, 500);
    sound(&mut listener).await;
    assert_eq!(voice.stats(1).plaintext_frames, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_encrypt_is_heard_with_and_encryption_comes_back() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let options = VoiceOptions {
        offer_dave: true,
        ..VoiceOptions::default()
    };
    let voice = VoiceServer::start(options).await.unwrap();
    let channel = 2;
    voice.participant_joined(channel, 500);
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    sound(&mut listener).await;
    voice.participant_without_dave_joined(channel, 900);
    call_until(&voice, channel, |state| state.settled && state.version == 0).await;
    a_second_without_gap(&mut listener).await;
    voice.participant_left(channel, 900);
    call_until(&voice, channel, |state| state.settled && state.version == 1).await;
    let encrypted = voice.stats(1).encrypted;
    a_second_without_gap(&mut listener).await;
    let stats = voice.stats(1);
    assert!(stats.encrypted >= encrypted + 40, "{stats:?}");
    assert_eq!(stats.plaintext_frames, 0, "{stats:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_keys_is_mended_and_never_heard_in_the_clear() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let voice = dave_server().await;
    let channel = 2;
    voice.participant_joined(channel, 500);
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    sound(&mut listener).await;
    let mut user = 600;
    for (op, harm) in [
        (Opcode::MlsAnnounceCommitTransition, Harm::Corrupt),
        (Opcode::MlsAnnounceCommitTransition, Harm::Duplicate),
        (Opcode::MlsProposals, Harm::Drop),
        (Opcode::DaveExecuteTransition, Harm::Duplicate),
    ] {
        voice.disturb_dave(
            channel,
            Fault {
                op,
                to: Some(USER),
                harm,
                times: 1,
            },
        );
        user += 1;
        voice.participant_joined(channel, user);
        call_until(&voice, channel, |state| {
            state.settled && state.group.contains(&user) && state.group.contains(&USER)
        })
        .await;
        sounds(&mut listener, 50).await;
    }
    // A broken connection while keys change, resumed.
    assert!(voice.break_connection(1, USER, None));
    voice.participant_joined(channel, 700);
    call_until(&voice, channel, |state| {
        state.settled && state.group.contains(&700) && state.group.contains(&USER)
    })
    .await;
    sounds(&mut listener, 50).await;
    let stats = voice.stats(1);
    assert_eq!(
        (stats.plaintext_frames, stats.off_grid, stats.replayed),
        (0, 0, 0),
        "{stats:?}"
    );
    node.stop().await;
}
