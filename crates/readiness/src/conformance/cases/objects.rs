//! Sections 2 and 5: which keys are there, which are null, which are left out.

use serde_json::json;

use crate::conformance::answer::{absent, at, is, keys};
use crate::conformance::case::{Book, demand};

const PLAYER: &[&str] = &[
    "guildId", "track", "volume", "paused", "state", "voice", "filters",
];
const STATE: &[&str] = &["time", "position", "connected", "ping"];
const TRACK: &[&str] = &["encoded", "info", "pluginInfo", "userData"];
const TRACK_INFO: &[&str] = &[
    "identifier",
    "isSeekable",
    "author",
    "length",
    "isStream",
    "position",
    "title",
    "uri",
    "sourceName",
    "artworkUrl",
    "isrc",
];

pub(super) fn write(book: &mut Book) {
    book.case(
        "2.2-player-keys",
        "a player has exactly the documented keys",
        |s| async move {
            let client = s.open().await?;
            let answer = client.set(s.guild(), &json!({})).await?;
            keys(&answer.body, "", PLAYER)?;
            keys(&answer.body, "/state", STATE)?;
            // channelId came with 4.2.0.
            keys(
                &answer.body,
                "/voice",
                &["token", "endpoint", "sessionId", "channelId?"],
            )
        },
    );
    book.case(
        "2.2-player-track-null",
        "a player without a track has `track: null`",
        |s| async move {
            let client = s.open().await?;
            client
                .set(s.guild(), &json!({}))
                .await?
                .is("/track", &json!(null))
                .map(drop)
        },
    );
    for key in ["uri", "artworkUrl", "isrc"] {
        book.case(
            format!("2.2-track-{key}-present"),
            format!("info.{key} is there, null when unknown"),
            move |s| async move {
                let track = s.track("short.wav").await?;
                let value = at(&track, &format!("/info/{key}"))?;
                let right = if key == "uri" {
                    value.is_string()
                } else {
                    value.is_null()
                };
                demand(right, "the URL as uri, null for the others", value)
            },
        );
    }
    book.case(
        "2.3-filters-empty",
        "a player without filters has `filters: {}`",
        |s| async move {
            let client = s.open().await?;
            client
                .set(s.guild(), &json!({}))
                .await?
                .is("/filters", &json!({}))
                .map(drop)
        },
    );
    book.case(
        "2.3-trace-left-out",
        "an error has no key `trace` unless it is asked for",
        |s| async move { absent(&s.get("/v4/sessions/x/players").await?.body, "/trace") },
    );
    book.case(
        "2.4-plugin-info-and-user-data",
        "a loaded track has pluginInfo (probeInfo for http) and userData {}",
        |s| async move {
            let track = s.track("short.wav").await?;
            keys(&track, "", TRACK)?;
            is(&track, "/pluginInfo", &json!({"probeInfo": "wav"}))?;
            is(&track, "/userData", &json!({}))
        },
    );
    book.case(
        "5-track-info-keys",
        "a track's info has exactly the documented keys",
        |s| async move { keys(&s.track("short.wav").await?, "/info", TRACK_INFO) },
    );
    book.case(
        "5-player-state-idle",
        "a new player: position 0, not connected, ping -1, time in milliseconds",
        |s| async move {
            let client = s.open().await?;
            let answer = client.set(s.guild(), &json!({})).await?;
            answer.is("/state/position", &json!(0))?;
            answer.is("/state/connected", &json!(false))?;
            answer.is("/state/ping", &json!(-1))?;
            let time = answer.at("/state/time")?.as_i64();
            demand(
                time.is_some_and(|t| t > 1_600_000_000_000),
                "a time in milliseconds",
                time,
            )
        },
    );
    book.case(
        "5-voice-state-idle",
        "a new player's voice state has empty texts",
        |s| async move {
            let client = s.open().await?;
            let answer = client.set(s.guild(), &json!({})).await?;
            for key in ["token", "endpoint", "sessionId"] {
                answer.is(&format!("/voice/{key}"), &json!(""))?;
            }
            if let Some(channel) = answer.body.pointer("/voice/channelId") {
                demand(channel.is_null(), "channelId null", channel)?;
            }
            Ok(())
        },
    );
    book.case(
        "5-player-defaults",
        "a new player: volume 100, not paused",
        |s| async move {
            let client = s.open().await?;
            let answer = client.set(s.guild(), &json!({})).await?;
            answer
                .is("/volume", &json!(100))?
                .is("/paused", &json!(false))
                .map(drop)
        },
    );
    for (name, pointer, expected) in [
        ("source", "/info/sourceName", json!("http")),
        ("no-stream", "/info/isStream", json!(false)),
        ("seekable", "/info/isSeekable", json!(true)),
        ("position", "/info/position", json!(0)),
    ] {
        book.case(
            format!("5-http-track-{name}"),
            format!("a WAV file over http has {pointer} {expected}"),
            move |s| async move { is(&s.track("short.wav").await?, pointer, &expected) },
        );
    }
    book.case(
        "5-http-track-length",
        "a WAV file of one second has about 1,000 ms",
        |s| async move {
            let track = s.track("short.wav").await?;
            let length = at(&track, "/info/length")?.as_i64();
            demand(
                length.is_some_and(|ms| (990..=1_010).contains(&ms)),
                "1,000 ms",
                length,
            )
        },
    );
    book.case(
        "5-http-track-identifier",
        "identifier and uri of an http track are its URL",
        |s| async move {
            let (track, url) = (s.track("short.wav").await?, s.file("short.wav"));
            is(&track, "/info/identifier", &json!(url))?;
            is(&track, "/info/uri", &json!(url))
        },
    );
    book.case(
        "5-http-track-untitled",
        "a file without tags has a title and an author all the same",
        |s| async move {
            let track = s.track("short.wav").await?;
            let title = at(&track, "/info/title")?.as_str();
            let author = at(&track, "/info/author")?.as_str();
            if title == Some("short.wav") {
                s.note("the file's name rather than `Unknown title`");
            } else {
                is(&track, "/info/title", &json!("Unknown title"))?;
            }
            demand(
                author.is_some_and(|author| !author.is_empty()),
                "an author",
                author,
            )
        },
    );
}
