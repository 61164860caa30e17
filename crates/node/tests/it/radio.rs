//! Radio: live streams that never end, and many players that hear the same one.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use backline_media::demux::OpusHead;
use backline_media::mux::ogg::OggMuxer;
use serde_json::json;

use crate::call::{self, SILENCE, invite, player, sound, sounds, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::playback::ogg_packets;
use crate::station::{Programme, Station};
use crate::web::{Serve, Web};

async fn open_node() -> TestNode {
    let mut config = test_config();
    config.http.allow_private_networks = true;
    TestNode::start_with(config).await
}

/// Twenty seconds of packets that differ from one another.
fn packets() -> Vec<Vec<u8>> {
    let mut packets = ogg_packets("music/nocturne.opus");
    packets.truncate(2_000);
    packets
}

/// One packet a page, in links of a chain of `link` packets each.
fn ogg(packets: &[Vec<u8>], link: usize) -> Programme {
    let head = OpusHead {
        channels: 2,
        pre_skip: 312,
        input_rate: 48_000,
        gain_q8: 0,
    };
    let (mut pieces, mut first_head) = (Vec::new(), None);
    for (serial, link) in (7..).zip(packets.chunks(link)) {
        let mut head_pages = Vec::new();
        let mut muxer = OggMuxer::new(serial, head, &[], 1, &mut head_pages);
        let mut piece = if first_head.is_none() {
            first_head = Some(head_pages);
            Vec::new()
        } else {
            head_pages
        };
        for packet in link {
            muxer.packet(packet, &mut piece);
            pieces.push(std::mem::take(&mut piece));
        }
        muxer.finish(&mut piece);
        pieces.last_mut().unwrap().append(&mut piece);
    }
    Programme {
        content_type: "application/ogg",
        head: first_head.unwrap_or_default(),
        pieces,
        pace: Duration::from_millis(20),
        burst: 50,
        interval: Some(1_000),
        cut_after: None,
    }
}

fn mp3() -> Programme {
    let bytes = fs::read(assets().join("signals/sweep.mp3")).unwrap();
    // Without the frame in front that says how long the file is: a station has no length.
    let bytes = &bytes[2_000..];
    // Almost 2 s of sound, again and again.
    let pieces = bytes.chunks(bytes.len() / 40);
    let pieces: Vec<_> = pieces.map(<[u8]>::to_vec).collect();
    let pieces = pieces.iter().cycle().take(800).cloned().collect();
    Programme {
        content_type: "audio/mpeg",
        head: Vec::new(),
        pieces,
        pace: Duration::from_millis(50),
        burst: 40,
        interval: Some(8_000),
        cut_after: None,
    }
}

/// Where in `packets` a stretch of what was heard is.
fn place(packets: &[Vec<u8>], heard: &[u8]) -> usize {
    let at = packets.iter().position(|packet| packet == heard);
    at.expect("it is one of the station's own packets")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..900 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_is_told_by_its_name_and_what_plays() {
    let node = open_node().await;
    let station = Station::start(mp3()).await;
    let body = node.load(&station.url()).await;
    assert_eq!(body["loadType"], "track", "{body}");
    let info = &body["data"]["info"];
    assert_eq!(info["title"], "Somebody - Something", "{body}");
    assert_eq!(info["author"], "Test Radio", "{body}");
    assert_eq!(
        (&info["isStream"], &info["isSeekable"], &info["length"]),
        (&true.into(), &false.into(), &i64::MAX.into()),
        "{body}"
    );
    until("a look is not a listener", || station.listeners() == 0).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_comes_without_titles_over_every_link_of_a_chain() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = packets();
    let station = Station::start(Programme {
        // Everything at once, for whoever comes late: it is about bytes here.
        burst: 1_000,
        ..ogg(&packets, 75)
    })
    .await;
    let mut listener = call::play(&node, &session, &voice, 1, &station.url()).await;
    let heard = sounds(&mut listener, 300).await;
    let first = place(&packets, &heard[0].opus);
    for (at, frame) in heard.iter().enumerate() {
        assert!(
            frame.opus.as_ref() == packets[first + at],
            "packet {at} after {first} is another"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_players_share_one_fetch_and_the_last_one_ends_it() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = packets();
    let station = Station::start(ogg(&packets, 5_000)).await;
    let encoded = node.encoded(&station.url()).await;
    until("a look is not a listener", || station.listeners() == 0).await;
    let before = station.connections();
    let mut listeners = Vec::new();
    for guild in 1..=12 {
        listeners.push(voice.listen(guild));
        let mut body = json!({"voice": invite(&voice, guild), "track": {"encoded": encoded}});
        if guild == 12 {
            body["volume"] = json!(50);
        }
        node.patch(&player(&session, guild), body).await;
    }
    for (guild, listener) in (1..).zip(&mut listeners) {
        let heard = sounds(listener, 100).await;
        if guild == 12 {
            let own = packets.iter().any(|packet| *packet == heard[50].opus);
            assert!(!own, "half as loud is made anew");
            continue;
        }
        let first = place(&packets, &heard[0].opus);
        for (at, frame) in heard.iter().enumerate() {
            let is_same = frame.opus.as_ref() == packets[first + at];
            assert!(is_same, "guild {guild}: packet {at} after {first}");
        }
    }
    assert_eq!(station.connections() - before, 1, "one fetch for all");
    assert_eq!(node.metrics.node.shared_streams.get(), 1);
    for guild in 1..=11 {
        node.delete(&player(&session, guild)).await;
    }
    let heard = sounds(&mut listeners[11], 25).await;
    assert!(heard.len() == 25 && station.listeners() == 1);
    node.delete(&player(&session, 12)).await;
    until("the last one ends it", || station.listeners() == 0).await;
    until("it is forgotten", || {
        node.metrics.node.shared_streams.get() == 0
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plays_is_told_when_it_changes() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let station = Station::start(mp3()).await;
    let mut listener = call::play(&node, &session, &voice, 1, &station.url()).await;
    let _started = sounds(&mut listener, 10).await;
    let mut title = async || {
        let is_title = |message: &serde_json::Value| message["type"] == "StreamTitleEvent";
        let event = socket.until("a title", is_title).await;
        assert_eq!(
            (&event["op"], &event["guildId"]),
            (&"event".into(), &"1".into())
        );
        event["title"].clone()
    };
    assert_eq!(title().await, "Somebody - Something");
    "Somebody Else - Don't".clone_into(&mut station.title.lock().unwrap());
    assert_eq!(title().await, "Somebody Else - Don't");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_is_cut_off_is_heard_on() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (mut socket, session) = node.connect().await;
    let station = Station::start(Programme {
        cut_after: Some(80),
        ..mp3()
    })
    .await;
    let mut listener = call::play(&node, &session, &voice, 1, &station.url()).await;
    let _heard = sounds(&mut listener, 400).await;
    assert!(
        station.connections() > 3,
        "one look, and more than two cuts"
    );
    let started = socket.event().await;
    assert_eq!(started["type"], "TrackStartEvent");
    let (_, body) = node.get(&player(&session, 1)).await;
    assert!(!body["track"].is_null(), "it plays on: {body}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pause_what_is_heard_is_what_is_on_the_air() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = packets();
    let station = Station::start(ogg(&packets, 5_000)).await;
    let mut listener = call::play(&node, &session, &voice, 1, &station.url()).await;
    let heard = sounds(&mut listener, 50).await;
    let before = place(&packets, &heard[49].opus);
    node.patch(&player(&session, 1), json!({"paused": true}))
        .await;
    let paused = tokio::time::Instant::now();
    // Longer than any ring or window would bridge.
    tokio::time::sleep_until(paused + Duration::from_secs(8)).await;
    node.patch(&player(&session, 1), json!({"paused": false}))
        .await;
    // What was in the ring comes first; then the present.
    let mut last = before;
    let mut leap = 0;
    for _ in 0..200 {
        let now = place(&packets, &sound(&mut listener).await.opus);
        leap = leap.max(now.saturating_sub(last));
        last = now;
    }
    assert!(leap > 100, "no leap, {leap} packets at most");
    assert!(node.metrics.node.live_skipped.get() > 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_lead_to_their_first_link_or_are_playlists() {
    let node = open_node().await;
    let station = Station::start(mp3()).await;
    let leak = |text: String| -> &'static str { text.leak() };
    let url = station.url();
    let dead = "http://127.0.0.1:1/";
    let m3u = leak(format!("#EXTM3U\n#EXTINF:-1,My Station\n{url}\n"));
    let pls = leak(format!("[playlist]\nFile1={dead}\nFile2={url}\nTitle2=x\n"));
    let plain = leak(format!("{url}\n"));
    let album = "#EXTM3U\n#EXTINF:10,One\none.mp3\n#EXTINF:20,Two\n/songs/two.flac\n";
    let xspf = "<?xml version=\"1.0\"?><playlist><trackList>\
                <track><location>a.mp3</location><title>A &amp; B</title><creator>C</creator>\
                <duration>1500</duration></track>\
                <track><location>http://other.example/b.ogg</location></track>\
                </trackList></playlist>";
    let web = Web::start(vec![
        ("/a.m3u", Serve::Text("audio/x-mpegurl", m3u)),
        ("/b.pls", Serve::Text("audio/x-scpls", pls)),
        ("/c.txt", Serve::Text("text/plain", plain)),
        ("/lists/d.m3u", Serve::Text("audio/x-mpegurl", album)),
        ("/e.xspf", Serve::Text("application/xspf+xml", xspf)),
        (
            "/f.m3u",
            Serve::Text("audio/x-mpegurl", "#EXTM3U\n# nothing\n"),
        ),
        ("/g.m3u", Serve::Text("audio/x-mpegurl", "#EXTM3U\ng.m3u\n")),
        (
            "/h.m3u",
            Serve::Text("audio/x-mpegurl", "#EXTM3U\n/sweep.opus\n"),
        ),
        (
            "/sweep.opus",
            Serve::File(Arc::new(
                fs::read(assets().join("signals/sweep.opus")).unwrap(),
            )),
        ),
    ])
    .await;
    for path in ["/a.m3u", "/b.pls", "/c.txt"] {
        let body = node.load(&web.url(path)).await;
        assert_eq!(body["loadType"], "track", "{path}: {body}");
        assert_eq!(body["data"]["info"]["identifier"], url, "{path}");
        assert_eq!(body["data"]["info"]["author"], "Test Radio", "{path}");
    }
    let body = node.load(&web.url("/h.m3u")).await;
    assert_eq!(body["data"]["info"]["identifier"], web.url("/sweep.opus"));
    let body = node.load(&web.url("/lists/d.m3u")).await;
    assert_eq!(body["loadType"], "playlist", "{body}");
    let tracks = body["data"]["tracks"].as_array().unwrap();
    assert_eq!(tracks[0]["info"]["uri"], web.url("/lists/one.mp3"));
    assert_eq!(tracks[1]["info"]["uri"], web.url("/songs/two.flac"));
    assert_eq!(tracks[1]["info"]["length"], 20_000);
    let body = node.load(&web.url("/e.xspf")).await;
    assert_eq!(body["loadType"], "playlist", "{body}");
    assert_eq!(body["data"]["info"]["name"], "e.xspf");
    let info = &body["data"]["tracks"][0]["info"];
    assert_eq!(
        (&info["title"], &info["author"]),
        (&"A & B".into(), &"C".into())
    );
    for path in ["/f.m3u", "/g.m3u"] {
        let body = node.load(&web.url(path)).await;
        assert_eq!(body["loadType"], "error", "{path}: {body}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_sent_when_a_station_has_nothing_and_nobody_else_is_disturbed() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let packets = packets();
    let mut short = ogg(&packets, 5_000);
    short.pieces.truncate(200);
    let station = Station::start(short).await;
    let mut listener = call::play(&node, &session, &voice, 1, &station.url()).await;
    let mut other = call::play(&node, &session, &voice, 2, "music/nocturne.opus").await;
    let heard = async {
        loop {
            let frame = listener.next().await.expect("the voice servers run");
            if frame.opus.as_ref() == SILENCE {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard)
        .await
        .expect("the station falls silent");
    let _still = sounds(&mut other, 50).await;
    node.stop().await;
}
