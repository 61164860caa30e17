//! Clients with passwords of their own.

use backline_runtime::config::resolvers::Tenant;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{PASSWORD, TestNode, answer, test_config};

async fn node() -> TestNode {
    let mut config = test_config();
    let tenant = |name: &str, limit: u32| Tenant {
        name: name.into(),
        password: Some(format!("password of {name}").into()),
        max_players: limit,
        max_sessions: limit,
        ..Tenant::default()
    };
    config.tenants = vec![tenant("small", 2), tenant("free", 0)];
    config.tenants[1].sources = Some("http youtube".into());
    TestNode::start_with(config).await
}

async fn ask(
    node: &TestNode,
    password: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .request(method, format!("http://{}{path}", node.address))
        .header("Authorization", password);
    answer(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

const SMALL: &str = "password of small";
const FREE: &str = "password of free";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_seen_with_its_own_password_only() {
    let node = node().await;
    let mut socket = node.socket(&[("Authorization", SMALL)]).await.unwrap();
    let ready = socket.next().await;
    let session = ready["sessionId"].as_str().unwrap().to_owned();
    let (mut other, mine) = node.connect().await;
    let player = |session: &str| format!("/v4/sessions/{session}/players/5");
    let (status, _) = ask(
        &node,
        SMALL,
        Method::PATCH,
        &player(&session),
        Some(json!({})),
    )
    .await;
    assert_eq!(status, 200);
    let (status, _) = ask(
        &node,
        PASSWORD,
        Method::PATCH,
        &player(&mine),
        Some(json!({})),
    )
    .await;
    assert_eq!(status, 200);
    // Also with the id written in another way.
    let mut hidden = format!("%{:02x}", session.as_bytes()[0]);
    hidden.push_str(&session[1..]);
    for (password, session) in [
        (FREE, session.as_str()),
        (PASSWORD, &session),
        (PASSWORD, &hidden),
        (SMALL, &mine),
        (FREE, &mine),
    ] {
        let rows = [
            (Method::GET, format!("/v4/sessions/{session}/players")),
            (Method::GET, player(session)),
            (Method::PATCH, player(session)),
            (Method::DELETE, player(session)),
            (Method::PATCH, format!("/v4/sessions/{session}")),
            (Method::GET, format!("{}/track/lyrics", player(session))),
            (
                Method::POST,
                format!("{}/lyrics/subscribe", player(session)),
            ),
        ];
        for (method, path) in rows {
            let body = (method == Method::PATCH).then(|| json!({}));
            let (status, body) = ask(&node, password, method.clone(), &path, body).await;
            assert_eq!(status, 404, "{password} {method} {path}: {body}");
            assert_eq!(body["message"], "Session not found");
        }
    }
    let (status, own) = ask(&node, SMALL, Method::GET, &player(&hidden), None).await;
    assert_eq!(status, 200, "{own}");
    for password in ["", "password", "wrong"] {
        let (status, _) = ask(&node, password, Method::GET, "/v4/stats", None).await;
        assert_eq!(status, 403, "{password}");
    }
    // A parked session cannot be taken over either.
    let park = json!({"resuming": true, "timeout": 60});
    let path = format!("/v4/sessions/{session}");
    let (status, _) = ask(&node, SMALL, Method::PATCH, &path, Some(park)).await;
    assert_eq!(status, 200);
    socket.close().await;
    other.ping().await;
    let thief = node.socket(&[("Session-Id", &session)]).await.unwrap();
    assert_eq!(thief.headers["session-resumed"], "false");
    let mut again = Err(());
    // The node may not have seen yet that the socket is closed.
    for _ in 0..200 {
        let socket = node
            .socket(&[("Authorization", SMALL), ("Session-Id", &session)])
            .await;
        match socket {
            Ok(socket) if socket.headers["session-resumed"] == "true" => {
                again = Ok(());
                break;
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    again.expect("its owner can resume it");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_kept_to_and_given_back() {
    let node = node().await;
    let open = async || node.socket(&[("Authorization", SMALL)]).await;
    let mut first = open().await.unwrap();
    let session = first.next().await["sessionId"].as_str().unwrap().to_owned();
    let second = open().await.unwrap();
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = open().await else {
        panic!("the third is too many");
    };
    assert_eq!(refused.status(), 429);
    let body: Value = serde_json::from_slice(refused.body().as_ref().unwrap()).unwrap();
    assert_eq!(body["path"], "/v4/websocket");
    // Others have places of their own.
    node.connect().await;
    for _ in 0..3 {
        node.socket(&[("Authorization", FREE)]).await.unwrap();
    }
    second.close().await;
    let mut freed = false;
    for _ in 0..200 {
        if open().await.is_ok() {
            freed = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(freed, "a closed session gives its place back");

    let player = |guild: u32| format!("/v4/sessions/{session}/players/{guild}");
    let patch =
        async |guild: u32| ask(&node, SMALL, Method::PATCH, &player(guild), Some(json!({}))).await;
    // All at once, so that they race for the last place.
    let asked = futures_util::future::join_all((1..=8).map(patch)).await;
    let made = asked.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(made, 2, "{asked:?}");
    let (_, refused) = asked
        .iter()
        .find(|(status, _)| *status == 429)
        .expect("some were too many");
    assert_eq!(
        refused["message"],
        "This password has all the 2 players it may have"
    );
    let (_, players) = ask(
        &node,
        SMALL,
        Method::GET,
        &format!("/v4/sessions/{session}/players"),
        None,
    )
    .await;
    let guild: u32 = players[0]["guildId"].as_str().unwrap().parse().unwrap();
    assert_eq!(patch(guild).await.0, 200, "its own players may be changed");
    assert_eq!(
        ask(&node, SMALL, Method::DELETE, &player(guild), None)
            .await
            .0,
        204
    );
    assert_eq!(patch(99).await.0, 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_sources_are_loaded_and_played() {
    let node = node().await;
    let path = "/v4/loadtracks?identifier=music/nocturne.opus";
    let (_, loaded) = ask(&node, SMALL, Method::GET, path, None).await;
    assert_eq!(loaded["loadType"], "track", "{loaded}");
    let (status, refused) = ask(&node, FREE, Method::GET, path, None).await;
    assert_eq!(
        (status, &refused["loadType"]),
        (StatusCode::OK, &"empty".into())
    );
    let mut socket = node.socket(&[("Authorization", FREE)]).await.unwrap();
    let session = socket.next().await["sessionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let player = format!("/v4/sessions/{session}/players/5");
    let track = json!({"track": {"encoded": loaded["data"]["encoded"]}});
    let (status, refused) = ask(&node, FREE, Method::PATCH, &player, Some(track)).await;
    assert_eq!(status, 403, "{refused}");
    assert_eq!(
        refused["message"],
        "This password may not use the source local"
    );
    let track = json!({"track": {"identifier": "music/nocturne.opus"}});
    let (status, _) = ask(&node, FREE, Method::PATCH, &player, Some(track)).await;
    assert_eq!(status, 400);
    let path = "/v4/routeplanner/free/all";
    let (status, _) = ask(&node, FREE, Method::POST, path, None).await;
    assert_eq!(
        status, 403,
        "what changes the node for all is not for tenants"
    );
    node.stop().await;
}
