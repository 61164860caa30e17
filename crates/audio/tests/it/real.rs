//! The audio role on our own node, in a simulated call: what people ask for is what they hear.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use backline_audio::NodeAddress;
use backline_core::music::{Command, Outcome};
use backline_node::RunningNode;
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_sim::voice::{Listener, VoiceOptions, VoiceServer};
use tokio_util::sync::CancellationToken;

use crate::peer::PASSWORD;
use crate::stage::{PATIENCE, Stage, eventually, play};

const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

async fn node(shutdown: &CancellationToken) -> RunningNode {
    let config = config::Node {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        player_update_interval_s: 1,
        drain_timeout_s: 0,
        local: config::node::LocalSource {
            root: Some(PathBuf::from(MUSIC)),
        },
        voice: config::node::Voice {
            plaintext_loopback: true,
            ..config::node::Voice::default()
        },
        ..config::Node::default()
    };
    backline_node::start(&config, PASSWORD.into(), &Metrics::new(), shutdown.clone())
        .await
        .expect("the node starts")
}

const MUSIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/music");

/// Waits for `count` frames of sound.
async fn hear(listener: &mut Listener, count: usize) {
    let sound = async {
        for _ in 0..count {
            while listener
                .next()
                .await
                .expect("the call goes on")
                .opus
                .as_ref()
                == SILENCE
            {}
        }
    };
    tokio::time::timeout(PATIENCE, sound)
        .await
        .expect("sound in time");
}

#[tokio::test]
async fn people_hear_what_they_ask_for_also_after_a_restart() {
    let shutdown = CancellationToken::new();
    let node = node(&shutdown).await;
    let url = format!("http://{}", node.local_addr())
        .parse()
        .expect("a URL");
    let address = NodeAddress {
        name: "ours".into(),
        url,
        password: PASSWORD.into(),
    };
    let mut stage = Stage::prepare(vec![address], config::Audio::default()).await;
    let calls = VoiceServer::start(VoiceOptions::default())
        .await
        .expect("the voice servers start");
    stage.platform.seen().calls = Some(calls.clone());
    stage.raise().await;
    stage.ready().await;

    let mut listener = calls.listen(7);
    let outcome = stage.ask(7, play("nocturne")).await;
    let Outcome::Added {
        track, position: 0, ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(track.title, "Nocturne in E flat");
    assert!(track.uri.is_none(), "paths stay on the node");
    hear(&mut listener, 50).await;
    assert!(matches!(
        stage.ask(7, play("chime")).await,
        Outcome::Added { position: 1, .. }
    ));

    assert_eq!(
        stage.ask(7, Command::Seek { to_ms: 20_000 }).await,
        Outcome::Sought { to_ms: 20_000 }
    );
    hear(&mut listener, 20).await;
    stage.stop().await;
    eventually("the node left the call", || {
        (!calls.is_connected(7, crate::stage::BOT)).then_some(())
    })
    .await;

    stage.raise().await;
    let mut listener = calls.listen(7);
    hear(&mut listener, 20).await;
    let saved = stage
        .saved(7)
        .await
        .expect("it is saved")
        .current
        .expect("the track is saved");
    assert!(
        (20_000..50_000).contains(&saved.position_ms),
        "{}",
        saved.position_ms
    );

    stage.ask(7, Command::Skip { count: 1 }).await;
    stage.shows(7, "Chime").await;
    hear(&mut listener, 20).await;
    let ended = eventually("the chime rang out", || {
        stage.view(7)?.filter(|view| view.playing.is_none())
    })
    .await;
    assert_eq!(ended.queue_length, 0);

    let missing = stage.ask(7, play("no such tune")).await;
    assert!(matches!(missing, Outcome::Refused { .. }), "{missing:?}");
    assert_eq!(
        stage.ask(7, Command::Stop).await,
        Outcome::Stopped { cleared: 0 }
    );
    stage.stop().await;
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, node.stopped())
        .await
        .expect("the node stops");
}
