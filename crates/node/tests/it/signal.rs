//! Whether what is heard is what the file holds: the reference signal in every format.

use std::fs;
use std::sync::Arc;

use backline_media::opus::{Decoder, MAX_PACKET_VALUES};
use backline_media::resample::Resampler;
use backline_sim::voice::HeardFrame;
use serde_json::json;

use crate::call::{self, SILENCE, player, sound, sounds, until_silence, voice_server};
use crate::client::{TestNode, assets, test_config};
use crate::web::{Serve, Web};

/// Returns the reference signal at 48 kHz, both sides.
pub fn reference() -> [Vec<f32>; 2] {
    let bytes = fs::read(assets().join("signals/sweep.wav")).unwrap();
    let at = bytes.windows(4).position(|tag| tag == b"data").unwrap();
    let values: Vec<f32> = bytes[at + 8..]
        .chunks_exact(2)
        .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
        .collect();
    let mut resampler = Resampler::new(44_100).unwrap();
    let mut converted = Vec::new();
    resampler.process(&values, &mut converted);
    resampler.finish(&mut converted);
    sides(&converted)
}

fn sides(values: &[f32]) -> [Vec<f32>; 2] {
    [0, 1].map(|side| values.iter().skip(side).step_by(2).copied().collect())
}

/// Decodes what was heard.
pub fn decode(frames: &[HeardFrame]) -> [Vec<f32>; 2] {
    let mut decoder = Decoder::new().unwrap();
    let out = vec![0.0; MAX_PACKET_VALUES].into_boxed_slice();
    let mut out: Box<[f32; MAX_PACKET_VALUES]> = out.try_into().unwrap();
    let mut values = Vec::new();
    for frame in frames.iter().filter(|frame| frame.opus.as_ref() != SILENCE) {
        let count = decoder.decode(&frame.opus, &mut out).unwrap();
        values.extend_from_slice(&out[..count]);
    }
    sides(&values)
}

/// Returns how alike two signals are (1.0: the same but for loudness), with `a` shifted by
/// `lag`, and by what factor `b` is louder.
pub fn likeness(a: &[f32], b: &[f32], lag: isize) -> (f64, f64) {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (at, value) in a.iter().enumerate() {
        let Some(other) = at.checked_add_signed(lag).and_then(|at| b.get(at)) else {
            continue;
        };
        let (value, other) = (f64::from(*value), f64::from(*other));
        ab += value * other;
        aa += value * value;
        bb += other * other;
    }
    (ab / (aa * bb).sqrt().max(1e-12), ab / aa.max(1e-12))
}

/// Returns lag and likeness where both signals fit best; encoders delay a little.
fn best(a: &[f32], b: &[f32]) -> (isize, f64, f64) {
    let fits = (-3_000..3_000)
        .step_by(4)
        .map(|lag| (lag, likeness(&a[30_000..36_000], b, lag + 30_000).0));
    let (coarse, _) = fits.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
    let fine = (coarse - 4..=coarse + 4).map(|lag| {
        let (like, gain) = likeness(a, b, lag);
        (lag, like, gain)
    });
    fine.max_by(|(_, a, _), (_, b, _)| a.total_cmp(b)).unwrap()
}

pub fn check(what: &str, heard: &[Vec<f32>; 2], gain: f64) {
    // 0.99 is a signal-to-noise ratio of 17 dB over the whole of it, after libopus.
    check_by(what, heard, gain, 0.99);
}

pub fn check_by(what: &str, heard: &[Vec<f32>; 2], gain: f64, least: f64) {
    let wanted = reference();
    let (lag, left, left_gain) = best(&wanted[0], &heard[0]);
    let (right, right_gain) = likeness(&wanted[1], &heard[1], lag);
    assert!(left > least, "{what}: left is alike by {left:.4} at {lag}");
    assert!(
        right > least,
        "{what}: right is alike by {right:.4} at {lag}"
    );
    // LAME, which made the MP3, makes everything 5 % softer.
    assert!(
        (left_gain / gain - 1.0).abs() < 0.08,
        "{what}: left is {left_gain:.3} as loud"
    );
    assert!(
        (right_gain / gain - 1.0).abs() < 0.08,
        "{what}: right is {right_gain:.3} as loud"
    );
    let length = wanted[0].len() as f64 / 48_000.0;
    let heard_length = heard[0].len() as f64 / 48_000.0;
    assert!(
        (length - heard_length).abs() < 0.15,
        "{what}: {heard_length:.2} s are heard"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_heard_as_the_signal_it_holds() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let mut playing = Vec::new();
    for (guild, ending) in (1..).zip(["flac", "wav", "mp3", "ogg", "m4a", "opus", "webm"]) {
        let file = format!("signals/sweep.{ending}");
        let listener = call::play(&node, &session, &voice, guild, &file).await;
        playing.push((ending, listener));
    }
    for (ending, mut listener) in playing {
        let heard = until_silence(&mut listener, 5).await;
        check(ending, &decode(&heard), 1.0);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decoded_formats_come_over_http_too_also_with_their_index_at_the_end() {
    let mut config = test_config();
    config.http.allow_private_networks = true;
    let node = TestNode::start_with(config).await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let file = |name: &str| Arc::new(fs::read(assets().join(name)).unwrap());
    let web = Web::start(vec![
        ("/sweep.mp3", Serve::File(file("signals/sweep.mp3"))),
        ("/plain.mp3", Serve::Plain(file("signals/sweep.mp3"))),
        (
            "/sweep.flac",
            Serve::Breaks(file("signals/sweep.flac"), 30_000),
        ),
        (
            "/sweep.m4a",
            Serve::File(moov_last(&file("signals/sweep.m4a"))),
        ),
    ])
    .await;
    for (guild, path) in (1..).zip(["/sweep.mp3", "/plain.mp3", "/sweep.flac", "/sweep.m4a"]) {
        let mut listener = call::play(&node, &session, &voice, guild, &web.url(path)).await;
        let heard = until_silence(&mut listener, 5).await;
        check(path, &decode(&heard), 1.0);
    }
    node.stop().await;
}

/// Moves the index of an MP4 file behind its data, where many encoders leave it.
fn moov_last(bytes: &[u8]) -> Arc<Vec<u8>> {
    let mut boxes = Vec::new();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind: [u8; 4] = bytes[at + 4..at + 8].try_into().unwrap();
        boxes.push((kind, at, bytes[at..at + size].to_vec()));
        at += size;
    }
    let place = |kind: &[u8; 4]| boxes.iter().position(|(other, ..)| other == kind).unwrap();
    let (moov, mdat) = (place(b"moov"), place(b"mdat"));
    if moov > mdat {
        return Arc::new(bytes.to_vec());
    }
    let mut index = boxes.remove(moov).2;
    // The data moves to the front by the length of the index: so do all offsets into it.
    let shift = index.len() as u32;
    let stco = index.windows(4).position(|tag| tag == b"stco").unwrap();
    let count = u32::from_be_bytes(index[stco + 8..stco + 12].try_into().unwrap()) as usize;
    for entry in 0..count {
        let place = stco + 12 + entry * 4;
        let offset = u32::from_be_bytes(index[place..place + 4].try_into().unwrap()) - shift;
        index[place..place + 4].copy_from_slice(&offset.to_be_bytes());
    }
    let mut moved: Vec<u8> = boxes.into_iter().flat_map(|(_, _, bytes)| bytes).collect();
    moved.extend_from_slice(&index);
    Arc::new(moved)
}

#[tokio::test(flavor = "multi_thread")]
async fn volume_is_heard_and_full_volume_passes_through_again() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let path = player(&session, 1);
    for (file, body) in [
        ("signals/sweep.opus", json!({"volume": 50})),
        ("signals/sweep.mp3", json!({"volume": 50})),
        (
            "signals/sweep.flac",
            json!({"volume": 100, "filters": {"volume": 0.5}}),
        ),
    ] {
        node.patch(&path, body).await;
        let mut listener = call::play(&node, &session, &voice, 1, file).await;
        let heard = until_silence(&mut listener, 5).await;
        check(file, &decode(&heard), 0.5);
        node.patch(&path, json!({"volume": 100, "filters": {}}))
            .await;
    }
    // In the middle of a track: down, and back to the file's own packets.
    let mut listener = call::play(&node, &session, &voice, 1, "music/nocturne.opus").await;
    let own: Vec<_> = sounds(&mut listener, 5)
        .await
        .into_iter()
        .map(|frame| frame.opus)
        .collect();
    node.patch(&path, json!({"position": 0, "volume": 30}))
        .await;
    let mut listened = 0;
    while own.contains(&sound(&mut listener).await.opus) {
        listened += 1;
        assert!(listened < 400, "never softer");
    }
    node.patch(&path, json!({"position": 0, "volume": 100}))
        .await;
    let mut listened = 0;
    while !own.contains(&sound(&mut listener).await.opus) {
        listened += 1;
        assert!(listened < 400, "never its own packets again");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seek_in_decoded_formats_lands_where_it_should() {
    let node = TestNode::start().await;
    let voice = voice_server().await;
    let (_socket, session) = node.connect().await;
    let wanted = reference();
    for (guild, ending) in (1..).zip(["flac", "wav", "mp3", "ogg", "m4a"]) {
        let file = format!("signals/sweep.{ending}");
        let encoded = node.encoded(&file).await;
        let mut listener = voice.listen(guild);
        let body = json!({
            "voice": call::invite(&voice, guild),
            "track": {"encoded": encoded},
            "position": 1_000,
        });
        node.patch(&player(&session, guild), body).await;
        let heard = decode(&until_silence(&mut listener, 5).await);
        let rest = &wanted[0][48_000..];
        let fits = (-2_400..2_400).map(|lag| {
            (
                lag,
                likeness(&rest[6_000..40_000], &heard[0], lag + 6_000).0,
            )
        });
        let (lag, like) = fits.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
        assert!(like > 0.98, "{ending}: alike by {like:.4}");
        // The encoder's own delay is 312 samples; a frame more is room for a page or packet.
        assert!((-960..=1_280).contains(&lag), "{ending}: {lag} samples off");
    }
    node.stop().await;
}
