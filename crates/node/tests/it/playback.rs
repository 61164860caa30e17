//! What is heard in a call.

use std::fs;

use backline_media::demux::Event;
use backline_media::demux::ogg::OggDemuxer;
use backline_media::demux::webm::WebmDemuxer;
use serde_json::json;

use crate::call::{self, SILENCE, player, sound, sounds, until_silence, voice_server};
use crate::client::{TestNode, assets};

/// Returns all packets of an Ogg Opus file.
pub fn ogg_packets(file: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(assets().join(file)).unwrap();
    let mut rest = &bytes[..];
    let mut demuxer = OggDemuxer::new();
    let mut packets = Vec::new();
    loop {
        match demuxer.next().unwrap() {
            Event::Packet(packet) => packets.push(packet.data.to_vec()),
            Event::Head(_) => {}
            Event::End => return packets,
            Event::NeedData => match demuxer.push(rest) {
                0 => demuxer.finish(),
                count => rest = &rest[count..],
            },
        }
    }
}

fn webm_packets(file: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(assets().join(file)).unwrap();
    let mut rest = &bytes[..];
    let mut demuxer = WebmDemuxer::new();
    let mut packets = Vec::new();
    loop {
        match demuxer.next().unwrap() {
            Event::Packet(packet) => packets.push(packet.data.to_vec()),
            Event::Head(_) => {}
            Event::End => return packets,
            Event::NeedData => match demuxer.push(rest) {
                0 => demuxer.finish(),
                count => rest = &rest[count..],
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opus_files_are_heard_bit_for_bit_and_end_with_five_frames_of_silence() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    for (guild, file, packets) in [
        (100, "signals/sweep.opus", ogg_packets("signals/sweep.opus")),
        (
            200,
            "signals/sweep.webm",
            webm_packets("signals/sweep.webm"),
        ),
    ] {
        let mut listener = call::play(&node, &session, &voice, guild, file).await;
        let heard = until_silence(&mut listener, 5).await;
        let expected = packets.iter().map(Vec::as_slice).chain([&SILENCE[..]; 5]);
        let sent: Vec<_> = heard.iter().map(|frame| frame.opus.as_ref()).collect();
        assert!(
            sent.iter().copied().eq(expected),
            "{file}: {} frames",
            sent.len()
        );
        for pair in heard.windows(2) {
            assert_eq!(pair[0].sequence.wrapping_add(1), pair[1].sequence, "{file}");
        }
        let started = socket.event().await;
        assert_eq!(started["type"], "TrackStartEvent");
        let ended = socket.event().await;
        assert_eq!(
            (&ended["type"], &ended["reason"]),
            (&"TrackEndEvent".into(), &"finished".into())
        );
        assert_eq!(ended["guildId"], guild.to_string());
        let stats = voice.stats(guild);
        assert_eq!(
            (stats.lost, stats.garbage, stats.plaintext, stats.replayed),
            (0, 0, 0, 0)
        );
        assert_eq!(
            (stats.off_grid, stats.before_speaking, stats.strangers),
            (0, 0, 0)
        );
    }
    let text = node.metrics.encode();
    assert!(text.contains("backline_node_frames_sent_total"), "{text}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_falls_silent_and_goes_on_where_it_was() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = ogg_packets("music/nocturne.opus");
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    let before = sounds(&mut listener, 25).await;
    let (status, body) = node
        .patch(&player(&session, 1), json!({"paused": true}))
        .await;
    assert_eq!((status.as_u16(), &body["paused"]), (200, &true.into()));
    let mut heard: Vec<_> = before.into_iter().map(|frame| frame.opus).collect();
    let rest = until_silence(&mut listener, 5).await;
    heard.extend(
        rest.iter()
            .map(|frame| frame.opus.clone())
            .filter(|opus| opus.as_ref() != SILENCE),
    );
    let (_, body) = node.get(&player(&session, 1)).await;
    let paused_at = body["state"]["position"].as_i64().unwrap();
    node.patch(&player(&session, 1), json!({"paused": false}))
        .await;
    heard.push(sound(&mut listener).await.opus);
    for (at, opus) in heard.iter().enumerate() {
        assert_eq!(opus.as_ref(), packets[at], "frame {at} of {}", heard.len());
    }
    let expected = 20 * (heard.len() as i64 - 2);
    assert!(
        (paused_at - expected).abs() <= 40,
        "{paused_at} is not about {expected}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seek_goes_to_the_frame_that_was_asked_for() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    for (guild, file, packets) in [
        (
            10,
            "music/nocturne.opus",
            ogg_packets("music/nocturne.opus"),
        ),
        (20, "music/rain.webm", webm_packets("music/rain.webm")),
    ] {
        let mut listener = call::play(&node, &session, &voice, guild, file).await;
        let first = sound(&mut listener).await;
        assert_eq!(first.opus, packets[0]);
        for seconds in [30, 5, 0] {
            let (position, name) = (seconds * 1_000, guild.to_string());
            let (_, body) = node
                .patch(&player(&session, guild), json!({"position": position}))
                .await;
            assert_eq!(body["state"]["position"], position, "told at once: {body}");
            socket
                .until("update", |message| {
                    message["op"] == "playerUpdate"
                        && message["guildId"] == name
                        && message["state"]["position"] == position
                })
                .await;
            // What was buffered may be heard first; then the frame around the position. Packets
            // of the files are unique, so one is enough to know the place.
            let around = packets[(seconds * 50) as usize..][..3].to_vec();
            let mut listened = 0;
            loop {
                let frame = sound(&mut listener).await;
                if around.iter().any(|packet| frame.opus == *packet) {
                    break;
                }
                listened += 1;
                assert!(listened < 400, "{file} never came to {seconds} s");
            }
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_keeps_the_old_sound_until_the_new_one_is_there() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 5, "music/nocturne.opus").await;
    sounds(&mut listener, 10).await;
    let rain = node.encoded("music/rain.webm").await;
    let (_, body) = node
        .patch(
            &player(&session, 5),
            json!({"track": {"encoded": rain, "userData": {"a": 1}}}),
        )
        .await;
    assert_eq!(body["track"]["userData"], json!({"a": 1}));
    let packets = webm_packets("music/rain.webm");
    let mut silent = 0;
    loop {
        let frame = listener.next().await.unwrap();
        if frame.opus == packets[0] {
            break;
        }
        silent += usize::from(frame.opus.as_ref() == SILENCE);
    }
    assert_eq!(silent, 0, "no gap between the two");
    let kinds: Vec<_> = [
        socket.event().await,
        socket.event().await,
        socket.event().await,
    ]
    .iter()
    .map(|event| format!("{} {}", event["type"].as_str().unwrap(), event["reason"]))
    .collect();
    assert_eq!(
        kinds,
        [
            "TrackStartEvent null",
            "TrackEndEvent \"replaced\"",
            "TrackStartEvent null"
        ]
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn end_time_and_stop_end_a_track_each_with_its_reason() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let mut listener = call::play(&node, &session, &voice, 5, "music/nocturne.opus").await;
    sound(&mut listener).await;
    node.patch(&player(&session, 5), json!({"endTime": 1_000}))
        .await;
    let heard = until_silence(&mut listener, 5).await;
    assert!(
        (40..=51).contains(&(heard.len() - 5)),
        "{} frames",
        heard.len()
    );
    socket.event().await;
    let ended = socket.event().await;
    assert_eq!(ended["reason"], "finished");
    let position = ended["track"]["info"]["position"].as_i64().unwrap();
    assert!((1_000..1_020).contains(&position), "{position}");

    let encoded = node.encoded("music/nocturne.opus").await;
    node.patch(&player(&session, 5), json!({"track": {"encoded": encoded}}))
        .await;
    sound(&mut listener).await;
    let (_, body) = node
        .patch(&player(&session, 5), json!({"track": {"encoded": null}}))
        .await;
    assert_eq!(body["track"], json!(null));
    until_silence(&mut listener, 5).await;
    socket.event().await;
    let ended = socket.event().await;
    assert_eq!(ended["reason"], "stopped");
    assert_eq!(
        ended["track"]["info"]["title"], "Nocturne in E flat",
        "the whole track is told"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_players_sound_at_once_and_none_hears_another() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = ogg_packets("signals/sweep.opus");
    let encoded = node.encoded("signals/sweep.opus").await;
    let mut listeners = Vec::new();
    for guild in 1_000..1_100 {
        let listener = voice.listen(guild);
        let body = json!({"voice": call::invite(&voice, guild), "paused": true});
        let (status, body) = node.patch(&player(&session, guild), body).await;
        assert_eq!(status, 200, "{body}");
        listeners.push((guild, listener));
    }
    for (guild, _) in &listeners {
        // Each begins elsewhere, so that a frame shows whose it is.
        let body = json!({"track": {"encoded": encoded}, "position": (guild - 1_000) * 10});
        node.patch(&player(&session, *guild), body).await;
    }
    for (guild, mut listener) in listeners {
        let heard = until_silence(&mut listener, 5).await;
        let first = packets
            .iter()
            .position(|packet| heard[0].opus == *packet)
            .unwrap();
        let wanted = (guild - 1_000) as usize * 10 / 20;
        assert!(
            first.abs_diff(wanted) <= 1,
            "{guild}: {first} is not {wanted}"
        );
        for (at, frame) in heard[..heard.len() - 5].iter().enumerate() {
            assert_eq!(frame.opus, packets[first + at], "{guild}, frame {at}");
        }
    }
    let stats = voice.total_stats();
    assert_eq!((stats.lost, stats.garbage, stats.off_grid), (0, 0, 0));
    node.stop().await;
}
