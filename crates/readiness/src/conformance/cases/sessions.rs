//! Sections 4.4, 4.5, 4.7, 4.8: sessions, and players as a whole.

use serde_json::json;

use crate::conformance::answer::keys;
use crate::conformance::case::{Book, demand};

pub(super) fn write(book: &mut Book) {
    book.case(
        "4.4-no-players",
        "a new session has an empty array of players",
        |s| async move {
            let client = s.open().await?;
            let answer = s.get(&format!("{}/players", client.path())).await?;
            answer.status(200)?;
            demand(answer.body == json!([]), "[]", &answer.body)
        },
    );
    book.case(
        "4.4-all-players",
        "all players of a session are listed, those of others are not",
        |s| async move {
            let (client, other) = (s.open().await?, s.open().await?);
            let (one, two, three) = (s.guild(), s.guild(), s.guild());
            client.set(one, &json!({})).await?;
            client.set(two, &json!({"volume": 7})).await?;
            other.set(three, &json!({})).await?;
            let answer = s.get(&format!("{}/players", client.path())).await?;
            let mut guilds: Vec<_> = answer
                .body
                .as_array()
                .into_iter()
                .flatten()
                .map(|player| player["guildId"].as_str().unwrap_or_default().to_owned())
                .collect();
            guilds.sort();
            demand(
                guilds == [one.to_string(), two.to_string()],
                "two players",
                &answer.body,
            )
        },
    );
    book.case(
        "4.5-same-as-in-the-list",
        "a player alone is the same as in the list",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client
                .set(guild, &json!({"volume": 33, "paused": true}))
                .await?;
            let alone = client.get(guild).await?;
            alone
                .status(200)?
                .is("/volume", &json!(33))?
                .is("/paused", &json!(true))?;
            let list = s.get(&format!("{}/players", client.path())).await?;
            list.is("/0/volume", &json!(33))?
                .is("/0/guildId", alone.at("/guildId")?)
                .map(drop)
        },
    );
    book.case(
        "4.5-get-makes-none",
        "asking for a player does not make one",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client.get(guild).await?.status(404)?;
            client.get(guild).await?.status(404).map(drop)
        },
    );
    book.case(
        "4.4-another-session",
        "a player is found in its own session only",
        |s| async move {
            let (client, other, guild) = (s.open().await?, s.open().await?, s.guild());
            client.set(guild, &json!({})).await?;
            other.get(guild).await?.status(404).map(drop)
        },
    );
    book.case(
        "4.7-delete",
        "DELETE of a player: 204, empty body, and it is gone",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client.set(guild, &json!({})).await?;
            s.delete(&client.player(guild))
                .await?
                .status(204)?
                .empty()?;
            client.get(guild).await?.status(404).map(drop)
        },
    );
    book.case(
        "4.7-delete-unknown",
        "DELETE of a player that is not there: 204",
        |s| async move {
            let client = s.open().await?;
            s.delete(&client.player(s.guild()))
                .await?
                .status(204)
                .map(drop)
        },
    );
    book.case(
        "4.7-delete-twice",
        "DELETE twice: 204 both times",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client.set(guild, &json!({})).await?;
            s.delete(&client.player(guild)).await?.status(204)?;
            s.delete(&client.player(guild)).await?.status(204).map(drop)
        },
    );
    book.case(
        "4.7-delete-stops",
        "DELETE while a track plays: TrackEnd `stopped`",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            s.delete(&client.player(guild)).await?.status(204)?;
            let end = client.event("TrackEndEvent").await?;
            demand(end["reason"] == "stopped", "stopped", &end)
        },
    );
    book.case(
        "4.7-delete-hangs-up",
        "DELETE closes the voice connection",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            s.delete(&client.player(guild)).await?.status(204)?;
            for _ in 0..200 {
                if !s.voice().is_connected(guild, s.user) {
                    return Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            demand(false, "no voice connection", "still there")
        },
    );
    book.case(
        "4.7-new-after-delete",
        "a player made again after DELETE has the defaults",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client
                .set(
                    guild,
                    &json!({"volume": 7, "paused": true, "filters": {"volume": 0.5}}),
                )
                .await?;
            s.delete(&client.player(guild)).await?.status(204)?;
            let answer = client.set(guild, &json!({})).await?;
            answer
                .is("/volume", &json!(100))?
                .is("/paused", &json!(false))?;
            answer.is("/filters", &json!({})).map(drop)
        },
    );
    let settings = [
        (
            "defaults",
            json!({}),
            json!({"resuming": false, "timeout": 60}),
        ),
        (
            "resuming",
            json!({"resuming": true}),
            json!({"resuming": true, "timeout": 60}),
        ),
        (
            "timeout",
            json!({"timeout": 5}),
            json!({"resuming": false, "timeout": 5}),
        ),
        (
            "both",
            json!({"resuming": true, "timeout": 1}),
            json!({"resuming": true, "timeout": 1}),
        ),
        (
            "zero",
            json!({"timeout": 0}),
            json!({"resuming": false, "timeout": 0}),
        ),
        (
            "unknown-key",
            json!({"key": "x"}),
            json!({"resuming": false, "timeout": 60}),
        ),
        (
            "long",
            json!({"timeout": 86_400}),
            json!({"resuming": false, "timeout": 86_400}),
        ),
    ];
    for (name, body, expected) in settings {
        book.case(
            format!("4.8-{name}"),
            format!("PATCH of a session with {body} answers {expected}"),
            move |s| async move {
                let client = s.open().await?;
                let answer = s.patch(&client.path(), &body).await?;
                answer.status(200)?;
                keys(&answer.body, "", &["resuming", "timeout"])?;
                demand(answer.body == expected, &expected.to_string(), &answer.body)
            },
        );
    }
    book.case(
        "4.8-kept",
        "settings stay when others are changed",
        |s| async move {
            let client = s.open().await?;
            s.patch(&client.path(), &json!({"resuming": true}))
                .await?
                .status(200)?;
            let answer = s.patch(&client.path(), &json!({"timeout": 9})).await?;
            demand(
                answer.body == json!({"resuming": true, "timeout": 9}),
                "both",
                &answer.body,
            )
        },
    );
    for (name, body) in [
        ("resuming-null", json!({"resuming": null})),
        ("resuming-text", json!({"resuming": "soon"})),
        ("timeout-null", json!({"timeout": null})),
        ("timeout-text", json!({"timeout": "soon"})),
        ("timeout-float", json!({"timeout": 1.5})),
    ] {
        book.case(
            format!("4.8-refused-{name}"),
            format!("PATCH of a session with {body}: 400"),
            move |s| async move {
                let client = s.open().await?;
                s.patch(&client.path(), &body)
                    .await?
                    .error(400, &client.path())
                    .map(drop)
            },
        );
    }
}
