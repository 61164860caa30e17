//! twilight logs in, registers commands, answers interactions, resumes.

use std::time::Duration;

use backline_sim::discord::{Discord, Options};
use serde_json::json;
use tokio::time::timeout;
use twilight_gateway::{
    Config, ConfigBuilder, Event, EventTypeFlags, Intents, Shard, ShardId, StreamExt,
};
use twilight_http::Client;
use twilight_model::{
    application::{
        command::CommandType,
        interaction::{Interaction, InteractionData},
    },
    channel::message::MessageFlags,
    gateway::payload::outgoing::UpdateVoiceState,
    http::interaction::{InteractionResponse, InteractionResponseData, InteractionResponseType},
    id::Id,
};

/// A twilight bot with one shard.
struct Bot {
    http: Client,
    shard: Shard,
}

fn config(discord: &Discord) -> Config {
    ConfigBuilder::new(
        discord.token(),
        Intents::GUILDS
            | Intents::GUILD_VOICE_STATES
            | Intents::GUILD_MESSAGES
            | Intents::DIRECT_MESSAGES,
    )
    .proxy_url(discord.gateway_url())
    .build()
}

fn http(discord: &Discord) -> Client {
    Client::builder()
        .token(discord.token())
        .proxy(discord.address().to_string(), true)
        .build()
}

impl Bot {
    fn new(discord: &Discord) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            http: http(discord),
            shard: Shard::with_config(ShardId::ONE, config(discord)),
        }
    }

    async fn next(&mut self) -> Event {
        let event = timeout(
            Duration::from_secs(20),
            self.shard.next_event(EventTypeFlags::all()),
        )
        .await
        .expect("an event comes");
        match event {
            Some(Ok(event)) => event,
            Some(Err(error)) => panic!("twilight could not read an event: {error:?}"),
            None => panic!("the shard has ended"),
        }
    }

    async fn interaction(&mut self) -> Interaction {
        self.until(|event| match event {
            Event::InteractionCreate(interaction) => Some(interaction.0.clone()),
            _ => None,
        })
        .await
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        for _ in 0..500 {
            if let Some(found) = wanted(&self.next().await) {
                return found;
            }
        }
        panic!("the event did not come");
    }
}

#[tokio::test]
async fn twilight_logs_in_registers_a_command_and_answers_it() {
    let discord = Discord::start(Options {
        guilds: 3,
        human: Some("Ada".to_owned()),
        ..Options::default()
    })
    .await
    .expect("it starts");
    let mut bot = Bot::new(&discord);
    let ready = bot
        .until(|event| match event {
            Event::Ready(ready) => Some(ready.clone()),
            _ => None,
        })
        .await;
    assert_eq!(ready.guilds.len(), 3);
    assert_eq!(ready.resume_gateway_url, discord.gateway_url());
    let mut voice_states = 0;
    for _ in 0..3 {
        voice_states += bot
            .until(|event| match event {
                Event::GuildCreate(guild) => match &**guild {
                    twilight_model::gateway::payload::incoming::GuildCreate::Available(guild) => {
                        assert_eq!(guild.channels.len(), 3);
                        Some(guild.voice_states.len())
                    }
                    twilight_model::gateway::payload::incoming::GuildCreate::Unavailable(_) => None,
                },
                _ => None,
            })
            .await;
    }
    assert_eq!(voice_states, 1);

    let application = bot
        .http
        .current_user_application()
        .await
        .expect("it is there")
        .model()
        .await
        .expect("it is read");
    assert_eq!(application.id.get(), discord.application_id().get());
    let commands = bot
        .http
        .interaction(application.id)
        .set_global_commands(&[twilight_model::application::command::Command {
            application_id: None,
            default_member_permissions: None,
            #[expect(deprecated, reason = "the model demands it")]
            dm_permission: None,
            description: "Plays something".to_owned(),
            description_localizations: None,
            guild_id: None,
            id: None,
            kind: CommandType::ChatInput,
            name: "play".to_owned(),
            name_localizations: None,
            nsfw: None,
            options: vec![
                serde_json::from_value(json!({
                    "type": 3, "name": "query", "description": "What", "required": true,
                }))
                .expect("an option"),
            ],
            version: Id::new(1),
            contexts: None,
            integration_types: None,
        }])
        .await
        .expect("they are registered")
        .models()
        .await
        .expect("they are read");
    assert_eq!(commands.len(), 1);

    let guild = &discord.guilds()[0];
    let (channel, ..) = guild.channels()[0].clone();
    let ada = discord
        .people()
        .into_iter()
        .find(|user| discord.user_name(*user).as_deref() == Some("Ada"))
        .expect("she is there");
    let play = discord
        .command(ada, channel, "/play", &[("query", json!("a song"))])
        .expect("it is sent");
    let interaction = bot.interaction().await;
    let Some(InteractionData::ApplicationCommand(data)) = &interaction.data else {
        panic!("no command came");
    };
    assert_eq!(data.name, "play");
    bot.http
        .interaction(application.id)
        .create_response(
            interaction.id,
            &interaction.token,
            &InteractionResponse {
                kind: InteractionResponseType::DeferredChannelMessageWithSource,
                data: Some(InteractionResponseData {
                    flags: Some(MessageFlags::EPHEMERAL),
                    ..InteractionResponseData::default()
                }),
            },
        )
        .await
        .expect("it is acknowledged");
    assert_eq!(play.acknowledged().await.expect("it was").kind, 5);
    bot.http
        .interaction(application.id)
        .update_response(&interaction.token)
        .content(Some("here you are"))
        .await
        .expect("it is answered");
    let answer = play.answer().await.expect("it was");
    assert_eq!(answer.text(), "here you are");
    assert!(answer.is_ephemeral());
}

#[tokio::test]
async fn twilight_resumes_after_its_connection_broke_and_after_a_restart() {
    let discord = Discord::start(Options {
        guilds: 1,
        ..Options::default()
    })
    .await
    .expect("it starts");
    let guild = discord.guilds()[0].clone();
    let mut bot = Bot::new(&discord);
    bot.until(|event| matches!(event, Event::GuildCreate(_)).then_some(()))
        .await;

    discord.faults().break_gateway(None);
    guild.add_text_channel("missed");
    let mut missed = false;
    bot.until(|event| match event {
        Event::ChannelCreate(_) => {
            missed = true;
            None
        }
        Event::Resumed => Some(()),
        _ => None,
    })
    .await;
    assert!(missed, "the event between is replayed");

    // Another process takes the session over.
    let session = bot.shard.session().expect("it has one").clone();
    let resume_url = bot.shard.resume_url().expect("READY told it").to_owned();
    bot.shard.close(twilight_gateway::CloseFrame::RESUME);
    bot.until(|event| matches!(event, Event::GatewayClose(_)).then_some(()))
        .await;
    drop(bot);
    guild.add_text_channel("missed by both");
    let config = ConfigBuilder::from(config(&discord))
        .session(session)
        .resume_url(resume_url)
        .build();
    let mut second = Bot {
        http: http(&discord),
        shard: Shard::with_config(ShardId::ONE, config),
    };
    let name = second
        .until(|event| match event {
            Event::ChannelCreate(channel) => Some(channel.name.clone()),
            _ => None,
        })
        .await;
    assert_eq!(name.as_deref(), Some("missed by both"));
    second
        .until(|event| matches!(event, Event::Resumed).then_some(()))
        .await;
    assert_eq!(discord.journal().identifies(), 1);
    assert_eq!(discord.journal().resumes(), 2);
}

#[tokio::test]
async fn twilight_reads_messages_buttons_selects_and_modals() {
    let discord = Discord::start(Options {
        guilds: 1,
        human: Some("Ada".to_owned()),
        ..Options::default()
    })
    .await
    .expect("it starts");
    let guild = discord.guilds()[0].clone();
    let channel = guild.channels()[0].0;
    let ada = discord
        .people()
        .into_iter()
        .find(|user| discord.user_name(*user).as_deref() == Some("Ada"))
        .expect("she is there");
    let mut bot = Bot::new(&discord);
    bot.until(|event| matches!(event, Event::GuildCreate(_)).then_some(()))
        .await;
    let components: Vec<twilight_model::channel::message::Component> = serde_json::from_value(json!([
        {"type": 17, "accent_color": 255, "components": [
            {"type": 9, "components": [{"type": 10, "content": "**Nocturne**"}],
             "accessory": {"type": 11, "media": {"url": "https://example.org/cover.png"}}},
            {"type": 14, "divider": true, "spacing": 1},
            {"type": 1, "components": [{"type": 2, "style": 1, "label": "skip", "custom_id": "np:skip"}]},
            {"type": 1, "components": [{"type": 3, "custom_id": "pick", "options": [{"label": "a", "value": "a", "default": false}]}]},
            {"type": 1, "components": [{"type": 5, "custom_id": "who"}]},
        ]},
    ]))
    .expect("components");
    let sent = bot
        .http
        .create_message(Id::new(channel.get()))
        .flags(MessageFlags::IS_COMPONENTS_V2)
        .components(&components)
        .await
        .expect("it is accepted")
        .model()
        .await
        .expect("it is read");
    let message = sent.id.get().into();
    bot.until(|event| {
        matches!(event, Event::MessageCreate(created) if created.id == sent.id).then_some(())
    })
    .await;

    discord
        .press(ada, channel, message, "np:skip")
        .expect("she may");
    let interaction = bot.interaction().await;
    assert_eq!(
        interaction.message.as_ref().map(|message| message.id),
        Some(sent.id)
    );
    discord
        .choose(ada, channel, message, "pick", &["a"])
        .expect("she may");
    let Some(InteractionData::MessageComponent(data)) = bot.interaction().await.data else {
        panic!("no component came");
    };
    assert_eq!(data.values, ["a"]);
    discord
        .choose(ada, channel, message, "who", &[&ada.to_string()])
        .expect("she may");
    let Some(InteractionData::MessageComponent(data)) = bot.interaction().await.data else {
        panic!("no component came");
    };
    assert_eq!(data.resolved.expect("she is resolved").users.len(), 1);

    let pressed = discord
        .press(ada, channel, message, "np:skip")
        .expect("she may");
    let interaction = bot.interaction().await;
    let modal: InteractionResponse = InteractionResponse {
        kind: InteractionResponseType::Modal,
        data: Some(InteractionResponseData {
            custom_id: Some("m".to_owned()),
            title: Some("Name".to_owned()),
            components: Some(
                serde_json::from_value(json!([{"type": 1, "components": [
                    {"type": 4, "custom_id": "name", "label": "Name", "style": 1},
                ]}]))
                .expect("a field"),
            ),
            ..InteractionResponseData::default()
        }),
    };
    bot.http
        .interaction(interaction.application_id)
        .create_response(interaction.id, &interaction.token, &modal)
        .await
        .expect("it opens");
    pressed.modal().await.expect("it opened");
    pressed.submit(&[("name", json!("Ada"))]).expect("it fits");
    let Some(InteractionData::ModalSubmit(data)) = bot.interaction().await.data else {
        panic!("no modal came");
    };
    assert_eq!(data.custom_id, "m");
}

#[tokio::test]
async fn twilight_waits_out_a_rate_limit_and_reads_members_and_voice() {
    let discord = Discord::start(Options {
        guilds: 1,
        human: Some("Ada".to_owned()),
        ..Options::default()
    })
    .await
    .expect("it starts");
    let guild = discord.guilds()[0].clone();
    let mut bot = Bot::new(&discord);
    bot.until(|event| matches!(event, Event::GuildCreate(_)).then_some(()))
        .await;
    discord
        .faults()
        .rate_limit("/messages", 1, Duration::from_millis(300));
    let channel = Id::new(guild.channels()[0].0.get());
    let sent = bot
        .http
        .create_message(channel)
        .content("hello")
        .await
        .expect("after a while");
    assert_eq!(sent.status().get(), 200);
    let id = Id::new(guild.id().get());
    let roles = bot
        .http
        .roles(id)
        .await
        .expect("roles")
        .models()
        .await
        .expect("read");
    assert_eq!(roles.len(), 2);
    bot.http
        .guild(id)
        .await
        .expect("a guild")
        .model()
        .await
        .expect("read");
    bot.http
        .guild_channels(id)
        .await
        .expect("channels")
        .models()
        .await
        .expect("read");
    let me = bot
        .http
        .current_user()
        .await
        .expect("me")
        .model()
        .await
        .expect("read");
    bot.http
        .guild_member(id, me.id)
        .await
        .expect("a member")
        .model()
        .await
        .expect("read");
    let join = UpdateVoiceState::new(id, Id::new(guild.channels()[2].0.get()), true, false);
    bot.shard.command(&join);
    let state = bot
        .until(|event| match event {
            Event::VoiceStateUpdate(state) if state.user_id == me.id => Some(state.0.clone()),
            _ => None,
        })
        .await;
    assert!(state.self_deaf);
    let endpoint = bot
        .until(|event| match event {
            Event::VoiceServerUpdate(server) => Some(server.endpoint.clone()),
            _ => None,
        })
        .await;
    assert_eq!(endpoint.as_deref(), Some(discord.voice().endpoint()));
}
