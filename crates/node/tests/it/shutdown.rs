//! The end of a node.

use crate::call::{self, sound, voice_server};
use crate::client::{TestNode, test_config};

/// Returns the names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
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
async fn threads_are_as_many_as_configured_and_players_add_none() {
    let mut config = test_config();
    config.clock_threads = 3;
    config.encode_threads = 2;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    // Other tests of this process have engines of their own, so only the growth is counted.
    let mut listeners = Vec::new();
    for guild in 1..=20 {
        listeners.push(call::play(&node, &session, &voice, guild, "music/rain.webm").await);
    }
    for listener in &mut listeners {
        sound(listener).await;
    }
    let names = threads();
    let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert!((3..60).contains(&count("clock-")), "{names:?}");
    assert!(
        names
            .iter()
            .all(|name| name != "clock-3" && name != "encode-2"),
        "{names:?}"
    );
    node.stop().await;
}
