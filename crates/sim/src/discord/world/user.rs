//! People, bots and applications.

use std::collections::BTreeMap;

use base64::{
    Engine, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD,
};
use rand::RngExt;
use serde_json::{Value, json};

use super::{World, command::Command};
use crate::discord::{
    id::{ApplicationId, CommandId, GuildId, UserId},
    refusal::Refusal,
    secret::Secret,
};

/// A person or a bot.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) bot: bool,
    pub(crate) discriminator: u16,
}

impl User {
    /// Writes the user as others see it.
    pub(crate) fn json(&self) -> Value {
        let mut user = json!({
            "id": self.id,
            "username": self.name,
            "avatar": null,
            "discriminator": if self.bot { format!("{:04}", self.discriminator) } else { "0".to_owned() },
            "public_flags": 0,
            "flags": 0,
            "banner": null,
            "accent_color": null,
            "global_name": if self.bot { None } else { Some(&self.name) },
            "avatar_decoration_data": null,
            "collectibles": null,
            "display_name_styles": null,
            "banner_color": null,
            "clan": null,
            "primary_guild": null,
        });
        if self.bot {
            user["bot"] = json!(true);
        }
        user
    }

    /// Writes the user as it sees itself.
    pub(crate) fn own_json(&self) -> Value {
        let mut user = self.json();
        user["mfa_enabled"] = json!(true);
        user["verified"] = json!(true);
        user["email"] = Value::Null;
        user["locale"] = json!("en-US");
        user["premium_type"] = json!(0);
        user["bio"] = json!("");
        user
    }
}

/// An application with its bot.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    pub(crate) id: ApplicationId,
    pub(crate) name: String,
    pub(crate) bot: UserId,
    pub(crate) token: Secret,
    pub(crate) public_key: String,
    pub(crate) privileged_intents: u64,
    pub(crate) global_commands: BTreeMap<CommandId, Command>,
    pub(crate) guild_commands: BTreeMap<GuildId, BTreeMap<CommandId, Command>>,
    /// Commands created per scope today; 200 are allowed.
    pub(crate) created_today: BTreeMap<Option<GuildId>, u32>,
    pub(crate) description: String,
}

impl Application {
    /// Returns the flags, among them which privileged intents are granted.
    pub(crate) fn flags(&self) -> u64 {
        let mut flags = APPLICATION_COMMAND_BADGE;
        for (intent, flag) in [
            (1_u64 << 8, 1_u64 << 13),
            (1 << 1, 1 << 15),
            (1 << 15, 1 << 19),
        ] {
            if self.privileged_intents & intent != 0 {
                flags |= flag;
            }
        }
        flags
    }
}

impl World {
    /// Adds a person.
    pub(crate) fn add_user(&mut self, name: &str) -> UserId {
        let id = UserId::new(self.next_id());
        self.users.insert(
            id,
            User {
                id,
                name: name.to_owned(),
                bot: false,
                discriminator: 0,
            },
        );
        id
    }

    /// Adds an application with a bot; `token` none makes one up.
    pub(crate) fn add_application(
        &mut self,
        name: &str,
        token: Option<String>,
        privileged_intents: u64,
    ) -> ApplicationId {
        // The application and its bot user share an id, as with every application since 2018.
        let id = self.next_id();
        let (bot, id) = (UserId::new(id), ApplicationId::new(id));
        let mut rng = rand::rng();
        let token = token.unwrap_or_else(|| make_token(id));
        self.users.insert(
            bot,
            User {
                id: bot,
                name: name.to_owned(),
                bot: true,
                discriminator: rng.random_range(1..10_000),
            },
        );
        self.tokens.insert(token.clone(), id);
        self.applications.insert(
            id,
            Application {
                id,
                name: name.to_owned(),
                bot,
                token: Secret::new(token),
                public_key: format!("{:032x}{:032x}", rng.random::<u128>(), rng.random::<u128>()),
                privileged_intents,
                global_commands: BTreeMap::new(),
                guild_commands: BTreeMap::new(),
                created_today: BTreeMap::new(),
                description: String::new(),
            },
        );
        id
    }

    /// Replaces the token of a bot, as Discord does to one that identifies too often.
    pub(crate) fn reset_token(&mut self, id: ApplicationId) {
        let Some(application) = self.applications.get_mut(&id) else {
            return;
        };
        self.tokens.remove(application.token.expose());
        let token = make_token(id);
        application.token = Secret::new(token.clone());
        self.tokens.insert(token, id);
    }

    /// Writes an application as its own bot sees it.
    pub(crate) fn application_json(&self, id: ApplicationId) -> Result<Value, Refusal> {
        let application = self.application(id)?;
        let bot = self.user(application.bot)?;
        let guilds = self
            .guilds
            .values()
            .filter(|guild| guild.members.contains_key(&application.bot))
            .count();
        Ok(json!({
            "id": id,
            "name": application.name,
            "icon": null,
            "description": application.description,
            "type": null,
            "bot": bot.json(),
            "summary": "",
            "bot_public": true,
            "bot_require_code_grant": false,
            "is_monetized": false,
            "is_verified": false,
            "is_discoverable": false,
            "integration_types_config": {"0": {"oauth2_install_params": {"scopes": ["applications.commands", "bot"], "permissions": "0"}}},
            "verify_key": application.public_key,
            "flags": application.flags(),
            "hook": true,
            "interactions_endpoint_url": null,
            "interactions_event_types": [],
            "interactions_version": 1,
            "role_connections_verification_url": null,
            "redirect_uris": [],
            "approximate_guild_count": guilds,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "event_webhooks_status": 1,
            "event_webhooks_url": null,
            "rpc_origins": [],
            "tags": [],
            "owner": {
                "id": id, "username": "owner", "avatar": null, "discriminator": "0",
                "public_flags": 0, "flags": 0, "global_name": null,
            },
            "team": null,
        }))
    }
}

/// Makes a token that looks like Discord's: the id in base64 and two random parts.
fn make_token(id: ApplicationId) -> String {
    let mut random = [0_u8; 33];
    rand::rng().fill(&mut random);
    format!(
        "{}.{}.{}",
        STANDARD_NO_PAD.encode(id.to_string()),
        URL_SAFE_NO_PAD.encode(&random[..4]),
        URL_SAFE_NO_PAD.encode(&random[4..])
    )
}

const APPLICATION_COMMAND_BADGE: u64 = 1 << 23;
