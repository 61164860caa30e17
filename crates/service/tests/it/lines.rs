//! Messages between roles.

use std::collections::BTreeMap;

use backline_core::music::{Command, LoopMode, Outcome, View};
use backline_service::message::{CommandMessage, ReplyKind, ReplyTo, ToAudio, ToDiscord, UiNow};

use crate::{channel, guild, in_memory, user, within};

fn command(guild_id: u64, by_ms: i64) -> CommandMessage {
    CommandMessage {
        guild: guild(guild_id),
        text_channel: channel(2),
        user: user(3),
        user_voice: Some(channel(4)),
        reply: ReplyTo {
            token: "a secret".into(),
            kind: ReplyKind::Command,
        },
        command: Command::SeekBy { by_ms },
    }
}

fn view(guild_id: u64, volume: u16) -> UiNow {
    let view = View {
        voice_channel: None,
        playing: None,
        up_next: Vec::new(),
        queue_length: 0,
        queue_ms: 0,
        volume,
        loop_mode: LoopMode::Off,
        autoplay: false,
        bring_to_front: false,
    };
    UiNow {
        guild: guild(guild_id),
        text_channel: None,
        view: Some(view),
    }
}

#[tokio::test]
async fn messages_arrive_as_they_were_sent() {
    let services = in_memory().await;
    let lines = &services.lines;
    let (mut commands, mut to_audio, mut to_discord) =
        (lines.commands(), lines.to_audio(), lines.to_discord());

    lines.send_command(command(1, -5)).await.expect("sends");
    let delivery = within(commands.next()).await.expect("open");
    assert_eq!(*delivery, command(1, -5));
    assert_eq!(delivery.attempt(), 1);
    assert!(delivery.published_ms() > 1_700_000_000_000);
    delivery.ack();

    let joined = ToAudio::VoiceState {
        guild: guild(1),
        channel: Some(channel(4)),
        session_id: "a secret".into(),
    };
    lines.send_to_audio(joined.clone()).await.expect("sends");
    assert_eq!(
        within(to_audio.next()).await.expect("open").into_body(),
        joined
    );

    let reply = ToDiscord::Reply {
        guild: guild(1),
        to: command(1, 0).reply,
        outcome: Outcome::Stopped { cleared: 3 },
    };
    lines.send_to_discord(reply.clone()).await.expect("sends");
    let (body, receipt) = within(to_discord.next()).await.expect("open").into_parts();
    assert_eq!(body, reply);
    receipt.ack();
}

#[tokio::test]
async fn a_message_that_was_dropped_comes_again_under_the_same_id() {
    let services = in_memory().await;
    let mut commands = services.lines.commands();
    services
        .lines
        .send_command(command(1, 1))
        .await
        .expect("sends");
    let first = within(commands.next()).await.expect("open");
    let id = first.id();
    drop(first);
    let again = within(commands.next()).await.expect("open");
    assert_eq!((again.id(), again.attempt()), (id, 2));
    again.ack();
    services
        .lines
        .send_command(command(1, 2))
        .await
        .expect("sends");
    let next = within(commands.next()).await.expect("open");
    assert_ne!(next.id(), id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_a_hundred_guilds_keep_their_order() {
    const GUILDS: u64 = 100;
    const EACH: i64 = 30;
    let services = in_memory().await;
    for id in 1..=GUILDS {
        let lines = services.lines.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                lines.send_command(command(id, n)).await.expect("sends");
            }
        });
    }
    let mut commands = services.lines.commands();
    let mut seen: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for _ in 0..GUILDS * EACH as u64 {
        let delivery = within(commands.next()).await.expect("open");
        let Command::SeekBy { by_ms } = delivery.command else {
            panic!("{delivery:?}")
        };
        seen.entry(delivery.guild).or_default().push(by_ms);
        delivery.ack();
    }
    assert_eq!(seen.len() as u64, GUILDS);
    for (guild, numbers) in seen {
        assert!(numbers.into_iter().eq(0..EACH), "{guild:?} is out of order");
    }
}

#[tokio::test]
async fn listeners_see_the_latest_view_of_each_guild() {
    let services = in_memory().await;
    services.lines.publish_now(view(1, 1));
    let mut now = services.lines.now();
    for volume in 0..=100 {
        services.lines.publish_now(view(1, volume));
        services.lines.publish_now(view(2, volume));
    }
    assert_eq!(within(now.next()).await, Some(view(1, 100)));
    assert_eq!(within(now.next()).await, Some(view(2, 100)));
    services.lines.publish_now(UiNow {
        guild: guild(1),
        text_channel: None,
        view: None,
    });
    assert_eq!(within(now.next()).await.expect("open").view, None);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let services = in_memory().await;
    let mut message = command(1, 0);
    message.command = Command::Play {
        query: "x".repeat(2_000_000),
        placement: backline_core::music::Placement::Last,
    };
    let error = services
        .lines
        .send_command(message)
        .await
        .expect_err("is refused");
    assert!(!error.is_transient());
    assert!(
        error.to_string().ends_with("is longer than 1048576"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_of_a_message_is_printed() {
    let services = in_memory().await;
    let mut commands = services.lines.commands();
    services
        .lines
        .send_command(command(1, 0))
        .await
        .expect("sends");
    let delivery = within(commands.next()).await.expect("open");
    let printed = format!("{services:?} {commands:?} {delivery:?}");
    assert!(!printed.contains("a secret"), "{printed}");
}
