//! Sections 1 and 6.1: password, headers, handshake.

use reqwest::Method;
use serde_json::json;

use crate::conformance::case::{Book, demand, fault};

/// Every path that a password opens, with its method.
const PATHS: &[(&str, &str)] = &[
    ("version", "GET /version"),
    ("info", "GET /v4/info"),
    ("stats", "GET /v4/stats"),
    ("loadtracks", "GET /v4/loadtracks?identifier=x"),
    ("decodetrack", "GET /v4/decodetrack?encodedTrack=x"),
    ("decodetracks", "POST /v4/decodetracks"),
    ("session", "PATCH /v4/sessions/x"),
    ("players", "GET /v4/sessions/x/players"),
    ("player", "GET /v4/sessions/x/players/1"),
    ("update", "PATCH /v4/sessions/x/players/1"),
    ("destroy", "DELETE /v4/sessions/x/players/1"),
    ("routeplanner", "GET /v4/routeplanner/status"),
    ("free-all", "POST /v4/routeplanner/free/all"),
];

pub(super) fn write(book: &mut Book) {
    for (name, request) in PATHS {
        let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
        let method = || method.parse::<Method>().unwrap_or(Method::GET);
        let (first, second) = (method(), method());
        book.case(
            format!("1.4-no-password-{name}"),
            format!("{request} without Authorization: 401, empty body"),
            move |s| async move {
                let answer = s.ask(first, path).password(None).send().await?;
                answer.status(401)?.empty()
            },
        );
        book.case(
            format!("1.4-wrong-password-{name}"),
            format!("{request} with a wrong password: 403, empty body"),
            move |s| async move {
                let answer = s.ask(second, path).password(Some("wrong")).send().await?;
                answer.status(403)?.empty()
            },
        );
    }
    book.case(
        "1.3-no-scheme-word",
        "the password is sent raw: with `Bearer ` before it, 403",
        |s| async move {
            let bearer = format!("Bearer {}", s.password());
            let answer = s
                .ask(Method::GET, "/v4/info")
                .password(Some(&bearer))
                .send()
                .await?;
            answer.status(403).map(drop)
        },
    );
    for (name, path) in [
        ("info", "/v4/info"),
        ("stats", "/v4/stats"),
        ("version", "/version"),
        ("load", "/v4/loadtracks?identifier=x"),
        ("missing", "/v4/sessions/x/players"),
        ("unknown", "/v4/nothing"),
        ("bad", "/v4/loadtracks"),
        ("planner", "/v4/routeplanner/status"),
    ] {
        book.case(
            format!("1.6-version-header-{name}"),
            format!("GET {path} answers with Lavalink-Api-Version: 4"),
            move |s| async move { s.get(path).await?.header("lavalink-api-version", "4") },
        );
    }
    book.case(
        "1.6-version-header-401",
        "a refusal for want of a password has Lavalink-Api-Version: 4 too",
        |s| async move {
            let answer = s.ask(Method::GET, "/v4/info").password(None).send().await?;
            answer.header("lavalink-api-version", "4")
        },
    );
    for path in ["/", "/v3/websocket"] {
        let name = if path == "/" { "root" } else { "v3" };
        book.case(
            format!("1.9-old-clients-{name}"),
            format!("GET {path} answers 200 with an empty body"),
            move |s| async move { s.get(path).await?.status(200)?.empty() },
        );
    }
    book.case(
        "1.10-unknown-keys",
        "unknown keys in a body are ignored",
        |s| async move {
            let client = s.open().await?;
            let body = json!({"volume": 70, "colour": "blue", "deep": {"er": [1]}});
            client
                .set(s.guild(), &body)
                .await?
                .is("/volume", &json!(70))
                .map(drop)
        },
    );
    book.case(
        "1.10-no-content-type",
        "a body without Content-Type is refused with 4xx or read as JSON",
        |s| async move {
            let client = s.open().await?;
            let ask = s.ask(Method::PATCH, &client.player(s.guild()));
            let answer = ask.body_without_type(r#"{"volume":70}"#).send().await?;
            s.either(&answer, 415, 200, "a body that is JSON is read as such")
        },
    );
    book.case(
        "1.11-snowflakes-are-texts",
        "a guildId in JSON is a string",
        |s| async move {
            let (client, guild) = (s.open().await?, s.guild());
            let answer = client.set(guild, &json!({})).await?;
            answer.is("/guildId", &json!(guild.to_string())).map(drop)
        },
    );
    for (name, guild) in [
        ("word", "abc"),
        ("mixed", "12ab"),
        ("float", "1.5"),
        ("too-big", "99999999999999999999"),
    ] {
        for method in ["GET", "PATCH", "DELETE"] {
            book.case(
                format!("1.11-guild-{name}-{}", method.to_lowercase()),
                format!("{method} of a player with the guildId `{guild}`: 400"),
                move |s| async move {
                    let client = s.open().await?;
                    let path = format!("{}/players/{guild}", client.path());
                    let method = method.parse().unwrap_or(Method::GET);
                    let answer = s.ask(method, &path).json(&json!({})).send().await?;
                    answer.error(400, &path).map(drop)
                },
            );
        }
    }
    handshake(book);
}

fn handshake(book: &mut Book) {
    for (name, header, value, status) in [
        ("no-password", "Authorization", "", 401),
        ("wrong-password", "Authorization", "wrong", 401),
        ("no-user", "User-Id", "", 400),
        ("user-zero", "User-Id", "0", 400),
    ] {
        book.case(
            format!("1.5-handshake-{name}"),
            format!("a WebSocket handshake with {name}: {status}"),
            move |s| async move {
                match s.socket(&[(header, value)]).await? {
                    Err(refused) if refused.status == status => Ok(()),
                    Err(refused) => fault(status.to_string(), refused.status.to_string()),
                    Ok(_) => fault(status.to_string(), "a WebSocket"),
                }
            },
        );
    }
    book.case(
        "1.6-version-header-handshake",
        "the handshake's answer has Lavalink-Api-Version: 4",
        |s| async move {
            let client = s.open().await?;
            demand(
                client
                    .headers
                    .get("lavalink-api-version")
                    .is_some_and(|value| value == "4"),
                "header lavalink-api-version: 4",
                &client.headers,
            )
        },
    );
    book.case(
        "1.6-version-header-refused-handshake",
        "a refused handshake has Lavalink-Api-Version: 4",
        |s| async move {
            match s.socket(&[("Authorization", "wrong")]).await? {
                Err(refused) => demand(
                    refused
                        .headers
                        .get("lavalink-api-version")
                        .is_some_and(|value| value == "4"),
                    "header lavalink-api-version: 4",
                    &refused.headers,
                ),
                Ok(_) => fault("a refusal", "a WebSocket"),
            }
        },
    );
    for (name, session, expected) in [
        ("without-id", "", "false"),
        ("unknown-id", "0123456789abcdef", "false"),
    ] {
        book.case(
            format!("1.7-session-resumed-{name}"),
            format!("the handshake's answer has Session-Resumed: {expected}"),
            move |s| async move {
                let Ok(client) = s.socket(&[("Session-Id", session)]).await? else {
                    return fault("a WebSocket", "a refusal");
                };
                demand(
                    client
                        .headers
                        .get("session-resumed")
                        .is_some_and(|value| value == expected),
                    "header session-resumed: false",
                    &client.headers,
                )
            },
        );
    }
    book.case(
        "1.8-no-client-name",
        "a client without a name is let in",
        |s| async move {
            match s.socket(&[("Client-Name", "")]).await? {
                Ok(client) => client.greeted().await.map(drop),
                Err(refused) => fault("a WebSocket", refused.status.to_string()),
            }
        },
    );
    book.case(
        "1.8-odd-client-name",
        "a client whose name has no version is let in",
        |s| async move {
            match s.socket(&[("Client-Name", "just a name")]).await? {
                Ok(client) => client.greeted().await.map(drop),
                Err(refused) => fault("a WebSocket", refused.status.to_string()),
            }
        },
    );
    book.case(
        "1.5-plain-get-of-the-websocket",
        "GET /v4/websocket without an upgrade: 400",
        |s| async move {
            let user = s.user.to_string();
            let ask = s.ask(Method::GET, "/v4/websocket").header("User-Id", &user);
            ask.send().await?.status(400).map(drop)
        },
    );
}
