//! HLS: streams in segments of every kind, with an end and without.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::cipher::{AES_128, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use serde_json::json;

use crate::call::{self, SILENCE, invite, player, sounds, until_silence, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::signal::{check_by, decode, likeness, reference};
use crate::web::{Serve, Web};

const KIND: &str = "application/vnd.apple.mpegurl";

async fn open_node() -> TestNode {
    let mut config = test_config();
    config.http.allow_private_networks = true;
    TestNode::start_with(config).await
}

fn piece(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hls/");
    fs::read(format!("{folder}{name}")).unwrap()
}

fn file(name: &str) -> Serve {
    Serve::File(Arc::new(piece(name)))
}

/// A list of three segments with an end.
fn list(before: &str, names: [&str; 3]) -> String {
    let durations = ["0.719822", "0.696600", "0.606867"];
    let entries = names.iter().zip(durations);
    let entries: Vec<_> = entries
        .map(|(name, duration)| format!("#EXTINF:{duration},\n{name}\n"))
        .collect();
    format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n{before}{}#EXT-X-ENDLIST\n",
        entries.concat()
    )
}

fn text(text: impl Into<String>) -> Serve {
    Serve::Text(KIND, text.into().leak())
}

fn encrypt(key: &[u8; 16], iv: [u8; 16], mut bytes: Vec<u8>) -> Serve {
    let key = UnboundCipherKey::new(&AES_128, key).unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let iv = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut bytes, iv).unwrap();
    Serve::File(Arc::new(bytes))
}

/// Cuts an MP3 file into three, each piece behind a tag as Apple's packager writes it.
fn tagged_mp3(part: usize) -> Serve {
    let bytes = fs::read(assets().join("signals/sweep.mp3")).unwrap();
    let third = bytes.len() / 3;
    let end = if part == 2 {
        bytes.len()
    } else {
        (part + 1) * third
    };
    let mut tagged = b"ID3\x04\0\0\0\0\0\x3FPRIV\0\0\0\x35\0\0".to_vec();
    tagged.resize(10 + 0x3F, b'x');
    tagged.extend_from_slice(&bytes[part * third..end]);
    Serve::File(Arc::new(tagged))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_segment_is_heard_as_the_signal_it_holds() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let ts = ["ts0.ts", "ts1.ts", "ts2.ts"];
    let whole: Vec<u8> = ts.iter().flat_map(|name| piece(name)).collect();
    let lengths = ts.map(|name| piece(name).len());
    let ranges = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.72,\n#EXT-X-BYTERANGE:{}@0\nwhole.ts\n\
         #EXTINF:0.70,\n#EXT-X-BYTERANGE:{}\nwhole.ts\n#EXTINF:0.61,\n#EXT-X-BYTERANGE:{}\nwhole.ts\n\
         #EXT-X-ENDLIST\n",
        lengths[0], lengths[1], lengths[2]
    );
    let (key, iv) = ([7; 16], 0x1F_u128.to_be_bytes());
    let secret = "#EXT-X-KEY:METHOD=AES-128,URI=\"key\",IV=0x1F\n";
    let numbered = "#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n";
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS=\"avc1.4d401e,mp4a.40.2\"\n\
                  nowhere.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=96000,CODECS=\"mp4a.40.2\"\nts.m3u8\n";
    let web = Web::start(vec![
        ("/v/master.m3u8", text(master)),
        ("/v/ts.m3u8", text(list("", ts))),
        ("/v/ts0.ts", file("ts0.ts")),
        ("/v/ts1.ts", file("ts1.ts")),
        ("/v/ts2.ts", file("ts2.ts")),
        (
            "/v/mp4.m3u8",
            text(list(
                "#EXT-X-MAP:URI=\"init.mp4\"\n",
                ["part0.m4s", "part1.m4s", "part2.m4s"],
            )),
        ),
        ("/v/init.mp4", file("init.mp4")),
        ("/v/part0.m4s", file("part0.m4s")),
        ("/v/part1.m4s", file("part1.m4s")),
        ("/v/part2.m4s", file("part2.m4s")),
        ("/v/range.m3u8", text(ranges)),
        ("/v/whole.ts", Serve::File(Arc::new(whole))),
        ("/v/secret.m3u8", text(list(secret, ["s0", "s1", "s2"]))),
        ("/v/s0", encrypt(&key, iv, piece("ts0.ts"))),
        ("/v/s1", encrypt(&key, iv, piece("ts1.ts"))),
        ("/v/s2", encrypt(&key, iv, piece("ts2.ts"))),
        ("/v/numbered.m3u8", text(list(numbered, ["n0", "n1", "n2"]))),
        (
            "/v/n0",
            encrypt(&key, 0_u128.to_be_bytes(), piece("ts0.ts")),
        ),
        (
            "/v/n1",
            encrypt(&key, 1_u128.to_be_bytes(), piece("ts1.ts")),
        ),
        (
            "/v/n2",
            encrypt(&key, 2_u128.to_be_bytes(), piece("ts2.ts")),
        ),
        ("/v/key", Serve::File(Arc::new(key.to_vec()))),
        ("/v/mp3.m3u8", text(list("", ["/m/0", "/m/1", "/m/2"]))),
        ("/m/0", tagged_mp3(0)),
        ("/m/1", tagged_mp3(1)),
        ("/m/2", tagged_mp3(2)),
        ("/moved.m3u8", Serve::Redirect("/v/master.m3u8".to_owned())),
    ])
    .await;
    let mut playing = Vec::new();
    for (guild, path) in (1..).zip([
        "/v/master.m3u8",
        "/v/mp4.m3u8",
        "/v/range.m3u8",
        "/v/secret.m3u8",
        "/v/numbered.m3u8",
        "/v/mp3.m3u8",
        "/moved.m3u8",
        "/v/whole.ts",
    ]) {
        let body = node.load(&web.url(path)).await;
        let info = &body["data"]["info"];
        assert_eq!(body["loadType"], "track", "{path}: {body}");
        assert_eq!(info["isStream"], false, "{path}: {body}");
        if path != "/v/whole.ts" {
            let length = info["length"].as_u64().unwrap();
            assert!((2_020..=2_030).contains(&length), "{path}: {body}");
        }
        playing.push((
            path,
            call::play(&node, &session, &voice, guild, &web.url(path)).await,
        ));
    }
    for (path, mut listener) in playing {
        let heard = until_silence(&mut listener, 5).await;
        // The encoder of the segments is a worse one than that of the files next door.
        check_by(path, &decode(&heard), 1.0, 0.98);
    }
    // In the middle: the last segment begins at 1,416 ms.
    let wanted = reference();
    for (guild, path) in (20..).zip(["/v/ts.m3u8", "/v/mp4.m3u8", "/v/secret.m3u8"]) {
        let encoded = node.encoded(&web.url(path)).await;
        let mut listener = voice.listen(guild);
        let body = json!({
            "voice": invite(&voice, guild),
            "track": {"encoded": encoded},
            "position": 1_000,
        });
        node.patch(&player(&session, guild), body).await;
        let heard = decode(&until_silence(&mut listener, 5).await);
        let rest = &wanted[0][48_000..];
        let fits = (-2_400..2_400).step_by(2).map(|lag| {
            let like = likeness(&rest[8_000..38_000], &heard[0], lag + 8_000).0;
            (lag, like)
        });
        let (lag, like) = fits.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
        assert!(like > 0.95, "{path}: alike by {like:.4} at {lag}");
        // Opus' own delay, and in transport streams what the encoder of AAC puts in front, which
        // nothing in them tells.
        assert!((0..1_700).contains(&lag), "{path}: {lag} samples off");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_stream_goes_on_over_discontinuities_and_is_shared() {
    let node = open_node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let started = std::time::Instant::now();
    let list = move || {
        // Three segments in 2,023 ms, again and again.
        let on_air = started.elapsed().as_millis() / 674 + 4;
        let mut list = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            on_air - 4
        );
        for number in on_air - 4..=on_air {
            if number % 3 == 0 {
                list += "#EXT-X-DISCONTINUITY\n";
            }
            let line = format!("#EXTINF:0.674,\nts{}.ts?{number}\n", number % 3);
            list.push_str(&line);
        }
        list.into_bytes()
    };
    let mut site = vec![("/live.m3u8", Serve::Made(KIND, Arc::new(list)))];
    let names: Vec<String> = (0..400)
        .map(|at| format!("/ts{}.ts?{at}", at % 3))
        .collect();
    for (at, name) in names.into_iter().enumerate() {
        let name: &'static str = name.leak();
        site.push((name, file(&format!("ts{}.ts", at % 3))));
    }
    let web = Web::start(site).await;
    let url = web.url("/live.m3u8");
    let body = node.load(&url).await;
    let info = &body["data"]["info"];
    assert_eq!(
        (&info["isStream"], &info["isSeekable"]),
        (&true.into(), &false.into()),
        "{body}"
    );
    let mut first = call::play(&node, &session, &voice, 1, &url).await;
    let _started = sounds(&mut first, 10).await;
    let encoded = body["data"]["encoded"].clone();
    let mut second = voice.listen(2);
    let invited = json!({"voice": invite(&voice, 2), "track": {"encoded": encoded}});
    node.patch(&player(&session, 2), invited).await;
    let asked = web.count();
    let heard = sounds(&mut first, 400).await;
    let also = sounds(&mut second, 300).await;
    assert!(heard.iter().all(|frame| frame.opus.as_ref() != SILENCE));
    let common = also
        .iter()
        .filter(|frame| heard.iter().any(|other| other.opus == frame.opus));
    assert!(common.count() > 200, "both hear the same packets");
    assert_eq!(node.metrics.node.shared_streams.get(), 1);
    // 8 s of one stream: a list and a segment each 0.67 s, and not twice as many.
    let requests = web.count() - asked;
    assert!((12..60).contains(&requests), "{requests} requests");
    node.delete(&player(&session, 1)).await;
    node.delete(&player(&session, 2)).await;
    tokio::time::timeout(Duration::from_secs(30), async {
        while node.metrics.node.shared_streams.get() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the last one ends it");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_cannot_be_played_say_why() {
    let node = open_node().await;
    let drm = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\"\n";
    let inside =
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://10.0.0.1/a.ts\n#EXT-X-ENDLIST\n";
    let web = Web::start(vec![
        ("/drm.m3u8", text(list(drm, ["a", "b", "c"]))),
        ("/gone.m3u8", text(list("", ["x", "y", "z"]))),
        (
            "/empty.m3u8",
            text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n"),
        ),
        (
            "/silent.m3u8",
            text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401e\"\na\n"),
        ),
        (
            "/loop.m3u8",
            text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nloop.m3u8\n"),
        ),
        ("/words.m3u8", text(list("", ["words", "words", "words"]))),
        (
            "/words",
            Serve::Text("text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello"),
        ),
        ("/inside.m3u8", text(inside)),
    ])
    .await;
    for (path, cause) in [
        ("/drm.m3u8", "encrypted"),
        ("/gone.m3u8", ""),
        ("/empty.m3u8", "empty"),
        ("/silent.m3u8", "no sound"),
        ("/loop.m3u8", "nowhere"),
        ("/words.m3u8", "text"),
    ] {
        let body = node.load(&web.url(path)).await;
        assert_eq!(body["loadType"], "error", "{path}: {body}");
        let told = body["data"]["cause"].as_str().unwrap();
        assert!(told.contains(cause), "{path}: {body}");
    }
    node.stop().await;
    // Segments pass the same guard as everything else.
    let node = TestNode::start().await;
    let body = node.load(&web.url("/inside.m3u8")).await;
    assert_eq!(body["loadType"], "error", "{body}");
    node.stop().await;
}
