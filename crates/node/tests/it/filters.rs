//! What filters do to what is heard, and how soon a change is heard.

use backline_sim::voice::{HeardFrame, Listener};
use serde_json::{Value, json};

use crate::call::{self, SILENCE, player, until_silence, voice_server};
use crate::client::{DEADLINE, TestNode, test_config};
use crate::playback::ogg_packets;
use crate::tones::{self, decode, level, levels, middle, sine, tone};

type Heard = [Vec<f32>; 2];
type Check = fn(&str, &Heard, usize);

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_is_heard_as_what_it_is() {
    let (node, folder) = tones::node().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let at = |name: &str| folder.path().join(name);
    tones::write(&at("440.wav"), 2.0, sine(440.0, 0.3));
    tones::write(&at("1000.wav"), 2.0, sine(1_000.0, 0.2));
    tones::write(&at("6000.wav"), 2.0, sine(6_000.0, 0.3));
    tones::write(&at("left.wav"), 2.0, |at| [sine(440.0, 0.3)(at)[0], 0.0]);
    let rows: Vec<(&str, Value, Check)> = vec![
        ("440.wav", json!({}), |row, heard, frames| {
            assert!((98..=103).contains(&frames), "{row}: {frames}");
            let found = tone(middle(&heard[0]), 440.0);
            assert!((0.25..0.35).contains(&found), "{row}: {found}");
        }),
        ("440.wav", json!({"volume": 0.5}), |row, heard, _| {
            let found = tone(middle(&heard[0]), 440.0);
            assert!((0.13..0.17).contains(&found), "{row}: {found}");
        }),
        (
            "440.wav",
            json!({"timescale": {"speed": 2.0}}),
            |row, heard, frames| {
                assert!((46..=56).contains(&frames), "{row}: {frames}");
                let (same, double) = (
                    tone(middle(&heard[0]), 440.0),
                    tone(middle(&heard[0]), 880.0),
                );
                assert!(same > 0.2 && double < 0.05, "{row}: {same} {double}");
            },
        ),
        (
            "440.wav",
            json!({"timescale": {"pitch": 2.0}}),
            |row, heard, frames| {
                assert!((95..=106).contains(&frames), "{row}: {frames}");
                let (same, double) = (
                    tone(middle(&heard[0]), 440.0),
                    tone(middle(&heard[0]), 880.0),
                );
                assert!(double > 0.2 && same < 0.05, "{row}: {same} {double}");
            },
        ),
        (
            "440.wav",
            json!({"timescale": {"rate": 2.0}}),
            |row, heard, frames| {
                assert!((46..=56).contains(&frames), "{row}: {frames}");
                let double = tone(middle(&heard[0]), 880.0);
                assert!(double > 0.2, "{row}: {double}");
            },
        ),
        (
            "440.wav",
            json!({"tremolo": {"frequency": 4.0, "depth": 1.0}}),
            |row, heard, _| {
                let levels = levels(middle(&heard[0]), 20);
                let (low, high) = extremes(&levels);
                assert!(low < 0.05 && high > 0.18, "{row}: {low} {high}");
            },
        ),
        (
            "440.wav",
            json!({"vibrato": {"frequency": 5.0, "depth": 1.0}}),
            |row, heard, _| {
                let left = middle(&heard[0]);
                let kept = tone(left, 440.0) / (level(left) * std::f64::consts::SQRT_2);
                assert!(kept < 0.8, "{row}: the tone wanders, but {kept} of it stay");
            },
        ),
        (
            "440.wav",
            json!({"rotation": {"rotationHz": 1.0}}),
            |row, heard, _| {
                let sides = [0, 1].map(|side| levels(middle(&heard[side]), 20));
                let apart = sides[0].iter().zip(&sides[1]);
                let (low, high) =
                    extremes(&apart.map(|(left, right)| left - right).collect::<Vec<_>>());
                assert!(low < -0.12 && high > 0.12, "{row}: {low} {high}");
            },
        ),
        (
            "440.wav",
            json!({"distortion": {"sinScale": 4.0, "scale": 1.0, "offset": 0.2}}),
            |row, heard, _| {
                let left = middle(&heard[0]);
                let second = tone(left, 880.0);
                assert!(second > 0.02, "{row}: {second} of a new tone");
            },
        ),
        (
            "1000.wav",
            json!({"equalizer": [{"band": 8, "gain": -0.25}]}),
            |row, heard, _| {
                let found = tone(middle(&heard[0]), 1_000.0);
                assert!(found < 0.1, "{row}: {found} is left");
            },
        ),
        (
            "1000.wav",
            json!({"equalizer": [{"band": 8, "gain": 0.25}]}),
            |row, heard, _| {
                let found = tone(middle(&heard[0]), 1_000.0);
                assert!((0.33..0.45).contains(&found), "{row}: {found}");
            },
        ),
        ("440.wav", json!({"karaoke": {}}), |row, heard, _| {
            let found = level(middle(&heard[0]));
            assert!(found < 0.1, "{row}: {found} of the middle is left");
        }),
        (
            "left.wav",
            json!({"channelMix": {"leftToLeft": 0.0, "leftToRight": 1.0, "rightToLeft": 1.0, "rightToRight": 0.0}}),
            |row, heard, _| {
                let [left, right] = [0, 1].map(|side| level(middle(&heard[side])));
                assert!(right > 0.15 && left < 0.02, "{row}: {left} {right}");
            },
        ),
        (
            "6000.wav",
            json!({"lowPass": {"smoothing": 20.0}}),
            |row, heard, _| {
                let found = tone(middle(&heard[0]), 6_000.0);
                assert!(found < 0.06, "{row}: {found} is left");
            },
        ),
    ];
    let mut playing = Vec::new();
    for (guild, (file, filters, check)) in (1..).zip(rows) {
        let row = format!("{file} {filters}");
        let path = player(&session, guild);
        let (status, body) = node.patch(&path, json!({"filters": filters})).await;
        assert_eq!(status, 200, "{row}: {body}");
        let listener = call::play(&node, &session, &voice, guild, file).await;
        playing.push((row, check, listener));
    }
    for (row, check, mut listener) in playing {
        let heard = until_silence(&mut listener, 5).await;
        check(&row, &decode(&heard), heard.len() - 5);
    }
    node.stop().await;
}

/// Returns the next frames, silence included.
async fn frames(listener: &mut Listener, count: usize) -> Vec<HeardFrame> {
    let mut frames = Vec::with_capacity(count);
    for _ in 0..count {
        let frame = tokio::time::timeout(DEADLINE, listener.next()).await;
        frames.push(frame.unwrap().unwrap());
    }
    frames
}

fn extremes(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_heard_within_a_few_packets_and_no_packet_is_lost_or_repeated() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let path = player(&session, 1);
    let own = ogg_packets("music/nocturne.opus");
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    let mut heard = frames(&mut listener, 20).await;
    let mut waited = Vec::new();
    for round in 0..6 {
        let body = if round % 2 == 0 {
            json!({"volume": 50})
        } else {
            json!({"filters": {"lowPass": {"smoothing": 10.0}, "tremolo": {}}})
        };
        node.patch(&path, body).await;
        while let Some(frame) = listener.try_next() {
            heard.push(frame);
        }
        let mut count = 0;
        loop {
            let frame = frames(&mut listener, 1).await.remove(0);
            let changed = !own.contains(&frame.opus.to_vec()) && frame.opus.as_ref() != SILENCE;
            heard.push(frame);
            if changed {
                break;
            }
            count += 1;
            assert!(count < 400, "round {round}: never");
        }
        waited.push(count);
        // And back, until its own packets are heard again.
        node.patch(&path, json!({"volume": 100, "filters": {}}))
            .await;
        let mut count = 0;
        while !own.contains(&heard.last().unwrap().opus.to_vec()) {
            heard.extend(frames(&mut listener, 1).await);
            count += 1;
            assert!(count < 600, "round {round}: never back");
        }
        heard.extend(frames(&mut listener, 15).await);
    }
    waited.sort_unstable();
    assert!(
        waited[waited.len() / 2] <= 5,
        "packets until a change is heard: {waited:?}"
    );
    for pair in heard.windows(2) {
        assert_eq!(pair[0].sequence.wrapping_add(1), pair[1].sequence);
        assert_eq!(pair[0].timestamp.wrapping_add(960), pair[1].timestamp);
    }
    // Silence fills in where the machine was too busy to make sound.
    heard.retain(|frame| frame.opus.as_ref() != SILENCE);
    // The file's own packets say where they are: between two stretches of them lie as many
    // packets as were heard, give or take one where the sounds are joined.
    let mut place = None;
    for (at, frame) in heard.iter().enumerate() {
        let Some(index) = own.iter().position(|packet| frame.opus == *packet) else {
            continue;
        };
        if let Some((before_at, before_index)) = place {
            let (heard, gone) = (at - before_at, index as isize - before_index as isize);
            assert!(
                (heard as isize - gone).abs() <= 1,
                "{heard} packets were heard where the file goes on by {gone}"
            );
        }
        place = Some((at, index));
    }
    let (_, body) = node.get(&path).await;
    let position = body["state"]["position"].as_u64().unwrap();
    let expected = place.unwrap().1 as u64 * 20;
    assert!(position.abs_diff(expected) < 2_000, "{position} {expected}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_filters_are_refused_and_filters_can_be_switched_off() {
    let mut config = test_config();
    config.filters.karaoke = false;
    config.filters.low_pass = false;
    let node = TestNode::start_with(config).await;
    let (_socket, session) = node.connect().await;
    let path = player(&session, 1);
    for (filters, message) in [
        (
            json!({"karaoke": {}, "volume": 1.0, "lowPass": {"smoothing": 3.0}}),
            "Following filters are disabled in the config: karaoke, lowPass",
        ),
        (
            json!({"equalizer": [{"band": 15, "gain": 0.1}]}),
            "Filter equalizer: band must be 0 to 14, not 15",
        ),
        (
            json!({"timescale": {"speed": 0}}),
            "Filter timescale: speed must be 0.1 to 10.0, not 0",
        ),
        (
            json!({"vibrato": {"frequency": 20}}),
            "Filter vibrato: frequency must be greater than 0.0, at most 14.0, not 20",
        ),
    ] {
        let (status, body) = node
            .patch(&path, json!({"filters": filters, "volume": 77}))
            .await;
        assert_eq!(status, 400, "{filters}: {body}");
        assert_eq!(body["message"], message);
    }
    assert_eq!(node.get(&path).await.0, 404, "nothing was applied");
    let (_, info) = node.get("/v4/info").await;
    let named = info["filters"].as_array().unwrap();
    assert_eq!(named.len(), 8);
    assert!(!named.contains(&json!("karaoke")));
    let (_, body) = node
        .patch(
            &path,
            json!({"filters": {"tremolo": {"depth": 0.25}, "pluginFilters": {"echo": {"a": 1}}}}),
        )
        .await;
    assert_eq!(
        body["filters"],
        json!({"tremolo": {"frequency": 2.0, "depth": 0.25}}),
        "with its defaults; filters of plugins that are not there are dropped"
    );
    node.stop().await;
}
