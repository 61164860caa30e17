//! What survives the bot's death.

use serde_json::json;

use crate::sound::{LEVELS_PER_SECOND, PER_SECOND, Tune, forget, hear, levels, locate};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bot_plays_on_where_it_was_without_a_new_identify() {
    let nocturne = Tune::nocturne();
    let later = nocturne.part(40, 10);
    let mut stage = Stage::open(&[
        ("nocturne.opus", &nocturne.file("Nocturne")),
        ("second.opus", &later.file("Second tune")),
        ("third.opus", &later.file("Third tune")),
    ])
    .await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();
    for tune in ["nocturne", "second", "third"] {
        seat.play(tune).await;
    }
    seat.ask("/volume", &[("percent", json!(60))]).await;
    seat.ask("/loop", &[("mode", json!("queue"))]).await;
    seat.ask("/seek", &[("position", json!("0:15"))]).await;
    // Long enough for a position to be saved after the seek.
    hear(&mut ear, 8 * PER_SECOND).await;
    let source = nocturne.levels();
    let before = levels(&hear(&mut ear, 2 * PER_SECOND).await);
    let panels_before = panels(&seat);
    stage.kill_bot();
    let (at_death, fit) = locate(&before, &source);
    assert!(fit > 0.97, "it was heard where it was: {fit}");
    let at_death = at_death + before.len();

    forget(&mut ear);
    stage.start_bot().await;
    let after = levels(&hear(&mut ear, 2 * PER_SECOND).await);
    let (place, fit) = locate(&after, &source);
    assert!(fit > 0.97, "the same track goes on: {fit}");
    let difference = place.abs_diff(at_death);
    assert!(
        difference <= 5 * LEVELS_PER_SECOND,
        "within 5 s of where it was: {} s",
        difference as f32 / LEVELS_PER_SECOND as f32
    );
    let ratio = after.iter().sum::<f32>() / source[place..place + after.len()].iter().sum::<f32>();
    assert!((ratio - 0.6).abs() < 0.04, "at its volume: {ratio}");

    let journal = stage.discord.journal();
    assert_eq!(
        journal.identifies(),
        1,
        "the session was resumed, not begun anew"
    );
    assert!(journal.resumes() >= 1);
    let queue = seat.ask("/queue", &[]).await;
    let second = queue
        .find("Second tune")
        .expect("the second tune is in the queue");
    let third = queue
        .find("Third tune")
        .expect("the third tune is in the queue");
    assert!(second < third, "in their order: {queue}");
    let panel = seat
        .panel("the volume on the message", |text| text.contains("60"))
        .await;
    assert!(
        panel.text().to_lowercase().contains("queue"),
        "the loop mode is back: {}",
        panel.text()
    );
    assert_eq!(
        panels(&seat),
        panels_before,
        "the Now Playing message is the same one, edited"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_was_asked_to_end_resumes_its_session_too() {
    let nocturne = Tune::nocturne();
    let mut stage = Stage::open(&[("nocturne.opus", &nocturne.file("Nocturne"))]).await;
    let seat = stage.guild("Listeners");
    stage.start_bot().await;
    let mut ear = seat.guild.listen();
    seat.play("nocturne").await;
    let heard = hear(&mut ear, 2 * PER_SECOND).await;
    assert_eq!(nocturne.place_of(&heard), Some(0));
    assert!(stage.end_bot(), "the bot ends well when asked");

    forget(&mut ear);
    stage.start_bot().await;
    let heard = hear(&mut ear, PER_SECOND).await;
    let place = nocturne
        .place_of(&heard)
        .expect("the same track goes on, bit for bit");
    assert!(place < 10 * PER_SECOND, "near where it was: {place}");
    assert_eq!(
        stage.discord.journal().identifies(),
        1,
        "the session was resumed, not begun anew"
    );
}

fn panels(seat: &crate::stage::Seat) -> usize {
    let messages = seat.discord.messages(seat.text);
    messages
        .iter()
        .filter(|message| message.component("np:toggle").is_some())
        .count()
}
