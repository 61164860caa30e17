//! Voice endpoints that never answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::call::{self, player, sound, sounds, voice_server};
use crate::client::{DEADLINE, TestNode, test_config};

/// A port that connections cannot be made to: its queue is full, so the kernel drops what comes.
struct Full {
    address: SocketAddr,
    _socket: Socket,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 64, "a queue of length 0 fills up");
        }
        Self {
            address,
            _socket: socket,
            _waiting: waiting,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_voice_servers_block_nobody_and_end_in_time() {
    let mut config = test_config();
    config.voice.connect_timeout_ms = 1_500;
    let node = TestNode::start_with(config).await;
    let (_socket, session) = node.connect().await;
    let voice = voice_server().await;
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    sound(&mut listener).await;

    let full = Full::new().await;
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mute_address = mute.local_addr().unwrap();
    let mute = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = mute.accept().await {
            held.push(stream);
        }
    });
    let endpoints = [mute_address, full.address];
    let paths: Vec<String> = (100..150).map(|guild| player(&session, guild)).collect();
    let requests = paths.iter().enumerate().map(|(index, path)| {
        let body = json!({"voice": {
            "token": "t",
            "endpoint": endpoints[index % 2].to_string(),
            "sessionId": "s",
            "channelId": "5",
        }});
        node.patch(path, body)
    });
    let all = futures_util::future::join_all(requests);
    let others = async {
        for _ in 0..20 {
            let (status, stats) = node.get("/v4/stats").await;
            assert_eq!(status, 200, "{stats}");
        }
        let frames = sounds(&mut listener, 50).await;
        for pair in frames.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        }
    };
    let (answers, ()) = tokio::time::timeout(DEADLINE, async { tokio::join!(all, others) })
        .await
        .expect("everybody is answered");
    for (status, body) in answers {
        assert_eq!(status, 500, "{body}");
        assert_eq!(body["message"], "Failed to connect to voice server");
    }
    mute.abort();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_is_told_at_once() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    for endpoint in [
        "voice.example/path",
        "wss://voice.example",
        "user@host",
        ":1",
    ] {
        let body = json!({"voice": {
            "token": "t", "endpoint": endpoint, "sessionId": "s", "channelId": "5",
        }});
        let (status, body) = node.patch(&player(&session, 1), body).await;
        assert_eq!(status, 500, "{endpoint}: {body}");
    }
    node.stop().await;
}
