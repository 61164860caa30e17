//! Sessions, panels, shards and history.

use backline_core::id::MessageId;
use backline_service::{ShardSession, Suggestion};

use crate::{channel, guild, in_memory, snapshot, track, within};

#[tokio::test]
async fn a_session_comes_back_with_its_latest_position() {
    let services = in_memory().await;
    let sessions = &services.sessions;
    assert_eq!(sessions.load(guild(1)).await.expect("loads"), None);
    sessions.save(guild(1), &snapshot(7)).await.expect("saves");
    assert_eq!(
        sessions.load(guild(1)).await.expect("loads"),
        Some(snapshot(7))
    );

    sessions
        .save_position(guild(1), 61_500, 1_700_000_000_000)
        .await
        .expect("saves");
    let mut moved = snapshot(7);
    moved.set_position(61_500);
    assert_eq!(
        sessions.load(guild(1)).await.expect("loads"),
        Some(moved.clone())
    );
    assert_eq!(sessions.all().await.expect("loads"), [(guild(1), moved)]);

    sessions.save(guild(1), &snapshot(8)).await.expect("saves");
    assert_eq!(
        sessions.load(guild(1)).await.expect("loads"),
        Some(snapshot(8))
    );
    sessions.delete(guild(1)).await.expect("deletes");
    assert_eq!(sessions.all().await.expect("loads"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guilds_save_at_once_without_mixing() {
    let services = in_memory().await;
    let guilds: Vec<_> = (1..=100)
        .map(|id| {
            let sessions = services.sessions.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    sessions
                        .save(guild(id), &snapshot(id * 100 + n))
                        .await
                        .expect("saves");
                }
            })
        })
        .collect();
    for guild in guilds {
        within(guild).await.expect("no panic");
    }
    let expected: Vec<_> = (1..=100)
        .map(|id| (guild(id), snapshot(id * 100 + 49)))
        .collect();
    assert_eq!(services.sessions.all().await.expect("loads"), expected);
}

#[tokio::test]
async fn the_panel_of_a_guild_is_remembered() {
    let services = in_memory().await;
    let message = MessageId::new(5).expect("not zero");
    services
        .panels
        .save(guild(1), channel(2), message)
        .await
        .expect("saves");
    let found = services.panels.load(guild(1)).await.expect("loads");
    assert_eq!(found, Some((channel(2), message)));
    services.panels.delete(guild(1)).await.expect("deletes");
    assert_eq!(services.panels.load(guild(1)).await.expect("loads"), None);
}

#[tokio::test]
async fn a_shard_session_is_there_at_once_though_it_is_written_later() {
    let services = in_memory().await;
    let session = |sequence| ShardSession {
        session_id: "secret".into(),
        sequence,
        resume_url: "wss://gateway.example".into(),
    };
    for sequence in 0..1_000 {
        services.shards.put(0, session(sequence));
    }
    assert_eq!(
        services.shards.load(0).await.expect("loads"),
        Some(session(999))
    );
    assert_eq!(services.shards.load(1).await.expect("loads"), None);
    services.shards.clear(0);
    assert_eq!(services.shards.load(0).await.expect("loads"), None);
    assert!(!format!("{:?}", session(1)).contains("secret"));
}

#[tokio::test]
async fn suggestions_are_what_people_can_ask_for_again() {
    let services = in_memory().await;
    let played = [
        track("Night Drive", Some("https://a.example/1")),
        track("From the disk", Some("file:///srv/music/a.mp3")),
        track("No page", None),
        track(
            "Endless address",
            Some(&format!("https://a.example/{}", "x".repeat(3_000))),
        ),
        track(&"x".repeat(1_000), Some("http://a.example/5")),
    ];
    for (at, track) in (1_700_000_000_000..).zip(&played) {
        services
            .history
            .record(guild(1), track, at)
            .await
            .expect("records");
    }
    let suggest = async |text: &str, limit| {
        services
            .history
            .suggest(guild(1), text, limit)
            .await
            .expect("suggests")
    };
    let queries: Vec<_> = suggest("", 25).await.into_iter().map(|s| s.query).collect();
    assert_eq!(
        queries,
        [
            "http://a.example/5",
            "Endless address",
            "No page",
            "From the disk",
            "https://a.example/1"
        ]
    );
    let expected = Suggestion {
        title: "Night Drive".into(),
        author: "The Lanterns".into(),
        query: "https://a.example/1".into(),
    };
    assert_eq!(suggest("LANTERNS night", 25).await, [expected]);
    assert_eq!(suggest("", 2).await.len(), 2);
    assert_eq!(suggest("", 0).await.len(), 0);
    assert_eq!(suggest("xxx", 25).await[0].title.len(), 256);
}

#[tokio::test]
async fn there_are_never_more_suggestions_than_discord_shows() {
    let services = in_memory().await;
    for n in 0..40 {
        let track = track(&format!("track {n}"), None);
        services
            .history
            .record(guild(1), &track, n)
            .await
            .expect("records");
    }
    let found = services
        .history
        .suggest(guild(1), "track", usize::MAX)
        .await
        .expect("suggests");
    assert_eq!(found.len(), 25);
}
