//! Section 4.6: updates of a player that plays nothing, and what the answer shows.

use serde_json::{Value, json};

use crate::conformance::case::Book;

pub(super) fn write(book: &mut Book) {
    let rows: Vec<(&'static str, Value, &'static str, Value)> = vec![
        ("volume", json!({"volume": 150}), "/volume", json!(150)),
        ("volume-0", json!({"volume": 0}), "/volume", json!(0)),
        (
            "volume-1000",
            json!({"volume": 1_000}),
            "/volume",
            json!(1_000),
        ),
        (
            "volume-above",
            json!({"volume": 1_001}),
            "/volume",
            json!(1_000),
        ),
        (
            "volume-far-above",
            json!({"volume": 2_000_000_000}),
            "/volume",
            json!(1_000),
        ),
        ("volume-below", json!({"volume": -1}), "/volume", json!(0)),
        ("paused", json!({"paused": true}), "/paused", json!(true)),
        (
            "paused-false",
            json!({"paused": false}),
            "/paused",
            json!(false),
        ),
        ("nothing", json!({}), "/volume", json!(100)),
        (
            "seek-without-track",
            json!({"position": 5_000}),
            "/state/position",
            json!(0),
        ),
        (
            "end-without-track",
            json!({"endTime": 5_000}),
            "/track",
            json!(null),
        ),
        (
            "clear-end-without-track",
            json!({"endTime": null}),
            "/track",
            json!(null),
        ),
        (
            "stop-without-track",
            json!({"track": {"encoded": null}}),
            "/track",
            json!(null),
        ),
        (
            "stop-old-name",
            json!({"encodedTrack": null}),
            "/track",
            json!(null),
        ),
        (
            "empty-track-object",
            json!({"track": {}}),
            "/track",
            json!(null),
        ),
        (
            "user-data-without-track",
            json!({"track": {"userData": {"a": 1}}}),
            "/track",
            json!(null),
        ),
        (
            "filter",
            json!({"filters": {"volume": 0.5}}),
            "/filters",
            json!({"volume": 0.5}),
        ),
        (
            "several",
            json!({"volume": 20, "paused": true, "filters": {"volume": 2.0}}),
            "/filters/volume",
            json!(2.0),
        ),
    ];
    for (name, body, pointer, expected) in rows {
        book.case(
            format!("4.6-idle-{name}"),
            format!("{body} on a player without a track shows {pointer} {expected}"),
            move |s| async move {
                let client = s.open().await?;
                client
                    .set(s.guild(), &body)
                    .await?
                    .is(pointer, &expected)
                    .map(drop)
            },
        );
    }
    for (name, first, second, pointer, expected) in [
        (
            "volume-stays",
            json!({"volume": 30}),
            json!({"paused": true}),
            "/volume",
            json!(30),
        ),
        (
            "pause-stays",
            json!({"paused": true}),
            json!({"volume": 30}),
            "/paused",
            json!(true),
        ),
        (
            "filters-stay",
            json!({"filters": {"volume": 0.5}}),
            json!({"volume": 30}),
            "/filters/volume",
            json!(0.5),
        ),
        (
            "filters-are-a-set",
            json!({"filters": {"volume": 0.5}}),
            json!({"filters": {"tremolo": {}}}),
            "/filters",
            json!({"tremolo": {"frequency": 2.0, "depth": 0.5}}),
        ),
        (
            "filters-cleared",
            json!({"filters": {"volume": 0.5}}),
            json!({"filters": {}}),
            "/filters",
            json!({}),
        ),
        (
            "stop-unpauses",
            json!({"paused": true}),
            json!({"track": {"encoded": null}}),
            "/paused",
            json!(false),
        ),
        (
            "stop-keeps-pause-if-asked",
            json!({"paused": true}),
            json!({"track": {"encoded": null}, "paused": true}),
            "/paused",
            json!(true),
        ),
        (
            "stop-keeps-volume",
            json!({"volume": 20}),
            json!({"track": {"encoded": null}}),
            "/volume",
            json!(20),
        ),
        (
            "stop-keeps-filters",
            json!({"filters": {"volume": 0.5}}),
            json!({"track": {"encoded": null}}),
            "/filters/volume",
            json!(0.5),
        ),
    ] {
        book.case(
            format!("4.6-then-{name}"),
            format!("{first}, then {second}: {pointer} {expected}"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                client.set(guild, &first).await?;
                client.set(guild, &second).await?.is(pointer, &expected)?;
                client.get(guild).await?.is(pointer, &expected).map(drop)
            },
        );
    }
    book.case(
        "4.6-creates",
        "an update makes the player: it is found from then on",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client.set(guild, &json!({})).await?;
            client.get(guild).await?.status(200).map(drop)
        },
    );
    book.case(
        "4.6-status-200",
        "an update that makes the player answers 200, not 201 or 204",
        |s| async move {
            let client = s.open().await?;
            client
                .patch(s.guild(), &json!({}))
                .await?
                .status(200)
                .map(drop)
        },
    );
    for (name, guild) in [
        ("zero", "0"),
        ("small", "1"),
        ("largest", "9223372036854775807"),
    ] {
        book.case(
            format!("1.11-guild-{name}"),
            format!("{guild} is a guildId"),
            move |s| async move {
                let client = s.open().await?;
                let path = format!("{}/players/{guild}", client.path());
                let answer = s.patch(&path, &json!({})).await?;
                answer.status(200)?.is("/guildId", &json!(guild)).map(drop)
            },
        );
    }
    for value in ["true", "false"] {
        book.case(
            format!("4.6-noreplace-{value}"),
            format!("?noReplace={value} without a track changes the rest"),
            move |s| async move {
                let client = s.open().await?;
                let path = format!("{}?noReplace={value}", client.player(s.guild()));
                let answer = s.patch(&path, &json!({"volume": 11})).await?;
                answer.status(200)?.is("/volume", &json!(11)).map(drop)
            },
        );
    }
}
