//! Music from `/play` to the listener's ear: real gateway protocol, real node, sealed packets.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::sound::{PER_SECOND, Tune, forget, hear, hear_from, levels, locate, until_silent};
use crate::stage::{On, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_plays_from_the_first_track_to_the_last() {
    queue(On::Ours).await;
}

pub(crate) async fn queue(on: On) {
    let nocturne = Tune::nocturne();
    let (first, second) = (nocturne.part(5, 8), nocturne.part(30, 6));
    let mut stage = Stage::open_on(
        on,
        &[
            ("first.opus", &first.file("First tune")),
            ("second.opus", &second.file("Second tune")),
        ],
    )
    .await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();

    let answer = seat.play(&stage.query("first")).await;
    assert!(answer.contains("First tune"), "{answer}");
    let answer = seat.play(&stage.query("second")).await;
    assert!(answer.contains("Second tune"), "{answer}");
    seat.panel("both tunes shown", |text| {
        text.contains("First tune") && text.contains("Second tune")
    })
    .await;
    let queue = seat.ask("/queue", &[]).await;
    assert!(queue.contains("Second tune"), "{queue}");

    // Not a sample may differ: what is heard is what stands in the files, all of it, in order.
    let heard = hear(&mut ear, first.frames.len()).await;
    assert_eq!(
        first.place_of(&heard),
        Some(0),
        "the first tune, bit for bit"
    );
    let heard = hear(&mut ear, second.frames.len()).await;
    assert_eq!(
        second.place_of(&heard),
        Some(0),
        "the second tune, bit for bit"
    );
    seat.panel("the second tune shown as playing or ended", |text| {
        !text.contains("First tune")
    })
    .await;

    let stats = ear.stats();
    assert_eq!(
        (
            stats.plaintext,
            stats.garbage,
            stats.replayed,
            stats.off_grid
        ),
        (0, 0, 0, 0),
        "{stats:?}"
    );
    // Lavalink 4.1.1 says so some frames late.
    if on == On::Ours {
        assert_eq!(
            stats.before_speaking, 0,
            "the bot says that it speaks before it does"
        );
    }
    assert!(stage.end_bot(), "the bot ends well when asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn seek_volume_and_loop_change_what_is_heard() {
    controls(On::Ours).await;
}

pub(crate) async fn controls(on: On) {
    let nocturne = Tune::nocturne();
    let short = Tune::tone(440.0, 4);
    let mut stage = Stage::open_on(
        on,
        &[
            ("nocturne.opus", &nocturne.file("Nocturne")),
            ("short.opus", &short.file("Short tone")),
        ],
    )
    .await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();
    seat.play(&stage.query("nocturne")).await;
    hear(&mut ear, PER_SECOND).await;

    seat.ask("/seek", &[("position", json!("0:30"))]).await;
    let at_30 = nocturne.frames[30 * PER_SECOND..].to_vec();
    let heard = hear_from(&mut ear, &at_30[2], 2 * PER_SECOND).await;
    assert_eq!(
        nocturne.place_of(&heard),
        Some(30 * PER_SECOND + 2),
        "after a seek the file's frames from there on"
    );

    forget(&mut ear);
    seat.ask("/volume", &[("percent", json!(50))]).await;
    // Two seconds for what is still on its way at the old volume.
    hear(&mut ear, 2 * PER_SECOND).await;
    let heard = levels(&hear(&mut ear, 4 * PER_SECOND).await);
    let source = nocturne.levels();
    let (place, fit) = locate(&heard, &source);
    assert!(fit > 0.97, "the same music at another volume: {fit}");
    let ratio = loudness(&heard) / loudness(&source[place..place + heard.len()]);
    // Lavalink bends the lower half of its volume: 50 % is 42 % of the amplitude there.
    let expected = if on == On::Ours { 0.5 } else { 0.417 };
    assert!(
        (ratio - expected).abs() < 0.03,
        "{expected} of the amplitude, not {ratio}"
    );

    seat.ask("/volume", &[("percent", json!(100))]).await;
    seat.ask("/playnow", &[("query", json!(stage.query("short")))])
        .await;
    seat.ask("/loop", &[("mode", json!("track"))]).await;
    let heard = hear_from(&mut ear, &short.frames[0], 2 * short.frames.len()).await;
    assert_eq!(heard[..short.frames.len()], short.frames, "the tone");
    assert_eq!(
        heard[short.frames.len()..],
        short.frames,
        "and again, without a frame missing"
    );

    seat.ask("/pause", &[]).await;
    until_silent(&mut ear, Duration::from_millis(500)).await;
    let press = seat.press("np:toggle").await;
    press
        .acknowledged()
        .await
        .expect("a button is acknowledged");
    hear(&mut ear, PER_SECOND / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_queue_ends_the_bot_says_so_and_leaves_after_a_while() {
    end_of_queue(On::Ours).await;
}

pub(crate) async fn end_of_queue(on: On) {
    let short = Tune::tone(330.0, 3);
    let mut stage = Stage::open_on(on, &[("short.opus", &short.file("Short tone"))])
        .await
        .with_settings("[audio]\nidle_leave_s = 3");
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();
    seat.play(&stage.query("short")).await;
    hear(&mut ear, short.frames.len()).await;
    seat.panel("the end of the queue", |text| !text.contains("Short tone"))
        .await;
    until_silent(&mut ear, Duration::from_millis(500)).await;
    let silence = ear
        .recent()
        .iter()
        .rev()
        .take_while(|frame| *frame.opus == backline_media::frame::SILENCE)
        .count();
    assert_eq!(silence, 5, "five frames of silence end a stretch of sound");
    stage
        .discord
        .until_bot_left_voice(seat.guild.id())
        .await
        .expect("an idle bot leaves");

    // And it comes back when it is asked to.
    let answer = seat.play(&stage.query("short")).await;
    assert!(answer.contains("Short tone"), "{answer}");
    hear(&mut ear, PER_SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guilds_hear_each_their_own_tune() {
    guilds(On::Ours, 100).await;
}

pub(crate) async fn guilds(on: On, guilds: usize) {
    let tunes: Vec<_> = (0..guilds)
        .map(|number| Tune::tone(200.0 + 37.0 * number as f32, 8))
        .collect();
    let files: Vec<_> = tunes
        .iter()
        .enumerate()
        .map(|(n, tune)| {
            (
                format!("tune{n:03}.opus"),
                tune.file(&format!("Tune {n:03}")),
            )
        })
        .collect();
    let by_name: Vec<_> = files
        .iter()
        .map(|(name, file)| (name.as_str(), file.as_slice()))
        .collect();
    let mut stage = Stage::open_on(on, &by_name).await;
    let seats: Vec<_> = (0..guilds)
        .map(|number| stage.guild(&format!("Guild {number}")))
        .collect();
    stage.start_bot().await;

    let mut listeners = Vec::new();
    for (number, seat) in seats.into_iter().enumerate() {
        let tune = tunes[number].clone();
        let query = stage.query(&format!("tune{number:03}"));
        listeners.push(tokio::spawn(async move {
            let mut ear = seat.guild.listen();
            let answer = seat.play(&query).await;
            assert!(
                answer.contains(&format!("Tune {number:03}")),
                "guild {number}: {answer}"
            );
            let heard = hear(&mut ear, 6 * PER_SECOND).await;
            assert_eq!(
                tune.place_of(&heard),
                Some(0),
                "guild {number} hears its own tune, whole"
            );
            ear.stats().lost
        }));
    }
    let mut lost = 0;
    for listener in listeners {
        lost += listener.await.expect("every guild hears its tune");
    }
    assert_eq!(lost, 0, "no frame is missing");
    let speakers: HashSet<_> = tunes.iter().map(|tune| &tune.frames[PER_SECOND]).collect();
    assert_eq!(
        speakers.len(),
        guilds,
        "the tunes differ, so a mix-up would have been heard"
    );
}

/// Root mean square of levels.
fn loudness(levels: &[f32]) -> f32 {
    (levels.iter().map(|level| level * level).sum::<f32>() / levels.len() as f32).sqrt()
}
