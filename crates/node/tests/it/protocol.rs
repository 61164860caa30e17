//! What the protocol asks for, line by line; numbers are those of the checklist it was built
//! from.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::client::{TestNode, answer, test_config};

/// The golden vector of Lavalink's documents: a YouTube track of version 2.
const RICK: &str = "QAAAjQIAJVJpY2sgQXN0bGV5IC0gTmV2ZXIgR29ubmEgR2l2ZSBZb3UgVXAADlJpY2tBc3RsZXlWRVZPAAAAAAADPCAAC2RRdzR3OVdnWGNRAAEAK2h0dHBzOi8vd3d3LnlvdXR1YmUuY29tL3dhdGNoP3Y9ZFF3NHc5V2dYY1EAB3lvdXR1YmUAAAAAAAAAAA==";

/// A voice update that leads nowhere.
fn voice(change: impl FnOnce(&mut Value)) -> Value {
    let mut voice =
        json!({"token": "t", "endpoint": "127.0.0.1:1", "sessionId": "s", "channelId": "1"});
    change(&mut voice);
    voice
}

fn check_error(row: &str, status: u16, body: &Value, path: &str, message: &str) {
    assert_eq!(body["status"], status, "{row}: {body}");
    assert!(
        body["timestamp"].as_i64().unwrap() > 1_700_000_000_000,
        "{row}"
    );
    assert!(
        body["error"]
            .as_str()
            .is_some_and(|error| !error.is_empty()),
        "{row}"
    );
    assert_eq!(body["path"], path, "{row}");
    assert!(body.get("trace").is_none(), "{row}");
    let told = body["message"].as_str().unwrap();
    assert!(told.contains(message), "{row}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_a_patch_has_its_status_and_changes_nothing() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let path = format!("/v4/sessions/{session}/players/1");
    let both = "Cannot specify both track and encodedTrack/identifier";
    let names = "Cannot specify both encodedTrack and identifier";
    let voiceless = "token, endpoint, sessionId and channelId must be provided in voice state";
    let rows = [
        (
            "encoded and identifier",
            json!({"track": {"encoded": RICK, "identifier": "x"}}),
            names,
        ),
        (
            "null and identifier",
            json!({"track": {"encoded": null, "identifier": "x"}}),
            names,
        ),
        (
            "old names, both",
            json!({"encodedTrack": RICK, "identifier": "x"}),
            names,
        ),
        (
            "track and encodedTrack",
            json!({"track": {"encoded": RICK}, "encodedTrack": RICK}),
            both,
        ),
        (
            "track and null",
            json!({"track": {"userData": {}}, "encodedTrack": null}),
            both,
        ),
        (
            "track and identifier",
            json!({"track": {"encoded": RICK}, "identifier": "x"}),
            both,
        ),
        (
            "no match",
            json!({"track": {"identifier": "nothing at all"}}),
            "No matches found",
        ),
        (
            "no match, old name",
            json!({"identifier": "nothing at all"}),
            "No matches found",
        ),
        (
            "a search",
            json!({"track": {"identifier": "local:backline"}}),
            "Cannot play a playlist or search result",
        ),
        (
            "garbage track",
            json!({"track": {"encoded": "garbage!"}}),
            "decode",
        ),
        ("empty track", json!({"track": {"encoded": ""}}), "decode"),
        (
            "end at 0",
            json!({"endTime": 0}),
            "End time must be greater than 0",
        ),
        (
            "end before 0",
            json!({"endTime": -1}),
            "End time must be greater than 0",
        ),
        ("end as text", json!({"endTime": "soon"}), "Bad body"),
        (
            "no channel",
            json!({"voice": voice(|v| _ = v.as_object_mut().unwrap().remove("channelId"))}),
            voiceless,
        ),
        (
            "null channel",
            json!({"voice": voice(|v| v["channelId"] = json!(null))}),
            voiceless,
        ),
        (
            "blank token",
            json!({"voice": voice(|v| v["token"] = json!(" "))}),
            voiceless,
        ),
        (
            "no endpoint",
            json!({"voice": voice(|v| v["endpoint"] = json!(""))}),
            voiceless,
        ),
        (
            "no session",
            json!({"voice": voice(|v| v["sessionId"] = json!(""))}),
            voiceless,
        ),
        (
            "loud filter",
            json!({"filters": {"volume": 5.5}}),
            "Filter volume: volume must be 0.0 to 5.0, not 5.5",
        ),
        ("null volume", json!({"volume": null}), "Bad body"),
        ("null paused", json!({"paused": null}), "Bad body"),
        ("null position", json!({"position": null}), "Bad body"),
        ("null filters", json!({"filters": null}), "Bad body"),
        ("null voice", json!({"voice": null}), "Bad body"),
        ("null track", json!({"track": null}), "Bad body"),
        (
            "null user data",
            json!({"track": {"userData": null}}),
            "Bad body",
        ),
        ("wrong type", json!({"paused": "yes"}), "Bad body"),
        ("an array", json!([]), "Bad body"),
    ];
    for (row, mut body, message) in rows {
        if let Some(body) = body.as_object_mut() {
            // Would show if anything was applied before the refusal.
            body.entry("volume").or_insert(json!(77));
        }
        let (status, answer) = node.patch(&path, body).await;
        assert_eq!(status, 400, "{row}: {answer}");
        check_error(row, 400, &answer, &path, message);
    }
    for body in ["", "{", "nonsense", "{\"volume\": 5"] {
        let request = node.request(Method::PATCH, &path).body(body);
        let (status, answer) = answer(request).await;
        assert_eq!(status, 400, "{body:?}");
        check_error(body, 400, &answer, &path, "Bad body");
    }
    let (status, _) = node.get(&path).await;
    assert_eq!(status, 404, "no player came of it");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_answered_with_the_player_as_it_is_then() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let path = format!("/v4/sessions/{session}/players/1");
    let (status, body) = node.patch(&path, json!({})).await;
    assert_eq!(status, 200);
    let time = body["state"]["time"].clone();
    assert_eq!(
        body,
        json!({
            "guildId": "1", "track": null, "volume": 100, "paused": false, "filters": {},
            "state": {"time": time, "position": 0, "connected": false, "ping": -1},
            "voice": {"token": "", "endpoint": "", "sessionId": "", "channelId": null},
        })
    );
    let rows = [
        (
            "volume above",
            json!({"volume": 1_001}),
            "/volume",
            json!(1_000),
        ),
        ("volume below", json!({"volume": -1}), "/volume", json!(0)),
        ("volume", json!({"volume": 150}), "/volume", json!(150)),
        ("nothing", json!({}), "/volume", json!(150)),
        (
            "unknown keys",
            json!({"colour": "blue"}),
            "/volume",
            json!(150),
        ),
        ("pause", json!({"paused": true}), "/paused", json!(true)),
        (
            "seek without track",
            json!({"position": 5_000}),
            "/state/position",
            json!(0),
        ),
        (
            "end without track",
            json!({"endTime": 5_000}),
            "/track",
            json!(null),
        ),
        ("clear end", json!({"endTime": null}), "/track", json!(null)),
        (
            "stop without track",
            json!({"track": {"encoded": null}}),
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
            "filters are a set",
            json!({"filters": {}}),
            "/filters",
            json!({}),
        ),
        (
            "null filter",
            json!({"filters": {"volume": null}}),
            "/filters",
            json!({}),
        ),
        (
            "stopping unpauses",
            json!({"track": {"encoded": null}}),
            "/paused",
            json!(false),
        ),
    ];
    for (row, body, pointer, expected) in rows {
        let (status, answer) = node.patch(&path, body).await;
        assert_eq!(status, 200, "{row}: {answer}");
        assert_eq!(answer.pointer(pointer), Some(&expected), "{row}");
    }
    let (_, players) = node.get(&format!("/v4/sessions/{session}/players")).await;
    assert_eq!(players.as_array().unwrap().len(), 1, "a bare array");
    let (status, body) = node.delete(&path).await;
    assert_eq!((status.as_u16(), body), (204, json!("")));
    assert_eq!(
        node.delete(&path).await.0,
        204,
        "an unknown player is as good as deleted"
    );
    assert_eq!(node.get(&path).await.0, 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_play_without_voice_and_no_replace_keeps_them() {
    let node = TestNode::start().await;
    let (mut socket, session) = node.connect().await;
    let path = format!("/v4/sessions/{session}/players/1");
    let encoded = node.encoded("music/nocturne.opus").await;
    let other = node.encoded("music/rain.webm").await;
    let track = json!({"encoded": encoded, "userData": {"who": "me"}});
    let (_, body) = node
        .patch(
            &path,
            json!({"track": track, "position": 9_000, "paused": true}),
        )
        .await;
    assert_eq!(body["track"]["info"]["position"], 9_000);
    assert_eq!(body["track"]["userData"], json!({"who": "me"}));
    assert!(body["track"]["pluginInfo"]["probeInfo"].is_string());
    assert_eq!(body["track"]["encoded"], encoded);
    assert_eq!(
        (&body["paused"], &body["state"]["position"]),
        (&json!(true), &json!(9_000))
    );
    let started = socket.event().await;
    assert_eq!(started["type"], "TrackStartEvent");
    assert_eq!(started["track"]["userData"], json!({"who": "me"}));

    let replace = json!({"track": {"encoded": other}, "volume": 40, "paused": false});
    let (status, body) = node
        .patch(&format!("{path}?noReplace=true"), replace.clone())
        .await;
    assert_eq!(status, 200);
    assert_eq!(body["track"]["encoded"], encoded, "kept");
    assert_eq!(
        body["volume"], 40,
        "what comes before the track was applied"
    );
    assert_eq!(body["paused"], true, "pausing goes with the track");
    let (_, body) = node
        .patch(&format!("{path}?noReplace=maybe"), replace.clone())
        .await;
    assert_eq!(body["status"], 400);
    let unknown = json!({"track": {"identifier": "nothing at all"}});
    let (status, _) = node.patch(&format!("{path}?noReplace=true"), unknown).await;
    assert_eq!(
        status, 200,
        "a track that will not be played is not loaded either"
    );

    let (_, body) = node
        .patch(&path, json!({"track": {"userData": {"who": "you"}}}))
        .await;
    assert_eq!(
        body["track"]["userData"],
        json!({"who": "you"}),
        "alone, it is replaced"
    );
    assert_eq!(body["track"]["encoded"], encoded);
    let (_, body) = node
        .patch(&format!("{path}?noReplace=false"), replace)
        .await;
    assert_eq!(body["track"]["encoded"], other);
    assert_eq!(body["paused"], false);
    let ended = socket.event().await;
    assert_eq!(
        (&ended["type"], &ended["reason"]),
        (&json!("TrackEndEvent"), &json!("replaced"))
    );
    assert_eq!(ended["track"]["userData"], json!({"who": "you"}));
    assert_eq!(ended["track"]["info"]["position"], 9_000);
    assert_eq!(socket.event().await["type"], "TrackStartEvent");

    let (_, body) = node
        .patch(&path, json!({"identifier": "signals/sweep.opus"}))
        .await;
    assert_eq!(
        body["track"]["info"]["sourceName"], "local",
        "resolved on the server"
    );
    let (_, body) = node.patch(&path, json!({"encodedTrack": encoded})).await;
    assert_eq!(
        body["track"]["encoded"], encoded,
        "the old name still works"
    );
    let foreign = json!({"encodedTrack": RICK});
    let (status, _) = node.patch(&path, foreign).await;
    assert_eq!(status, 200, "whether it can be played shows later");
    let failed = socket
        .until("exception", |message| {
            message["type"] == "TrackExceptionEvent"
        })
        .await;
    assert_eq!(failed["exception"]["severity"], "common");
    assert!(failed["exception"]["causeStackTrace"].is_string());
    let ended = socket.event().await;
    assert_eq!(ended["reason"], "loadFailed");

    node.patch(&path, json!({"encodedTrack": encoded})).await;
    assert_eq!(socket.event().await["type"], "TrackStartEvent");
    node.delete(&path).await;
    let ended = socket.event().await;
    assert_eq!(
        (&ended["reason"], &ended["track"]["encoded"]),
        (&json!("stopped"), &json!(encoded))
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_lead_nowhere_get_their_error_bodies() {
    let node = TestNode::start().await;
    let (_socket, session) = node.connect().await;
    let players = format!("/v4/sessions/{session}/players");
    let rows = [
        (Method::GET, "/v4/nowhere", 404, ""),
        (Method::GET, "/nowhere", 404, ""),
        (Method::DELETE, "/v4/info", 405, "DELETE"),
        (Method::POST, "/v4/loadtracks", 405, "POST"),
        (Method::GET, "/v4/sessions", 404, ""),
        (Method::GET, "/v4/loadtracks", 400, "identifier"),
        (
            Method::GET,
            "/v4/decodetrack",
            400,
            "No track to decode provided",
        ),
        (
            Method::GET,
            "/v4/decodetrack?encodedTrack=garbage",
            400,
            "decode",
        ),
        (
            Method::GET,
            "/v4/sessions/none/players",
            404,
            "Session not found",
        ),
        (
            Method::GET,
            "/v4/sessions/none/players/1",
            404,
            "Session not found",
        ),
        (
            Method::DELETE,
            "/v4/sessions/none/players/1",
            404,
            "Session not found",
        ),
        (
            Method::GET,
            &format!("{players}/1"),
            404,
            "Player not found",
        ),
        (Method::GET, &format!("{players}/abc"), 400, "guildId"),
        (Method::DELETE, &format!("{players}/1.5"), 400, "guildId"),
        (
            Method::GET,
            &format!("{players}/99999999999999999999"),
            400,
            "guildId",
        ),
        (
            Method::POST,
            "/v4/routeplanner/free/all",
            500,
            "Can't access disabled route planner",
        ),
        (
            Method::POST,
            "/v4/routeplanner/free/address",
            500,
            "route planner",
        ),
    ];
    for (method, path, status, message) in rows {
        let row = format!("{method} {path}");
        let (told, body) = answer(node.request(method, path)).await;
        assert_eq!(told, status, "{row}: {body}");
        check_error(
            &row,
            status,
            &body,
            path.split('?').next().unwrap(),
            message,
        );
    }
    let (_, body) = node.get("/v4/nowhere?trace=true").await;
    assert!(
        body["trace"].is_string(),
        "with a trace when asked for: {body}"
    );
    let post = |body: Value| answer(node.request(Method::POST, "/v4/decodetracks").json(&body));
    let (status, body) = post(json!([])).await;
    assert_eq!(
        (status.as_u16(), &body["message"]),
        (400, &json!("No tracks to decode provided"))
    );
    assert_eq!(
        post(json!([RICK, "garbage"])).await.0,
        400,
        "one bad element fails all"
    );
    assert_eq!(post(json!({})).await.0, 400);
    let huge = "x".repeat(5 << 20);
    let request = node.request(Method::POST, "/v4/decodetracks").body(huge);
    let (status, body) = answer(request).await;
    assert_eq!((status.as_u16(), &body["status"]), (413, &json!(413)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_asked_for_everywhere() {
    let node = TestNode::start().await;
    for path in [
        "/v4/info",
        "/version",
        "/v4/nowhere",
        "/",
        "/v4/sessions/x/players",
    ] {
        for (given, status) in [(None, 401), (Some("wrong"), 403), (Some(""), 403)] {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = client.get(format!("http://{}{path}", node.address));
            if let Some(given) = given {
                request = request.header("Authorization", given);
            }
            let (told, body) = answer(request).await;
            assert_eq!(
                (told.as_u16(), body),
                (status, json!("")),
                "{path} with {given:?}"
            );
        }
    }
    for path in ["/", "/v3/websocket"] {
        let (status, body) = node.get(path).await;
        assert_eq!((status.as_u16(), body), (200, json!("")), "{path}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_are_checked_before_they_are_answered() {
    let node = TestNode::start().await;
    let rows = [
        ("no password", vec![("Authorization", "")], 401),
        ("wrong password", vec![("Authorization", "wrong")], 401),
        ("no user", vec![("User-Id", "")], 400),
        ("user 0", vec![("User-Id", "0")], 400),
        ("user in words", vec![("User-Id", "me")], 400),
    ];
    for (row, headers, status) in rows {
        let Err(tungstenite::Error::Http(response)) = node.socket(&headers).await.map(drop) else {
            panic!("{row} got in");
        };
        assert_eq!(response.status(), status, "{row}");
        assert_eq!(response.headers()["lavalink-api-version"], "4", "{row}");
    }
    let mut socket = node.socket(&[("Client-Name", "")]).await.unwrap();
    assert_eq!(socket.headers["session-resumed"], "false");
    assert_eq!(socket.headers["lavalink-api-version"], "4");
    let ready = socket.next().await;
    let session = ready["sessionId"].as_str().unwrap();
    assert_eq!(
        ready,
        json!({"op": "ready", "resumed": false, "sessionId": session})
    );
    assert_eq!(session.len(), 16);
    assert!(
        session
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    );
    let stats = socket.next().await;
    assert_eq!(stats["op"], "stats");
    assert_eq!(
        stats.as_object().unwrap().get("frameStats"),
        Some(&Value::Null)
    );
    assert_eq!(
        (&stats["players"], &stats["playingPlayers"]),
        (&json!(0), &json!(0))
    );
    for (object, keys) in [
        ("memory", vec!["allocated", "free", "reservable", "used"]),
        ("cpu", vec!["cores", "lavalinkLoad", "systemLoad"]),
    ] {
        let told: Vec<_> = stats[object].as_object().unwrap().keys().collect();
        assert_eq!(told.len(), keys.len(), "{object}");
        assert!(
            keys.iter().all(|key| stats[object][key].is_number()),
            "{object}"
        );
    }
    socket.say("{\"op\":\"play\"}").await;
    socket.say("nonsense").await;
    socket.ping().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_describes_itself() {
    let node = TestNode::start().await;
    let (status, info) = node.get("/v4/info").await;
    assert_eq!(status, 200);
    // The Lavalink that is spoken: clients compare it with what they need.
    let version = "4.2.2";
    assert_eq!(info["version"]["semver"], version);
    assert_eq!(
        info["version"].as_object().unwrap().get("preRelease"),
        Some(&Value::Null)
    );
    assert_eq!(info["sourceManagers"], json!(["local", "http"]));
    let filters = [
        "volume",
        "equalizer",
        "karaoke",
        "timescale",
        "tremolo",
        "vibrato",
        "distortion",
        "rotation",
        "channelMix",
        "lowPass",
    ];
    assert_eq!(info["filters"], json!(filters));
    // Lyrics in the tags of local files need nothing else; all other surfaces are off.
    let plugins = json!([{"name": "lavalyrics-plugin", "version": "1.1.0"}]);
    assert_eq!(info["plugins"], plugins);
    for text in ["jvm", "lavaplayer"] {
        assert!(
            info[text].as_str().is_some_and(|text| !text.is_empty()),
            "{text}"
        );
    }
    for text in ["branch", "commit"] {
        assert!(info["git"][text].is_string(), "{text}");
    }
    let (status, text) = node.get("/version").await;
    assert_eq!((status.as_u16(), text), (200, json!(version)));
    let (_, stats) = node.get("/v4/stats").await;
    assert!(
        stats.get("frameStats").is_none(),
        "only sockets are told frame counts"
    );
    assert!(stats["uptime"].is_number());
    let (status, body) = node.get("/v4/routeplanner/status").await;
    assert_eq!((status.as_u16(), body), (204, json!("")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_answer_200_whatever_they_find() {
    let node = TestNode::start().await;
    for identifier in [
        "just some words",
        "ytsearch:anything",
        "",
        "gopher://x/",
        "/etc/passwd",
    ] {
        let body = node.load(identifier).await;
        assert_eq!(
            body,
            json!({"loadType": "empty", "data": null}),
            "{identifier:?}"
        );
    }
    let body = node.load("music/nocturne.opus").await;
    let data = &body["data"];
    assert_eq!(body["loadType"], "track");
    assert_eq!(data["info"]["title"], "Nocturne in E flat");
    assert_eq!(data["info"]["author"], "Backline");
    assert_eq!(data["info"]["sourceName"], "local");
    assert_eq!(
        (&data["info"]["isSeekable"], &data["info"]["isStream"]),
        (&json!(true), &json!(false))
    );
    let length = data["info"]["length"].as_i64().unwrap();
    assert!((55_000..58_000).contains(&length), "{length}");
    for key in ["artworkUrl", "isrc"] {
        assert_eq!(
            data["info"].as_object().unwrap().get(key),
            Some(&Value::Null),
            "{key}"
        );
    }
    assert_eq!(
        (&data["pluginInfo"], &data["userData"]),
        (&json!({"probeInfo": "ogg"}), &json!({}))
    );
    let encoded = data["encoded"].as_str().unwrap();
    assert!(encoded.starts_with('Q'));
    let query: String = reqwest::Url::parse_with_params("http://x/", [("encodedTrack", encoded)])
        .unwrap()
        .query()
        .unwrap()
        .to_owned();
    let (_, decoded) = node.get(&format!("/v4/decodetrack?{query}")).await;
    assert_eq!(&decoded, data, "decoding gives back what was encoded");
    let (_, decoded) = node.get(&format!("/v4/decodetrack?track={RICK}")).await;
    assert_eq!(decoded["info"]["identifier"], "dQw4w9WgXcQ");
    assert_eq!(decoded["encoded"], RICK);
    let all = answer(
        node.request(Method::POST, "/v4/decodetracks")
            .json(&json!([RICK, encoded])),
    );
    let (status, decoded) = all.await;
    assert_eq!(status, 200);
    assert_eq!(decoded[1]["info"], data["info"]);

    let body = node.load("local:NOCTURNE").await;
    assert_eq!(body["loadType"], "search");
    assert_eq!(body["data"][0]["info"]["title"], "Nocturne in E flat");
    let body = node.load("local:rain tape").await;
    assert_eq!(
        body["data"][0]["info"]["title"], "Rain on the Tape",
        "by its tags"
    );
    let body = node.load("local:nothing of that name").await;
    assert_eq!(body, json!({"loadType": "empty", "data": null}));
    let text = node.metrics.encode();
    assert!(
        text.contains("backline_node_loads_total{source=\"local\",result=\"track\"} 1"),
        "{text}"
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_the_names_of_lavalink_where_they_are_asked_for() {
    let mut config = test_config();
    config.lavalink_metrics = true;
    let node = TestNode::start_with(config).await;
    let _client = node.connect().await;
    let url = format!("http://{}/metrics", node.address);
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200, "no password is needed");
    let text = answer.text().await.unwrap();
    for name in [
        "players_total",
        "playing_players_total",
        "uptime_milliseconds",
        "memory_free_bytes",
        "memory_used_bytes",
        "memory_allocated_bytes",
        "memory_reservable_bytes",
        "cpu_cores",
        "cpu_system_load_percentage",
        "cpu_lavalink_load_percentage",
    ] {
        let line = format!("# TYPE lavalink_{name} gauge\nlavalink_{name} ");
        assert!(text.contains(&line), "{name}: {text}");
    }
    node.stop().await;
    let node = TestNode::start().await;
    let url = format!("http://{}/metrics", node.address);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 401);
    assert_eq!(node.get("/metrics").await.0, 404, "off by default");
    node.stop().await;
}
