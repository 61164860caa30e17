//! Paths of the REST API and the rate-limit bucket of each.

use axum::http::Method;

use crate::discord::{
    id::{ApplicationId, ChannelId, CommandId, GuildId, InteractionId, MessageId, RoleId, UserId},
    refusal::Refusal,
};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Me(Me),
    Commands(Commands),
    Channels(Channels),
    Guilds(Guilds),
    Interactions(Interactions),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Me {
    Gateway,
    GatewayBot,
    User,
    OtherUser(UserId),
    EditUser,
    MyGuilds,
    OpenDirect,
    Application,
    EditApplication,
    LeaveGuild(GuildId),
    VoiceRegions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commands {
    pub(crate) application: ApplicationId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) action: CommandAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandAction {
    List,
    Create,
    Overwrite,
    Get(CommandId),
    Edit(CommandId),
    Delete(CommandId),
    Permissions,
    Emojis,
    Entitlements,
    Skus,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channels {
    pub(crate) channel: ChannelId,
    pub(crate) action: ChannelAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelAction {
    Get,
    List,
    Post,
    Message(MessageId),
    Edit(MessageId),
    Delete(MessageId),
    BulkDelete,
    Typing,
    React(MessageId, String),
    Unreact(MessageId, String),
    VoiceStatus,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guilds {
    pub(crate) guild: GuildId,
    pub(crate) action: GuildAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuildAction {
    Get,
    Channels,
    CreateChannel,
    Members,
    Member(UserId),
    EditMember(UserId),
    Roles,
    Role(RoleId),
    MyVoiceState,
    EditMyVoiceState,
    VoiceState(UserId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interactions {
    Callback {
        interaction: InteractionId,
        token: String,
    },
    FollowUp(Webhook),
    Get(Webhook, String),
    Edit(Webhook, String),
    Delete(Webhook, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) application: ApplicationId,
    pub(crate) token: String,
}

/// What opens a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A bot token.
    Bot,
    /// The token in the path, or nothing.
    Token,
}

/// A rate-limit bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    /// The same for all major parameters; Discord's bucket hash is made of it.
    pub(crate) name: &'static str,
    /// Channel, guild or webhook.
    pub(crate) major: String,
    /// Requests per window; 0 means no limit is told.
    pub(crate) limit: u32,
    pub(crate) window_ms: u64,
    /// Whether requests count against the global limit.
    pub(crate) global: bool,
}

impl Route {
    /// Reads method and path, the path without version.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let paths = [
            Self::me,
            Self::commands,
            Self::channels,
            Self::guilds,
            Self::interactions,
        ];
        for read in paths {
            if let Some(route) = read(method, &parts) {
                return Ok(route);
            }
        }
        let others = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ];
        let known = others
            .iter()
            .any(|other| paths.iter().any(|read| read(other, &parts).is_some()));
        Err(if known {
            Refusal::method_not_allowed()
        } else {
            Refusal::not_found()
        })
    }

    fn me(method: &Method, parts: &[&str]) -> Option<Self> {
        Some(Self::Me(match (method.as_str(), parts) {
            ("GET", ["gateway"]) => Me::Gateway,
            ("GET", ["gateway", "bot"]) => Me::GatewayBot,
            ("GET", ["users", "@me"]) => Me::User,
            ("PATCH", ["users", "@me"]) => Me::EditUser,
            ("GET", ["users", "@me", "guilds"]) => Me::MyGuilds,
            ("POST", ["users", "@me", "channels"]) => Me::OpenDirect,
            ("DELETE", ["users", "@me", "guilds", guild]) => Me::LeaveGuild(guild.parse().ok()?),
            ("GET", ["users", user]) => Me::OtherUser(user.parse().ok()?),
            ("GET", ["applications" | "oauth2", "@me"] | ["oauth2", "applications", "@me"]) => {
                Me::Application
            }
            ("PATCH", ["applications", "@me"]) => Me::EditApplication,
            ("GET", ["voice", "regions"]) => Me::VoiceRegions,
            _ => return None,
        }))
    }

    fn commands(method: &Method, parts: &[&str]) -> Option<Self> {
        let ["applications", application, rest @ ..] = parts else {
            return None;
        };
        let application = application.parse().ok()?;
        let (guild, rest) = match rest {
            ["guilds", guild, rest @ ..] => (Some(guild.parse().ok()?), rest),
            rest => (None, rest),
        };
        let action = match (method.as_str(), rest) {
            ("GET", ["commands"]) => CommandAction::List,
            ("POST", ["commands"]) => CommandAction::Create,
            ("PUT", ["commands"]) => CommandAction::Overwrite,
            ("GET", ["commands", "permissions"]) if guild.is_some() => CommandAction::Permissions,
            ("GET", ["commands", id]) => CommandAction::Get(id.parse().ok()?),
            ("PATCH", ["commands", id]) => CommandAction::Edit(id.parse().ok()?),
            ("DELETE", ["commands", id]) => CommandAction::Delete(id.parse().ok()?),
            ("GET", ["emojis"]) if guild.is_none() => CommandAction::Emojis,
            ("GET", ["entitlements"]) if guild.is_none() => CommandAction::Entitlements,
            ("GET", ["skus"]) if guild.is_none() => CommandAction::Skus,
            _ => return None,
        };
        Some(Self::Commands(Commands {
            application,
            guild,
            action,
        }))
    }

    fn channels(method: &Method, parts: &[&str]) -> Option<Self> {
        let ["channels", channel, rest @ ..] = parts else {
            return None;
        };
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let action = match (method.as_str(), rest) {
            ("GET", []) => ChannelAction::Get,
            ("GET", ["messages"]) => ChannelAction::List,
            ("POST", ["messages"]) => ChannelAction::Post,
            ("POST", ["messages", "bulk-delete"]) => ChannelAction::BulkDelete,
            ("GET", ["messages", id]) => ChannelAction::Message(id.parse().ok()?),
            ("PATCH", ["messages", id]) => ChannelAction::Edit(id.parse().ok()?),
            ("DELETE", ["messages", id]) => ChannelAction::Delete(id.parse().ok()?),
            ("POST", ["typing"]) => ChannelAction::Typing,
            ("PUT", ["messages", id, "reactions", emoji, "@me"]) => {
                ChannelAction::React(id.parse().ok()?, decode(emoji))
            }
            ("DELETE", ["messages", id, "reactions", emoji, "@me"]) => {
                ChannelAction::Unreact(id.parse().ok()?, decode(emoji))
            }
            ("PUT", ["voice-status"]) => ChannelAction::VoiceStatus,
            _ => return None,
        };
        Some(Self::Channels(Channels {
            channel: channel.parse().ok()?,
            action,
        }))
    }

    fn guilds(method: &Method, parts: &[&str]) -> Option<Self> {
        let ["guilds", guild, rest @ ..] = parts else {
            return None;
        };
        let action = match (method.as_str(), rest) {
            ("GET", []) => GuildAction::Get,
            ("GET", ["channels"]) => GuildAction::Channels,
            ("POST", ["channels"]) => GuildAction::CreateChannel,
            ("GET", ["members"]) => GuildAction::Members,
            ("GET", ["members", user]) => GuildAction::Member(user.parse().ok()?),
            ("PATCH", ["members", user]) => GuildAction::EditMember(user.parse().ok()?),
            ("GET", ["roles"]) => GuildAction::Roles,
            ("GET", ["roles", role]) => GuildAction::Role(role.parse().ok()?),
            ("GET", ["voice-states", "@me"]) => GuildAction::MyVoiceState,
            ("PATCH", ["voice-states", "@me"]) => GuildAction::EditMyVoiceState,
            ("GET", ["voice-states", user]) => GuildAction::VoiceState(user.parse().ok()?),
            _ => return None,
        };
        Some(Self::Guilds(Guilds {
            guild: guild.parse().ok()?,
            action,
        }))
    }

    fn interactions(method: &Method, parts: &[&str]) -> Option<Self> {
        if let ("POST", ["interactions", id, token, "callback"]) = (method.as_str(), parts) {
            return Some(Self::Interactions(Interactions::Callback {
                interaction: id.parse().ok()?,
                token: decode_token(token),
            }));
        }
        let ["webhooks", application, token, rest @ ..] = parts else {
            return None;
        };
        let webhook = Webhook {
            application: application.parse().ok()?,
            token: decode_token(token),
        };
        let is_message = |name: &str| name == "@original" || name.parse::<u64>().is_ok();
        Some(Self::Interactions(match (method.as_str(), rest) {
            ("POST", []) => Interactions::FollowUp(webhook),
            ("GET", ["messages", name]) if is_message(&decode_token(name)) => {
                Interactions::Get(webhook, decode_token(name))
            }
            ("PATCH", ["messages", name]) if is_message(&decode_token(name)) => {
                Interactions::Edit(webhook, decode_token(name))
            }
            ("DELETE", ["messages", name]) if is_message(&decode_token(name)) => {
                Interactions::Delete(webhook, decode_token(name))
            }
            _ => return None,
        }))
    }

    pub(crate) fn access(&self) -> Access {
        match self {
            Self::Interactions(_) | Self::Me(Me::Gateway) => Access::Token,
            _ => Access::Bot,
        }
    }

    /// Returns the bucket; the numbers are those that Discord's headers show today.
    pub(crate) fn bucket(&self) -> Bucket {
        let bucket = |name, major: String, limit, window_ms| Bucket {
            name,
            major,
            limit,
            window_ms,
            global: true,
        };
        match self {
            Self::Me(Me::Gateway | Me::GatewayBot) => bucket("gateway", String::new(), 2, 5_000),
            Self::Me(Me::MyGuilds) => bucket("my-guilds", String::new(), 1, 1_000),
            Self::Me(_) => bucket("me", String::new(), 30, 30_000),
            Self::Commands(one) => {
                let name = match one.action {
                    CommandAction::Overwrite => "commands-overwrite",
                    CommandAction::Create => "commands-create",
                    CommandAction::Edit(_) | CommandAction::Delete(_) => "command-edit",
                    _ => "commands-get",
                };
                let major = one.guild.map(|guild| guild.to_string()).unwrap_or_default();
                bucket(name, major, 5, 20_000)
            }
            Self::Channels(one) => {
                let (name, limit, window) = match one.action {
                    ChannelAction::Get => ("channel", 5, 15_000),
                    ChannelAction::List | ChannelAction::Message(_) => ("messages-get", 5, 5_000),
                    ChannelAction::Post => ("message-create", 5, 5_000),
                    ChannelAction::Edit(_) => ("message-edit", 5, 5_000),
                    ChannelAction::Delete(_) => ("message-delete", 5, 1_000),
                    ChannelAction::BulkDelete => ("messages-bulk-delete", 1, 3_000),
                    ChannelAction::Typing => ("typing", 5, 5_000),
                    ChannelAction::React(..) | ChannelAction::Unreact(..) => ("reactions", 1, 250),
                    ChannelAction::VoiceStatus => ("voice-status", 5, 5_000),
                };
                bucket(name, one.channel.to_string(), limit, window)
            }
            Self::Guilds(one) => {
                let (name, limit, window) = match one.action {
                    GuildAction::Member(_) => ("member", 5, 1_000),
                    GuildAction::Members => ("members", 10, 10_000),
                    GuildAction::EditMember(_) => ("member-edit", 10, 10_000),
                    GuildAction::MyVoiceState
                    | GuildAction::EditMyVoiceState
                    | GuildAction::VoiceState(_) => ("voice-state", 5, 5_000),
                    _ => ("guild", 10, 10_000),
                };
                bucket(name, one.guild.to_string(), limit, window)
            }
            Self::Interactions(one) => {
                let exempt = |name, token: &str, limit| Bucket {
                    name,
                    major: token.to_owned(),
                    limit,
                    window_ms: 2_000,
                    global: false,
                };
                match one {
                    Interactions::Callback { .. } => exempt("interaction-callback", "", 0),
                    Interactions::FollowUp(hook) => exempt("webhook-create", &hook.token, 5),
                    Interactions::Get(hook, _) => exempt("webhook-get", &hook.token, 5),
                    Interactions::Edit(hook, _) => exempt("webhook-edit", &hook.token, 5),
                    Interactions::Delete(hook, _) => exempt("webhook-delete", &hook.token, 5),
                }
            }
        }
    }
}

fn decode_token(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_paths_and_wrong_methods_are_told_apart() {
        let rows = [
            (Method::GET, "/users/@me", 0),
            (Method::DELETE, "/users/@me", 405),
            (Method::GET, "/nothing", 404),
            (Method::GET, "/channels/abc", 404),
            (Method::PUT, "/applications/1/commands", 0),
            (Method::PATCH, "/webhooks/1/token/messages/@original", 0),
            (Method::PATCH, "/webhooks/1/token/messages/%40original", 0),
            (Method::PATCH, "/webhooks/1/token/messages/nonsense", 404),
        ];
        for (method, path, status) in rows {
            let found = Route::parse(&method, path)
                .err()
                .map_or(0, |refusal| refusal.status);
            assert_eq!(found, status, "{method} {path}");
        }
    }
}
