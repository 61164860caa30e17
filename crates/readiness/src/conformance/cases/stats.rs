//! Section 11: stats.

use std::time::Duration;

use serde_json::json;

use crate::conformance::answer::{at, is, keys};
use crate::conformance::case::{Book, demand};

pub(super) fn write(book: &mut Book) {
    book.case(
        "4.11-stats-keys",
        "GET /v4/stats has the documented keys; frameStats is null or left out",
        |s| async move {
            let answer = s.get("/v4/stats").await?;
            answer.status(200)?;
            keys(
                &answer.body,
                "",
                &[
                    "frameStats?",
                    "players",
                    "playingPlayers",
                    "uptime",
                    "memory",
                    "cpu",
                ],
            )?;
            demand(
                answer.body["frameStats"].is_null(),
                "no frameStats",
                &answer.body,
            )?;
            keys(
                &answer.body,
                "/memory",
                &["free", "used", "allocated", "reservable"],
            )?;
            keys(
                &answer.body,
                "/cpu",
                &["cores", "systemLoad", "lavalinkLoad"],
            )
        },
    );
    book.case(
        "6.5-stats-message",
        "the first stats message has the documented keys, frameStats null",
        |s| async move {
            let mut client = s.open().await?;
            let stats = client
                .until("stats", |message| message["op"] == "stats")
                .await?;
            keys(
                &stats,
                "",
                &[
                    "op",
                    "frameStats",
                    "players",
                    "playingPlayers",
                    "uptime",
                    "memory",
                    "cpu",
                ],
            )?;
            is(&stats, "/frameStats", &json!(null))
        },
    );
    for pointer in [
        "/players",
        "/playingPlayers",
        "/uptime",
        "/memory/free",
        "/memory/used",
        "/memory/allocated",
        "/memory/reservable",
        "/cpu/cores",
    ] {
        book.case(
            format!("11-integer{}", pointer.replace('/', "-").to_lowercase()),
            format!("{pointer} is an integer of 0 or more"),
            move |s| async move {
                let answer = s.get("/v4/stats").await?;
                let value = answer.at(pointer)?;
                demand(value.as_u64().is_some(), "an integer", value)
            },
        );
    }
    for pointer in ["/cpu/systemLoad", "/cpu/lavalinkLoad"] {
        book.case(
            format!("11.2-load{}", pointer.replace('/', "-").to_lowercase()),
            format!("{pointer} is 0.0 to 1.0"),
            move |s| async move {
                let answer = s.get("/v4/stats").await?;
                let load = answer.at(pointer)?.as_f64();
                demand(
                    load.is_some_and(|load| (0.0..=1.0).contains(&load)),
                    "0.0 to 1.0",
                    load,
                )
            },
        );
    }
    book.case("11.2-cores", "cores is at least 1", |s| async move {
        let cores = s.get("/v4/stats").await?.at("/cpu/cores")?.as_u64();
        demand(cores.is_some_and(|cores| cores >= 1), "1 or more", cores)
    });
    book.case(
        "11.3-memory-fits",
        "used memory is more than 0 and no more than allocated",
        |s| async move {
            let answer = s.get("/v4/stats").await?;
            let memory = answer.at("/memory")?;
            let number = |key: &str| memory[key].as_u64().unwrap_or(0);
            demand(
                number("used") > 0
                    && number("used") <= number("allocated")
                    && number("reservable") > 0,
                "0 < used <= allocated",
                memory,
            )
        },
    );
    book.case(
        "11.2-uptime-grows",
        "uptime grows with time",
        |s| async move {
            let one = s
                .get("/v4/stats")
                .await?
                .at("/uptime")?
                .as_i64()
                .unwrap_or(-1);
            tokio::time::sleep(Duration::from_millis(200)).await;
            let two = s
                .get("/v4/stats")
                .await?
                .at("/uptime")?
                .as_i64()
                .unwrap_or(-1);
            demand(two - one >= 150, "200 ms more", (one, two))
        },
    );
    book.case(
        "11.1-players-are-counted",
        "a player counts as player, and as playing while a track plays",
        |s| async move {
            // Other cases run at the same time: only what this one makes sure of is demanded.
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            client
                .set(guild, &json!({"track": {"encoded": encoded}}))
                .await?;
            let answer = s.get("/v4/stats").await?;
            let (players, playing) = (
                answer.at("/players")?.as_i64(),
                answer.at("/playingPlayers")?.as_i64(),
            );
            demand(
                players >= Some(1) && playing >= Some(1) && players >= playing,
                "one at least",
                (players, playing),
            )
        },
    );
    book.slow_case(
        "11.4-frame-stats",
        "after a whole minute of playing frameStats say about 3,000 frames sent",
        |s| async move {
            let (mut client, guild) = (s.open().await?, s.guild());
            let _call = client.play(guild, "long.wav").await?;
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(12)).await;
                client.set(guild, &json!({"position": 0})).await?;
            }
            let stats = client
                .until_within(
                    Duration::from_secs(90),
                    "stats with frameStats",
                    |message| message["op"] == "stats" && message["frameStats"].is_object(),
                )
                .await?;
            keys(&stats, "/frameStats", &["sent", "nulled", "deficit"])?;
            let sent = at(&stats, "/frameStats/sent")?.as_i64();
            let nulled = at(&stats, "/frameStats/nulled")?.as_i64().unwrap_or(0);
            let deficit = at(&stats, "/frameStats/deficit")?.as_i64();
            demand(
                sent.is_some_and(|sent| (2_700..=3_100).contains(&sent)),
                "about 3,000 sent",
                (sent, nulled, deficit),
            )?;
            demand(
                deficit == sent.map(|sent| 3_000 - sent - nulled),
                "deficit = 3,000 - sent - nulled",
                (sent, nulled, deficit),
            )
        },
    );
}
