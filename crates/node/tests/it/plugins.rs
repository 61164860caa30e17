//! The surfaces of plugins that clients look for: lyrics, segments, what `/v4/info` names.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::apis::Apis;
use crate::call::{self, player, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::web::{Serve, Web};
use crate::ytdlp::printing;

fn names(info: &Value) -> Vec<String> {
    let plugins = info["plugins"].as_array().unwrap().iter();
    plugins
        .map(|plugin| {
            assert!(!plugin["version"].as_str().unwrap().is_empty());
            plugin["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn info_names_only_what_is_on() {
    let mut config = test_config();
    config.lyrics.enabled = false;
    let node = TestNode::start_with(config).await;
    let (_, info) = node.get("/v4/info").await;
    assert_eq!(names(&info), [""; 0]);
    for path in [
        "/v4/loadsearch?query=spsearch:x",
        "/v4/lyrics?track=x",
        "/v4/sessions/x/players/5/sponsorblock/categories",
    ] {
        let (status, body) = node.get(path).await;
        assert_eq!(
            (status.as_u16(), &body["message"]),
            (404, &"No such path".into())
        );
    }
    node.stop().await;

    let mut config = test_config();
    config.mirror.deezer.enabled = true;
    config.mirror.spotify.enabled = true;
    config.sponsorblock.api_url = Some("http://127.0.0.1:9".parse().unwrap());
    config.speech.command = Some("/no/such/program".into());
    let node = TestNode::start_with(config).await;
    let (_, info) = node.get("/v4/info").await;
    assert_eq!(
        names(&info),
        [
            "lavasrc-plugin",
            "lavasearch-plugin",
            "lavalyrics-plugin",
            "sponsorblock-plugin"
        ]
    );
    assert_eq!(
        info["sourceManagers"],
        json!(["spotify", "deezer", "speak", "local", "http"])
    );
    let spoken = node.load("speak:Hello").await;
    assert_eq!(spoken["loadType"], "error");
    assert_eq!(
        spoken["data"]["message"],
        "This node lacks the program that speaks"
    );
    node.stop().await;
}

/// A node whose folder has a song with lyrics beside it, and one without.
async fn singing(server: Option<&Apis>) -> (TestNode, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        fs::copy(
            assets().join("signals/sweep.opus"),
            folder.path().join(name),
        )
        .unwrap();
    };
    copy("song.opus");
    copy("silent.opus");
    let words = "[ar:Somebody]\n[00:00.10]first\n[00:00.50]second\n[09:00.00]far away";
    fs::write(folder.path().join("song.lrc"), words).unwrap();
    let mut config = test_config();
    config.local.root = Some(folder.path().canonicalize().unwrap());
    config.lyrics.server_url = server.map(Apis::url);
    (TestNode::start_with(config).await, folder)
}

fn query(name: &str, value: &str) -> String {
    let url = reqwest::Url::parse_with_params("http://x/", [(name, value)]).unwrap();
    url.query().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn lyrics_come_from_beside_the_file_or_from_a_server() {
    let found = json!({
        "id": 1, "trackName": "silent", "artistName": "x", "duration": 2.0, "instrumental": false,
        "plainLyrics": "from the server", "syncedLyrics": null
    });
    // Both files carry the same tags.
    let path = "/api/search?track_name=Sweep&artist_name=Backline";
    let apis = Apis::start(&[(path, json!([found]))]).await;
    let (node, _folder) = singing(Some(&apis)).await;
    let lyrics = async |file: &str, more: &str| {
        let track = node.encoded(file).await;
        node.get(&format!("/v4/lyrics?{}{more}", query("track", &track)))
            .await
    };
    let (status, own) = lyrics("song.opus", "").await;
    assert_eq!(status, 200, "{own}");
    assert_eq!(own["sourceName"], "local");
    assert_eq!(own["text"], "first\nsecond\nfar away");
    assert_eq!(
        own["lines"][0],
        json!({"timestamp": 100, "duration": 400, "line": "first", "plugin": {}})
    );
    let (status, server) = lyrics("song.opus", "&skipTrackSource=true").await;
    assert_eq!(status, 200, "{server}; asked: {:?}", apis.seen());
    assert_eq!(server["text"], "from the server");
    assert_eq!(server["provider"], "LRCLIB");
    assert_eq!(server["lines"], Value::Null);
    let (status, server) = lyrics("silent.opus", "&skipTrackSource=false").await;
    assert_eq!(
        (status.as_u16(), &server["sourceName"]),
        (200, &"lrclib".into())
    );
    for (path, expected) in [
        ("/v4/lyrics", 400),
        ("/v4/lyrics?track=!", 400),
        ("/v4/lyrics?track=x&skipTrackSource=maybe", 400),
        ("/v4/sessions/x/players/5/track/lyrics", 404),
    ] {
        let (status, body) = node.get(path).await;
        assert_eq!(status, expected, "{path}: {body}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_line_by_line() {
    let (node, _folder) = singing(None).await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let player = player(&session, 100);
    let subscribe = format!("{player}/lyrics/subscribe");
    let missing = crate::client::answer(node.request(reqwest::Method::POST, &subscribe)).await;
    assert_eq!(missing.0, 404);
    let joined = json!({"voice": call::invite(&voice, 100)});
    assert_eq!(node.patch(&player, joined).await.0, 200);
    let (status, _) = crate::client::answer(node.request(reqwest::Method::POST, &subscribe)).await;
    assert_eq!(status, 204);
    let play = async |file: &str| {
        let body = json!({"track": {"encoded": node.encoded(file).await}});
        assert_eq!(node.patch(&player, body).await.0, 200);
    };
    // The subscription is made in a task of its own.
    let lyrics = |event: &Value| {
        event["type"]
            .as_str()
            .is_some_and(|name| name.starts_with("Lyrics"))
    };
    let mut found = None;
    for _ in 0..20 {
        play("song.opus").await;
        let event = socket
            .until("lyrics or the end", |message| {
                lyrics(message) || message["reason"] == "finished"
            })
            .await;
        if lyrics(&event) {
            found = Some(event);
            break;
        }
    }
    let found = found.expect("lyrics were told");
    assert_eq!(found["type"], "LyricsFoundEvent");
    assert_eq!(found["guildId"], "100");
    assert_eq!(found["lyrics"]["lines"][1]["line"], "second");
    for (index, words) in [(0, "first"), (1, "second")] {
        let line = socket.until("a line", lyrics).await;
        assert_eq!(line["type"], "LyricsLineEvent", "{line}");
        assert_eq!(line["op"], "event");
        assert_eq!(line["lineIndex"], index, "{line}");
        assert_eq!(line["line"]["line"], words);
        assert_eq!(line["skipped"], false);
    }
    let track = node.get(&format!("{player}/track/lyrics")).await;
    assert!(matches!(track.0.as_u16(), 200 | 404), "{track:?}");
    play("silent.opus").await;
    let none = socket.until("no lyrics", lyrics).await;
    assert_eq!(none["type"], "LyricsNotFoundEvent");
    let (status, _) = node.delete(&subscribe).await;
    assert_eq!(status, 204);
    play("song.opus").await;
    let event = socket
        .until("lyrics or the end", |message| {
            lyrics(message) || message["reason"] == "finished"
        })
        .await;
    assert_eq!(event["reason"], "finished", "nobody asked any more");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_skipped_and_chapters_are_told() {
    // The start of the SHA-256 of the video's id.
    let segments = json!([{"videoID": "dQw4w9WgXcQ", "segments": [
        {"category": "sponsor", "actionType": "skip", "segment": [1.0, 30.0], "UUID": "a"},
        {"category": "filler", "actionType": "skip", "segment": [0.1, 60.0], "UUID": "b"},
        {"category": "chapter", "actionType": "chapter", "segment": [30.0, 40.0], "description": "Two"}
    ]}]);
    let path = "/api/skipSegments/5f6b?categories=[\"sponsor\",\"chapter\"]&actionTypes=[\"skip\",\"chapter\"]";
    let apis = Apis::start(&[(path, segments)]).await;
    let song = fs::read(assets().join("music/nocturne.opus")).unwrap();
    let web = Web::start(vec![("/stream", Serve::File(Arc::new(song)))]).await;
    let printed = json!({
        "id": "dQw4w9WgXcQ", "title": "A video", "channel": "A channel", "duration": 60,
        "extractor_key": "Youtube", "protocol": "https", "url": web.url("/stream")
    });
    let folder = tempfile::tempdir().unwrap();
    let mut config = test_config();
    config.http.allow_private_networks = true;
    config.ytdlp.enabled = true;
    config.ytdlp.path = Some(printing(folder.path(), &printed));
    config.sponsorblock.api_url = Some(apis.url());
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let player = player(&session, 100);
    let categories = format!("{player}/sponsorblock/categories");
    let put = async |body: Value| {
        let request = node.request(reqwest::Method::PUT, &categories).json(&body);
        crate::client::answer(request).await.0.as_u16()
    };
    assert_eq!(node.get(&categories).await.0, 404);
    assert_eq!(node.delete(&categories).await.0, 200);
    assert_eq!(put(json!(["nonsense"])).await, 400);
    assert_eq!(put(json!({})).await, 400);
    assert_eq!(put(json!(["sponsor", "sponsor"])).await, 200);
    let until = tokio::time::Instant::now() + crate::client::DEADLINE;
    while node.get(&categories).await.1 != json!(["sponsor"]) {
        assert!(
            tokio::time::Instant::now() < until,
            "the categories are kept"
        );
    }
    let body = json!({
        "voice": call::invite(&voice, 100),
        "track": {"identifier": "https://youtu.be/dQw4w9WgXcQ"}
    });
    let (status, body) = node.patch(&player, body).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["track"]["info"]["sourceName"], "youtube");
    let plugin = |message: &Value| {
        let name = message["type"].as_str().unwrap_or_default();
        name.starts_with("Segment") || name.starts_with("Chapter")
    };
    let loaded = socket.until("segments", plugin).await;
    assert_eq!(loaded["type"], "SegmentsLoaded", "asked: {:?}", apis.seen());
    assert_eq!(
        loaded["segments"],
        json!([{"category": "sponsor", "start": 1000, "end": 30000}])
    );
    let chapters = socket.until("chapters", plugin).await;
    assert_eq!(
        chapters["chapters"],
        json!([{"name": "Two", "start": 30000, "end": 40000, "duration": 10000}])
    );
    let skipped = socket.until("a skip", plugin).await;
    assert_eq!(skipped["type"], "SegmentSkipped", "{skipped}");
    assert_eq!(skipped["segment"]["end"], 30_000);
    let started = socket.until("a chapter", plugin).await;
    assert_eq!(started["type"], "ChapterStarted", "{started}");
    assert_eq!(started["chapter"]["name"], "Two");
    let (_, view) = node.get(&player).await;
    let position = view["state"]["position"].as_u64().unwrap();
    assert!(
        position >= 30_000,
        "playing goes on behind the segment: {position}"
    );
    assert_eq!(node.delete(&categories).await.0, 200);
    assert_eq!(node.get(&categories).await.0, 404);
    node.stop().await;
}
