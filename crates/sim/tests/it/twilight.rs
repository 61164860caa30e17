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
    application::{command::CommandType, interaction::InteractionData},
    channel::message::MessageFlags,
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
    let interaction = bot
        .until(|event| match event {
            Event::InteractionCreate(interaction) => Some(interaction.0.clone()),
            _ => None,
        })
        .await;
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
