//! What follows by itself, what overlaps, what fades, and what is heard over a track.

use reqwest::Method;
use serde_json::{Value, json};

use crate::call::{self, SILENCE, invite, player, sounds, until_silence, voice_server};
use crate::client::{TestNode, TestSocket, answer};
use crate::playback::ogg_packets;
use crate::tones::{self, RATE, decode, level, levels, sine, tone};

/// Returns the next events of a guild in short words.
async fn events(socket: &mut TestSocket, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        let event = socket.event().await;
        let word = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let parts = [word("/type"), word("/reason"), word("/track/info/title")];
        words.push(parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    words
}

async fn load(node: &TestNode, file: &str) -> String {
    node.encoded(file).await
}

#[tokio::test(flavor = "multi_thread")]
async fn opus_tracks_follow_without_a_packet_between_them() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let path = player(&session, 1);
    let sweep = load(&node, "signals/sweep.opus").await;
    let next = json!({"encoded": sweep, "userData": {"n": 2}});
    let mut listener = voice.listen(1);
    let (status, body) = node
        .patch(
            &path,
            json!({
                "voice": invite(&voice, 1),
                "track": {"encoded": sweep, "userData": {"n": 1}},
                "nextTrack": next,
            }),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["nextTrack"]["userData"], json!({"n": 2}));
    let heard = until_silence(&mut listener, 5).await;
    let packets = ogg_packets("signals/sweep.opus");
    let silent = heard.iter().filter(|frame| frame.opus.as_ref() == SILENCE);
    assert_eq!(silent.count(), 5, "only at the end");
    let frames = heard.len() - 5;
    assert!(
        frames.abs_diff(2 * packets.len()) <= 1,
        "{frames} of 2 × {}",
        packets.len()
    );
    assert_eq!(heard[0].opus, packets[0]);
    let own = heard[..frames]
        .iter()
        .filter(|frame| packets.contains(&frame.opus.to_vec()));
    let own = own.count();
    assert!(own + 60 > frames, "{own} of {frames} pass untouched");
    let events = events(&mut socket, 4).await;
    assert_eq!(
        events,
        [
            "TrackStartEvent sweep",
            "TrackEndEvent finished sweep",
            "TrackStartEvent sweep",
            "TrackEndEvent finished sweep"
        ]
        .map(|word| word.replace("sweep", title(&body))),
    );
    let (_, body) = node.get(&path).await;
    assert!(body.get("nextTrack").is_none(), "it is used up: {body}");
    node.stop().await;
}

fn title(body: &Value) -> &str {
    body["track"]["info"]["title"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decoded_tracks_follow_to_the_sample() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    // One sound in two files, cut where no packet ends.
    let cut = 50_123;
    let whole = sine(300.0, 0.4);
    tones::write(
        &folder.path().join("a.wav"),
        cut as f64 / RATE as f64,
        &whole,
    );
    tones::write(&folder.path().join("b.wav"), 1.0, |at| whole(at + cut));
    let next = load(&node, "b.wav").await;
    let mut listener = call::play(&node, &session, &voice, 1, "a.wav").await;
    let path = player(&session, 1);
    node.patch(&path, json!({"nextTrack": {"encoded": next}}))
        .await;
    let heard = until_silence(&mut listener, 5).await;
    let length = (cut + RATE) as f64 / 960.0;
    let frames = heard.len() - 5;
    assert!((frames as f64 - length).abs() < 2.0, "{frames} of {length}");
    let [left, _] = decode(&heard);
    // A jump in the phase would show as a loss of the tone around the cut, a gap as a dip.
    let around = &left[cut - 4_800..cut + 4_800];
    let found = tone(around, 300.0);
    assert!(found > 0.38, "{found} of 0.4 is heard around the cut");
    assert!(levels(around, 10).iter().all(|level| *level > 0.25));
    assert_eq!(
        events(&mut socket, 4).await,
        [
            "TrackStartEvent a",
            "TrackEndEvent finished a",
            "TrackStartEvent b",
            "TrackEndEvent finished b"
        ]
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crossfade_lets_both_be_heard_and_shortens_the_whole() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("a.wav"), 2.0, sine(440.0, 0.4));
    tones::write(&folder.path().join("b.wav"), 2.0, sine(1_000.0, 0.4));
    let path = player(&session, 1);
    let (_, body) = node
        .patch(
            &path,
            json!({"crossfade": {"enabled": true, "duration": 1_000}}),
        )
        .await;
    assert_eq!(
        body["crossfade"],
        json!({"enabled": true, "duration": 1_000})
    );
    let next = load(&node, "b.wav").await;
    let mut listener = call::play(&node, &session, &voice, 1, "a.wav").await;
    node.patch(&path, json!({"nextTrack": {"encoded": next}}))
        .await;
    let heard = until_silence(&mut listener, 5).await;
    let frames = heard.len() - 5;
    assert!((145..=155).contains(&frames), "{frames} frames are 3 s");
    let [left, _] = decode(&heard);
    let at = |seconds: f64, hertz: f64| {
        let from = (seconds * RATE as f64) as usize;
        tone(&left[from..from + RATE / 5], hertz)
    };
    assert!(at(0.5, 440.0) > 0.3 && at(0.5, 1_000.0) < 0.05);
    assert!(at(1.4, 440.0) > 0.1 && at(1.4, 1_000.0) > 0.1, "both");
    assert!(at(2.4, 440.0) < 0.05 && at(2.4, 1_000.0) > 0.3);
    let words = events(&mut socket, 3).await;
    assert_eq!(words[1], "TrackEndEvent finished a");
    assert_eq!(words[2], "TrackStartEvent b");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_is_three_state_and_checked() {
    let (node, folder) = tones::node().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("a.wav"), 2.0, sine(440.0, 0.4));
    tones::write(&folder.path().join("b.wav"), 2.0, sine(440.0, 0.4));
    let path = player(&session, 1);
    let encoded = load(&node, "a.wav").await;
    for (body, message) in [
        (
            json!({"nextTrack": {"encoded": encoded, "identifier": "x"}}),
            "Cannot specify both encodedTrack and identifier",
        ),
        (
            json!({"nextTrack": {"identifier": "nothing at all"}}),
            "No matches found for identifier",
        ),
        (json!({"nextTrack": 5}), "Bad body"),
        (
            json!({"crossfade": {"duration": 13_000}}),
            "crossfade.duration must be 0 to 12000, not 13000",
        ),
        (
            json!({"fading": {"pause": {"duration": 10_001}}}),
            "fading.pause.duration must be 0 to 10000, not 10001",
        ),
        (
            json!({"loudnessNormalizer": {"target": 0}}),
            "loudnessNormalizer.target must be -40.0 to -5.0 LUFS, not 0",
        ),
    ] {
        let (status, answer) = node.patch(&path, body.clone()).await;
        assert_eq!(status, 400, "{body}");
        let told = answer["message"].as_str().unwrap();
        assert!(told.contains(message), "{body}: {told}");
    }
    assert_eq!(node.get(&path).await.0, 404, "nothing came of it");

    let (_, body) = node
        .patch(
            &path,
            json!({"track": {"identifier": "a.wav"}, "nextTrack": {"identifier": "b.wav"},
                   "fading": {"pause": {"duration": 200}}, "loudnessNormalizer": true}),
        )
        .await;
    assert_eq!(body["nextTrack"]["info"]["title"], "b");
    assert_eq!(
        body["fading"],
        json!({"enabled": true, "pause": {"duration": 200}})
    );
    assert_eq!(body["loudnessNormalizer"], true);
    let (_, body) = node.patch(&path, json!({"volume": 90})).await;
    assert_eq!(body["nextTrack"]["info"]["title"], "b", "absent leaves it");
    let (_, body) = node
        .patch(&path, json!({"nextTrack": {"userData": {"a": 1}}}))
        .await;
    assert_eq!(body["nextTrack"]["userData"], json!({"a": 1}));
    for clear in [json!(null), json!({"encoded": null})] {
        node.patch(&path, json!({"nextTrack": {"identifier": "b.wav"}}))
            .await;
        let (_, body) = node.patch(&path, json!({"nextTrack": clear})).await;
        assert!(body.get("nextTrack").is_none());
    }
    for replacing in [
        json!({"track": {"identifier": "b.wav"}}),
        json!({"track": {"encoded": null}}),
    ] {
        node.patch(
            &path,
            json!({"track": {"identifier": "a.wav"}, "nextTrack": {"identifier": "b.wav"}}),
        )
        .await;
        let (_, body) = node.patch(&path, replacing).await;
        assert!(body.get("nextTrack").is_none(), "cleared: {body}");
    }
    let (_, body) = node
        .patch(&path, json!({"nextTrack": {"identifier": "b.wav"}}))
        .await;
    assert_eq!(title(&body), "b", "with nothing before it, it starts");
    let (_, body) = node
        .patch(
            &path,
            json!({"crossfade": null, "fading": null, "loudnessNormalizer": null}),
        )
        .await;
    for key in ["crossfade", "fading", "loudnessNormalizer", "nextTrack"] {
        assert!(body.get(key).is_none(), "{key}");
    }
    socket
        .until("start of b", |message| {
            message["type"] == "TrackStartEvent" && message["track"]["info"]["title"] == "b"
        })
        .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_fails_when_its_time_has_come() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("a.wav"), 0.6, sine(440.0, 0.4));
    tones::write(&folder.path().join("gone.wav"), 0.6, sine(440.0, 0.4));
    let gone = load(&node, "gone.wav").await;
    std::fs::remove_file(folder.path().join("gone.wav")).unwrap();
    let mut listener = call::play(&node, &session, &voice, 1, "a.wav").await;
    let path = player(&session, 1);
    node.patch(&path, json!({"nextTrack": {"encoded": gone}}))
        .await;
    until_silence(&mut listener, 5).await;
    assert_eq!(
        events(&mut socket, 5).await,
        [
            "TrackStartEvent a",
            "TrackEndEvent finished a",
            "TrackStartEvent gone",
            "TrackExceptionEvent gone",
            "TrackEndEvent loadFailed gone"
        ]
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_time_and_a_seek_lead_into_what_follows() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("a.wav"), 20.0, sine(440.0, 0.4));
    tones::write(&folder.path().join("b.wav"), 0.5, sine(1_000.0, 0.4));
    let path = player(&session, 1);
    let mut listener = call::play(&node, &session, &voice, 1, "a.wav").await;
    node.patch(&path, json!({"nextTrack": {"identifier": "b.wav"}}))
        .await;
    sounds(&mut listener, 10).await;
    // Sought while what follows is queued already, then ended early.
    node.patch(&path, json!({"position": 10_000})).await;
    node.patch(&path, json!({"endTime": 10_600})).await;
    let heard = until_silence(&mut listener, 5).await;
    let frames = heard.len() - 5;
    assert!((53..=85).contains(&frames), "{frames} frames");
    let [left, _] = decode(&heard);
    let tail = &left[left.len() - RATE * 4 / 10..];
    assert!(tone(tail, 1_000.0) > 0.3, "b is heard");
    let words = events(&mut socket, 4).await;
    assert_eq!(
        words[1..3],
        ["TrackEndEvent finished a", "TrackStartEvent b"]
    );
    assert_eq!(words[3], "TrackEndEvent finished b");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_stopping_and_starting_fade() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    tones::write(&folder.path().join("a.wav"), 20.0, sine(440.0, 0.4));
    let path = player(&session, 1);
    let fade = json!({"duration": 400});
    node.patch(
        &path,
        json!({"fading": {"trackStart": fade, "trackStop": fade, "pause": fade, "resume": fade}}),
    )
    .await;
    let mut listener = call::play(&node, &session, &voice, 1, "a.wav").await;
    let heard = sounds(&mut listener, 40).await;
    let [left, _] = decode(&heard);
    let start = levels(&left, 40);
    assert!(start[1] < 0.08, "soft at first: {start:?}");
    assert!(start[4] > start[1] + 0.05, "{start:?}");
    assert!(start[start.len() - 1] > 0.25, "{start:?}");

    let (_, body) = node.patch(&path, json!({"paused": true})).await;
    assert_eq!(body["paused"], true, "at once, as clients see it");
    let heard = until_silence(&mut listener, 5).await;
    let [left, _] = decode(&heard);
    let end = levels(&left, 40);
    assert!(end.len() >= 8, "the fade is heard: {end:?}");
    assert!(end[end.len() - 1] < 0.03, "down to silence: {end:?}");
    let falling = end.windows(2).filter(|pair| pair[1] < pair[0] - 0.005);
    assert!(falling.count() >= 5, "{end:?}");

    node.patch(&path, json!({"paused": false})).await;
    let heard = sounds(&mut listener, 35).await;
    let [left, _] = decode(&heard);
    let up = levels(&left, 40);
    assert!(up[0] < 0.1, "{up:?}");
    assert!(up[up.len() - 1] > 0.25, "{up:?}");

    node.patch(&path, json!({"track": {"encoded": null}})).await;
    let heard = until_silence(&mut listener, 5).await;
    let [left, _] = decode(&heard);
    let end = levels(&left, 40);
    assert!(end.len() >= 8 && end[end.len() - 1] < 0.05, "{end:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_heard_over_the_track_which_makes_room() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    tones::write(&folder.path().join("music.wav"), 4.0, sine(440.0, 0.4));
    tones::write(&folder.path().join("speech.wav"), 1.0, sine(1_000.0, 0.3));
    let path = format!("{}/mix", player(&session, 1));
    let post = |body: Value| answer(node.request(Method::POST, &path).json(&body));
    let (status, _) = post(json!({"track": {"identifier": "speech.wav"}})).await;
    assert_eq!(status, 404, "there is no player");
    let mut listener = call::play(&node, &session, &voice, 1, "music.wav").await;
    sounds(&mut listener, 20).await;
    for (body, message) in [
        (json!({"track": {}}), "No track to mix provided"),
        (
            json!({"track": {"identifier": "speech.wav"}, "volume": 2}),
            "volume must be 0.0 to 1.0, not 2",
        ),
    ] {
        let (status, answer) = post(body).await;
        assert_eq!(
            (status.as_u16(), &answer["message"]),
            (400, &json!(message))
        );
    }
    let (status, mix) = post(json!({
        "track": {"identifier": "speech.wav"},
        "ducking": {"targetVolume": 0.25, "duration": 100},
    }))
    .await;
    assert_eq!(status, 201, "{mix}");
    let (_, list) = node.get(&path).await;
    assert_eq!(list["mixes"][0]["id"], mix["id"]);
    let heard = until_silence(&mut listener, 5).await;
    let [left, _] = decode(&heard);
    let stretches: Vec<_> = left
        .chunks_exact(RATE / 10)
        .map(|part| (tone(part, 440.0), tone(part, 1_000.0)))
        .collect();
    let both = stretches
        .iter()
        .filter(|(music, speech)| *speech > 0.2 && *music < 0.2 && *music > 0.04);
    let both = both.count();
    assert!((6..=11).contains(&both), "{both} tenths: {stretches:?}");
    let (music, speech) = stretches[stretches.len() - 3];
    assert!(music > 0.3 && speech < 0.05, "the music comes back");
    let frames = heard.len() - 5;
    assert!(
        (160..=186).contains(&frames),
        "the track is as long: {frames}"
    );
    let started = socket.event().await;
    assert_eq!(started["type"], "TrackStartEvent");
    let started = socket.event().await;
    assert_eq!(started["type"], "MixStartedEvent");
    assert_eq!(started["mixId"], mix["id"]);
    assert_eq!(started["guildId"], "1");
    let ended = socket
        .until("end of the mix", |message| {
            message["type"] == "MixEndedEvent"
        })
        .await;
    assert_eq!(ended["reason"], "finished");
    let gone = format!("{path}/{}", mix["id"].as_str().unwrap());
    assert_eq!(node.delete(&gone).await.0, 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_and_loud_tracks_become_equally_loud() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let mut heard = Vec::new();
    for (guild, (file, volume)) in (1..).zip([("soft.wav", 0.06), ("loud.wav", 0.6)]) {
        tones::write(&folder.path().join(file), 6.0, sine(1_000.0, volume));
        node.patch(
            &player(&session, guild),
            json!({"loudnessNormalizer": {"target": -20.0}}),
        )
        .await;
        heard.push(call::play(&node, &session, &voice, guild, file).await);
    }
    let mut ends = Vec::new();
    for mut listener in heard {
        let frames = until_silence(&mut listener, 5).await;
        let [left, _] = decode(&frames);
        ends.push(level(&left[left.len() - RATE..]));
    }
    let apart = 20.0 * (ends[0] / ends[1]).log10();
    assert!(apart.abs() < 2.0, "{apart:.1} dB apart, of 20: {ends:?}");
    node.stop().await;
}
