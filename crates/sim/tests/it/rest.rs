//! The REST API by raw requests: refusals with their codes, limits with their headers.

use std::time::Duration;

use backline_sim::discord::{ChannelId, Discord, Limits, Options};
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use super::raw::{Gateway, Rest};

async fn start() -> (Discord, Rest, ChannelId) {
    start_with(Limits {
        rates_enforced: false,
        ..Limits::default()
    })
    .await
}

async fn start_with(limits: Limits) -> (Discord, Rest, ChannelId) {
    let discord = Discord::start(Options {
        guilds: 2,
        limits,
        ..Options::default()
    })
    .await
    .expect("it starts");
    let rest = Rest::new(&discord);
    let channel = discord.guilds()[0].channels()[0].0;
    (discord, rest, channel)
}

#[tokio::test]
async fn refusals_carry_discords_status_and_code() {
    /// Name, request, expected status and code.
    type Row = (&'static str, Method, String, Option<Value>, (u16, u64));
    let (discord, rest, channel) = start().await;
    let guild = discord.guilds()[0].clone();
    let secret = guild.add_text_channel("secret");
    let quiet = guild.add_text_channel("quiet");
    let bot = discord.bot().user;
    guild.deny(secret, bot, 1 << 10);
    guild.deny(quiet, bot, 1 << 11);
    let ada = guild.add_user("Ada");
    let hers = discord.say(ada, channel, "mine").expect("she may").id;
    let app = discord.application_id();
    let stranger = discord.add_bot("stranger", 0);
    let lonely = discord.add_guild("lonely");
    let text = json!({"content": "x"});
    let rows: Vec<Row> = vec![
        (
            "unknown path",
            Method::GET,
            "/nothing".into(),
            None,
            (404, 0),
        ),
        (
            "wrong method",
            Method::PUT,
            "/users/@me".into(),
            None,
            (405, 0),
        ),
        (
            "unknown channel",
            Method::GET,
            "/channels/1".into(),
            None,
            (404, 10_003),
        ),
        (
            "unknown guild",
            Method::GET,
            "/guilds/1".into(),
            None,
            (404, 10_004),
        ),
        (
            "unknown member",
            Method::GET,
            format!("/guilds/{}/members/{}", guild.id(), stranger.user),
            None,
            (404, 10_007),
        ),
        (
            "unknown user",
            Method::GET,
            "/users/1".into(),
            None,
            (404, 10_013),
        ),
        (
            "unknown message",
            Method::GET,
            format!("/channels/{channel}/messages/1"),
            None,
            (404, 10_008),
        ),
        (
            "unknown role",
            Method::GET,
            format!("/guilds/{}/roles/1", guild.id()),
            None,
            (404, 10_011),
        ),
        (
            "nobody in voice",
            Method::GET,
            format!("/guilds/{}/voice-states/@me", guild.id()),
            None,
            (404, 10_065),
        ),
        (
            "hidden channel",
            Method::POST,
            format!("/channels/{secret}/messages"),
            Some(text.clone()),
            (403, 50_001),
        ),
        (
            "quiet channel",
            Method::POST,
            format!("/channels/{quiet}/messages"),
            Some(text.clone()),
            (403, 50_013),
        ),
        (
            "empty message",
            Method::POST,
            format!("/channels/{channel}/messages"),
            Some(json!({})),
            (400, 50_006),
        ),
        (
            "long message",
            Method::POST,
            format!("/channels/{channel}/messages"),
            Some(json!({"content": "a".repeat(2_001)})),
            (400, 50_035),
        ),
        (
            "somebody else's message",
            Method::PATCH,
            format!("/channels/{channel}/messages/{hers}"),
            Some(text.clone()),
            (403, 50_005),
        ),
        (
            "delete somebody else's",
            Method::DELETE,
            format!("/channels/{channel}/messages/{hers}"),
            None,
            (403, 50_013),
        ),
        (
            "answer to nothing",
            Method::POST,
            format!("/channels/{channel}/messages"),
            Some(json!({"content": "x", "message_reference": {"message_id": "1"}})),
            (400, 50_035),
        ),
        (
            "other application",
            Method::GET,
            format!("/applications/{}/commands", stranger.application),
            None,
            (403, 20_012),
        ),
        (
            "unknown command",
            Method::DELETE,
            format!("/applications/{app}/commands/1"),
            None,
            (404, 10_063),
        ),
        (
            "commands of a foreign guild",
            Method::PUT,
            format!("/applications/{app}/guilds/1/commands"),
            Some(json!([])),
            (403, 50_001),
        ),
        (
            "bad command",
            Method::POST,
            format!("/applications/{app}/commands"),
            Some(json!({"name": "UP", "description": "d"})),
            (400, 50_035),
        ),
        (
            "unknown interaction",
            Method::POST,
            "/interactions/1/token/callback".into(),
            Some(json!({"type": 5})),
            (404, 10_062),
        ),
        (
            "unknown webhook",
            Method::POST,
            format!("/webhooks/{app}/token"),
            Some(text.clone()),
            (404, 10_015),
        ),
        (
            "not in voice",
            Method::PATCH,
            format!("/guilds/{}/members/{ada}", lonely.id()),
            Some(json!({"nick": "x"})),
            (404, 10_007),
        ),
        (
            "too many messages at once",
            Method::GET,
            format!("/channels/{channel}/messages?limit=101"),
            None,
            (400, 50_035),
        ),
    ];
    for (row, method, path, body, codes) in rows {
        let answer = rest.call(method, &path, body).await;
        assert_eq!(answer.codes(), codes, "{row}: {}", answer.json);
        assert!(answer.json["message"].is_string(), "{row}");
    }
}

#[tokio::test]
async fn requests_without_token_agent_version_or_json_are_refused() {
    let (discord, rest, channel) = start().await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let bare = reqwest::Client::new();
    let me = format!("{}/v10/users/@me", discord.api_url());
    let no_agent = Rest::finish(
        bare.get(&me)
            .header("authorization", format!("Bot {}", discord.token())),
    )
    .await;
    assert_eq!(no_agent.codes(), (403, 40_333));
    let no_token = Rest::finish(bare.get(&me).header("user-agent", "x")).await;
    assert_eq!(no_token.codes(), (401, 0));
    assert_eq!(no_token.json["message"], "401: Unauthorized");
    let wrong = Rest::finish(
        bare.get(&me)
            .header("user-agent", "x")
            .header("authorization", "Bot x"),
    )
    .await;
    assert_eq!(wrong.status, 401);
    let old = Rest::finish(
        bare.get(format!("{}/v3/users/@me", discord.api_url()))
            .header("user-agent", "x"),
    )
    .await;
    assert_eq!(old.codes(), (400, 50_041));
    assert_eq!(
        discord.invalid_requests(),
        2,
        "401 counts, the others do not"
    );
    let path = format!("/channels/{channel}/messages");
    let broken = Rest::finish(
        rest.request(Method::POST, &path)
            .header("content-type", "application/json")
            .body("{"),
    )
    .await;
    assert_eq!(broken.codes(), (400, 50_109));
    let plain = Rest::finish(
        rest.request(Method::POST, &path)
            .header("content-type", "text/plain")
            .body("x"),
    )
    .await;
    assert_eq!(plain.codes(), (400, 50_035));
}

#[tokio::test]
async fn messages_live_and_everybody_is_told() {
    let (discord, rest, channel) = start().await;
    let (mut gateway, _) = Gateway::ready(&discord, 1 | (1 << 9) | (1 << 10) | (1 << 11)).await;
    gateway.pending().await;
    let path = format!("/channels/{channel}/messages");
    let first = rest
        .post(&path, json!({"content": "one", "nonce": "n1"}))
        .await;
    assert_eq!(first.status, 200);
    assert_eq!(first.json["nonce"], "n1");
    let id = first.json["id"].as_str().expect("an id").to_owned();
    let reply = rest
        .post(
            &path,
            json!({"content": "two", "message_reference": {"message_id": id}}),
        )
        .await;
    assert_eq!(reply.json["type"], 19);
    assert_eq!(reply.json["referenced_message"]["content"], "one");
    let edited = rest
        .call(
            Method::PATCH,
            &format!("{path}/{id}"),
            Some(json!({"content": "uno"})),
        )
        .await;
    assert_eq!(edited.json["content"], "uno");
    assert!(edited.json["edited_timestamp"].is_string());
    let emoji = "%F0%9F%8E%B5";
    assert_eq!(
        rest.call(
            Method::PUT,
            &format!("{path}/{id}/reactions/{emoji}/@me"),
            None
        )
        .await
        .status,
        204
    );
    assert_eq!(
        rest.call(Method::POST, &format!("/channels/{channel}/typing"), None)
            .await
            .status,
        204
    );
    let list = rest.get(&format!("{path}?limit=10")).await.json;
    let contents: Vec<&str> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(contents, ["two", "uno"], "newest first");
    assert_eq!(
        rest.call(Method::DELETE, &format!("{path}/{id}"), None)
            .await
            .status,
        204
    );
    let names: Vec<String> = gateway
        .pending()
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "MESSAGE_CREATE",
            "MESSAGE_CREATE",
            "MESSAGE_UPDATE",
            "MESSAGE_REACTION_ADD",
            "TYPING_START",
            "MESSAGE_DELETE"
        ]
    );
}

#[tokio::test]
async fn files_are_uploaded_served_and_limited() {
    let (_discord, rest, channel) = start().await;
    let path = format!("/channels/{channel}/messages");
    let form = |bytes: Vec<u8>| {
        multipart::Form::new()
            .text("payload_json", json!({
                "flags": 1 << 15,
                "attachments": [{"id": 0, "filename": "cover.png", "description": "a cover"}],
                "components": [{"type": 12, "items": [{"media": {"url": "attachment://cover.png"}}]}],
            }).to_string())
            .part("files[0]", multipart::Part::bytes(bytes).file_name("cover.png").mime_str("image/png").expect("a type"))
    };
    let answer = Rest::finish(
        rest.request(Method::POST, &path)
            .multipart(form(vec![7; 1_000])),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let attachment = &answer.json["attachments"][0];
    assert_eq!(attachment["size"], 1_000);
    assert_eq!(attachment["description"], "a cover");
    let url = attachment["url"].as_str().expect("a place");
    assert_eq!(
        answer.json["components"][0]["items"][0]["media"]["url"],
        url
    );
    let bytes = reqwest::get(url)
        .await
        .expect("it is served")
        .bytes()
        .await
        .expect("it has bytes");
    assert_eq!(bytes.as_ref(), vec![7; 1_000]);
    let big =
        Rest::finish(
            rest.request(Method::POST, &path)
                .multipart(form(vec![7; 10 * 1024 * 1024 + 1])),
        )
        .await;
    assert_eq!(big.codes(), (413, 40_005));
}

#[tokio::test]
async fn commands_are_kept_by_name_and_scope() {
    let (discord, rest, _) = start().await;
    let app = discord.application_id();
    let path = format!("/applications/{app}/commands");
    let command = |name: &str, description: &str| json!({"name": name, "description": description});
    let created = rest.post(&path, command("play", "d")).await;
    assert_eq!(created.status, 201);
    let again = rest.post(&path, command("play", "other")).await;
    assert_eq!(again.status, 200, "the same name replaces");
    assert_eq!(again.json["id"], created.json["id"]);
    let all = rest
        .call(
            Method::PUT,
            &path,
            Some(json!([command("play", "other"), command("stop", "d")])),
        )
        .await;
    assert_eq!(all.json.as_array().map(Vec::len), Some(2));
    assert_eq!(
        all.json[0]["id"], created.json["id"],
        "ids survive an overwrite"
    );
    assert_eq!(
        all.json[0]["version"], again.json["version"],
        "nothing changed, so the version stays"
    );
    let id = all.json[1]["id"].as_str().expect("an id").to_owned();
    let edited = rest
        .call(
            Method::PATCH,
            &format!("{path}/{id}"),
            Some(json!({"description": "new"})),
        )
        .await;
    assert_eq!(edited.json["description"], "new");
    assert_eq!(edited.json["name"], "stop");
    assert_eq!(rest.get(&format!("{path}/{id}")).await.json, edited.json);
    assert_eq!(
        rest.call(Method::DELETE, &format!("{path}/{id}"), None)
            .await
            .status,
        204
    );
    let guild = discord.guilds()[1].id();
    let local = rest
        .call(
            Method::PUT,
            &format!("/applications/{app}/guilds/{guild}/commands"),
            Some(json!([command("here", "d")])),
        )
        .await;
    assert_eq!(local.json[0]["guild_id"], guild.to_string());
    assert_eq!(rest.get(&path).await.json.as_array().map(Vec::len), Some(1));
    assert_eq!(discord.commands(Some(guild)).len(), 2);
}

#[tokio::test]
async fn rate_limits_are_told_and_enforced() {
    let (discord, rest, channel) = start_with(Limits::default()).await;
    let path = format!("/channels/{channel}/messages");
    for left in (0..5).rev() {
        let answer = rest.post(&path, json!({"content": "x"})).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["x-ratelimit-limit"], "5");
        assert_eq!(answer.headers["x-ratelimit-remaining"], left.to_string());
        assert!(answer.headers.contains_key("x-ratelimit-bucket"));
    }
    let limited = rest.post(&path, json!({"content": "x"})).await;
    assert_eq!(limited.status, 429);
    assert_eq!(limited.headers["x-ratelimit-scope"], "user");
    assert!(limited.headers.contains_key("retry-after"));
    let wait = limited.json["retry_after"].as_f64().expect("a time");
    assert!(wait > 0.0 && wait <= 5.0);
    assert_eq!(limited.json["global"], false);
    let other = discord.guilds()[1].channels()[0].0;
    assert_eq!(
        rest.post(
            &format!("/channels/{other}/messages"),
            json!({"content": "x"})
        )
        .await
        .status,
        200,
        "another channel, another bucket"
    );
    discord.advance(Duration::from_secs(6));
    assert_eq!(rest.post(&path, json!({"content": "x"})).await.status, 200);
}

#[tokio::test]
async fn the_gateway_is_found_with_its_session_limits() {
    let (discord, rest, _) = start().await;
    let before = rest.get("/gateway/bot").await.json;
    assert_eq!(before["url"], discord.gateway_url());
    assert_eq!(before["shards"], 1);
    assert_eq!(before["session_start_limit"]["remaining"], 1_000);
    let _session = Gateway::ready(&discord, 1).await;
    let after = rest.get("/gateway/bot").await.json;
    assert_eq!(after["session_start_limit"]["remaining"], 999);
    assert_eq!(after["session_start_limit"]["max_concurrency"], 1);
    let bare = reqwest::Client::new()
        .get(format!("{}/v10/gateway", discord.api_url()))
        .header("user-agent", "x");
    assert_eq!(Rest::finish(bare).await.json["url"], discord.gateway_url());
}

#[tokio::test]
async fn faults_answer_as_asked_and_then_stop() {
    let (discord, rest, channel) = start().await;
    let faults = discord.faults();
    faults.fail("/users/@me", 1, 503);
    faults.rate_limit_shared("/messages", 1, Duration::from_millis(1_500));
    assert_eq!(rest.get("/users/@me").await.status, 503);
    assert_eq!(rest.get("/users/@me").await.status, 200);
    let path = format!("/channels/{channel}/messages");
    let limited = rest.post(&path, json!({"content": "x"})).await;
    assert_eq!(limited.status, 429);
    assert_eq!(limited.headers["x-ratelimit-scope"], "shared");
    assert_eq!(limited.json["retry_after"], 1.5);
    assert_eq!(rest.post(&path, json!({"content": "x"})).await.status, 200);
}

#[tokio::test]
async fn voice_channels_have_a_status_and_members_can_be_moved() {
    let (discord, rest, _) = start().await;
    let guild = discord.guilds()[0].clone();
    let voice = guild.channels()[2].0;
    let other = guild.add_voice_channel("other");
    let path = format!("/channels/{voice}/voice-status");
    assert_eq!(
        rest.call(Method::PUT, &path, Some(json!({"status": "a song"})))
            .await
            .status,
        204
    );
    assert_eq!(guild.voice_status(voice).as_deref(), Some("a song"));
    assert_eq!(
        rest.call(Method::PUT, &path, Some(json!({"status": "a".repeat(501)})))
            .await
            .codes(),
        (400, 50_035)
    );
    let ada = guild.add_user("Ada");
    let member = format!("/guilds/{}/members/{ada}", guild.id());
    let move_to = json!({"channel_id": other.to_string()});
    assert_eq!(
        rest.call(Method::PATCH, &member, Some(move_to.clone()))
            .await
            .codes(),
        (403, 50_013)
    );
    guild.set_everyone_permissions((1 << 24) | (1 << 20) | (1 << 10));
    assert_eq!(
        rest.call(Method::PATCH, &member, Some(move_to.clone()))
            .await
            .codes(),
        (400, 40_032)
    );
    discord.join_voice(ada, voice).expect("she may");
    assert_eq!(
        rest.call(Method::PATCH, &member, Some(move_to))
            .await
            .status,
        200
    );
    assert_eq!(
        guild.voice_state(ada).map(|place| place.channel),
        Some(other)
    );
}

#[tokio::test]
async fn a_message_turns_to_components_only_without_its_text() {
    let (_discord, rest, channel) = start().await;
    let path = format!("/channels/{channel}/messages");
    let sent = rest.post(&path, json!({"content": "text"})).await;
    let path = format!("{path}/{}", sent.json["id"].as_str().expect("an id"));
    let turn = json!({"flags": 1 << 15, "components": [{"type": 10, "content": "x"}]});
    let kept = rest.call(Method::PATCH, &path, Some(turn.clone())).await;
    assert_eq!(kept.codes(), (400, 50_035));
    let mut cleared = turn;
    cleared["content"] = Value::Null;
    let turned = rest.call(Method::PATCH, &path, Some(cleared)).await;
    assert_eq!(turned.status, 200, "{}", turned.json);
    assert_eq!(turned.json["flags"], 1 << 15);
    let back = rest
        .call(Method::PATCH, &path, Some(json!({"content": "text again"})))
        .await;
    assert_eq!(back.codes(), (400, 50_035), "there is no way back");
    let emptied = rest
        .call(Method::PATCH, &path, Some(json!({"components": []})))
        .await;
    assert_eq!(emptied.codes(), (400, 50_006));
}
