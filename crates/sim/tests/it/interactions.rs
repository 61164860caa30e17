//! Interactions by raw requests: time limits, deferrals, follow-ups, components, modals.

use std::time::Duration;

use backline_sim::discord::{ChannelId, Discord, Limits, Options, ScriptError, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use super::raw::{Answer, Gateway, Rest};

/// A world with one command, a connected bot and a person.
struct Scene {
    discord: Discord,
    rest: Rest,
    gateway: Gateway,
    channel: ChannelId,
    ada: UserId,
}

impl Scene {
    async fn start() -> Self {
        let discord = Discord::start(Options {
            guilds: 1,
            limits: Limits {
                script_timeout: Duration::from_secs(20),
                ..Limits::default()
            },
            ..Options::default()
        })
        .await
        .expect("it starts");
        let rest = Rest::new(&discord);
        let commands = json!([
            {"name": "play", "description": "d", "options": [
                {"type": 3, "name": "query", "description": "d", "required": true, "autocomplete": true},
                {"type": 4, "name": "volume", "description": "d", "min_value": 0, "max_value": 200},
                {"type": 6, "name": "for", "description": "d"},
            ]},
            {"name": "list", "description": "d", "options": [
                {"type": 1, "name": "show", "description": "d", "options": []},
            ]},
        ]);
        let path = format!("/applications/{}/commands", discord.application_id());
        assert_eq!(
            rest.call(Method::PUT, &path, Some(commands)).await.status,
            200
        );
        let (mut gateway, _) = Gateway::ready(&discord, 1 | (1 << 9) | (1 << 12)).await;
        gateway.event("GUILD_CREATE").await;
        let guild = discord.guilds()[0].clone();
        let ada = guild.add_user("Ada");
        Self {
            channel: guild.channels()[0].0,
            discord,
            rest,
            gateway,
            ada,
        }
    }

    fn play(&self) -> backline_sim::discord::Interaction {
        self.discord
            .command(self.ada, self.channel, "/play", &[("query", json!("song"))])
            .expect("a client sends it")
    }

    async fn received(&mut self) -> Value {
        self.gateway.event("INTERACTION_CREATE").await
    }

    async fn callback(&self, interaction: &Value, body: Value) -> Answer {
        let (id, token) = (text(&interaction["id"]), text(&interaction["token"]));
        self.rest
            .post(
                &format!("/interactions/{id}/{token}/callback?with_response=true"),
                body,
            )
            .await
    }

    fn hook(&self, interaction: &Value, rest: &str) -> String {
        format!(
            "/webhooks/{}/{}{rest}",
            self.discord.application_id(),
            text(&interaction["token"])
        )
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn a_command_is_sent_as_discord_sends_it_and_answered_at_once() {
    let mut scene = Scene::start().await;
    let ada = scene.ada.to_string();
    let play = scene
        .discord
        .command(
            scene.ada,
            scene.channel,
            "play",
            &[("query", json!("song")), ("for", json!(ada))],
        )
        .expect("a client sends it");
    let got = scene.received().await;
    assert_eq!(got["type"], 2);
    assert_eq!(got["data"]["name"], "play");
    assert_eq!(
        got["data"]["options"][0],
        json!({"type": 3, "name": "query", "value": "song"})
    );
    assert_eq!(got["data"]["resolved"]["users"][&ada]["username"], "Ada");
    assert_eq!(got["member"]["user"]["id"], ada);
    assert!(got["app_permissions"].is_string());
    let answer = scene
        .callback(
            &got,
            json!({"type": 4, "data": {"content": "yes", "flags": 64}}),
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["resource"]["type"], 4);
    assert_eq!(
        answer.json["interaction"]["response_message_ephemeral"],
        true
    );
    let ack = play.acknowledged().await.expect("it was");
    assert_eq!(ack.kind, 4);
    let message = play.answer().await.expect("it was");
    assert!(message.is_ephemeral());
    assert_eq!(message.json["type"], 20);
    assert_eq!(message.json["interaction_metadata"]["name"], "play");
    let id = text(&answer.json["resource"]["message"]["id"]).to_owned();
    let path = format!("/channels/{}/messages/{id}", scene.channel);
    assert_eq!(
        scene.rest.get(&path).await.codes(),
        (404, 10_008),
        "ephemeral messages are not in the channel"
    );
    let told = scene.gateway.event("MESSAGE_CREATE").await;
    assert_eq!(told.get("guild_id"), None, "the bot is told without guild");
    assert_eq!(scene.discord.journal().acknowledgements().count(), 1);
}

#[tokio::test]
async fn callbacks_come_once_and_within_three_seconds() {
    let mut scene = Scene::start().await;
    scene.play();
    let got = scene.received().await;
    assert_eq!(
        scene
            .callback(&got, json!({"type": 8, "data": {"choices": []}}))
            .await
            .codes(),
        (400, 50_035),
        "not an autocomplete"
    );
    assert_eq!(
        scene.callback(&got, json!({"type": 4})).await.codes(),
        (400, 50_035),
        "no data"
    );
    assert_eq!(
        scene
            .rest
            .post(&scene.hook(&got, ""), json!({"content": "x"}))
            .await
            .codes(),
        (404, 10_015),
        "not acknowledged yet"
    );
    assert_eq!(scene.callback(&got, json!({"type": 5})).await.status, 200);
    assert_eq!(
        scene.callback(&got, json!({"type": 5})).await.codes(),
        (400, 40_060)
    );
    scene.play();
    let late = scene.received().await;
    scene.discord.advance(Duration::from_millis(3_100));
    assert_eq!(
        scene.callback(&late, json!({"type": 5})).await.codes(),
        (404, 10_062)
    );
}

#[tokio::test]
async fn the_first_follow_up_fills_a_deferred_answer_and_tokens_expire() {
    let mut scene = Scene::start().await;
    let play = scene.play();
    let got = scene.received().await;
    let deferred = scene
        .callback(&got, json!({"type": 5, "data": {"flags": 64}}))
        .await;
    assert_eq!(
        deferred.json["interaction"]["response_message_loading"],
        true
    );
    assert_eq!(deferred.json["resource"]["message"]["flags"], 128 | 64);
    let original = scene
        .rest
        .get(&scene.hook(&got, "/messages/@original"))
        .await;
    assert_eq!(original.status, 200);
    let first = scene
        .rest
        .post(&scene.hook(&got, ""), json!({"content": "done"}))
        .await;
    assert_eq!(
        first.json["id"], original.json["id"],
        "it is the deferred answer"
    );
    assert_eq!(first.json["flags"], 64, "and as ephemeral as it was");
    let second = scene
        .rest
        .post(&scene.hook(&got, ""), json!({"content": "more"}))
        .await;
    assert_ne!(second.json["id"], original.json["id"]);
    assert_eq!(second.json["flags"], 0);
    assert_eq!(play.answer().await.expect("it was").text(), "done");
    assert_eq!(play.follow_up().await.expect("it was").text(), "more");
    let id = text(&second.json["id"]).to_owned();
    let edited = scene
        .rest
        .call(
            Method::PATCH,
            &scene.hook(&got, &format!("/messages/{id}")),
            Some(json!({"content": "even more"})),
        )
        .await;
    assert_eq!(edited.json["content"], "even more");
    assert_eq!(
        scene
            .rest
            .call(
                Method::DELETE,
                &scene.hook(&got, "/messages/@original"),
                None
            )
            .await
            .status,
        204
    );
    assert_eq!(
        scene
            .rest
            .get(&scene.hook(&got, "/messages/@original"))
            .await
            .codes(),
        (404, 10_008)
    );
    scene.discord.advance(Duration::from_mins(15));
    assert_eq!(
        scene
            .rest
            .post(&scene.hook(&got, ""), json!({"content": "x"}))
            .await
            .codes(),
        (401, 50_027)
    );
}

#[tokio::test]
async fn buttons_and_selects_update_their_message() {
    let mut scene = Scene::start().await;
    let row = |children: Value| json!({"type": 1, "components": children});
    let body = json!({"flags": 1 << 15, "components": [{"type": 17, "components": [
        {"type": 10, "content": "now playing"},
        row(json!([
            {"type": 2, "style": 1, "label": "skip", "custom_id": "np:skip"},
            {"type": 2, "style": 1, "label": "off", "custom_id": "np:off", "disabled": true},
        ])),
        row(json!([{"type": 3, "custom_id": "pick", "options": [{"label": "a", "value": "a"}, {"label": "b", "value": "b"}]}])),
    ]}]});
    let sent = scene
        .rest
        .post(
            &format!("/channels/{}/messages", scene.channel),
            body.clone(),
        )
        .await;
    let message = text(&sent.json["id"]).parse().expect("an id");
    let (ada, channel) = (scene.ada, scene.channel);
    assert!(matches!(
        scene.discord.press(ada, channel, message, "np:off"),
        Err(ScriptError::Refused { .. })
    ));
    assert!(matches!(
        scene.discord.press(ada, channel, message, "none"),
        Err(ScriptError::Refused { .. })
    ));
    assert!(matches!(
        scene.discord.choose(ada, channel, message, "pick", &["c"]),
        Err(ScriptError::Refused { .. })
    ));

    let pressed = scene
        .discord
        .press(ada, channel, message, "np:skip")
        .expect("she may");
    let got = scene.received().await;
    assert_eq!(got["type"], 3);
    assert_eq!(got["data"]["custom_id"], "np:skip");
    assert_eq!(got["data"]["component_type"], 2);
    assert_eq!(got["message"]["id"], sent.json["id"]);
    let update = json!({"type": 7, "data": {"components": [{"type": 10, "content": "skipped"}]}});
    assert_eq!(scene.callback(&got, update).await.status, 200);
    assert_eq!(pressed.answer().await.expect("it was").text(), "skipped");

    let restored = scene
        .rest
        .call(
            Method::PATCH,
            &format!("/channels/{channel}/messages/{message}"),
            Some(body),
        )
        .await;
    assert_eq!(restored.status, 200, "{}", restored.json);
    let chosen = scene
        .discord
        .choose(ada, channel, message, "pick", &["b"])
        .expect("she may");
    let got = scene.received().await;
    assert_eq!(got["data"]["values"], json!(["b"]));
    assert_eq!(scene.callback(&got, json!({"type": 6})).await.status, 200);
    let follow_up = json!({"content": "only you see this", "flags": 64});
    assert_eq!(
        scene
            .rest
            .post(&scene.hook(&got, ""), follow_up)
            .await
            .status,
        200
    );
    assert!(chosen.answer().await.expect("it was").is_ephemeral());
    let edited = scene
        .rest
        .call(
            Method::PATCH,
            &scene.hook(&got, "/messages/@original"),
            Some(json!({"components": [{"type": 10, "content": "b it is"}]})),
        )
        .await;
    assert_eq!(
        edited.json["id"], sent.json["id"],
        "@original is the message with the select"
    );
    let content = scene
        .rest
        .call(
            Method::PATCH,
            &scene.hook(&got, "/messages/@original"),
            Some(json!({"content": "x"})),
        )
        .await;
    assert_eq!(
        content.codes(),
        (400, 50_035),
        "once of the second version, always"
    );
}

#[tokio::test]
async fn suggestions_and_modals_come_back() {
    let mut scene = Scene::start().await;
    let typing = scene
        .discord
        .autocomplete(
            scene.ada,
            scene.channel,
            "play",
            &[("query", json!("so"))],
            "query",
        )
        .expect("a client sends it");
    let got = scene.received().await;
    assert_eq!(got["type"], 4);
    assert_eq!(got["data"]["options"][0]["focused"], true);
    let many: Vec<Value> = (0..26)
        .map(|i| json!({"name": i.to_string(), "value": i.to_string()}))
        .collect();
    assert_eq!(
        scene
            .callback(&got, json!({"type": 8, "data": {"choices": many}}))
            .await
            .codes(),
        (400, 50_035)
    );
    let choices = json!([{"name": "a song", "value": "song"}]);
    assert_eq!(
        scene
            .callback(&got, json!({"type": 8, "data": {"choices": choices}}))
            .await
            .status,
        200
    );
    assert_eq!(*typing.choices().await.expect("they came"), choices);

    let asked = scene.play();
    let got = scene.received().await;
    let modal = json!({"title": "t", "custom_id": "m", "components": [
        {"type": 18, "label": "l", "component": {"type": 4, "custom_id": "name", "style": 1, "max_length": 10}},
    ]});
    assert_eq!(
        scene
            .callback(&got, json!({"type": 9, "data": modal}))
            .await
            .status,
        200
    );
    asked.modal().await.expect("it opened");
    assert!(matches!(
        asked.submit(&[("name", json!("far too long a name"))]),
        Err(ScriptError::Refused { .. })
    ));
    let sent = asked.submit(&[("name", json!("Ada"))]).expect("it fits");
    let got = scene.received().await;
    assert_eq!(got["type"], 5);
    assert_eq!(got["data"]["components"][0]["component"]["value"], "Ada");
    assert_eq!(
        scene
            .callback(&got, json!({"type": 4, "data": {"content": "hello Ada"}}))
            .await
            .status,
        200
    );
    assert_eq!(sent.answer().await.expect("it was").text(), "hello Ada");
}

#[tokio::test]
async fn what_a_client_would_not_send_is_refused_with_a_reason() {
    /// Command, options, part of the reason.
    type Row = (&'static str, Vec<(&'static str, Value)>, &'static str);
    let scene = Scene::start().await;
    let rows: Vec<Row> = vec![
        (
            "/pause",
            vec![],
            "no command `/pause`; registered are: /list /play",
        ),
        ("/play", vec![], "`query` is required"),
        (
            "/play",
            vec![("query", json!("x")), ("volume", json!(201))],
            "at most 200",
        ),
        ("/play", vec![("query", json!(5))], "does not take 5"),
        (
            "/play",
            vec![("query", json!("x")), ("speed", json!(1))],
            "no option `speed`",
        ),
        ("/list", vec![], "subcommand is missing"),
        ("/list hide", vec![], "no subcommand `hide`"),
    ];
    for (command, options, reason) in rows {
        let error = scene
            .discord
            .command(scene.ada, scene.channel, command, &options)
            .expect_err(command);
        assert!(error.to_string().contains(reason), "{command}: {error}");
    }
}

#[tokio::test]
async fn a_bot_that_does_not_answer_is_reported_with_what_happened_instead() {
    let mut scene = Scene::start().await;
    let play = scene.play();
    scene.received().await;
    let error = scene
        .discord
        .until_within(Duration::from_millis(50), "an answer", |_| {
            play.state().acknowledgement
        })
        .await
        .expect_err("nobody answered");
    let text = error.to_string();
    assert!(
        text.contains("an answer") && text.contains("InteractionSent") && text.contains("/play"),
        "{text}"
    );
}
