//! Section 4.6: updates of a player that are refused, and change nothing.

use serde_json::{Value, json};

use super::RICK;
use crate::conformance::case::Book;

const BOTH: &str = "Cannot specify both track and encodedTrack/identifier";
const NAMES: &str = "Cannot specify both encodedTrack and identifier";

pub(super) fn write(book: &mut Book) {
    let rows: Vec<(&'static str, Value, &'static str)> = vec![
        (
            "encoded-and-identifier",
            json!({"track": {"encoded": RICK, "identifier": "x"}}),
            NAMES,
        ),
        (
            "null-and-identifier",
            json!({"track": {"encoded": null, "identifier": "x"}}),
            NAMES,
        ),
        (
            "old-names-both",
            json!({"encodedTrack": RICK, "identifier": "x"}),
            NAMES,
        ),
        (
            "track-and-encoded-track",
            json!({"track": {"encoded": RICK}, "encodedTrack": RICK}),
            BOTH,
        ),
        (
            "track-and-null",
            json!({"track": {"userData": {}}, "encodedTrack": null}),
            BOTH,
        ),
        (
            "track-and-identifier",
            json!({"track": {"encoded": RICK}, "identifier": "x"}),
            BOTH,
        ),
        (
            "end-at-0",
            json!({"endTime": 0}),
            "End time must be greater than 0",
        ),
        (
            "end-before-0",
            json!({"endTime": -1}),
            "End time must be greater than 0",
        ),
        ("end-text", json!({"endTime": "soon"}), ""),
        ("end-float", json!({"endTime": 1.5}), ""),
        ("volume-null", json!({"volume": null}), ""),
        ("volume-text", json!({"volume": "loud"}), ""),
        ("volume-float", json!({"volume": 50.5}), ""),
        ("paused-null", json!({"paused": null}), ""),
        ("paused-text", json!({"paused": "yes"}), ""),
        ("position-null", json!({"position": null}), ""),
        ("position-text", json!({"position": "start"}), ""),
        ("filters-null", json!({"filters": null}), ""),
        ("filters-text", json!({"filters": "bass"}), ""),
        ("voice-null", json!({"voice": null}), ""),
        ("voice-empty", json!({"voice": {}}), ""),
        (
            "voice-no-token",
            json!({"voice": {"endpoint": "127.0.0.1:1", "sessionId": "s", "channelId": "1"}}),
            "",
        ),
        (
            "voice-no-endpoint",
            json!({"voice": {"token": "t", "sessionId": "s", "channelId": "1"}}),
            "",
        ),
        (
            "voice-no-session",
            json!({"voice": {"token": "t", "endpoint": "127.0.0.1:1", "channelId": "1"}}),
            "",
        ),
        (
            "voice-token-empty",
            json!({"voice": {"token": "", "endpoint": "127.0.0.1:1", "sessionId": "s", "channelId": "1"}}),
            "",
        ),
        (
            "voice-endpoint-empty",
            json!({"voice": {"token": "t", "endpoint": "", "sessionId": "s", "channelId": "1"}}),
            "",
        ),
        (
            "voice-session-empty",
            json!({"voice": {"token": "t", "endpoint": "127.0.0.1:1", "sessionId": "", "channelId": "1"}}),
            "",
        ),
        (
            "voice-token-null",
            json!({"voice": {"token": null, "endpoint": "127.0.0.1:1", "sessionId": "s", "channelId": "1"}}),
            "",
        ),
        ("track-null", json!({"track": null}), ""),
        ("track-text", json!({"track": "x"}), ""),
        ("user-data-null", json!({"track": {"userData": null}}), ""),
        ("user-data-text", json!({"track": {"userData": "x"}}), ""),
        ("user-data-array", json!({"track": {"userData": [1]}}), ""),
        (
            "identifier-null",
            json!({"track": {"identifier": null}}),
            "",
        ),
        ("encoded-number", json!({"track": {"encoded": 5}}), ""),
    ];
    for (name, body, message) in rows {
        book.case(
            format!("4.6-refused-{name}"),
            format!("an update with {name}: 400, and nothing is applied"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                client.set(guild, &json!({"volume": 50})).await?;
                let mut body = body;
                if let Some(body) = body.as_object_mut() {
                    body.entry("volume").or_insert(json!(77));
                }
                let answer = client.patch(guild, &body).await?;
                answer.error(400, &client.player(guild))?.says(message)?;
                client.get(guild).await?.is("/volume", &json!(50)).map(drop)
            },
        );
    }
    // Asked for only after the rest has been applied: all that is demanded is the refusal.
    let late: Vec<(&'static str, Value, &'static str)> = vec![
        (
            "no-match",
            json!({"track": {"identifier": "nothing at all"}}),
            "No matches found for identifier",
        ),
        (
            "no-match-old-name",
            json!({"identifier": "nothing at all"}),
            "No matches found for identifier",
        ),
    ];
    for (name, body, message) in late {
        book.case(
            format!("4.6.4-{name}"),
            format!("an update with {name}: 400 `{message}`"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                let answer = client.patch(guild, &body).await?;
                answer.error(400, &client.player(guild))?.says(message)
            },
        );
    }
    book.case(
        "4.6.4-identifier-fails-to-load",
        "an identifier that fails to load: 400 with the cause",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let body = json!({"track": {"identifier": "http://127.0.0.1:1/x.mp3"}});
            client
                .patch(guild, &body)
                .await?
                .error(400, &client.player(guild))
                .map(drop)
        },
    );
    book.case(
        "4.6-refused-makes-no-player",
        "a refused update makes no player",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            client
                .patch(guild, &json!({"endTime": 0}))
                .await?
                .status(400)?;
            client.get(guild).await?.status(404).map(drop)
        },
    );
    for (name, encoded) in [("garbage", "garbage!"), ("empty", ""), ("short", "QAAA")] {
        book.case(
            format!("4.6-encoded-{name}"),
            format!("an update with the encoded track `{encoded}` is refused"),
            move |s| async move {
                let (client, guild) = (s.open().await?, s.guild());
                let answer = client
                    .patch(guild, &json!({"track": {"encoded": encoded}}))
                    .await?;
                s.either(&answer, 500, 400, "a broken track is the client's mistake")
            },
        );
    }
    book.case(
        "4.6-voice-without-channel",
        "a voice update without channelId: 400 since 4.2.0",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let mut voice = s.invite(guild).body;
            if let Some(voice) = voice.as_object_mut() {
                voice.remove("channelId");
            }
            let answer = client.patch(guild, &json!({"voice": voice})).await?;
            s.either(&answer, 400, 200, "versions before 4.2.0 need no channelId")
        },
    );
}
