//! Sessions that outlive connections and processes.

use std::time::Duration;

use backline_core::music::Command;
use backline_gateway::start;
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::Services;
use backline_sim::discord::{Entry, Limits};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::house::{House, channel, in_time};

fn closed_by_bot(house: &House) -> Option<u16> {
    house
        .discord
        .journal()
        .entries()
        .rev()
        .find_map(|(_, entry)| match entry {
            Entry::GatewayClosed {
                code, by_bot: true, ..
            } => *code,
            _ => None,
        })
}

#[tokio::test]
async fn a_restart_resumes_without_an_identify_and_knows_who_is_where() {
    let mut house = House::open().await;
    // An answer proves that the guild was told before the end.
    house.command("/ping", &[]).answer().await.unwrap();
    house.stop().await.expect("a clean end");
    let code = closed_by_bot(&house).expect("a close frame");
    assert!(!matches!(code, 1000 | 1001), "{code} would end the session");

    // What happens meanwhile is told after the resume.
    let other = house.guild.add_voice_channel("Other");
    house.discord.join_voice(house.user, other).unwrap();

    house.start().await;
    let journal = house.discord.journal();
    assert_eq!(
        (journal.identifies(), journal.resumes()),
        (1, 1),
        "{}",
        journal.tail(0, 60)
    );
    house.command("/play", &[("query", json!("sea"))]);
    let asked = house.next_command().await;
    assert_eq!(
        asked.user_voice,
        Some(channel(other)),
        "from the cache of before and the replay"
    );
}

#[tokio::test]
async fn a_command_given_between_two_processes_is_not_lost() {
    let mut house = House::open().await;
    house.command("/ping", &[]).answer().await.unwrap();
    house.stop().await.expect("a clean end");
    let interaction = house.command("/shuffle", &[]);
    house.start().await;
    assert_eq!(house.next_command().await.command, Command::Shuffle);
    interaction.acknowledged().await.unwrap();
}

#[tokio::test]
async fn a_broken_connection_and_a_request_to_reconnect_are_resumed() {
    let house = House::open().await;
    let faults = house.discord.faults();
    for (step, break_it) in [
        (
            1,
            Box::new(|| faults.reconnect(None)) as Box<dyn Fn() -> usize>,
        ),
        (2, Box::new(|| faults.break_gateway(None))),
        (3, Box::new(|| faults.close_gateway(None, 4000))),
    ] {
        assert_eq!(break_it(), 1, "step {step}");
        house
            .discord
            .until("the bot to do it", |discord| {
                (discord.journal().resumes() == step).then_some(())
            })
            .await
            .unwrap();
        let shown = house.command("/ping", &[]).answer().await.unwrap();
        assert!(shown.text().contains("Pong"), "step {step}");
    }
    assert_eq!(house.discord.journal().identifies(), 1);
}

#[tokio::test]
async fn an_invalid_session_is_begun_anew() {
    let house = House::open().await;
    assert_eq!(house.discord.faults().invalidate(None, false), 1);
    house
        .discord
        .until("the bot to do it", |discord| {
            (discord.journal().identifies() == 2).then_some(())
        })
        .await
        .unwrap();
    let shown = house.command("/ping", &[]).answer().await.unwrap();
    assert!(shown.text().contains("Pong"));
}

#[tokio::test]
async fn a_session_that_discord_forgot_is_begun_anew_after_a_restart() {
    let mut house = House::open().await;
    house.command("/ping", &[]).answer().await.unwrap();
    house.stop().await.expect("a clean end");
    house.discord.faults().forget_sessions(None);
    house.start().await;
    assert_eq!(house.discord.journal().identifies(), 2);
    house.command("/play", &[("query", json!("sea"))]);
    let asked = house.next_command().await;
    assert_eq!(asked.user_voice, Some(channel(house.voice)));
}

#[tokio::test]
async fn a_changed_number_of_shards_does_not_resume() {
    let mut house = House::open().await;
    house.command("/ping", &[]).answer().await.unwrap();
    house.stop().await.expect("a clean end");
    let mut config = house.config();
    config.shards = Some(2);
    house.start_with(&config).await.expect("the role starts");
    house
        .discord
        .until("the bot to do it", |discord| {
            (discord.journal().identifies() == 3).then_some(())
        })
        .await
        .unwrap();
    assert_eq!(house.discord.journal().resumes(), 0);
}

/// Everything of the first process is gone at once: no close frame, nothing flushed.
#[tokio::test]
async fn a_process_that_is_killed_resumes_too() {
    let mut house = House::closed(Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("backline.db").display());
    let store = config::Store {
        url: url.into(),
        ..config::Store::default()
    };

    let process = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (of_process, config) = (store.clone(), house.config());
    let first = process.spawn(async move {
        let services = Services::open(&of_process, &config::Redis::default(), &Metrics::new())
            .await
            .unwrap();
        let metrics = Metrics::new();
        let role = start(&config, services, &metrics, CancellationToken::new())
            .await
            .unwrap();
        role.ready().await;
        role
    });
    let _role = in_time("the first process", first).await.unwrap();
    house.command("/ping", &[]).answer().await.unwrap();

    let services = Services::open(&store, &config::Redis::default(), &Metrics::new())
        .await
        .unwrap();
    // READY, GUILD_CREATE and the command were written behind.
    let written = async {
        loop {
            let session = services.shards.load(0).await.unwrap();
            if session.is_some_and(|session| session.sequence >= 3) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time("the checkpoint", written).await;
    process.shutdown_background();

    house.commands = services.lines.commands();
    house.services = services;
    house.start().await;
    let journal = house.discord.journal();
    let sessions = (journal.identifies(), journal.resumes());
    assert_eq!(sessions, (1, 1), "{}", journal.tail(0, 60));
    house.command("/play", &[("query", json!("sea"))]);
    let asked = house.next_command().await;
    assert_eq!(asked.user_voice, Some(channel(house.voice)));
}
