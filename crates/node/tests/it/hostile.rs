//! Clients that mean no good: each is refused or dropped, and the node goes on answering others.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{DEADLINE, TestNode, answer};

/// The answer to a request that is written byte by byte as it stands; nothing if it hangs up.
async fn raw(node: &TestNode, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    // The node may answer and hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    // Hanging up on unread bytes is a reset, which is as good as an end.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn extreme_numbers_leave_a_player_that_can_be_used() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let path = format!("/v4/sessions/{session}/players/1");
    let track = json!({"identifier": "local:backline"});
    for field in ["volume", "position", "endTime"] {
        for value in [
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
        ] {
            for body in [json!({field: value}), json!({field: value, "track": track})] {
                let (status, answer) = node.patch(&path, body.clone()).await;
                assert!(
                    matches!(status.as_u16(), 200 | 400),
                    "{body}: {status} {answer}"
                );
                if status == StatusCode::OK {
                    let volume = answer["volume"].as_i64().unwrap();
                    assert!((0..=1000).contains(&volume), "{body}: {answer}");
                }
            }
        }
    }
    let (status, body) = node
        .patch(&path, json!({"volume": 50, "paused": true}))
        .await;
    assert_eq!(
        (status, &body["volume"]),
        (StatusCode::OK, &json!(50)),
        "{body}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_may_ask_for_any_time_to_resume() {
    let node = TestNode::start().await;
    let (socket, session) = node.connect().await;
    let path = format!("/v4/sessions/{session}");
    let asked = json!({"resuming": true, "timeout": u64::MAX});
    let (status, body) = node.patch(&path, asked).await;
    assert!(matches!(status.as_u16(), 200 | 400), "{status} {body}");
    socket.close().await;
    assert_eq!(node.get("/v4/info").await.0, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_deep_and_broken_requests_are_refused() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let players = format!("/v4/sessions/{session}/players");
    let path = format!("{players}/1");
    let deep = format!("{{\"track\":{{\"userData\":{}", "[".repeat(100_000));
    let rows = [
        ("deep nesting", deep.into_bytes(), 400),
        ("no UTF-8", b"{\"identifier\":\"\xff\xfe\"}".to_vec(), 400),
        (
            "a huge encoded track",
            json!({"track": {"encoded": "A".repeat(3 << 20)}})
                .to_string()
                .into_bytes(),
            400,
        ),
        (
            "a huge identifier",
            json!({"track": {"identifier": "x".repeat(3 << 20)}})
                .to_string()
                .into_bytes(),
            400,
        ),
    ];
    for (row, body, status) in rows {
        let (told, body) = answer(node.request(Method::PATCH, &path).body(body)).await;
        assert_eq!(told, status, "{row}: {body}");
        assert_eq!(body["status"], status, "{row}");
    }
    for broken in [
        format!("{players}/%ff%fe"),
        "/v4/sessions/%ff/players".to_owned(),
    ] {
        let (status, body) = node.get(&broken).await;
        assert_eq!(status, 400, "{broken}: {body}");
    }
    let long = node.load(&"x".repeat(30_000)).await;
    assert!(matches!(long["loadType"].as_str(), Some("empty" | "error")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_headers_are_refused() {
    let node = TestNode::start().await;
    let many = (0..2_000).fold(String::new(), |all, at| all + &format!("x-{at}: y\r\n"));
    let long = format!("x: {}\r\n", "y".repeat(2 << 20));
    for headers in [many, long] {
        let request = format!("GET /version HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let told = raw(&node, request.as_bytes()).await;
        assert!(
            told.is_empty() || told.starts_with("HTTP/1.1 431"),
            "{told}"
        );
    }
    assert_eq!(node.get("/v4/info").await.0, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_ten_megabytes_ends_only_its_own_socket() {
    let node = TestNode::start().await;
    let (mut other, _) = node.connect().await;
    let (mut socket, _) = node.connect().await;
    let huge = "x".repeat(10 << 20);
    // The node hangs up while this is still being written.
    socket.try_say(&huge).await;
    while let Ok(message) = socket.next_or_close().await {
        assert!(message["op"].is_string());
    }
    other.ping().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_keep_nobody_out() {
    let node = TestNode::start().await;
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        stream.write_all(b"GET /v4/info HT").await.unwrap();
        open.push(stream);
    }
    assert_eq!(node.get("/v4/info").await.0, 200);
    drop(open);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_changes_to_one_player_holds_up_no_other() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let at = |guild: u64| format!("/v4/sessions/{session}/players/{guild}");
    let flooded = at(1);
    let flood = futures_util::future::join_all((0..300).map(|number| {
        let body = json!({"volume": number, "position": number * 7, "paused": number % 2 == 0});
        node.patch(&flooded, body)
    }));
    let other: Value = json!({"volume": 33});
    let second = at(2);
    let (told, (status, body)) = tokio::join!(flood, node.patch(&second, other));
    assert_eq!((status.as_u16(), &body["volume"]), (200, &json!(33)));
    assert!(told.iter().all(|(status, _)| *status == StatusCode::OK));
    node.stop().await;
}
