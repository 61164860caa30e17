//! The Now Playing message.

use backline_core::music::View;
use backline_service::message::UiNow;
use backline_sim::discord::{Discord, Entry, Limits, Message, MessageId};

use crate::house::{House, in_time, view};

async fn shows(discord: &Discord, house: &House, title: &str) -> Message {
    discord
        .until_message(house.text, "the panel", |message| {
            message.text().contains(title)
        })
        .await
        .unwrap()
}

fn edits(house: &House, id: MessageId) -> usize {
    house
        .discord
        .journal()
        .count(|entry| matches!(entry, Entry::MessageEdited { message, .. } if *message == id))
}

fn panels(house: &House) -> Vec<Message> {
    house.discord.messages(house.text)
}

#[tokio::test]
async fn it_is_made_at_once_with_all_buttons_and_remembered() {
    let house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = shows(&house.discord, &house, "Sea").await;
    assert_eq!(panel.custom_ids().len(), 12);
    let saved = async {
        loop {
            if let Some(found) = house.services.panels.load(house.guild_id()).await.unwrap() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let (_, saved) = in_time("the place of the panel", saved).await;
    assert_eq!(saved.as_u64(), panel.id.get());
}

#[tokio::test]
async fn many_views_become_few_edits_of_which_the_last_is_the_latest() {
    let house = House::open().await;
    house.show(Some(view("Sea 0")));
    let panel = shows(&house.discord, &house, "Sea 0").await;
    for number in 1..=40 {
        house.show(Some(view(&format!("Sea {number} of 40"))));
    }
    let last = shows(&house.discord, &house, "Sea 40 of 40").await;
    assert_eq!(last.id, panel.id, "edited, not made anew");
    assert!(
        edits(&house, panel.id) <= 2,
        "{} edits",
        edits(&house, panel.id)
    );
    assert_eq!(panels(&house).len(), 1);
}

#[tokio::test]
async fn a_deleted_one_is_made_again_at_the_next_change() {
    let house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = shows(&house.discord, &house, "Sea").await;
    let rest = delete(&house, panel.id).await;
    assert_eq!(rest, 204);
    house.show(Some(view("Sky high")));
    let again = shows(&house.discord, &house, "Sky high").await;
    assert_ne!(again.id, panel.id);
}

#[tokio::test]
async fn it_comes_to_the_front_when_asked() {
    let house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = shows(&house.discord, &house, "Sea").await;
    house
        .discord
        .say(house.user, house.text, "what a song")
        .unwrap();
    house.show(Some(View {
        bring_to_front: true,
        ..view("Sea")
    }));
    let moved = house
        .discord
        .until("the bot to do it", |discord| {
            let messages = discord.messages(house.text);
            let last = messages.last().cloned()?;
            (last.id != panel.id && last.text().contains("Sea") && messages.len() == 2)
                .then_some(last)
        })
        .await;
    assert!(
        moved.is_ok(),
        "the old one is gone, the new one is last: {moved:?}"
    );
}

#[tokio::test]
async fn the_end_of_a_session_is_shown_without_buttons() {
    let house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = shows(&house.discord, &house, "Sea").await;
    house.show(None);
    let ended = shows(&house.discord, &house, "The music is over").await;
    assert_eq!(ended.id, panel.id);
    assert!(ended.custom_ids().is_empty());
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_message() {
    let mut house = House::open().await;
    house.show(Some(view("Sea")));
    let panel = shows(&house.discord, &house, "Sea").await;
    house.stop().await.expect("a clean end");
    house.start().await;
    house.show(Some(view("Sky high")));
    let after = shows(&house.discord, &house, "Sky high").await;
    assert_eq!(after.id, panel.id);
    assert_eq!(panels(&house).len(), 1);
}

/// More requests than Discord takes in a second: they are spread, and none is refused.
#[tokio::test]
async fn many_guilds_at_once_stay_below_the_rate_limit() {
    const GUILDS: usize = 120;
    let mut house = House::closed(Limits::default()).await;
    let guilds: Vec<_> = (0..GUILDS)
        .map(|number| {
            let guild = house.discord.add_guild(&format!("Guild {number}"));
            let text = guild.add_text_channel("general");
            (guild, text)
        })
        .collect();
    house.start().await;
    for (number, (guild, text)) in guilds.iter().enumerate() {
        house.services.lines.publish_now(UiNow {
            guild: backline_core::id::GuildId::new(guild.id().get()).unwrap(),
            text_channel: Some(crate::house::channel(*text)),
            view: Some(view(&format!("Song {number}"))),
        });
    }
    for (number, (_, text)) in guilds.iter().enumerate() {
        let messages = house
            .discord
            .until("all panels", |discord| {
                Some(discord.messages(*text)).filter(|messages| !messages.is_empty())
            })
            .await
            .unwrap();
        let title = format!("Song {number}");
        assert!(
            messages[0].text().contains(&title),
            "no guild shows another's music"
        );
        assert_eq!(messages.len(), 1);
    }
    assert_eq!(
        house.discord.invalid_requests(),
        0,
        "{}",
        house.discord.journal().tail(0, 300)
    );
}

/// Deletes a message as a moderator would: over REST, with the bot's own token.
async fn delete(house: &House, message: MessageId) -> u16 {
    let client = twilight_http::Client::builder()
        .token(house.discord.token())
        .proxy(house.discord.address().to_string(), true)
        .build();
    let channel = twilight_model::id::Id::new(house.text.get());
    let message = twilight_model::id::Id::new(message.get());
    client
        .delete_message(channel, message)
        .await
        .unwrap()
        .status()
        .get()
}
