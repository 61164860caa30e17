//! Section 4.6: playing, stopping, replacing, seeking, ending.

use std::time::Duration;

use serde_json::json;

use crate::conformance::answer::{at, is};
use crate::conformance::case::{Book, demand, fault};

pub(super) fn write(book: &mut Book) {
    book.case(
        "4.6-play-encoded",
        "playing an encoded track: the answer shows it",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let track = s.track("long.wav").await?;
            let answer = client
                .set(guild, &json!({"track": {"encoded": track["encoded"]}}))
                .await?;
            answer.is("/track/encoded", &track["encoded"])?;
            answer
                .is("/track/info/identifier", &track["info"]["identifier"])
                .map(drop)
        },
    );
    book.case(
        "4.6-play-old-name",
        "playing by the old name `encodedTrack`",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let answer = client.set(guild, &json!({"encodedTrack": encoded})).await?;
            answer.is("/track/encoded", &json!(encoded)).map(drop)
        },
    );
    for (name, body) in [("new-name", "track"), ("old-name", "identifier")] {
        book.case(
            format!("4.6.4-play-identifier-{name}"),
            "playing an identifier that the server resolves",
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                let url = s.file("long.wav");
                let body = match body {
                    "track" => json!({"track": {"identifier": url}}),
                    _ => json!({"identifier": url}),
                };
                let answer = client.set(guild, &body).await?;
                answer.is("/track/info/uri", &json!(url)).map(drop)
            },
        );
    }
    book.case(
        "4.6.3-play-unpauses",
        "a new track un-pauses the player",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client.set(guild, &json!({"paused": true})).await?;
            let answer = client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            answer.is("/paused", &json!(false)).map(drop)
        },
    );
    book.case(
        "4.6.3-play-paused",
        "a new track with `paused: true` begins paused",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let body = json!({"track": {"encoded": encoded}, "paused": true});
            client
                .set(guild, &body)
                .await?
                .is("/paused", &json!(true))
                .map(drop)
        },
    );
    book.case(
        "4.6-play-with-volume-and-filters",
        "a new track keeps volume and filters that come with it",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let body =
                json!({"track": {"encoded": encoded}, "volume": 42, "filters": {"volume": 0.5}});
            let answer = client.set(guild, &body).await?;
            answer
                .is("/volume", &json!(42))?
                .is("/filters/volume", &json!(0.5))
                .map(drop)
        },
    );
    book.case(
        "4.6-play-at-position",
        "a new track with a position begins there",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let mut call = client.join(guild).await?;
            let body = json!({"track": {"encoded": encoded}, "position": 30_000});
            client.set(guild, &body).await?;
            call.sound().await?;
            let at = client.get(guild).await?.at("/state/position")?.as_i64();
            demand(
                at.is_some_and(|at| (29_900..=36_000).contains(&at)),
                "about 30,000",
                at,
            )
        },
    );
    book.case(
        "4.6-position-advances",
        "while sound is heard the position advances in real time",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            let position = async || {
                let answer = client.get(guild).await?;
                Ok::<_, crate::conformance::case::Stop>((
                    answer.at("/state/position")?.as_i64().unwrap_or(-1),
                    answer.at("/state/time")?.as_i64().unwrap_or(-1),
                ))
            };
            let one = position().await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let two = position().await?;
            let drift = (two.0 - one.0) - (two.1 - one.1);
            demand(
                drift.abs() < 700 && two.0 > one.0,
                "position advances with time",
                (one, two),
            )
        },
    );
    book.case(
        "4.6-no-call-no-advance",
        "without a call a track is loaded but does not advance",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let answer = client.get(guild).await?;
            answer
                .is("/track/encoded", &json!(encoded))?
                .is("/state/position", &json!(0))
                .map(drop)
        },
    );
    book.case(
        "4.6-stop",
        "`encoded: null` stops: TrackEnd `stopped`, no track",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            let answer = client
                .set(guild, &json!({"track": {"encoded": null}}))
                .await?;
            answer.is("/track", &json!(null))?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("stopped"))
        },
    );
    book.case(
        "4.6.2-no-replace",
        "?noReplace=true while a track is loaded: it stays, the rest is applied",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let (one, two) = (s.encoded("long.wav").await?, s.encoded("short.wav").await?);
            client
                .set(guild, &json!({"track": {"encoded": one}}))
                .await?;
            let path = format!("{}?noReplace=true", client.player(guild));
            let body = json!({"track": {"encoded": two}, "volume": 40});
            let answer = s.patch(&path, &body).await?;
            answer.status(200)?.is("/track/encoded", &json!(one))?;
            answer.is("/volume", &json!(40)).map(drop)
        },
    );
    book.case(
        "4.6.2-no-replace-when-idle",
        "?noReplace=true without a track plays",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let one = s.encoded("long.wav").await?;
            let path = format!("{}?noReplace=true", client.player(guild));
            let answer = s.patch(&path, &json!({"track": {"encoded": one}})).await?;
            answer
                .status(200)?
                .is("/track/encoded", &json!(one))
                .map(drop)
        },
    );
    book.case(
        "4.6.2-no-replace-keeps-pause",
        "?noReplace=true with a track that is ignored leaves the pause alone",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let one = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": one}, "paused": true}))
                .await?;
            let path = format!("{}?noReplace=true", client.player(guild));
            let answer = s.patch(&path, &json!({"track": {"encoded": one}})).await?;
            answer.is("/paused", &json!(true)).map(drop)
        },
    );
    user_data(book);
    seek(book);
    end(book);
}

fn user_data(book: &mut Book) {
    book.case(
        "4.6.5-user-data-with-track",
        "userData that comes with a track is echoed",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let data = json!({"requester": "1", "deep": {"list": [1, 2, null]}});
            let body = json!({"track": {"encoded": encoded, "userData": data}});
            client
                .set(guild, &body)
                .await?
                .is("/track/userData", &data)?;
            client
                .get(guild)
                .await?
                .is("/track/userData", &data)
                .map(drop)
        },
    );
    book.case(
        "4.6.5-user-data-alone",
        "userData alone replaces that of the current track",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(
                    guild,
                    &json!({"track": {"encoded": encoded, "userData": {"a": 1, "b": 2}}}),
                )
                .await?;
            let answer = client
                .set(guild, &json!({"track": {"userData": {"c": 3}}}))
                .await?;
            answer.is("/track/userData", &json!({"c": 3}))?;
            answer.is("/track/encoded", &json!(encoded)).map(drop)
        },
    );
    book.case(
        "4.6.5-user-data-empty",
        "a track without userData has {}",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let answer = client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            answer.is("/track/userData", &json!({})).map(drop)
        },
    );
    book.case(
        "4.6.5-user-data-does-not-outlive",
        "a new track does not inherit userData",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(
                    guild,
                    &json!({"track": {"encoded": encoded, "userData": {"a": 1}}}),
                )
                .await?;
            let answer = client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            answer.is("/track/userData", &json!({})).map(drop)
        },
    );
}

fn seek(book: &mut Book) {
    book.case(
        "4.6.6-seek",
        "a seek changes the position",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let mut call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"position": 40_000})).await?;
            call.sound().await?;
            for _ in 0..100 {
                let at = client
                    .get(guild)
                    .await?
                    .at("/state/position")?
                    .as_i64()
                    .unwrap_or(-1);
                if (39_900..=48_000).contains(&at) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            fault("about 40,000", "another position")
        },
    );
    book.case(
        "4.6.6-seek-back",
        "a seek back to the start",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let mut call = client.join(guild).await?;
            client
                .set(
                    guild,
                    &json!({"track": {"encoded": encoded}, "position": 30_000}),
                )
                .await?;
            call.sound().await?;
            client.set(guild, &json!({"position": 0})).await?;
            for _ in 0..100 {
                let at = client
                    .get(guild)
                    .await?
                    .at("/state/position")?
                    .as_i64()
                    .unwrap_or(-1);
                if (0..=9_000).contains(&at) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            fault("near the start", "another position")
        },
    );
    book.case(
        "4.6.6-seek-sends-update",
        "a seek sends a playerUpdate",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            client.forget().await;
            client.set(guild, &json!({"position": 20_000})).await?;
            client
                .until_within(
                    Duration::from_secs(3),
                    "a playerUpdate within 3 s",
                    |message| message["op"] == "playerUpdate",
                )
                .await
                .map(drop)
        },
    );
    book.case(
        "4.6.6-seek-past-the-end",
        "a seek past the end ends the track: `finished`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"position": 900_000})).await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("finished"))
        },
    );
    book.case(
        "4.6.6-seek-below-0",
        "a seek before the start goes to the start, or is refused",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            let answer = client.patch(guild, &json!({"position": -5_000})).await?;
            s.either(&answer, 200, 400, "a position below 0 makes no sense")
        },
    );
}

fn end(book: &mut Book) {
    book.case(
        "4.6.7-end-time",
        "a track with endTime ends there: `finished`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let call = client.join(guild).await?;
            let body = json!({"track": {"encoded": encoded}, "endTime": 1_000});
            client.set(guild, &body).await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("finished"))?;
            drop(call);
            let at = at(&end, "/track/info/position")?.as_i64();
            demand(
                at.is_some_and(|at| at < 3_000),
                "an end after about 1,000 ms",
                at,
            )
        },
    );
    book.case(
        "4.6.7-end-time-later",
        "endTime can be given while the track plays",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            client.set(guild, &json!({"endTime": 3_000})).await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("finished"))
        },
    );
    book.case(
        "4.6.7-end-time-with-position",
        "a track from a position to an endTime",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let _call = client.join(guild).await?;
            let body =
                json!({"track": {"encoded": encoded}, "position": 20_000, "endTime": 21_000});
            client.set(guild, &body).await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("finished"))
        },
    );
    book.case(
        "4.6.7-seek-past-end-time",
        "a seek past endTime ends the track: `finished`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let mut call = client.join(guild).await?;
            let body = json!({"track": {"encoded": encoded}, "endTime": 30_000});
            client.set(guild, &body).await?;
            call.sound().await?;
            client.set(guild, &json!({"position": 31_000})).await?;
            let end = client.event("TrackEndEvent").await?;
            is(&end, "/reason", &json!("finished"))
        },
    );
    book.case(
        "4.6.8-end-time-cleared",
        "`endTime: null` clears it, as documented (the reference server does nothing)",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let _call = client.join(guild).await?;
            let body = json!({"track": {"encoded": encoded}, "endTime": 2_500});
            client.set(guild, &body).await?;
            client.set(guild, &json!({"endTime": null})).await?;
            let ended = client
                .until_within(Duration::from_secs(5), "an end", |message| {
                    message["type"] == "TrackEndEvent"
                })
                .await;
            match ended {
                Err(_) => Ok(()),
                Ok(_) if s.is_backline() => fault("no end", "TrackEndEvent"),
                Ok(_) => {
                    s.note("ends all the same, though the documents say that null clears it");
                    Ok(())
                }
            }
        },
    );
}
