//! Logging in, registering commands, and being refused.

use backline_gateway::{GatewayError, StartError};
use backline_sim::discord::{Entry, Limits};
use secrecy::SecretString;

use crate::house::{House, in_time};

const GUILDS: u64 = 1;
const GUILD_VOICE_STATES: u64 = 1 << 7;

#[tokio::test]
async fn the_bot_asks_for_unprivileged_intents_only() {
    let house = House::open().await;
    let journal = house.discord.journal();
    let intents = journal.entries().find_map(|(_, entry)| match entry {
        Entry::Identify { intents, .. } => Some(*intents),
        _ => None,
    });
    assert_eq!(intents, Some(GUILDS | GUILD_VOICE_STATES));
    let bot = house
        .services
        .bot
        .user()
        .map(backline_core::id::UserId::as_u64);
    assert_eq!(bot, Some(house.discord.bot().user.get()));
}

#[tokio::test]
async fn commands_are_registered_once_and_not_again_without_a_change() {
    let mut house = House::open().await;
    assert_eq!(house.discord.journal().registrations(), 1);
    let names: Vec<_> = house
        .discord
        .commands(None)
        .iter()
        .map(|command| command["name"].as_str().unwrap().to_owned())
        .collect();
    for name in [
        "play",
        "playnext",
        "playnow",
        "seek",
        "queue",
        "nowplaying",
        "ping",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "/{name} in {names:?}"
        );
    }
    assert_eq!(names.len(), 19);
    house.stop().await.expect("a clean end");
    house.start().await;
    assert_eq!(
        house.discord.journal().registrations(),
        1,
        "nothing changed"
    );
}

#[tokio::test]
async fn several_shards_identify_one_after_another() {
    let mut house = House::closed(Limits {
        recommended_shards: Some(2),
        ..Limits::default()
    })
    .await;
    house.start().await;
    let mut shards: Vec<_> = house
        .discord
        .journal()
        .entries()
        .filter_map(|(_, entry)| match entry {
            Entry::Identify { shard, .. } => Some(*shard),
            _ => None,
        })
        .collect();
    shards.sort_unstable();
    assert_eq!(shards, [(0, 2), (1, 2)]);
}

#[tokio::test]
async fn the_gateway_url_of_the_configuration_comes_first() {
    let mut house = House::closed(Limits::default()).await;
    let mut config = house.config();
    config.gateway_url = Some(house.discord.gateway_url().parse().unwrap());
    house.start_with(&config).await.expect("the role starts");
    house.discord.until_ready(1).await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_is_one_clear_error_and_no_storm() {
    let mut house = House::closed(Limits::default()).await;
    let mut config = house.config();
    config.token = Some(SecretString::from("MTIz.wrong.token"));
    let error = house.start_with(&config).await.expect_err("refused");
    assert!(
        matches!(error, StartError::Refused(GatewayError::BadToken)),
        "{error:?}"
    );
    assert!(error.to_string().contains("DISCORD_TOKEN"), "{error}");
    let requests = house
        .discord
        .journal()
        .count(|entry| matches!(entry, Entry::Rest { .. }));
    assert_eq!(requests, 1, "{}", house.discord.journal().tail(0, 20));
}

#[tokio::test]
async fn no_token_is_told_before_anything_is_sent() {
    let mut house = House::closed(Limits::default()).await;
    let mut config = house.config();
    config.token = None;
    assert!(matches!(
        house.start_with(&config).await,
        Err(StartError::NoToken)
    ));
    assert_eq!(
        house.discord.journal().count(|_| true),
        house
            .discord
            .journal()
            .count(|entry| { !matches!(entry, Entry::Rest { .. }) })
    );
}

#[tokio::test]
async fn a_gateway_that_refuses_for_good_ends_the_role_with_its_reason() {
    let rows = [
        (4004, GatewayError::BadToken),
        (4013, GatewayError::InvalidIntents),
        (4014, GatewayError::DisallowedIntents),
    ];
    for (code, expected) in rows {
        let mut house = House::open().await;
        assert_eq!(house.discord.faults().close_gateway(None, code), 1);
        let ended = house.stopped().await;
        assert_eq!(ended, Err(expected), "{code}");
        assert_eq!(
            house.discord.journal().identifies(),
            1,
            "no further try after {code}"
        );
    }
}

#[tokio::test]
async fn a_discord_that_stumbles_at_login_is_asked_again() {
    let mut house = House::closed(Limits::default()).await;
    house.discord.faults().fail("gateway/bot", 1, 503);
    in_time("the login", house.start()).await;
}
