//! Nodes break, die, come back, and take over from one another.

use backline_audio::{NodeAddress, StartError};
use backline_core::music::{Command, Outcome, Refusal};
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::peer::{PASSWORD, Peer};
use crate::stage::{Stage, address, eventually, play};

/// Waits until the position that the node said is seen.
async fn at_position(stage: &Stage, peer: &Peer, position: u64) {
    eventually("the track on the node", || peer.world.player(7)?.track).await;
    peer.world
        .position(7, i64::try_from(position).expect("small"));
    eventually("the position is known", || {
        let playing = stage.view(7)??.playing?;
        (playing.position_ms >= position).then_some(())
    })
    .await;
}

/// Returns where the last track was started.
fn started_at(journal: &[String]) -> Option<u64> {
    journal
        .last()?
        .strip_prefix("play song from ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

#[tokio::test]
async fn another_node_takes_over_where_the_dead_one_was() {
    let (one, other) = (Peer::start(), Peer::start());
    let mut stage = Stage::start(&[&one, &other]).await;
    eventually("both nodes", || {
        (stage.metrics.audio.nodes_ready.get() == 2).then_some(())
    })
    .await;
    stage.play(7, "song").await;
    let (first, second) = if one.world.player(7).is_some() {
        (one, other)
    } else {
        (other, one)
    };
    at_position(&stage, &first, 60_000).await;
    first.kill();
    let position = eventually("the other node plays", || {
        started_at(&second.world.journal())
    })
    .await;
    assert!((60_000..75_000).contains(&position), "{position}");
    assert!(
        second
            .world
            .journal()
            .iter()
            .any(|entry| entry.starts_with("voice 50 secret"))
    );
    assert_eq!(
        stage.voice_log(),
        ["join 50"],
        "the platform notices nothing"
    );
    assert_eq!(stage.ask(7, Command::Pause).await, Outcome::Paused);
    eventually("it obeys", || {
        second
            .world
            .journal()
            .last()
            .filter(|last| *last == "pause")
            .cloned()
    })
    .await;
}

#[tokio::test]
async fn a_node_that_goes_away_hands_its_players_over_where_they_are() {
    let (one, other) = (Peer::start(), Peer::start());
    let mut stage = Stage::start(&[&one, &other]).await;
    eventually("both nodes", || {
        (stage.metrics.audio.nodes_ready.get() == 2).then_some(())
    })
    .await;
    stage.play(7, "song").await;
    let (first, second) = if one.world.player(7).is_some() {
        (one, other)
    } else {
        (other, one)
    };
    at_position(&stage, &first, 60_000).await;
    first.world.say(DRAINING);
    let position = eventually("the other node plays", || {
        started_at(&second.world.journal())
    })
    .await;
    assert!((60_000..75_000).contains(&position), "{position}");
    assert_eq!(
        stage.voice_log(),
        ["join 50"],
        "the platform notices nothing"
    );
    eventually("the old player is removed", || {
        first.world.player(7).is_none().then_some(())
    })
    .await;
    // New players avoid it, too.
    stage.play(8, "song").await;
    assert!(first.world.player(8).is_none());
}

#[tokio::test]
async fn the_only_node_is_used_to_its_end_though_it_goes_away() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    at_position(&stage, &peer, 60_000).await;
    peer.world.say(DRAINING);
    assert_eq!(stage.ask(7, Command::Pause).await, Outcome::Paused);
    assert!(peer.world.player(7).is_some());
}

/// Stats of a node that ends in a while.
const DRAINING: &str = r#"{"op":"stats","frameStats":null,"players":1,"playingPlayers":1,"uptime":1,"memory":{"free":1,"used":1,"allocated":1,"reservable":1},"cpu":{"cores":1,"systemLoad":0.1,"lavalinkLoad":0.1},"drainingMs":60000}"#;

#[tokio::test]
async fn the_only_node_is_waited_for_and_the_music_goes_on_where_it_was() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    at_position(&stage, &peer, 60_000).await;
    let address = peer.kill();
    eventually("it is missed", || {
        (stage.metrics.audio.nodes_ready.get() == 0).then_some(())
    })
    .await;
    assert_eq!(
        stage.ask(7, Command::Volume { percent: Some(20) }).await,
        Outcome::Volume { percent: 20 }
    );
    // Until it is given up, a node that comes back is asked for its old session.
    eventually("it is given up", || {
        (stage.metrics.audio.node_losses.get() == 1).then_some(())
    })
    .await;
    let peer = Peer::start_at(address);
    let position = eventually("it plays again", || started_at(&peer.world.journal())).await;
    assert!((60_000..75_000).contains(&position), "{position}");
    assert_eq!(
        peer.world.player(7).expect("a player").volume,
        20,
        "what was asked meanwhile holds"
    );
    assert_eq!(
        peer.world.handshakes()[0],
        (None, false),
        "its old session is not asked for: it died"
    );
}

#[tokio::test]
async fn a_broken_connection_is_resumed_and_the_music_does_not_notice() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    eventually("the track on the node", || peer.world.player(7)?.track).await;
    peer.world.drop_sockets();
    eventually("it is back", || {
        (peer.world.handshakes().len() == 2).then_some(())
    })
    .await;
    assert_eq!(
        peer.world.handshakes()[1],
        (Some("session1".to_owned()), true)
    );
    stage.ready().await;
    // Commands may meet the gap: the next one is behind it.
    assert_eq!(stage.ask(7, Command::Pause).await, Outcome::Paused);
    eventually("it obeys", || {
        peer.world.player(7).filter(|player| player.paused)
    })
    .await;
    let plays = peer
        .world
        .journal()
        .iter()
        .filter(|entry| entry.starts_with("play"))
        .count();
    assert_eq!(plays, 1);
    assert_eq!(stage.metrics.audio.node_losses.get(), 0);
}

#[tokio::test]
async fn new_players_go_to_the_node_with_less_to_do() {
    let (one, other) = (Peer::start(), Peer::start());
    let mut stage = Stage::start(&[&one, &other]).await;
    eventually("both nodes", || {
        (stage.metrics.audio.nodes_ready.get() == 2).then_some(())
    })
    .await;
    for id in 1..=10 {
        stage.play(id, "song").await;
    }
    eventually("all players", || {
        (one.world.players() + other.world.players() == 10).then_some(())
    })
    .await;
    assert_eq!((one.world.players(), other.world.players()), (5, 5));
}

#[tokio::test]
async fn nonsense_from_a_node_is_ignored() {
    let peer = Peer::start();
    let mut stage = Stage::start(&[&peer]).await;
    stage.play(7, "song").await;
    for text in [
        "",
        "nonsense",
        "[]",
        r#"{"op":"new"}"#,
        r#"{"op":"event","type":"SegmentsLoaded","guildId":"7","segments":[]}"#,
        r#"{"op":"playerUpdate","guildId":"0","state":{"time":1,"position":1,"connected":true,"ping":1}}"#,
        r#"{"op":"playerUpdate","guildId":"7","state":{"time":1,"position":-1,"connected":true,"ping":1}}"#,
        r#"{"op":"stats","players":-1}"#,
    ] {
        peer.world.say(text);
    }
    assert_eq!(stage.ask(7, Command::Pause).await, Outcome::Paused);
    eventually("it obeys", || {
        peer.world.player(7).filter(|player| player.paused)
    })
    .await;
    assert_eq!(peer.world.handshakes().len(), 1, "the connection stayed");
}

#[tokio::test]
async fn without_a_node_people_are_told() {
    let peer = Peer::start();
    let addresses = vec![address(&peer, "a wrong password")];
    let mut stage = Stage::prepare(addresses, config::Audio::default()).await;
    stage.raise().await;
    assert_eq!(
        stage.ask(7, play("song")).await,
        Outcome::Refused {
            refusal: Refusal::NoNode
        }
    );
    assert_eq!(peer.world.sessions(), 0);
    stage.stop().await;
}

#[tokio::test]
async fn nonsense_in_the_configuration_is_refused() {
    let start = async |nodes: Vec<NodeAddress>| {
        let stage = Stage::prepare(Vec::new(), config::Audio::default()).await;
        let metrics = Metrics::new();
        let config = config::Audio::default();
        backline_audio::start(
            &config,
            nodes,
            stage.services,
            &metrics,
            CancellationToken::new(),
        )
        .await
    };
    assert!(matches!(start(Vec::new()).await, Err(StartError::NoNodes)));
    let url = "ftp://127.0.0.1".parse().expect("a URL");
    let address = NodeAddress {
        name: "n".into(),
        url,
        password: PASSWORD.into(),
    };
    assert!(matches!(
        start(vec![address]).await,
        Err(StartError::Scheme { .. })
    ));
}
