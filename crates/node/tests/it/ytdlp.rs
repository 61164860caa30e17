//! Links that yt-dlp resolves: with the real program where it is installed
//! (`BACKLINE_JUDGE_YTDLP`), and with programs that misbehave in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_runtime::config;
use serde_json::{Value, json};

use crate::call::{self, player, sounds, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::web::{Serve, Web};

/// Writes a program that does what a shell script says.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("yt-dlp");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Writes a program that prints a recorded answer.
pub fn printing(folder: &Path, printed: &Value) -> PathBuf {
    let answer = folder.join("answer.json");
    fs::write(&answer, printed.to_string()).unwrap();
    program(folder, &format!("cat {}", answer.display()))
}

fn config(path: PathBuf) -> config::Node {
    let mut config = test_config();
    config.ytdlp.enabled = true;
    config.ytdlp.path = Some(path);
    config
}

const LINK: &str = "https://www.youtube.com/watch?v=dQw4w9WgXcQ";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_misbehaves_is_an_error_with_a_reason() {
    let rows = [
        ("sleep 600 & sleep 600", "The site did not answer in time"),
        (
            "while :; do echo 0123456789012345678901234567890123456789; done",
            "The site says too much",
        ),
        (
            "echo 'WARNING: x' >&2; echo 'ERROR: [youtube] dQw4w9WgXcQ: Video unavailable' >&2; exit 1",
            "[youtube] dQw4w9WgXcQ: Video unavailable",
        ),
        ("echo no json", "The site could not be understood"),
    ];
    for (script, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(program(folder.path(), script));
        config.ytdlp.timeout_ms = 3_000;
        config.ytdlp.max_output_mib = 1;
        let node = TestNode::start_with(config).await;
        let loaded = node.load(LINK).await;
        assert_eq!(loaded["loadType"], "error", "{script}: {loaded}");
        assert_eq!(loaded["data"]["message"], expected, "{script}");
        // Nothing else is held up.
        assert_eq!(node.load("music/nocturne.opus").await["loadType"], "track");
        node.stop().await;
    }
    let node = TestNode::start_with(config("/no/such/program".into())).await;
    let loaded = node.load("ytsearch:anything").await;
    assert_eq!(
        loaded["data"]["message"],
        "This node lacks what loads such links"
    );
    let (_, info) = node.get("/v4/info").await;
    let sources = info["sourceManagers"].as_array().unwrap();
    for name in [
        "youtube",
        "soundcloud",
        "bandcamp",
        "twitch",
        "vimeo",
        "ytdlp",
    ] {
        assert!(sources.contains(&name.into()), "{name}: {sources:?}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_and_its_stream_is_played_and_guarded() {
    let song = fs::read(assets().join("signals/sweep.opus")).unwrap();
    let web = Web::start(vec![("/stream", Serve::File(Arc::new(song)))]).await;
    let printed = json!({
        "id": "dQw4w9WgXcQ", "title": "A video", "channel": "A channel", "duration": 2,
        "extractor_key": "Youtube", "protocol": "https", "url": web.url("/stream"),
        "http_headers": {"User-Agent": "Browser"}
    });
    for allowed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(printing(folder.path(), &printed));
        config.http.allow_private_networks = allowed;
        let node = TestNode::start_with(config).await;
        let (first, second) = tokio::join!(node.load(LINK), node.load("dQw4w9WgXcQ"));
        assert_eq!(first["loadType"], "track", "{first}");
        assert_eq!(first["data"], second["data"]);
        let (mut socket, session) = node.connect().await;
        let voice = voice_server().await;
        let mut listener = voice.listen(100);
        let body = json!({
            "voice": call::invite(&voice, 100), "track": {"encoded": first["data"]["encoded"]}
        });
        assert_eq!(node.patch(&player(&session, 100), body).await.0, 200);
        assert_eq!(socket.event().await["type"], "TrackStartEvent");
        if allowed {
            sounds(&mut listener, 10).await;
        } else {
            // Wherever the address comes from, it must not lead into a private network.
            let failed = socket.event().await;
            assert_eq!(failed["type"], "TrackExceptionEvent", "{failed}");
            let message = failed["exception"]["message"].as_str().unwrap();
            assert!(message.contains("private network"), "{message}");
        }
        node.stop().await;
    }
}

/// Returns a node with the real program.
async fn real() -> TestNode {
    let path = std::env::var("BACKLINE_JUDGE_YTDLP").expect("scripts/judges.sh was run");
    let mut config = config(path.into());
    config.http.allow_private_networks = true;
    config.ytdlp.timeout_ms = 60_000;
    TestNode::start_with(config).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs yt-dlp: scripts/test.sh"]
async fn the_real_program_finds_sound_in_web_pages_and_it_is_played() {
    let song = Arc::new(fs::read(assets().join("signals/sweep.webm")).unwrap());
    let web = Web::start(vec![
        ("/song.webm", Serve::File(song)),
        (
            "/page.html",
            Serve::Text(
                "text/html",
                "<!DOCTYPE html><title>A page</title><audio src=\"/song.webm\" type=\"audio/webm\"></audio>",
            ),
        ),
        (
            "/two.html",
            Serve::Text(
                "text/html",
                "<!DOCTYPE html><title>Two</title><audio src=\"/none.webm\" type=\"audio/webm\"></audio>\
                 <audio src=\"/song.webm\" type=\"audio/webm\"></audio>",
            ),
        ),
        ("/text.html", Serve::Text("text/html", "<!DOCTYPE html><title>Words</title>words")),
    ])
    .await;
    let node = real().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let page = node.load(&web.url("/page.html")).await;
    assert_eq!(page["loadType"], "track", "{page}");
    assert_eq!(page["data"]["info"]["sourceName"], "ytdlp");
    let two = node.load(&web.url("/two.html")).await;
    assert_eq!(two["loadType"], "playlist", "{two}");
    let second = &two["data"]["tracks"][1];
    for (guild, track) in [(100, &page["data"]), (200, second)] {
        let mut listener = voice.listen(guild);
        let body = json!({
            "voice": call::invite(&voice, guild), "track": {"encoded": track["encoded"]}
        });
        assert_eq!(node.patch(&player(&session, guild), body).await.0, 200);
        sounds(&mut listener, 10).await;
    }
    let words = node.load(&web.url("/text.html")).await;
    assert_eq!(words["loadType"], "error", "{words}");
    assert_eq!(
        words["data"]["message"],
        "The URL leads to a web page, not to audio"
    );
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let (_, info) = node.get("/v4/info").await;
        let plugins = info["plugins"].as_array().unwrap();
        if plugins.iter().any(|plugin| plugin["name"] == "yt-dlp") {
            break;
        }
        assert!(Instant::now() < until, "its version is shown: {info}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs espeak-ng: scripts/test.sh"]
async fn a_text_is_spoken_by_the_real_program() {
    let mut config = test_config();
    config.speech.command = Some("espeak-ng".into());
    config.speech.max_text = 100;
    let node = TestNode::start_with(config).await;
    let loaded = node.load("speak:One, two, three, four, five.").await;
    assert_eq!(loaded["loadType"], "track", "{loaded}");
    assert_eq!(
        loaded["data"]["info"]["title"],
        "One, two, three, four, five."
    );
    let length = loaded["data"]["info"]["length"].as_u64().unwrap();
    assert!((1_000..10_000).contains(&length), "{length} ms");
    let same = node
        .load("tts://One%2C%20two%2C%20three%2C%20four%2C%20five.")
        .await;
    assert_eq!(same["data"]["encoded"], loaded["data"]["encoded"]);
    let long = node.load(&format!("speak:{}", "x".repeat(101))).await;
    assert_eq!(long["loadType"], "error");
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let mut listener = voice.listen(100);
    let body = json!({
        "voice": call::invite(&voice, 100), "track": {"encoded": loaded["data"]["encoded"]}
    });
    assert_eq!(node.patch(&player(&session, 100), body).await.0, 200);
    sounds(&mut listener, 20).await;
    node.stop().await;
}
