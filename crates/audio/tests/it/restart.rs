//! The audio role stops and comes back.

use backline_core::music::{Command, LoopMode, Outcome};
use backline_proto::lavalink::TrackEndReason;

use crate::peer::Peer;
use crate::stage::{Stage, eventually, guild, play};

#[tokio::test]
async fn an_orderly_restart_brings_everything_back() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.ask(7, play("next")).await;
    stage.ask(7, Command::Volume { percent: Some(35) }).await;
    stage.loops(7, LoopMode::Queue).await;
    assert_eq!(
        stage.ask(7, Command::Seek { to_ms: 90_000 }).await,
        Outcome::Sought { to_ms: 90_000 }
    );
    stage.stop().await;
    assert_eq!(
        peer.world.journal().last().map(String::as_str),
        Some("resuming false")
    );
    eventually("the node forgot the session", || {
        (peer.world.sessions() == 0).then_some(())
    })
    .await;
    assert_eq!(
        stage.voice_log(),
        ["join 50"],
        "the bot stays in the channel"
    );
    let before = peer.world.journal().len();

    stage.raise().await;
    stage.ready().await;
    let journal = eventually("it plays again", || {
        Some(peer.world.journal()).filter(|journal| {
            journal
                .last()
                .is_some_and(|last| last.starts_with("play song"))
        })
    })
    .await;
    let last = journal[before..].last().expect("it plays");
    let from: u64 = last
        .split(' ')
        .nth(3)
        .and_then(|from| from.parse().ok())
        .expect("a position");
    assert!((90_000..105_000).contains(&from), "{last}");
    assert!(last.ends_with("at 35"), "{last}");
    assert_eq!(stage.voice_log(), ["join 50", "join 50"]);
    let view = stage.shows(7, "song").await;
    assert_eq!((view.loop_mode, view.queue_length), (LoopMode::Queue, 1));
    eventually("the track on the node", || peer.world.player(7)?.track).await;
    peer.world.end(7, TrackEndReason::Finished);
    stage.shows(7, "next").await;
}

#[tokio::test]
async fn a_platform_that_sends_no_server_after_a_restart_is_left_and_joined_again() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.stop().await;
    stage.platform.seen().without_server = 1;
    stage.raise().await;
    eventually("it plays again", || peer.world.player(7)?.track).await;
    assert_eq!(
        stage.voice_log(),
        ["join 50", "join 50", "leave", "join 50"]
    );
}

#[tokio::test]
async fn a_paused_track_comes_back_paused() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.ask(7, Command::Seek { to_ms: 50_000 }).await;
    stage.ask(7, Command::Pause).await;
    stage.stop().await;
    stage.raise().await;
    let last = eventually("it is back", || {
        peer.world
            .journal()
            .last()
            .filter(|last| last.starts_with("play"))
            .cloned()
    })
    .await;
    let from: u64 = last
        .split(' ')
        .nth(3)
        .and_then(|from| from.parse().ok())
        .expect("a position");
    assert!(
        (50_000..65_000).contains(&from) && last.ends_with("paused at 100"),
        "{last}"
    );
}

#[tokio::test]
async fn while_a_track_plays_its_position_is_saved() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    eventually("the track on the node", || peer.world.player(7)?.track).await;
    peer.world.position(7, 70_000);
    let deadline = std::time::Instant::now() + crate::stage::PATIENCE;
    loop {
        let saved = stage
            .saved(7)
            .await
            .expect("it is saved")
            .current
            .expect("the track is saved");
        if saved.position_ms >= 70_000 {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the position is saved every few seconds"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn sessions_that_rest_are_not_joined_again() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.ask(7, Command::Leave).await;
    stage.play(8, "other").await;
    stage.stop().await;
    stage.raise().await;
    eventually("the other one is back", || peer.world.player(8)?.track).await;
    assert!(peer.world.player(7).is_none());
    let saved = stage
        .services
        .sessions
        .load(guild(7))
        .await
        .expect("the store answers")
        .expect("it is kept");
    assert_eq!(
        saved.current.expect("the track is kept").track.title,
        "song"
    );
}
