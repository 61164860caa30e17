//! Commands, buttons and completion: acknowledged, handed on, answered.

use backline_core::music::{Command, Outcome, Placement, Refusal};
use backline_service::message::{CommandMessage, ReplyKind, ToDiscord};
use backline_sim::discord::Entry;
use serde_json::json;

use crate::house::{House, channel, track, view};

const CONNECT: u64 = 1 << 20;
const DEFER_PRIVATE: u8 = 5;
const DEFER_UPDATE: u8 = 6;

async fn answer(house: &House, asked: &CommandMessage, outcome: Outcome) {
    let message = ToDiscord::Reply {
        guild: asked.guild,
        to: asked.reply.clone(),
        outcome,
    };
    house
        .services
        .lines
        .send_to_discord(message)
        .await
        .expect("the bus is open");
}

#[tokio::test]
async fn a_command_is_acknowledged_privately_handed_on_and_answered() {
    let mut house = House::open().await;
    let interaction = house.command("/play", &[("query", json!("sea song"))]);
    let acknowledged = interaction.acknowledged().await.unwrap();
    assert_eq!(acknowledged.kind, DEFER_PRIVATE);

    let asked = house.next_command().await;
    assert_eq!(asked.guild, house.guild_id());
    assert_eq!(asked.text_channel, channel(house.text));
    assert_eq!(asked.user.as_u64(), house.user.get());
    assert_eq!(asked.user_voice, Some(channel(house.voice)));
    assert_eq!(asked.reply.kind, ReplyKind::Command);
    let play = Command::Play {
        query: "sea song".into(),
        placement: Placement::Last,
    };
    assert_eq!(asked.command, play);

    let added = Outcome::Added {
        track: track("Sea *song*"),
        count: 1,
        position: 3,
        placement: Placement::Last,
    };
    answer(&house, &asked, added).await;
    let shown = interaction.answer().await.unwrap();
    assert!(shown.is_ephemeral(), "answers are private");
    assert!(shown.text().contains("Sea \\*song\\*"), "{}", shown.text());
    assert!(shown.text().contains("place 3"), "{}", shown.text());
}

#[tokio::test]
async fn commands_of_one_guild_arrive_in_the_order_they_were_given() {
    let mut house = House::open().await;
    // The first acknowledgement is slow: what follows must not overtake it.
    house
        .discord
        .faults()
        .delay("callback", 1, std::time::Duration::from_millis(700));
    house.command("/volume", &[("percent", json!(10))]);
    for percent in [20, 30, 40] {
        house.command("/volume", &[("percent", json!(percent))]);
    }
    for percent in [10, 20, 30, 40] {
        assert_eq!(
            house.next_command().await.command,
            Command::Volume {
                percent: Some(percent)
            }
        );
    }
}

#[tokio::test]
async fn what_is_known_to_fail_is_answered_at_once_and_not_handed_on() {
    let mut house = House::open().await;
    let stranger = house.guild.add_user("bob");
    let interaction = house
        .discord
        .command(stranger, house.text, "/play", &[("query", json!("sea"))])
        .unwrap();
    let shown = interaction.answer().await.unwrap();
    assert!(shown.is_ephemeral());
    assert!(
        shown.text().contains("not in a voice channel"),
        "{}",
        shown.text()
    );

    let locked = house.guild.add_voice_channel("Locked");
    house.guild.deny(locked, house.discord.bot().user, CONNECT);
    house.discord.join_voice(stranger, locked).unwrap();
    let interaction = house
        .discord
        .command(stranger, house.text, "/join", &[])
        .unwrap();
    let shown = interaction.answer().await.unwrap();
    assert!(shown.text().contains("Connect"), "{}", shown.text());

    let interaction = house.command("/seek", &[("position", json!("soon"))]);
    let shown = interaction.answer().await.unwrap();
    assert!(
        shown.text().contains("1:23"),
        "it says how to write a position: {}",
        shown.text()
    );

    house.command("/pause", &[]);
    assert_eq!(
        house.next_command().await.command,
        Command::Pause,
        "nothing else was handed on"
    );
}

#[tokio::test]
async fn a_refusal_of_the_session_is_told() {
    let mut house = House::open().await;
    let interaction = house.command("/pause", &[]);
    let asked = house.next_command().await;
    answer(
        &house,
        &asked,
        Outcome::Refused {
            refusal: Refusal::NothingPlaying,
        },
    )
    .await;
    let shown = interaction.answer().await.unwrap();
    assert!(
        shown.text().contains("Nothing is playing"),
        "{}",
        shown.text()
    );
}

#[tokio::test]
async fn ping_answers_at_once() {
    let house = House::open().await;
    let shown = house.command("/ping", &[]).answer().await.unwrap();
    assert!(shown.is_ephemeral());
    assert!(shown.text().contains("Pong"), "{}", shown.text());
}

#[tokio::test]
async fn buttons_are_acknowledged_in_place_and_only_refusals_are_told() {
    let mut house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = house
        .discord
        .until_message(house.text, "the panel", |_| true)
        .await
        .unwrap();

    let pressed = house
        .discord
        .press(house.user, house.text, panel.id, "np:skip")
        .unwrap();
    assert_eq!(pressed.acknowledged().await.unwrap().kind, DEFER_UPDATE);
    let asked = house.next_command().await;
    assert_eq!(
        (asked.command.clone(), asked.reply.kind),
        (Command::Skip { count: 1 }, ReplyKind::Button)
    );
    answer(
        &house,
        &asked,
        Outcome::Skipped {
            count: 1,
            next: None,
        },
    )
    .await;

    let pressed = house
        .discord
        .press(house.user, house.text, panel.id, "np:autoplay")
        .unwrap();
    let asked = house.next_command().await;
    answer(
        &house,
        &asked,
        Outcome::Refused {
            refusal: Refusal::NotYet {
                feature: "Autoplay".into(),
            },
        },
    )
    .await;
    let told = pressed.follow_up().await.unwrap();
    assert!(told.is_ephemeral());
    assert!(told.text().contains("Autoplay"), "{}", told.text());
    let panels = house
        .discord
        .messages(house.text)
        .into_iter()
        .filter(|message| !message.is_ephemeral())
        .count();
    assert_eq!(panels, 1, "the panel itself is untouched");
}

#[tokio::test]
async fn the_queue_list_turns_its_pages_in_place() {
    let mut house = House::open().await;
    let page = |page| Outcome::Queue {
        playing: None,
        entries: vec![track(&format!("Entry of page {page}"))],
        first: 1,
        page,
        pages: 3,
        length: 3,
        total_ms: 600_000,
    };
    let interaction = house.command("/queue", &[]);
    let asked = house.next_command().await;
    assert_eq!(asked.command, Command::Queue { page: 1 });
    answer(&house, &asked, page(1)).await;
    let list = interaction.answer().await.unwrap();
    assert!(list.text().contains("Entry of page 1"), "{}", list.text());

    let next = list
        .custom_ids()
        .into_iter()
        .find(|id| id.starts_with("q:2"))
        .expect("a next button");
    house
        .discord
        .press(house.user, house.text, list.id, &next)
        .unwrap();
    let asked = house.next_command().await;
    assert_eq!(asked.command, Command::Queue { page: 2 });
    answer(&house, &asked, page(2)).await;
    let turned = house
        .discord
        .until("the bot to do it", |discord| {
            discord
                .message(house.text, list.id)
                .filter(|message| message.text().contains("Entry of page 2"))
        })
        .await;
    assert!(turned.is_ok(), "{turned:?}");
}

#[tokio::test]
async fn completion_suggests_what_was_played_here() {
    let house = House::open().await;
    let guild = house.guild_id();
    house
        .services
        .history
        .record(guild, &track("Sea"), 1000)
        .await
        .unwrap();
    let sky = backline_core::music::Track {
        uri: Some("https://music.example/sky".into()),
        ..track("Sky")
    };
    house
        .services
        .history
        .record(guild, &sky, 2000)
        .await
        .unwrap();
    let typed = |text: &str| {
        house
            .discord
            .autocomplete(
                house.user,
                house.text,
                "/play",
                &[("query", json!(text))],
                "query",
            )
            .unwrap()
    };
    let choices = typed("sea").choices().await.unwrap();
    assert_eq!(
        *choices,
        json!([{"name": "Sea – Low Tide", "value": "https://music.example/sea"}])
    );
    let choices = typed("").choices().await.unwrap();
    assert_eq!(
        choices[0]["name"], "Sky – Low Tide",
        "the latest first: {choices}"
    );
    assert_eq!(
        *typed("nothing like it").choices().await.unwrap(),
        json!([])
    );
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_dropped_in_silence() {
    let mut house = House::open().await;
    let interaction = house.command("/pause", &[]);
    interaction.acknowledged().await.unwrap();
    let asked = house.next_command().await;
    house.discord.advance(std::time::Duration::from_mins(16));
    answer(&house, &asked, Outcome::Paused).await;
    house
        .discord
        .until("the bot to do it", |discord| {
            let journal = discord.journal();
            let late = journal.count(|entry| {
                matches!(entry, Entry::Rest { method, path, status, .. }
                    if method == "PATCH" && path.contains("webhooks") && *status >= 400)
            });
            (late > 0).then_some(())
        })
        .await
        .unwrap();
    // The role is well, and others are served.
    let shown = house.command("/ping", &[]).answer().await.unwrap();
    assert!(shown.text().contains("Pong"));
    let text = house.metrics.encode();
    assert!(
        text.contains(r#"backline_gateway_replies_total{result="Gone"} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn rate_limits_delay_answers_but_lose_none() {
    let mut house = House::open().await;
    let interaction = house.command("/pause", &[]);
    let asked = house.next_command().await;
    house
        .discord
        .faults()
        .rate_limit("webhooks", 2, std::time::Duration::from_millis(200));
    answer(&house, &asked, Outcome::Paused).await;
    let shown = interaction.answer().await.unwrap();
    assert!(shown.text().contains("Paused"), "{}", shown.text());
}
