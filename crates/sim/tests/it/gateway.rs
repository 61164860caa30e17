//! The gateway by raw sockets: close codes, sessions, compression, intents, shards.

use std::time::Duration;

use backline_sim::discord::{ChannelKind, Discord, Entry, Limits, Options};
use serde_json::{Value, json};

use super::raw::{Gateway, Incoming, PATIENCE};

const GUILDS: u64 = 1;
const VOICE: u64 = 1 << 7;
const MESSAGES: u64 = 1 << 9;

async fn start(options: Options) -> Discord {
    Discord::start(options).await.expect("it starts")
}

fn quick() -> Limits {
    Limits {
        max_concurrency: 16,
        identify_window: Duration::ZERO,
        ..Limits::default()
    }
}

#[tokio::test]
async fn wrong_clients_are_closed_with_discords_codes() {
    let discord = start(Options {
        guilds: 3,
        limits: Limits {
            guilds_per_shard: 2,
            ..quick()
        },
        ..Options::default()
    })
    .await;
    let token = discord.token();
    let identify = |token: &str, extra: Value| {
        let mut d = json!({"token": token, "intents": 1, "shard": [0, 2], "properties": {}});
        for (key, value) in extra.as_object().into_iter().flatten() {
            d[key] = value.clone();
        }
        json!({"op": 2, "d": d}).to_string()
    };
    let good = identify(&token, json!({}));
    let rows: Vec<(&str, Vec<String>, u16)> = vec![
        (
            "unknown opcode",
            vec![r#"{"op":99,"d":null}"#.to_owned()],
            4001,
        ),
        ("no JSON", vec!["hello".to_owned()], 4002),
        (
            "more than 4,096 bytes",
            vec![format!(
                r#"{{"op":1,"d":null,"x":"{}"}}"#,
                "a".repeat(4_096)
            )],
            4002,
        ),
        (
            "nothing before IDENTIFY",
            vec![
                r#"{"op":3,"d":{"since":null,"activities":[],"status":"online","afk":false}}"#
                    .to_owned(),
            ],
            4003,
        ),
        ("wrong token", vec![identify("nonsense", json!({}))], 4004),
        ("IDENTIFY twice", vec![good.clone(), good.clone()], 4005),
        (
            "RESUME after IDENTIFY",
            vec![
                good.clone(),
                json!({"op": 6, "d": {"token": token, "session_id": "x", "seq": 1}}).to_string(),
            ],
            4005,
        ),
        (
            "shard out of range",
            vec![identify(&token, json!({"shard": [2, 2]}))],
            4010,
        ),
        (
            "too many guilds for a shard",
            vec![identify(&token, json!({"shard": [0, 1]}))],
            4011,
        ),
        (
            "intents that do not exist",
            vec![identify(&token, json!({"intents": 1_u64 << 40}))],
            4013,
        ),
        (
            "privileged intents that are off",
            vec![identify(&token, json!({"intents": 1 << 15}))],
            4014,
        ),
        (
            "RESUME with a wrong token",
            vec![json!({"op": 6, "d": {"token": "x", "session_id": "x", "seq": 1}}).to_string()],
            4004,
        ),
    ];
    for (row, payloads, code) in rows {
        let mut gateway = Gateway::connect(&discord).await;
        for payload in payloads {
            gateway.send_text(payload).await;
        }
        assert_eq!(gateway.closed().await, Some(code), "{row}");
    }
    let mut gateway = Gateway::open(&discord, "v=5&encoding=json").await;
    assert_eq!(gateway.closed().await, Some(4012), "old version");
}

#[tokio::test]
async fn more_than_120_payloads_a_minute_are_too_many() {
    let discord = start(Options::default()).await;
    let mut gateway = Gateway::connect(&discord).await;
    for _ in 0..120 {
        gateway.send(&json!({"op": 1, "d": null})).await;
        assert_eq!(gateway.payload().await["op"], 11);
    }
    gateway.send(&json!({"op": 1, "d": null})).await;
    assert_eq!(gateway.closed().await, Some(4008));
}

#[tokio::test]
async fn a_client_that_stops_its_heartbeat_is_closed_and_may_resume() {
    let limits = Limits {
        heartbeat_interval: Duration::from_millis(200),
        ..quick()
    };
    let discord = start(Options {
        limits,
        ..Options::default()
    })
    .await;
    let (mut gateway, ready) = Gateway::ready(&discord, GUILDS).await;
    assert_eq!(gateway.closed().await, Some(4009));
    let mut gateway = Gateway::connect(&discord).await;
    gateway
        .send(&json!({"op": 6, "d": {"token": discord.token(), "session_id": ready["session_id"], "seq": 1}}))
        .await;
    gateway.event("RESUMED").await;
}

#[tokio::test]
async fn ready_names_the_shards_guilds_and_they_follow() {
    let discord = start(Options {
        guilds: 20,
        limits: quick(),
        ..Options::default()
    })
    .await;
    let mut seen = Vec::new();
    for shard in 0..4_u64 {
        let mut gateway = Gateway::connect(&discord).await;
        gateway
            .identify(&discord.token(), json!({"shard": [shard, 4]}))
            .await;
        let ready = gateway.event("READY").await;
        assert_eq!(ready["shard"], json!([shard, 4]));
        assert_eq!(ready["resume_gateway_url"], discord.gateway_url());
        assert_eq!(
            ready["application"]["id"],
            discord.application_id().to_string()
        );
        let promised: Vec<&str> = ready["guilds"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|guild| guild["id"].as_str())
            .collect();
        assert_eq!(promised.len(), 5);
        for (name, guild) in gateway.pending().await {
            assert_eq!(name, "GUILD_CREATE");
            let id = guild["id"].as_str().expect("an id");
            assert!(promised.contains(&id));
            assert_eq!((id.parse::<u64>().expect("a number") >> 22) % 4, shard);
            // Without the privileged intent the bot sees itself and who is in voice.
            assert_eq!(guild["members"].as_array().map(Vec::len), Some(1));
            seen.push(id.to_owned());
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20);
}

#[tokio::test]
async fn a_broken_session_resumes_with_what_it_missed() {
    let discord = start(Options {
        guilds: 1,
        limits: quick(),
        ..Options::default()
    })
    .await;
    let (mut gateway, ready) = Gateway::ready(&discord, GUILDS).await;
    gateway.event("GUILD_CREATE").await;
    let seen = gateway.sequence.expect("events were numbered");
    gateway.close(4000).await;
    let guild = &discord.guilds()[0];
    for number in 0..3 {
        guild.add_channel(&format!("missed {number}"), ChannelKind::Text);
    }
    for _ in 0..2 {
        let mut gateway = Gateway::connect(&discord).await;
        gateway
            .send(&json!({"op": 6, "d": {"token": discord.token(), "session_id": ready["session_id"], "seq": seen}}))
            .await;
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != "RESUMED") {
            let payload = gateway.payload().await;
            names.push(payload["t"].as_str().unwrap_or_default().to_owned());
        }
        // The second time, too, there is one RESUMED, at the end.
        assert_eq!(
            names,
            [
                "CHANNEL_CREATE",
                "CHANNEL_CREATE",
                "CHANNEL_CREATE",
                "RESUMED"
            ]
        );
        gateway.close(4000).await;
    }
    assert_eq!(discord.journal().resumes(), 2);
    assert_eq!(discord.journal().identifies(), 1);
}

#[tokio::test]
async fn sessions_that_cannot_be_resumed_are_invalid() {
    let limits = Limits {
        replay_events: 70,
        ..quick()
    };
    let discord = start(Options {
        guilds: 1,
        limits,
        ..Options::default()
    })
    .await;
    let resume = |session: Value, seq: u64| json!({"op": 6, "d": {"token": discord.token(), "session_id": session, "seq": seq}});

    let (gateway, ready) = Gateway::ready(&discord, GUILDS).await;
    gateway.close(1000).await;
    let mut again = Gateway::connect(&discord).await;
    again.send(&resume(ready["session_id"].clone(), 1)).await;
    assert_eq!(again.opcode(9).await["d"], false, "closed with 1000");
    // The connection may identify anew.
    again.identify(&discord.token(), json!({})).await;
    let ready = again.event("READY").await;
    again.close(4000).await;

    discord.advance(Duration::from_secs(200));
    let mut late = Gateway::connect(&discord).await;
    late.send(&resume(ready["session_id"].clone(), 1)).await;
    assert_eq!(late.opcode(9).await["d"], false, "too late");

    let (gateway, ready) = Gateway::ready(&discord, GUILDS).await;
    gateway.close(4000).await;
    for number in 0..80 {
        discord.guilds()[0].add_channel(&format!("c{number}"), ChannelKind::Text);
    }
    let mut behind = Gateway::connect(&discord).await;
    behind.send(&resume(ready["session_id"].clone(), 2)).await;
    assert_eq!(behind.opcode(9).await["d"], false, "events are gone");

    let (gateway, ready) = Gateway::ready(&discord, GUILDS).await;
    gateway.close(4000).await;
    let mut ahead = Gateway::connect(&discord).await;
    ahead
        .send(&resume(ready["session_id"].clone(), 9_999))
        .await;
    assert_eq!(
        ahead.closed().await,
        Some(4007),
        "a sequence from the future"
    );
}

#[tokio::test]
async fn identify_is_limited_by_concurrency_and_by_day() {
    let limits = Limits {
        session_starts: 3,
        identify_window: Duration::from_secs(5),
        ..Limits::default()
    };
    let discord = start(Options {
        limits,
        ..Options::default()
    })
    .await;
    let token = discord.token();
    let (_first, _) = Gateway::ready(&discord, GUILDS).await;
    let mut second = Gateway::connect(&discord).await;
    second.identify(&token, json!({})).await;
    assert_eq!(
        second.opcode(9).await["d"],
        false,
        "two within five seconds"
    );
    discord.advance(Duration::from_secs(5));
    second.identify(&token, json!({})).await;
    second.event("READY").await;
    discord.advance(Duration::from_secs(5));
    let (_third, _) = Gateway::ready(&discord, GUILDS).await;
    discord.advance(Duration::from_secs(5));
    let mut fourth = Gateway::connect(&discord).await;
    fourth.identify(&token, json!({})).await;
    assert_eq!(fourth.closed().await, Some(4004));
    assert_ne!(discord.token(), token, "the token is reset");
}

#[tokio::test]
async fn compressed_streams_carry_the_same_events() {
    let discord = start(Options {
        guilds: 5,
        limits: quick(),
        ..Options::default()
    })
    .await;
    for query in [
        "v=10&encoding=json",
        "v=10&encoding=json&compress=zlib-stream",
        "v=10&encoding=json&compress=zstd-stream",
    ] {
        let mut gateway = Gateway::connect_with(&discord, query).await;
        gateway
            .identify(&discord.token(), json!({"intents": GUILDS}))
            .await;
        gateway.event("READY").await;
        let events = gateway.pending().await;
        assert_eq!(events.len(), 5, "{query}");
        assert!(
            events.iter().all(|(name, _)| name == "GUILD_CREATE"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn events_are_filtered_by_intents_and_permissions() {
    let discord = start(Options {
        guilds: 1,
        human: Some("Ada".to_owned()),
        limits: quick(),
        ..Options::default()
    })
    .await;
    let guild = discord.guilds()[0].clone();
    let general = guild.channels()[0].0;
    let secret = guild.add_text_channel("secret");
    let voice = guild.channels()[2].0;
    let bot = discord.bot().user;
    guild.deny(secret, bot, 1 << 10);
    let ada = discord
        .people()
        .into_iter()
        .find(|user| discord.user_name(*user).as_deref() == Some("Ada"))
        .expect("she is there");
    let (mut all, _) = Gateway::ready(&discord, GUILDS | VOICE | MESSAGES).await;
    let (mut few, _) = Gateway::ready(&discord, GUILDS).await;
    let (created, few_created) = (all.pending().await, few.pending().await);
    assert_eq!(few_created.len(), 1);
    let channels = created[0].1["channels"].as_array().expect("a list").clone();
    let hidden = channels
        .iter()
        .find(|channel| channel["id"] == secret.to_string())
        .expect("it is listed");
    assert_eq!(hidden["name"], "___hidden___");
    assert_eq!(hidden["flags"], 1 << 17);

    discord.leave_voice(ada);
    discord.join_voice(ada, voice).expect("she may");
    discord.say(ada, general, "hello").expect("she may");
    discord
        .say(ada, general, &format!("hello <@{bot}>"))
        .expect("she may");
    discord.say(ada, secret, "psst").expect("she may");
    let events = all.pending().await;
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "VOICE_STATE_UPDATE",
            "VOICE_STATE_UPDATE",
            "MESSAGE_CREATE",
            "MESSAGE_CREATE"
        ]
    );
    assert_eq!(events[0].1["channel_id"], Value::Null);
    assert_eq!(events[1].1["member"]["user"]["id"], ada.to_string());
    assert_eq!(
        events[2].1["content"], "",
        "without the intent MESSAGE_CONTENT"
    );
    assert!(
        events[3].1["content"]
            .as_str()
            .expect("a text")
            .starts_with("hello"),
        "but mentions are told"
    );
    assert!(few.pending().await.is_empty());
}

#[tokio::test]
async fn joining_voice_is_answered_by_both_updates_with_the_sessions_id() {
    let discord = start(Options {
        guilds: 1,
        limits: quick(),
        ..Options::default()
    })
    .await;
    let guild = discord.guilds()[0].clone();
    let (text, voice) = (guild.channels()[0].0, guild.channels()[2].0);
    let (mut gateway, ready) = Gateway::ready(&discord, GUILDS | VOICE).await;
    gateway.event("GUILD_CREATE").await;
    let join = |channel: Value| json!({"op": 4, "d": {"guild_id": guild.id().to_string(), "channel_id": channel, "self_mute": false, "self_deaf": true}});

    gateway.send(&join(json!(text.to_string()))).await;
    assert!(
        gateway.pending().await.is_empty(),
        "a text channel cannot be joined"
    );
    for _ in 0..2 {
        gateway.send(&join(json!(voice.to_string()))).await;
        let state = gateway.event("VOICE_STATE_UPDATE").await;
        assert_eq!(state["session_id"], ready["session_id"]);
        assert_eq!(state["self_deaf"], true);
        let server = gateway.event("VOICE_SERVER_UPDATE").await;
        assert_eq!(server["guild_id"], guild.id().to_string());
        assert!(
            server["token"]
                .as_str()
                .is_some_and(|token| !token.is_empty())
        );
        assert_eq!(server["endpoint"], discord.voice().endpoint());
    }
    assert_eq!(
        discord
            .bot_voice_state(guild.id())
            .map(|place| place.channel),
        Some(voice)
    );

    let other = guild.add_voice_channel("other");
    guild.move_member(discord.bot().user, Some(other));
    assert_eq!(
        gateway.event("VOICE_STATE_UPDATE").await["channel_id"],
        other.to_string()
    );
    gateway.event("VOICE_SERVER_UPDATE").await;
    guild.move_member(discord.bot().user, None);
    assert_eq!(
        gateway.event("VOICE_STATE_UPDATE").await["channel_id"],
        Value::Null
    );

    guild.deny(voice, discord.bot().user, 1 << 20);
    gateway.event("CHANNEL_UPDATE").await;
    gateway.send(&join(json!(voice.to_string()))).await;
    assert!(
        gateway.pending().await.is_empty(),
        "without CONNECT nothing happens"
    );

    gateway.send(&join(json!(other.to_string()))).await;
    gateway.event("VOICE_SERVER_UPDATE").await;
    gateway.close(1000).await;
    discord
        .until_bot_left_voice(guild.id())
        .await
        .expect("the session took its voice state along");
}

#[tokio::test]
async fn members_come_in_chunks_and_not_too_often() {
    let options = Options {
        guilds: 1,
        privileged_intents: 1 << 1,
        limits: quick(),
        ..Options::default()
    };
    let discord = start(options).await;
    let guild = discord.guilds()[0].clone();
    for number in 0..1_500 {
        guild.add_user(&format!("person {number}"));
    }
    let (mut gateway, _) = Gateway::ready(&discord, GUILDS | (1 << 1)).await;
    gateway.event("GUILD_CREATE").await;
    let ask = json!({"op": 8, "d": {"guild_id": guild.id().to_string(), "query": "", "limit": 0, "nonce": "n"}});
    gateway.send(&ask).await;
    let mut count = 0;
    for index in 0..2 {
        let chunk = gateway.event("GUILD_MEMBERS_CHUNK").await;
        assert_eq!(chunk["chunk_index"], index);
        assert_eq!(chunk["chunk_count"], 2);
        assert_eq!(chunk["nonce"], "n");
        count += chunk["members"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(count, guild.members().len());
    gateway.send(&ask).await;
    assert_eq!(gateway.event("RATE_LIMITED").await["opcode"], 8);
    let asked = json!({"op": 8, "d": {"guild_id": guild.id().to_string(), "user_ids": [discord.bot().user.to_string(), "1"]}});
    gateway.send(&asked).await;
    let chunk = gateway.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(chunk["not_found"], json!(["1"]));
}

#[tokio::test]
async fn faults_reach_the_connection() {
    let discord = start(Options {
        guilds: 1,
        limits: quick(),
        ..Options::default()
    })
    .await;
    let faults = discord.faults();
    let (mut gateway, _) = Gateway::ready(&discord, GUILDS).await;
    assert_eq!(faults.reconnect(Some(0)), 1);
    gateway.opcode(7).await;
    assert_eq!(faults.invalidate(None, true), 1);
    assert_eq!(gateway.opcode(9).await["d"], true);
    assert_eq!(faults.close_gateway(Some(0), 4008), 1);
    assert_eq!(gateway.closed().await, Some(4008));
    let (mut gateway, _) = Gateway::ready(&discord, GUILDS).await;
    gateway.event("GUILD_CREATE").await;
    assert_eq!(faults.break_gateway(Some(0)), 1);
    assert!(
        matches!(gateway.next().await, Incoming::Closed(None)),
        "no close frame"
    );
    discord
        .until_within(PATIENCE, "the journal to have both ends", |discord| {
            let ends = discord
                .journal()
                .count(|entry| matches!(entry, Entry::GatewayClosed { .. }));
            (ends == 2).then_some(())
        })
        .await
        .expect("both are written down");
}

#[tokio::test]
async fn ten_thousand_guilds_arrive_over_sixteen_shards() {
    let discord = start(Options {
        guilds: 10_000,
        limits: quick(),
        ..Options::default()
    })
    .await;
    let (mut promised, mut arrived) = (0, 0);
    for shard in 0..16 {
        let query = "v=10&encoding=json&compress=zstd-stream";
        let mut gateway = Gateway::connect_with(&discord, query).await;
        gateway
            .identify(&discord.token(), json!({"shard": [shard, 16]}))
            .await;
        let ready = gateway.event("READY").await;
        promised += ready["guilds"].as_array().map_or(0, Vec::len);
        if shard < 2 {
            arrived += gateway.pending().await.len();
        }
    }
    assert_eq!((promised, arrived), (10_000, 1_250));
}
