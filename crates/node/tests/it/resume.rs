//! Sessions that outlive their sockets, and those that do not.

use serde_json::json;

use crate::call::{self, player, sound, voice_server};
use crate::client::{DEADLINE, TestNode};

/// Asks until `wanted` holds.
async fn poll<F: Future<Output = bool>>(what: &str, mut wanted: impl FnMut() -> F) {
    let polled = async {
        while !wanted().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polled)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_session_plays_on_and_a_resumed_one_is_told_what_it_missed() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let settings = format!("/v4/sessions/{session}");
    let (_, body) = node.patch(&settings, json!({})).await;
    assert_eq!(body, json!({"resuming": false, "timeout": 60}));
    let (_, body) = node
        .patch(&settings, json!({"resuming": true, "timeout": 600}))
        .await;
    assert_eq!(body, json!({"resuming": true, "timeout": 600}));
    assert_eq!(node.patch(&settings, json!({"timeout": null})).await.0, 400);
    assert_eq!(node.patch(&settings, json!({"timeout": -1})).await.0, 400);

    let mut listener = call::play(&node, &session, &voice, 7, "signals/sweep.opus").await;
    assert_eq!(socket.event().await["type"], "TrackStartEvent");
    sound(&mut listener).await;
    socket.close().await;
    let players = format!("/v4/sessions/{session}/players");
    poll("parked", async || node.get(&players).await.0 == 404).await;
    // Two seconds of music: the rest of it is heard while nobody is connected.
    call::until_silence(&mut listener, 5).await;

    let mut socket = node.socket(&[("Session-Id", &session)]).await.unwrap();
    assert_eq!(socket.headers["session-resumed"], "true");
    let ready = socket.next().await;
    assert_eq!(
        ready,
        json!({"op": "ready", "resumed": true, "sessionId": session})
    );
    let missed = socket.next().await;
    assert_eq!(
        (&missed["type"], &missed["reason"]),
        (&json!("TrackEndEvent"), &json!("finished"))
    );
    let update = socket.next().await;
    assert_eq!(
        (&update["op"], &update["guildId"]),
        (&json!("playerUpdate"), &json!("7"))
    );
    assert_eq!(
        update["state"]["connected"], true,
        "the call was never left"
    );
    let (_, body) = node.patch(&settings, json!({})).await;
    assert_eq!(
        body,
        json!({"resuming": true, "timeout": 600}),
        "settings survive"
    );

    let mut second = node.socket(&[("Session-Id", &session)]).await.unwrap();
    assert_eq!(
        second.headers["session-resumed"], "false",
        "a live session is not to be had"
    );
    let ready = second.next().await;
    assert_ne!(ready["sessionId"], session);
    assert_eq!(node.get(&player(&session, 7)).await.0, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_resuming_everything_ends_with_the_socket() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 7, "music/nocturne.opus").await;
    sound(&mut listener).await;
    assert!(voice.is_connected(7, call::USER));
    socket.close().await;
    poll("the call left", async || !voice.is_connected(7, call::USER)).await;
    let socket = node.socket(&[("Session-Id", &session)]).await.unwrap();
    assert_eq!(socket.headers["session-resumed"], "false");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_session_ends_after_its_time() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (socket, session) = node.connect().await;
    node.patch(
        &format!("/v4/sessions/{session}"),
        json!({"resuming": true, "timeout": 1}),
    )
    .await;
    let mut listener = call::play(&node, &session, &voice, 7, "music/nocturne.opus").await;
    sound(&mut listener).await;
    socket.close().await;
    poll("the call left", async || !voice.is_connected(7, call::USER)).await;
    for id in [session.as_str(), "neverwasasession"] {
        let mut socket = node.socket(&[("Session-Id", id)]).await.unwrap();
        assert_eq!(socket.headers["session-resumed"], "false", "{id}");
        let ready = socket.next().await;
        assert_eq!(ready["resumed"], false);
        assert_ne!(ready["sessionId"], id);
    }
    node.stop().await;
}
