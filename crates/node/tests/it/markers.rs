//! Places of a track at which something happens, several kinds at once.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::call::{self, player, sounds, until_silence, voice_server};
use crate::client::answer;
use crate::tones::{self, sine};

fn is_line(message: &Value) -> bool {
    message["type"] == "LyricsLineEvent"
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_seeks_and_the_end_time_stand_beside_each_other() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("song.wav"), 60.0, sine(440.0, 0.3));
    let words = "[00:20.00]skipped\n[00:30.00]sung\n[00:40.00]never";
    fs::write(folder.path().join("song.lrc"), words).unwrap();
    let path = player(&session, 1);
    let mut listener = call::play(&node, &session, &voice, 1, "song.wav").await;
    sounds(&mut listener, 5).await;
    node.patch(&path, json!({"endTime": 31_000})).await;
    let subscribe = format!("{path}/lyrics/subscribe");
    let (status, body) = answer(node.request(Method::POST, &subscribe)).await;
    assert_eq!(status, 204, "{body}");
    socket
        .until("lyrics", |message| message["type"] == "LyricsFoundEvent")
        .await;
    node.patch(&path, json!({"position": 29_500})).await;
    let line = socket.until("the line that was skipped", is_line).await;
    assert_eq!(
        (&line["line"]["line"], &line["skipped"]),
        (&json!("skipped"), &json!(true))
    );
    let line = socket.until("the line that is sung", is_line).await;
    assert_eq!(
        (&line["line"]["line"], &line["skipped"]),
        (&json!("sung"), &json!(false))
    );
    // It is told while the packet that holds the place is heard.
    let (_, body) = node.get(&path).await;
    let position = body["state"]["position"].as_i64().unwrap();
    assert!(position >= 30_000, "{position}");
    until_silence(&mut listener, 5).await;
    let last = socket
        .until("the end, without another line", |message| {
            is_line(message) || message["type"] == "TrackEndEvent"
        })
        .await;
    assert_eq!(last["reason"], "finished", "{last}");
    assert_eq!(last["track"]["info"]["position"], 31_000);
    node.stop().await;
}
