//! Sections 4.1 to 4.3: loading and decoding.

use serde_json::json;

use super::RICK;
use crate::conformance::answer::{at, is, keys};
use crate::conformance::case::{Book, demand};

pub(super) fn write(book: &mut Book) {
    for (file, length) in [
        ("sweep.mp3", 2_000),
        ("sweep.flac", 2_000),
        ("sweep.ogg", 2_000),
        ("sweep.opus", 2_000),
        ("sweep.webm", 2_000),
        ("sweep.m4a", 2_000),
        ("short.wav", 1_000),
    ] {
        book.case(
            format!("4.1-loads-{file}"),
            format!("loading {file} over http: a track of about {length} ms"),
            move |s| async move {
                let answer = s.load(&s.file(file)).await?;
                answer.status(200)?.is("/loadType", &json!("track"))?;
                keys(&answer.body, "", &["loadType", "data"])?;
                let ms = answer.at("/data/info/length")?.as_i64();
                let near = ms.is_some_and(|ms| (length - 150..=length + 150).contains(&ms));
                // The reference server does not look for the end of an Ogg file everywhere.
                demand(
                    near || ms == Some(i64::MAX),
                    &format!("about {length} ms"),
                    ms,
                )
            },
        );
    }
    book.case(
        "4.1-plain-words",
        "text that is no URL and has no prefix: empty, data null",
        |s| async move {
            let answer = s.load("never gonna give you up").await?;
            answer.status(200)?;
            demand(
                answer.body == json!({"loadType": "empty", "data": null}),
                "empty with null",
                &answer.body,
            )
        },
    );
    for (name, identifier) in [
        ("unknown-prefix", "qqsearch:some words"),
        ("no-path", "file:nowhere"),
        ("spaces", "   "),
        ("emoji", "🎵"),
        ("unknown-scheme", "gopher://127.0.0.1/1"),
    ] {
        book.case(
            format!("4.1-empty-{name}"),
            format!("loading `{identifier}`: 200, empty or error"),
            move |s| async move {
                let answer = s.load(identifier).await?;
                answer.status(200)?;
                let kind = answer.at("/loadType")?.as_str();
                demand(
                    matches!(kind, Some("empty" | "error")),
                    "empty or error",
                    &answer.body,
                )
            },
        );
    }
    for (name, file) in [
        ("404", "missing.mp3"),
        ("403", "forbidden.mp3"),
        ("500", "broken.mp3"),
        ("page", "page.html"),
        ("empty-file", "empty.mp3"),
        ("circle", "circle.wav"),
    ] {
        book.case(
            format!("4.1-fails-{name}"),
            format!("loading a URL that leads to {name}: 200, empty or error, never a refusal"),
            move |s| async move {
                let answer = s.load(&s.file(file)).await?;
                answer.status(200)?;
                let kind = answer.at("/loadType")?.as_str();
                demand(
                    matches!(kind, Some("empty" | "error")),
                    "empty or error",
                    &answer.body,
                )?;
                if kind == Some("error") {
                    keys(
                        &answer.body,
                        "/data",
                        &["message", "severity", "cause", "causeStackTrace"],
                    )?;
                    let severity = answer.at("/data/severity")?.as_str();
                    demand(
                        matches!(severity, Some("common" | "suspicious" | "fault")),
                        "a severity in lower case",
                        severity,
                    )?;
                    demand(
                        answer.at("/data/cause")?.is_string(),
                        "a cause",
                        &answer.body,
                    )?;
                    demand(
                        answer.at("/data/causeStackTrace")?.is_string(),
                        "a stack trace",
                        &answer.body,
                    )?;
                }
                Ok(())
            },
        );
    }
    book.case(
        "4.1-nobody-listens",
        "loading a URL where nobody listens: 200, error",
        |s| async move {
            let answer = s.load("http://127.0.0.1:1/x.mp3").await?;
            answer
                .status(200)?
                .is("/loadType", &json!("error"))
                .map(drop)
        },
    );
    book.case("4.1-redirect", "a redirect is followed", |s| async move {
        let answer = s.load(&s.file("moved.wav")).await?;
        answer
            .status(200)?
            .is("/loadType", &json!("track"))
            .map(drop)
    });
    book.case(
        "4.1-playlist-file",
        "an M3U file leads to its first track",
        |s| async move {
            let answer = s.load(&s.file("list.m3u")).await?;
            answer.status(200)?;
            let kind = answer.at("/loadType")?.as_str();
            demand(
                matches!(kind, Some("track" | "playlist" | "error" | "empty")),
                "a load type",
                &answer.body,
            )
        },
    );
    book.case(
        "4.1-empty-identifier",
        "loading an empty identifier: 200 with empty",
        |s| async move {
            let answer = s.get("/v4/loadtracks?identifier=").await?;
            answer
                .status(200)?
                .is("/loadType", &json!("empty"))
                .map(drop)
        },
    );
    decode(book);
}

fn decode(book: &mut Book) {
    book.case(
        "4.2-round-trip",
        "decoding a loaded track gives the same info",
        |s| async move {
            let track = s.track("sweep.mp3").await?;
            let encoded = track["encoded"].as_str().unwrap_or_default();
            let answer = s
                .get(&format!("/v4/decodetrack?encodedTrack={}", escape(encoded)))
                .await?;
            answer.status(200)?.is("/info", &track["info"]).map(drop)
        },
    );
    book.case(
        "4.2-encoded-unchanged",
        "encoded in the answer is the text that was asked for",
        |s| async move {
            let encoded = s.encoded("sweep.mp3").await?;
            let answer = s
                .get(&format!(
                    "/v4/decodetrack?encodedTrack={}",
                    escape(&encoded)
                ))
                .await?;
            answer.is("/encoded", &json!(encoded)).map(drop)
        },
    );
    book.case(
        "4.2-old-name",
        "the old query name `track` is understood",
        |s| async move {
            let encoded = s.encoded("sweep.mp3").await?;
            let answer = s
                .get(&format!("/v4/decodetrack?track={}", escape(&encoded)))
                .await?;
            answer.status(200).map(drop)
        },
    );
    for (name, text) in [
        ("garbage", "garbage!"),
        ("short", "QAAA"),
        ("empty", ""),
        ("zeros", "AAAAAAAAAAAAAAAA"),
    ] {
        book.case(
            format!("4.2-undecodable-{name}"),
            format!("decoding `{text}`: refused with an error body"),
            move |s| async move {
                let answer = s
                    .get(&format!("/v4/decodetrack?encodedTrack={text}"))
                    .await?;
                s.either(&answer, 500, 400, "a broken track is the client's mistake")?;
                answer.error(answer.status, "/v4/decodetrack").map(drop)
            },
        );
    }
    book.case(
        "4.3-several",
        "POST /v4/decodetracks answers an array in the same order",
        |s| async move {
            let (one, two) = (s.encoded("sweep.mp3").await?, s.encoded("short.wav").await?);
            let answer = s.post("/v4/decodetracks", &json!([one, two, one])).await?;
            answer.status(200)?;
            let got: Vec<_> = answer
                .body
                .as_array()
                .into_iter()
                .flatten()
                .map(|track| track["encoded"].as_str().unwrap_or_default())
                .collect();
            demand(
                got == [&one, &two, &one],
                "three tracks in order",
                &answer.body,
            )
        },
    );
    book.case(
        "4.3-none",
        "POST /v4/decodetracks with no tracks: 400 `No tracks to decode provided`",
        |s| async move {
            let answer = s.post("/v4/decodetracks", &json!([])).await?;
            answer
                .error(400, "/v4/decodetracks")?
                .says("No tracks to decode provided")
        },
    );
    book.case(
        "4.3-objects",
        "each element of the answer is a whole track",
        |s| async move {
            let one = s.encoded("short.wav").await?;
            let answer = s.post("/v4/decodetracks", &json!([one])).await?;
            keys(
                &answer.body,
                "/0",
                &["encoded", "info", "pluginInfo", "userData"],
            )?;
            is(&answer.body, "/0/info/sourceName", &json!("http"))
        },
    );
    book.case(
        "4.2-user-data-not-inside",
        "a decoded track has no user data, wherever it was played before",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let encoded = s.encoded("long.wav").await?;
            let body = json!({"track": {"encoded": encoded, "userData": {"a": 1}}});
            let played = client.set(guild, &body).await?;
            let text = at(&played.body, "/track/encoded")?
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let answer = s
                .get(&format!("/v4/decodetrack?encodedTrack={}", escape(&text)))
                .await?;
            answer.status(200)?.is("/userData", &json!({})).map(drop)
        },
    );
    book.case(
        "4.2-golden-vector",
        "the track of Lavalink's documents is decoded, or refused because YouTube is off",
        |s| async move {
            let answer = s
                .get(&format!("/v4/decodetrack?encodedTrack={}", escape(RICK)))
                .await?;
            s.either(
                &answer,
                500,
                200,
                "tracks of every known source are decoded",
            )?;
            if answer.status == 200 {
                answer.is("/info/identifier", &json!("dQw4w9WgXcQ"))?;
                answer.is("/info/length", &json!(212_000))?;
                answer.is("/info/sourceName", &json!("youtube"))?;
            }
            Ok(())
        },
    );
}

/// Escapes base64 for a query.
pub(super) fn escape(text: &str) -> String {
    text.replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}
