//! Section 6: what comes over the WebSocket, and in which order.

use std::time::Duration;

use serde_json::json;

use crate::conformance::answer::{is, keys};
use crate::conformance::case::{Book, demand, fault};

pub(super) fn write(book: &mut Book) {
    book.case(
        "6.2-ready-first",
        "the first message is ready, the next is stats",
        |s| async move {
            let Ok(mut client) = s.socket(&[]).await? else {
                return fault("a WebSocket", "a refusal");
            };
            let (first, second) = (client.next().await?, client.next().await?);
            let order = (first["op"].as_str(), second["op"].as_str());
            if order == (Some("stats"), Some("ready")) && !s.is_backline() {
                s.note("stats overtake ready now and then: two threads send them");
                return Ok(());
            }
            demand(
                order == (Some("ready"), Some("stats")),
                "ready, stats",
                order,
            )
        },
    );
    book.case(
        "6.3-ready-keys",
        "ready has op, resumed and sessionId; resumed is false",
        |s| async move {
            let Ok(mut client) = s.socket(&[]).await? else {
                return fault("a WebSocket", "a refusal");
            };
            let ready = client
                .until("ready", |message| message["op"] == "ready")
                .await?;
            keys(&ready, "", &["op", "resumed", "sessionId"])?;
            is(&ready, "/resumed", &json!(false))
        },
    );
    book.case(
        "6.3-session-id",
        "sessionId is 16 characters of a-z and 0-9",
        |s| async move {
            let client = s.open().await?;
            let right = client.session.len() == 16
                && client
                    .session
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            demand(right, "16 of [a-z0-9]", &client.session)
        },
    );
    book.case(
        "6.3-session-ids-differ",
        "two sessions of the same user have different names",
        |s| async move {
            let (one, two) = (s.open().await?, s.open().await?);
            demand(one.session != two.session, "two names", &one.session)
        },
    );
    book.case(
        "6.1-texts-are-ignored",
        "what a client sends is ignored, the socket stays",
        |s| async move {
            let mut client = s.open().await?;
            client.say("{\"op\":\"play\"}");
            client.say("nonsense");
            client.ping().await?;
            s.get(&format!("{}/players", client.path()))
                .await?
                .status(200)
                .map(drop)
        },
    );
    book.case(
        "6.1-ping",
        "a ping is answered with a pong",
        |s| async move { s.open().await?.ping().await },
    );
    book.case(
        "6.4-update-on-play",
        "playing sends a playerUpdate",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            let update = client.update(guild).await?;
            keys(&update, "", &["op", "guildId", "state"])?;
            keys(
                &update,
                "/state",
                &["time", "position", "connected", "ping"],
            )
        },
    );
    book.case(
        "6.4-update-regularly",
        "while a track is loaded playerUpdates come about every 5 s",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            client.forget().await;
            client.update(guild).await?;
            client.update(guild).await.map(drop)
        },
    );
    book.case(
        "6.4-update-while-paused",
        "playerUpdates come while paused too",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"paused": true})).await?;
            client.forget().await;
            client.update(guild).await.map(drop)
        },
    );
    book.case(
        "6.4-no-update-when-idle",
        "no playerUpdates come for a player without a track",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            client.set(guild, &json!({"volume": 50})).await?;
            client
                .quiet(Duration::from_secs(6), "playerUpdate", |m| {
                    m["op"] == "playerUpdate"
                })
                .await
        },
    );
    book.case(
        "4.6.9-filters-send-update",
        "a change of filters sends a playerUpdate",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            client
                .set(guild, &json!({"filters": {"volume": 0.5}}))
                .await?;
            client.update(guild).await.map(drop)
        },
    );
    for (name, body) in [
        ("volume", json!({"volume": 50})),
        ("pause", json!({"paused": true})),
    ] {
        book.case(
            format!("4.6.9-{name}-sends-none"),
            format!("{body} alone sends no playerUpdate"),
            move |s| async move {
                let (mut client, guild) = (s.open().await?, s.guild());
                client.set(guild, &body).await?;
                client
                    .quiet(Duration::from_millis(800), "playerUpdate", |m| {
                        m["op"] == "playerUpdate"
                    })
                    .await
            },
        );
    }
    book.case(
        "6.6-start",
        "TrackStartEvent comes at the play request, with the whole track and userData",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let track = s.track("long.wav").await?;
            let body = json!({"track": {"encoded": track["encoded"], "userData": {"a": 1}}});
            client.set(guild, &body).await?;
            let start = client.event("TrackStartEvent").await?;
            keys(&start, "", &["op", "guildId", "type", "track"])?;
            keys(
                &start,
                "/track",
                &["encoded", "info", "pluginInfo", "userData"],
            )?;
            is(&start, "/track/userData", &json!({"a": 1}))?;
            is(&start, "/track/encoded", &track["encoded"])?;
            is(&start, "/guildId", &json!(guild.to_string()))
        },
    );
    book.case(
        "6.6-finished",
        "a track that ends by itself: TrackEnd `finished` with the whole track",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "short.wav").await?;
            let end = client.event("TrackEndEvent").await?;
            keys(&end, "", &["op", "guildId", "type", "track", "reason"])?;
            is(&end, "/reason", &json!("finished"))?;
            keys(
                &end,
                "/track",
                &["encoded", "info", "pluginInfo", "userData"],
            )?;
            is(&end, "/track/info/uri", &json!(s.file("short.wav")))
        },
    );
    book.case(
        "6.6-after-the-end",
        "after its end a player has no track and position 0",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "short.wav").await?;
            client.event("TrackEndEvent").await?;
            let answer = client.get(guild).await?;
            answer
                .is("/track", &json!(null))?
                .is("/state/position", &json!(0))
                .map(drop)
        },
    );
    book.case(
        "6.6-user-data-in-end",
        "TrackEnd has the userData that the track has then",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(
                    guild,
                    &json!({"track": {"encoded": encoded, "userData": {"a": 1}}}),
                )
                .await?;
            client
                .set(guild, &json!({"track": {"userData": {"b": 2}}}))
                .await?;
            client
                .set(guild, &json!({"track": {"encoded": null}}))
                .await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/track/userData", &json!({"b": 2}))
        },
    );
    book.case(
        "6.7-replaced",
        "a new track: TrackEnd `replaced` of the old, then TrackStart of the new",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let (one, two) = (s.encoded("long.wav").await?, s.encoded("second.wav").await?);
            client
                .set(guild, &json!({"track": {"encoded": one}}))
                .await?;
            client.event("TrackStartEvent").await?;
            client
                .set(guild, &json!({"track": {"encoded": two}}))
                .await?;
            let end = client.any_event().await?;
            is(&end, "/type", &json!("TrackEndEvent"))?;
            is(&end, "/reason", &json!("replaced"))?;
            is(&end, "/track/encoded", &json!(one))?;
            let start = client.any_event().await?;
            is(&start, "/type", &json!("TrackStartEvent"))?;
            is(&start, "/track/encoded", &json!(two))
        },
    );
    book.case(
        "6.7-the-same-track-again",
        "playing the same track again replaces it too",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let one = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": one}}))
                .await?;
            client.event("TrackStartEvent").await?;
            client
                .set(guild, &json!({"track": {"encoded": one}}))
                .await?;
            is(&client.any_event().await?, "/reason", &json!("replaced"))?;
            is(
                &client.any_event().await?,
                "/type",
                &json!("TrackStartEvent"),
            )
        },
    );
    book.case(
        "6.8-order",
        "three tracks after one another: start, end, start, end, start, end",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.join(guild).await?;
            let mut order = Vec::new();
            for file in ["short.wav", "second.wav", "short.wav"] {
                let encoded = s.encoded(file).await?;
                client
                    .set(guild, &json!({"track": {"encoded": encoded}}))
                    .await?;
                call.sound().await?;
                order.push(client.any_event().await?);
                order.push(client.any_event().await?);
            }
            let kinds: Vec<_> = order
                .iter()
                .map(|event| event["type"].as_str().unwrap_or("?"))
                .collect();
            demand(
                kinds == ["TrackStartEvent", "TrackEndEvent"].repeat(3),
                "start and end in turns",
                kinds,
            )
        },
    );
    book.case(
        "6.6-load-failed",
        "a track whose file is gone: TrackException, then TrackEnd `loadFailed`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.join(guild).await?;
            let gone = forged(&s.file("missing.mp3"));
            client
                .set(guild, &json!({"track": {"encoded": gone}}))
                .await?;
            is(
                &client.any_event().await?,
                "/type",
                &json!("TrackStartEvent"),
            )?;
            let exception = client.any_event().await?;
            is(&exception, "/type", &json!("TrackExceptionEvent"))?;
            keys(
                &exception,
                "",
                &["op", "guildId", "type", "track", "exception"],
            )?;
            keys(
                &exception,
                "/exception",
                &["message", "severity", "cause", "causeStackTrace"],
            )?;
            let end = client.any_event().await?;
            is(&end, "/type", &json!("TrackEndEvent"))?;
            is(&end, "/reason", &json!("loadFailed"))
        },
    );
    book.case(
        "6.6-load-failed-clears",
        "after `loadFailed` the player has no track, and plays the next one",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.join(guild).await?;
            let gone = forged(&s.file("missing.mp3"));
            client
                .set(guild, &json!({"track": {"encoded": gone}}))
                .await?;
            client.event("TrackEndEvent").await?;
            client.get(guild).await?.is("/track", &json!(null))?;
            let encoded = s.encoded("short.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            call.sound().await.map(drop)
        },
    );
    book.case(
        "6.6-stalled",
        "a source that stalls is told: TrackStuckEvent, or TrackExceptionEvent",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.join(guild).await?;
            let encoded = forged_as(&s.file("stalls.wav"), "wav");
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            call.sound().await?;
            let told = client
                .until_within(Duration::from_secs(30), "an event", |m| {
                    m["type"] == "TrackStuckEvent" || m["type"] == "TrackExceptionEvent"
                })
                .await;
            match told {
                Ok(stuck) if stuck["type"] == "TrackStuckEvent" => {
                    keys(
                        &stuck,
                        "",
                        &["op", "guildId", "type", "track", "thresholdMs"],
                    )?;
                    is(&stuck, "/thresholdMs", &json!(10_000))
                }
                Ok(_) => {
                    s.note("the track fails after the time-out of its source");
                    Ok(())
                }
                Err(fault) if s.is_backline() => Err(fault),
                Err(_) => {
                    s.note("nothing within 30 s: it connects again and again");
                    Ok(())
                }
            }
        },
    );
    book.slow_case(
        "6.9-cleanup",
        "a track that nobody pulls for 60 s: TrackEnd `cleanup`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            let end = client
                .until_within(Duration::from_secs(90), "TrackEndEvent", |m| {
                    m["type"] == "TrackEndEvent"
                })
                .await?;
            is(&end, "/reason", &json!("cleanup"))
        },
    );
    book.slow_case(
        "6.2-stats-every-minute",
        "stats come every 60 s",
        |s| async move {
            let mut client = s.open().await?;
            let long = Duration::from_secs(75);
            client
                .until_within(long, "stats", |m| m["op"] == "stats")
                .await?;
            client
                .until_within(long, "stats again", |m| m["op"] == "stats")
                .await
                .map(drop)
        },
    );
}

/// Returns an encoded http track that no server has seen.
pub(super) fn forged(url: &str) -> String {
    forged_as(url, "mp3")
}

pub(super) fn forged_as(url: &str, container: &str) -> String {
    use backline_proto::lavalink::encoded::{Content, Details, encode};
    let content = Content {
        title: "Forged".into(),
        author: "Nobody".into(),
        length: 60_000,
        identifier: url.into(),
        is_stream: false,
        uri: Some(url.into()),
        artwork_url: None,
        isrc: None,
        source_name: "http".into(),
        details: Details::Probe(container.into()),
        position: 0,
    };
    encode(&content).expect("short texts fit")
}
