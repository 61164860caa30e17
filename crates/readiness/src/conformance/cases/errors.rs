//! Section 3: error bodies.

use reqwest::Method;
use serde_json::json;

use super::RICK;
use crate::conformance::answer::keys;
use crate::conformance::case::{Book, demand};

pub(super) fn write(book: &mut Book) {
    let rows: &[(&str, &str, u16, &str, &str)] = &[
        (
            "no-session-players",
            "GET",
            404,
            "/v4/sessions/nobody/players",
            "Session not found",
        ),
        (
            "no-session-player",
            "GET",
            404,
            "/v4/sessions/nobody/players/1",
            "Session not found",
        ),
        (
            "no-session-update",
            "PATCH",
            404,
            "/v4/sessions/nobody/players/1",
            "Session not found",
        ),
        (
            "no-session-delete",
            "DELETE",
            404,
            "/v4/sessions/nobody/players/1",
            "Session not found",
        ),
        (
            "no-session-settings",
            "PATCH",
            404,
            "/v4/sessions/nobody",
            "Session not found",
        ),
        ("unknown-path", "GET", 404, "/v4/nothing", ""),
        ("unknown-path-post", "POST", 404, "/v4/nothing/at/all", ""),
        ("no-list-of-sessions", "GET", 404, "/v4/sessions", ""),
        ("wrong-method-info", "POST", 405, "/v4/info", ""),
        ("wrong-method-stats", "DELETE", 405, "/v4/stats", ""),
        (
            "wrong-method-players",
            "POST",
            405,
            "/v4/sessions/x/players",
            "",
        ),
        (
            "wrong-method-decodetracks",
            "GET",
            405,
            "/v4/decodetracks",
            "",
        ),
        ("no-identifier", "GET", 400, "/v4/loadtracks", "identifier"),
        (
            "nothing-to-decode",
            "GET",
            400,
            "/v4/decodetrack",
            "No track to decode provided",
        ),
    ];
    for (name, method, status, path, message) in rows {
        book.case(
            format!("3.3-{name}"),
            format!(
                "{method} {path}: {status} with an error body{}",
                if message.is_empty() {
                    String::new()
                } else {
                    format!(" that says `{message}`")
                }
            ),
            move |s| async move {
                let method = method.parse().unwrap_or(Method::GET);
                let answer = s.ask(method, path).json(&json!({})).send().await?;
                answer.error(*status, path)?.says(message)
            },
        );
    }
    book.case(
        "3.3-no-player",
        "GET of a player that is not there: 404 `Player not found`",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let answer = client.get(guild).await?;
            answer
                .error(404, &client.player(guild))?
                .says("Player not found")
        },
    );
    book.case(
        "3.3-no-settings-of-a-session",
        "GET of a session: 405, there is only PATCH",
        |s| async move {
            let client = s.open().await?;
            s.get(&client.path())
                .await?
                .error(405, &client.path())
                .map(drop)
        },
    );
    book.case(
        "3.1-trace",
        "with ?trace=true an error has a trace",
        |s| async move {
            let answer = s.get("/v4/sessions/nobody/players?trace=true").await?;
            answer.error(404, "/v4/sessions/nobody/players")?;
            demand(
                answer.at("/trace")?.is_string(),
                "/trace as text",
                &answer.body,
            )
        },
    );
    book.case(
        "3.1-trace-false",
        "with ?trace=false an error has none",
        |s| async move {
            let answer = s.get("/v4/sessions/nobody/players?trace=false").await?;
            keys(
                &answer.body,
                "",
                &["timestamp", "status", "error", "message", "path"],
            )
        },
    );
    book.case(
        "3-error-keys",
        "an error body has exactly the documented keys",
        |s| async move {
            let answer = s.get("/v4/sessions/nobody/players").await?;
            keys(
                &answer.body,
                "",
                &["timestamp", "status", "error", "message", "path"],
            )
        },
    );
    for (name, status, reason, path) in [
        ("400", 400, "Bad Request", "/v4/loadtracks"),
        ("404", 404, "Not Found", "/v4/sessions/nobody/players"),
    ] {
        book.case(
            format!("3-reason-{name}"),
            format!("error is the reason phrase: {reason}"),
            move |s| async move {
                let answer = s.get(path).await?;
                answer
                    .error(status, path)?
                    .is("/error", &json!(reason))
                    .map(drop)
            },
        );
    }
    book.case(
        "3-error-is-json",
        "an error has Content-Type: application/json",
        |s| async move {
            let answer = s.get("/v4/sessions/nobody/players").await?;
            let kind = answer
                .headers
                .get("content-type")
                .and_then(|v| v.to_str().ok());
            demand(
                kind.is_some_and(|kind| kind.starts_with("application/json")),
                "application/json",
                kind,
            )
        },
    );
    book.case(
        "3.2-path-without-query",
        "path in an error has no query",
        |s| async move {
            let answer = s.get("/v4/sessions/nobody/players?a=b").await?;
            answer.error(404, "/v4/sessions/nobody/players").map(drop)
        },
    );
    for (name, body) in [
        ("empty", ""),
        ("open-brace", "{"),
        ("no-json", "nonsense"),
        ("cut-off", "{\"volume\": 5"),
        ("array", "[]"),
        ("text", "\"volume\""),
        ("number", "5"),
        ("null", "null"),
    ] {
        book.case(
            format!("3-malformed-update-{name}"),
            format!("PATCH of a player with the body `{body}`: 400 with an error body"),
            move |s| async move {
                let client = s.open().await?;
                let path = client.player(s.guild());
                let answer = s.ask(Method::PATCH, &path).text(body).send().await?;
                answer.error(400, &path).map(drop)
            },
        );
        book.case(
            format!("3-malformed-settings-{name}"),
            format!("PATCH of a session with the body `{body}`: 400 with an error body"),
            move |s| async move {
                let client = s.open().await?;
                let path = client.path();
                let answer = s.ask(Method::PATCH, &path).text(body).send().await?;
                answer.error(400, &path).map(drop)
            },
        );
    }
    for (name, body) in [
        ("empty", ""),
        ("object", "{}"),
        ("text", "\"x\""),
        ("numbers", "[1]"),
        ("nulls", "[null]"),
        ("no-tracks", "[]"),
    ] {
        book.case(
            format!("3-malformed-decodetracks-{name}"),
            format!("POST /v4/decodetracks with the body `{body}`: 400 with an error body"),
            move |s| async move {
                let ask = s.ask(Method::POST, "/v4/decodetracks").text(body);
                ask.send().await?.error(400, "/v4/decodetracks").map(drop)
            },
        );
    }
    book.case(
        "3-path-not-utf8",
        "a path that is not UTF-8 is refused with 4xx, and the server goes on",
        |s| async move {
            let request = format!(
                "GET /v4/sessions/%FF%FE/players HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
                s.password()
            );
            let (status, text) = s.raw(request.as_bytes()).await?;
            demand((400..500).contains(&status), "status 4xx", text)?;
            s.get("/version").await?.status(200).map(drop)
        },
    );
    book.case(
        "3-noreplace-no-bool",
        "?noReplace=maybe: 400 with an error body",
        |s| async move {
            let client = s.open().await?;
            let path = client.player(s.guild());
            let answer = s
                .patch(&format!("{path}?noReplace=maybe"), &json!({}))
                .await?;
            answer.error(400, &path).map(drop)
        },
    );
    book.case(
        "3-long-query",
        "an encoded track that is far too long is refused with an error",
        |s| async move {
            let long = "A".repeat(7_000);
            let answer = s
                .get(&format!("/v4/decodetrack?encodedTrack={long}"))
                .await?;
            demand(
                (400..=500).contains(&answer.status),
                "400 to 500",
                answer.status,
            )
        },
    );
    book.case(
        "3.3-one-bad-track-fails-all",
        "POST /v4/decodetracks with one bad element fails as a whole",
        |s| async move {
            let good = s.encoded("short.wav").await?;
            let answer = s
                .post("/v4/decodetracks", &json!([good, "garbage"]))
                .await?;
            s.either(&answer, 500, 400, "a broken track is the client's mistake")
        },
    );
    book.case(
        "3-old-track-of-another-source",
        "a YouTube track where YouTube is off: refused, with an error body",
        |s| async move {
            let path = format!("/v4/decodetrack?encodedTrack={RICK}");
            let answer = s.get(&path).await?;
            s.either(
                &answer,
                500,
                200,
                "tracks of every known source are decoded",
            )
        },
    );
}
