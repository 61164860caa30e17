//! Sources that misbehave, and voice servers that do.

use std::fs;
use std::sync::Arc;

use serde_json::json;

use crate::call::{self, player, sound, until_silence, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::web::{Serve, Web};

fn file(name: &str) -> Arc<Vec<u8>> {
    Arc::new(fs::read(assets().join(name)).unwrap())
}

/// A node that may fetch from loopback, and does not wait long.
async fn open_node() -> TestNode {
    let mut config = test_config();
    config.http.allow_private_networks = true;
    config.http.read_timeout_ms = 1_500;
    TestNode::start_with(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_url_is_a_clear_error() {
    let node = open_node().await;
    let web = Web::start(vec![
        ("/gone", Serve::Status(404)),
        ("/forbidden", Serve::Status(403)),
        ("/broken", Serve::Status(500)),
        (
            "/page",
            Serve::Text("text/html; charset=utf-8", "<!DOCTYPE html><html>hi</html>"),
        ),
        (
            "/page-in-disguise.mp3",
            Serve::Text("audio/mpeg", "\n <html><body>log in</body>"),
        ),
        (
            "/words",
            Serve::Text("text/plain", "these are just words, no audio at all"),
        ),
        (
            "/json",
            Serve::Text("application/json", "{\"error\":\"no\"}"),
        ),
        ("/empty", Serve::Text("audio/mpeg", "")),
        ("/circle", Serve::Redirect("/circle".to_owned())),
        ("/to-file", Serve::Redirect("file:///etc/passwd".to_owned())),
        ("/silent", Serve::Silent),
        (
            "/stalls-at-once",
            Serve::Stalls(file("music/nocturne.opus"), 100),
        ),
        (
            "/ogg-cut-in-its-head",
            Serve::CutOff(file("music/nocturne.opus"), 60),
        ),
    ])
    .await;
    let dead = "http://127.0.0.1:1/dead.mp3".to_owned();
    let rows = [
        (dead, "suspicious", "could not be reached"),
        (
            "http://name.invalid/a.mp3".to_owned(),
            "suspicious",
            "could not be reached",
        ),
        (web.url("/forbidden"), "common", "not playable"),
        (web.url("/broken"), "suspicious", "server failed"),
        (web.url("/page"), "common", "web page"),
        (web.url("/page-in-disguise.mp3"), "common", "web page"),
        (web.url("/words"), "common", "Unknown file format"),
        (web.url("/json"), "common", "Unknown file format"),
        (web.url("/empty"), "common", "Unknown file format"),
        (web.url("/circle"), "suspicious", "circles"),
        (web.url("/to-file"), "common", "Only http and https"),
        (web.url("/silent"), "suspicious", "in time"),
        (web.url("/stalls-at-once"), "", ""),
        (web.url("/ogg-cut-in-its-head"), "", ""),
    ];
    // As the reference server has it: there is nothing, and nothing went wrong.
    let body = node.load(&web.url("/gone")).await;
    assert_eq!(
        (&body["loadType"], &body["data"]),
        (&"empty".into(), &json!(null))
    );
    for (url, severity, message) in rows {
        let body = node.load(&url).await;
        assert_eq!(body["loadType"], "error", "{url}: {body}");
        let told = body["data"]["message"].as_str().unwrap();
        assert!(told.contains(message), "{url}: {body}");
        assert!(
            severity.is_empty() || body["data"]["severity"] == severity,
            "{url}: {body}"
        );
        assert!(body["data"]["cause"].is_string() && body["data"]["causeStackTrace"].is_string());
        assert!(
            !body.to_string().contains("127.0.0.1"),
            "no addresses: {body}"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_directly_by_name_and_by_redirect() {
    let node = TestNode::start().await;
    let web = Web::start(vec![(
        "/song.opus",
        Serve::File(file("signals/sweep.opus")),
    )])
    .await;
    let port = web.address.port();
    for url in [
        web.url("/song.opus"),
        format!("http://localhost:{port}/song.opus"),
        format!("http://[::ffff:127.0.0.1]:{port}/song.opus"),
        format!("http://2130706433:{port}/song.opus"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/a.mp3".to_owned(),
    ] {
        let body = node.load(&url).await;
        assert_eq!(body["loadType"], "error", "{url}: {body}");
        assert_eq!(
            body["data"]["message"], "That link leads into a private network, which is not allowed",
            "{url}"
        );
    }
    assert_eq!(web.count(), 0, "nobody was even asked");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_over_http_as_they_are_even_through_broken_connections() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let sweep = file("signals/sweep.opus");
    let web = Web::start(vec![
        ("/file.opus", Serve::File(Arc::clone(&sweep))),
        ("/plain.opus", Serve::Plain(Arc::clone(&sweep))),
        ("/breaks.opus", Serve::Breaks(Arc::clone(&sweep), 20_000)),
        ("/moved.opus", Serve::Redirect("/file.opus".to_owned())),
        ("/file.webm", Serve::File(file("signals/sweep.webm"))),
    ])
    .await;
    let mut guild = 0;
    let mut reference = None;
    for path in [
        "/file.opus",
        "/plain.opus",
        "/breaks.opus",
        "/moved.opus",
        "/file.webm",
    ] {
        guild += 1;
        let mut listener = call::play(&node, &session, &voice, guild, &web.url(path)).await;
        let heard = until_silence(&mut listener, 5).await;
        let heard: Vec<_> = heard.into_iter().map(|frame| frame.opus).collect();
        assert!(
            (100..120).contains(&heard.len()),
            "{path}: {} frames",
            heard.len()
        );
        if path != "/file.webm" {
            let first = reference.get_or_insert_with(|| heard.clone());
            assert!(*first == heard, "{path} is heard as the file is");
        }
    }
    let (_, body) = node.get(&player(&session, 1)).await;
    assert_eq!(body["track"], json!(null));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stalls_or_breaks_ends_its_own_track_and_no_other() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let nocturne = file("music/nocturne.opus");
    let web = Web::start(vec![
        (
            "/stalls.opus",
            Serve::Stalls(Arc::clone(&nocturne), 120_000),
        ),
        ("/cut.opus", Serve::CutOff(Arc::clone(&nocturne), 120_000)),
    ])
    .await;
    let mut good = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    for (guild, path) in [(2, "/stalls.opus"), (3, "/cut.opus")] {
        let mut listener = call::play(&node, &session, &voice, guild, &web.url(path)).await;
        sound(&mut listener).await;
        let guild = guild.to_string();
        let failed = socket
            .until("exception", |message| {
                message["type"] == "TrackExceptionEvent" && message["guildId"] == guild
            })
            .await;
        assert_eq!(failed["exception"]["severity"], "suspicious", "{failed}");
        let ended = socket
            .until("end", |message| {
                message["type"] == "TrackEndEvent" && message["guildId"] == guild
            })
            .await;
        assert_eq!(ended["reason"], "finished", "something had been heard");
    }
    sound(&mut good).await;
    let stats = voice.stats(1);
    assert_eq!(
        (stats.lost, stats.silence, stats.off_grid),
        (0, 0, 0),
        "the good one has no gap"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeking_over_http_asks_for_the_right_part() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let web = Web::start(vec![("/n.opus", Serve::File(file("music/nocturne.opus")))]).await;
    let mut listener = call::play(&node, &session, &voice, 1, &web.url("/n.opus")).await;
    sound(&mut listener).await;
    node.patch(&player(&session, 1), json!({"position": 54_000}))
        .await;
    let heard = until_silence(&mut listener, 5).await;
    assert!(
        (80..180).contains(&heard.len()),
        "{} frames to the end",
        heard.len()
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn voice_servers_that_do_not_answer_are_a_500_in_time_and_block_nobody() {
    let mut config = test_config();
    config.voice.connect_timeout_ms = 700;
    let node = TestNode::start_with(config).await;
    let (_socket, session) = node.connect().await;
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rows = [
        ("127.0.0.1:1".to_owned(), 1),
        (hole.local_addr().unwrap().to_string(), 2),
    ];
    for (endpoint, guild) in rows {
        let voice = json!({
            "token": "t", "endpoint": endpoint, "sessionId": "s", "channelId": "1",
        });
        let path = player(&session, guild);
        let waiting = node.patch(&path, json!({"voice": voice}));
        let beside = async {
            for _ in 0..20 {
                assert_eq!(node.get("/v4/stats").await.0, 200);
            }
        };
        let ((status, body), ()) = tokio::join!(waiting, beside);
        assert_eq!(status, 500, "{endpoint}: {body}");
        assert_eq!(body["message"], "Failed to connect to voice server");
        let (_, body) = node.get(&path).await;
        assert_eq!(body["state"]["connected"], false);
        assert_eq!(
            body["voice"]["endpoint"],
            endpoint.as_str(),
            "what was asked for is kept"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_connection_resumes_after_a_break_and_a_final_close_is_told() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    sound(&mut listener).await;
    for code in [None, Some(4015)] {
        assert!(voice.break_connection(1, call::USER, code));
        socket
            .until("loss", |message| {
                message["op"] == "playerUpdate" && message["state"]["connected"] == false
            })
            .await;
        socket
            .until("return", |message| {
                message["op"] == "playerUpdate" && message["state"]["connected"] == true
            })
            .await;
        sound(&mut listener).await;
    }
    let stats = voice.stats(1);
    assert_eq!(
        (stats.lost, stats.replayed, stats.silence),
        (0, 0, 0),
        "nobody heard of it"
    );
    voice.close_session(1, call::USER);
    let closed = socket
        .until("close", |message| message["type"] == "WebSocketClosedEvent")
        .await;
    assert_eq!(
        (&closed["code"], &closed["byRemote"]),
        (&json!(4014), &json!(true))
    );
    assert!(closed["reason"].is_string());
    let (_, body) = node.get(&player(&session, 1)).await;
    assert_eq!(body["state"]["connected"], false);
    assert_eq!(body["state"]["ping"], -1);
    assert!(
        body["track"].is_object(),
        "the track waits for another connection"
    );
    let again = json!({"voice": call::invite(&voice, 1)});
    let (status, _) = node.patch(&player(&session, 1), again.clone()).await;
    assert_eq!(status, 200);
    sound(&mut listener).await;
    let (status, _) = node.patch(&player(&session, 1), again).await;
    assert_eq!(status, 200, "the same once more changes nothing");
    node.stop().await;
}
