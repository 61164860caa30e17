//! What people ask for gets done, in order, without one waiting for another.

use backline_core::music::{Command, LoopMode, Outcome, Placement, Refusal};
use backline_proto::lavalink::TrackEndReason;
use backline_service::message::ToAudio;

use crate::peer::Peer;
use crate::stage::{CHANNEL, Stage, eventually, guild, play};

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused { refusal }
}

#[tokio::test]
async fn a_command_becomes_music() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    let outcome = stage.play(7, "song").await;
    let Outcome::Added {
        track,
        count: 1,
        position: 0,
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (track.title.as_str(), track.length_ms),
        ("song", Some(200_000))
    );
    let journal = eventually("the track on the node", || {
        Some(peer.world.journal())
            .filter(|journal| journal.last().is_some_and(|last| last.starts_with("play")))
    })
    .await;
    assert_eq!(
        journal,
        [
            "resuming true",
            "voice 50 secret1",
            "play song from 0 at 100"
        ]
    );
    let player = peer.world.player(7).expect("a player");
    assert_eq!(player.voice.session_id, "voice1");
    let view = stage.shows(7, "song").await;
    assert_eq!(
        view.voice_channel.map(backline_core::id::ChannelId::as_u64),
        Some(CHANNEL)
    );
    let saved = stage.saved(7).await.expect("it is saved");
    assert_eq!(
        saved.current.expect("the track is saved").track.title,
        "song"
    );
    let played = eventually_async("it is in the history", async || {
        let found = stage
            .services
            .history
            .suggest(guild(7), "song", 5)
            .await
            .expect("the store answers");
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!(played[0].title, "song");
}

/// As [`eventually`], for things that must be waited for each time.
async fn eventually_async<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + crate::stage::PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_control_reaches_the_node() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    let before = peer.world.journal().len();
    for command in [
        Command::Pause,
        Command::Resume,
        Command::Seek { to_ms: 30_000 },
        Command::Volume { percent: Some(40) },
        Command::Skip { count: 1 },
    ] {
        stage.ask(7, command).await;
    }
    let expected = ["pause", "unpause", "seek 30000", "volume 40", "stop"];
    eventually("all requests", || {
        (peer.world.journal().len() >= before + expected.len()).then_some(())
    })
    .await;
    assert_eq!(peer.world.journal()[before..], expected);
    assert_eq!(
        stage.ask(7, Command::Stop).await,
        Outcome::Stopped { cleared: 0 }
    );
    eventually("the player is removed", || {
        peer.world.player(7).is_none().then_some(())
    })
    .await;
    eventually("the view ended", || {
        (stage.view(7) == Some(None)).then_some(())
    })
    .await;
    assert_eq!(stage.voice_log(), ["join 50", "leave"]);
}

#[tokio::test]
async fn a_slow_lookup_holds_up_nobody_and_keeps_its_place() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    peer.world.slow("local:slow");
    let slow = stage.send(7, play("slow")).await;
    let fast = stage.send(7, play("fast")).await;
    assert_eq!(
        stage.ask(7, Command::Pause).await,
        Outcome::Paused,
        "the same guild goes on"
    );
    stage.play(8, "elsewhere").await;
    assert!(
        !stage.platform.seen().replies.contains_key(&fast),
        "what came later is added later"
    );
    peer.world.hurry();
    assert!(matches!(
        stage.answer(&slow).await,
        Outcome::Added { position: 1, .. }
    ));
    assert!(matches!(
        stage.answer(&fast).await,
        Outcome::Added { position: 2, .. }
    ));
}

#[tokio::test]
async fn a_guild_that_asks_for_a_hundred_slow_things_slows_down_nobody_else() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    peer.world.slow("local:slow");
    let mut tokens = Vec::new();
    for _ in 0..100 {
        tokens.push(stage.send(7, play("slow")).await);
    }
    stage.play(8, "elsewhere").await;
    let answered = stage.platform.seen().replies.clone();
    assert!(
        tokens.iter().all(|token| !answered.contains_key(token)),
        "they are still looked up"
    );
    peer.world.hurry();
    stage.answer(&tokens[99]).await;
    assert_eq!(stage.saved(7).await.expect("it is saved").queue.len(), 99);
}

#[tokio::test]
async fn what_cannot_be_found_is_told_in_words() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    let failed = |query: &str, reason: &str| {
        refused(Refusal::LoadFailed {
            query: query.into(),
            reason: reason.into(),
        })
    };
    assert_eq!(
        stage.ask(7, play("nothing")).await,
        refused(Refusal::NothingFound {
            query: "nothing".into()
        })
    );
    assert_eq!(
        stage.ask(7, play("broken")).await,
        failed("broken", "could not reach …")
    );
    let by_node = "the audio node could not look it up";
    assert_eq!(stage.ask(7, play("crash")).await, failed("crash", by_node));
    assert_eq!(
        stage.ask(7, play("nonsense")).await,
        failed("nonsense", by_node)
    );
    let outcome = stage.ask(7, play("https://example.com/list")).await;
    assert!(
        matches!(
            outcome,
            Outcome::Added {
                count: 3,
                position: 1,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn tracks_follow_one_another_and_failures_are_told_of() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    for title in ["a", "b", "c"] {
        stage.ask(7, play(title)).await;
    }
    stage.shows(7, "a").await;
    eventually("a is on the node", || peer.world.player(7)?.track).await;
    peer.world.end(7, TrackEndReason::Finished);
    stage.shows(7, "b").await;
    eventually("b is on the node", || peer.world.player(7)?.track).await;
    peer.world.fail(7, "source 10.1.2.3:80 is gone");
    stage.shows(7, "c").await;
    let notice = refused(Refusal::LoadFailed {
        query: "b".into(),
        reason: "source … is gone".into(),
    });
    assert_eq!(stage.platform.seen().notices, [notice]);
    eventually("c is on the node", || peer.world.player(7)?.track).await;
    peer.world.end(7, TrackEndReason::Finished);
    let view = eventually("the queue ended", || {
        stage.view(7)?.filter(|view| view.playing.is_none())
    })
    .await;
    assert_eq!((view.queue_length, view.voice_channel.is_some()), (0, true));
}

#[tokio::test]
async fn a_track_that_the_node_refuses_does_not_loop_for_ever() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.loops(7, LoopMode::Queue).await;
    peer.world.refuse_play(true);
    stage.ask(7, Command::Skip { count: 1 }).await;
    eventually("it is given up", || {
        stage.view(7)?.filter(|view| view.playing.is_none())
    })
    .await;
    let refusals = peer
        .world
        .journal()
        .iter()
        .filter(|entry| *entry == "refused play")
        .count();
    assert_eq!(refusals, 3);
    let notices = stage.platform.seen().notices.clone();
    let notice = refused(Refusal::LoadFailed {
        query: "song".into(),
        reason: "cannot play …".into(),
    });
    assert_eq!(notices, [notice.clone(), notice.clone(), notice]);
}

#[tokio::test]
async fn a_node_that_cannot_connect_to_voice_gets_fresh_credentials_and_is_then_given_up() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    peer.world.refuse_voice(true);
    stage.ask(7, play("song")).await;
    eventually("it is given up", || {
        stage.platform.seen().notices.first().cloned()
    })
    .await;
    assert_eq!(
        stage.platform.seen().notices,
        [refused(Refusal::VoiceFailed)]
    );
    let expected = ["join 50", "leave", "join 50", "leave", "join 50", "leave"];
    eventually("it left", || {
        (stage.voice_log().len() == expected.len()).then_some(())
    })
    .await;
    assert_eq!(stage.voice_log(), expected);
    peer.world.refuse_voice(false);
    assert_eq!(
        stage.ask(7, Command::Join).await,
        Outcome::Joined,
        "the queue was kept"
    );
    eventually("it plays after all", || peer.world.player(7)?.track).await;
}

#[tokio::test]
async fn a_voice_connection_that_is_closed_is_made_anew() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    peer.world.close_voice(7, 4014);
    peer.world.close_voice(7, 4006);
    eventually("fresh credentials", || {
        peer.world
            .journal()
            .contains(&"voice 50 secret3".to_owned())
            .then_some(())
    })
    .await;
    assert_eq!(
        stage.voice_log(),
        ["join 50", "leave", "join 50"],
        "the first code is for the platform to explain"
    );
    assert!(
        peer.world.player(7).expect("a player").track.is_some(),
        "the track goes on"
    );
}

#[tokio::test]
async fn a_new_voice_server_is_handed_to_the_node() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    let endpoint = |endpoint: Option<&str>| ToAudio::VoiceServer {
        guild: guild(7),
        token: "another secret".into(),
        endpoint: endpoint.map(str::to_owned),
    };
    stage.tell(endpoint(None)).await;
    stage.tell(endpoint(Some("other.example:443"))).await;
    eventually("it knows", || {
        peer.world
            .journal()
            .contains(&"voice 50 another secret".to_owned())
            .then_some(())
    })
    .await;
    assert_eq!(stage.voice_log(), ["join 50"]);
}

#[tokio::test]
async fn a_bot_that_is_disconnected_keeps_the_queue() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    let session_id = "voice1".to_owned();
    stage
        .tell(ToAudio::VoiceState {
            guild: guild(7),
            channel: None,
            session_id,
        })
        .await;
    eventually("the player is removed", || {
        peer.world.player(7).is_none().then_some(())
    })
    .await;
    let view = eventually("it is shown", || {
        stage.view(7)?.filter(|view| view.voice_channel.is_none())
    })
    .await;
    assert_eq!(view.playing.expect("the track is kept").track.title, "song");
    assert_eq!(stage.voice_log(), ["join 50"], "it has left already");
}

#[tokio::test]
async fn a_guild_that_removed_the_bot_is_forgotten() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.tell(ToAudio::GuildLeft { guild: guild(7) }).await;
    eventually("the player is removed", || {
        peer.world.player(7).is_none().then_some(())
    })
    .await;
    eventually("the view ended", || {
        (stage.view(7) == Some(None)).then_some(())
    })
    .await;
    assert_eq!(stage.saved(7).await, None);
    assert_eq!(stage.voice_log(), ["join 50"]);
}

#[tokio::test]
async fn a_guild_that_rests_is_woken_with_what_it_kept() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    stage.ask(7, play("next")).await;
    stage.ask(7, Command::Volume { percent: Some(30) }).await;
    assert_eq!(stage.ask(7, Command::Leave).await, Outcome::Left);
    eventually("it rests", || {
        (stage.metrics.audio.sessions.get() == 0).then_some(())
    })
    .await;
    let outcome = stage.ask(7, Command::Queue { page: 1 }).await;
    assert!(
        matches!(&outcome, Outcome::Queue { playing: Some(track), length: 1, .. } if track.title == "song"),
        "{outcome:?}"
    );
    assert_eq!(stage.ask(7, Command::Join).await, Outcome::Joined);
    eventually("it goes on", || {
        peer.world
            .journal()
            .last()
            .filter(|last| last.starts_with("play song"))
            .cloned()
    })
    .await;
    assert_eq!(peer.world.player(7).expect("a player").volume, 30);
}

#[tokio::test]
async fn a_hundred_commands_at_once_are_obeyed_in_order() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    let mut last = String::new();
    for number in 0..100 {
        last = stage
            .send(
                7,
                Command::Play {
                    query: format!("n{number}"),
                    placement: Placement::Last,
                },
            )
            .await;
    }
    stage.answer(&last).await;
    let saved = stage.saved(7).await.expect("it is saved");
    let titles: Vec<_> = saved
        .queue
        .iter()
        .map(|track| track.title.clone())
        .collect();
    assert_eq!(
        titles,
        (0..100)
            .map(|number| format!("n{number}"))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn many_guilds_play_without_mixing() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    for id in 1..=60 {
        stage.send(id, play(&format!("song{id}"))).await;
    }
    for id in 1..=60 {
        let title = format!("song{id}");
        stage.shows(id, &title).await;
        let track = eventually("the track on the node", || peer.world.player(id)?.track).await;
        assert_eq!(track.info.title, title);
    }
    assert_eq!(stage.metrics.audio.sessions.get(), 60);
}
