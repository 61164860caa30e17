//! The end of a node.

use std::time::Duration;

use serde_json::json;

use crate::call::{self, player, sound, sounds, until_silence, voice_server};
use crate::client::{TestNode, TestSocket, test_config};

/// Returns name and voluntary context switches of each of this process's threads.
fn threads() -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let status =
        tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    status
        .map(|status| {
            let switches = field(&status, "voluntary_ctxt_switches:")
                .parse()
                .unwrap_or(0);
            (field(&status, "Name:"), switches)
        })
        .collect()
}

/// Returns the switches of all threads of that name.
fn named(name: &str) -> Vec<u64> {
    threads()
        .into_iter()
        .filter(|(other, _)| other == name)
        .map(|(_, switches)| switches)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_close_with_1001_and_calls_are_left() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 7, "music/nocturne.opus").await;
    sound(&mut listener).await;
    node.shutdown.cancel();
    let close = loop {
        if let Err(close) = socket.next_or_close().await {
            break close;
        }
    };
    assert_eq!(u16::from(close.expect("a close frame").code), 1001);
    let address = node.address;
    node.stop().await;
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}

/// Returns the close code that ends a socket.
async fn close_code(socket: &mut TestSocket) -> u16 {
    loop {
        if let Err(close) = socket.next_or_close().await {
            return u16::from(close.expect("a close frame").code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_plays_on_until_its_players_are_taken_elsewhere() {
    let mut config = test_config();
    config.drain_timeout_s = 600;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 7, "music/nocturne.opus").await;
    sound(&mut listener).await;
    node.shutdown.cancel();
    let told = socket
        .until("that it drains", |message| {
            message["op"] == "stats" && !message["drainingMs"].is_null()
        })
        .await;
    assert!(told["drainingMs"].as_u64().unwrap() <= 600_000, "{told}");
    // Nothing new, and a clear word about it.
    let refused = node.socket(&[]).await.err().expect("no new clients");
    assert!(refused.to_string().contains("503"), "{refused}");
    let (status, body) = node
        .patch(
            &player(&session, 8),
            json!({"voice": call::invite(&voice, 8)}),
        )
        .await;
    assert_eq!(
        (status.as_u16(), &body["status"]),
        (503, &json!(503)),
        "{body}"
    );
    // What is there plays on and obeys.
    let frames = sounds(&mut listener, 50).await;
    assert_eq!(frames.len(), 50);
    let (status, body) = node
        .patch(&player(&session, 7), json!({"volume": 50}))
        .await;
    assert_eq!(status, 200, "{body}");
    node.delete(&player(&session, 7)).await;
    assert_eq!(close_code(&mut socket).await, 1001);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_in_time_although_nobody_takes_the_players() {
    let mut config = test_config();
    config.drain_timeout_s = 1;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 7, "music/nocturne.opus").await;
    sound(&mut listener).await;
    node.shutdown.cancel();
    sounds(&mut listener, 10).await;
    assert_eq!(close_code(&mut socket).await, 1001);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_told() {
    let node = TestNode::start().await;
    let mut config = test_config();
    config.bind = node.address;
    let started =
        backline_node::start(&config, "x".into(), &node.metrics, node.shutdown.clone()).await;
    let error = started.expect_err("the port is taken");
    assert!(
        error.to_string().contains(&node.address.to_string()),
        "{error}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_add_no_threads_and_cost_nothing_while_they_are_paused() {
    // More threads than any other test has, so that the last ones are surely ours.
    let mut config = test_config();
    config.clock_threads = 9;
    config.encode_threads = 6;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let mut listeners = Vec::new();
    for guild in 1..=18 {
        listeners.push(call::play(&node, &session, &voice, guild, "music/rain.webm").await);
    }
    for listener in &mut listeners {
        sound(listener).await;
    }
    let counts = ["clock-8", "clock-9", "encode-5", "encode-6"].map(|name| named(name).len());
    assert_eq!(counts, [1, 0, 1, 0], "{:?}", threads());
    for (guild, listener) in (1..).zip(&mut listeners) {
        node.patch(&player(&session, guild), json!({"paused": true}))
            .await;
        until_silence(listener, 5).await;
    }
    let wakes = || [named("clock-8")[0], named("encode-5")[0]];
    // The tick after the last silence may still be under way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = wakes();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = wakes();
    assert_eq!(after, before, "threads that have nothing to do sleep");
    node.stop().await;
}
