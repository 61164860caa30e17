//! From an interaction to what is done about it: a pure decision.

use backline_core::id::{ChannelId, GuildId, MessageId, UserId};
use backline_core::music::{Command, Refusal};
use backline_runtime::metrics::gateway::InteractionKind;
use backline_service::message::{CommandMessage, ReplyKind, ReplyTo};
use serde::Deserialize;
use serde_json::Value as Json;

use super::cache::guild::Obstacle;
use super::cache::permission::{SEND_MESSAGES, VIEW_CHANNEL};
use super::cache::{Cache, permission::Permissions};
use super::event::UserPayload;
use crate::command::button::{self, Pressed};
use crate::command::table::{self, Joins};
use crate::command::{Argument, InputError, Request, Value, parse};

/// An interaction, as far as it is needed.
#[derive(Deserialize)]
pub struct Interaction {
    /// Which.
    pub id: InteractionId,
    /// 2 is a command, 3 a component, 4 a completion.
    #[serde(rename = "type")]
    kind: u8,
    /// Its secret of 15 minutes; never logged.
    pub token: String,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    channel_id: Option<ChannelId>,
    #[serde(default)]
    member: Option<Member>,
    #[serde(default)]
    data: Option<Data>,
    /// What the bot may do in the channel it came from.
    #[serde(default)]
    app_permissions: Option<String>,
}

impl std::fmt::Debug for Interaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interaction")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The identifier of an interaction: the same kind of number as a message's.
pub type InteractionId = MessageId;

#[derive(Deserialize)]
struct Member {
    user: UserPayload,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    options: Vec<OptionData>,
    #[serde(default)]
    custom_id: Option<String>,
}

#[derive(Deserialize)]
struct OptionData {
    name: String,
    #[serde(default)]
    value: Json,
    #[serde(default)]
    focused: bool,
}

/// What is done about an interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Answered at once, privately.
    Answer(Answer),
    /// Answered at once with how the bot is.
    Ping,
    /// Suggestions for what is being typed.
    Complete {
        /// Where.
        guild: GuildId,
        /// What is there so far.
        text: String,
    },
    /// Acknowledged, then handed to the session.
    Forward {
        /// How it is acknowledged.
        ack: Ack,
        /// What is handed on.
        message: CommandMessage,
    },
    /// A completion that nothing can be suggested for.
    NoSuggestions,
}

/// How an interaction is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// A private answer follows.
    DeferPrivate,
    /// The message that carries the button may be edited.
    DeferUpdate,
}

/// What a person is told at once. The words are chosen by the renderer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Music is made in servers only.
    NotInGuild,
    /// What was typed is no command.
    Input {
        /// The command's name.
        command: String,
        /// Why.
        error: InputError,
    },
    /// The session would refuse it for sure.
    Refused(Refusal),
    /// The bot cannot come into the asker's voice channel.
    Obstacle {
        /// The channel.
        channel: ChannelId,
        /// Why.
        obstacle: Obstacle,
    },
    /// The bot may not write in the channel the Now Playing message should go to.
    CannotWrite {
        /// The channel.
        channel: ChannelId,
    },
    /// A button that we do not know, or not any more.
    UnknownButton,
}

impl Interaction {
    /// Returns what kind of interaction it is, for metrics.
    pub fn kind(&self) -> InteractionKind {
        match self.kind {
            COMMAND => InteractionKind::Command,
            COMPONENT => InteractionKind::Button,
            AUTOCOMPLETE => InteractionKind::Autocomplete,
            _ => InteractionKind::Other,
        }
    }

    /// Returns the guild it came from, if any.
    pub fn guild(&self) -> Option<GuildId> {
        self.guild_id
    }

    /// Decides what is done about it.
    pub fn decide(&self, cache: &Cache) -> Decision {
        let completes = self.kind == AUTOCOMPLETE;
        let (Some(guild), Some(channel), Some(member), Some(data)) =
            (self.guild_id, self.channel_id, &self.member, &self.data)
        else {
            return if completes {
                Decision::NoSuggestions
            } else {
                Decision::Answer(Answer::NotInGuild)
            };
        };
        let place = Place {
            guild,
            channel,
            user: member.user.id,
        };
        match self.kind {
            COMMAND => self.decide_command(place, data, cache),
            COMPONENT => self.decide_button(place, data, cache),
            AUTOCOMPLETE => complete(guild, data),
            _ => Decision::Answer(Answer::UnknownButton),
        }
    }

    fn decide_command(&self, place: Place, data: &Data, cache: &Cache) -> Decision {
        let name = data.name.as_deref().unwrap_or_default();
        let arguments: Vec<Argument> = data.options.iter().map(OptionData::argument).collect();
        let command = match parse(name, &arguments) {
            Ok(Request::Music(command)) => command,
            Ok(Request::Ping) => return Decision::Ping,
            Err(error) => {
                let command =
                    table::find(name).map_or_else(String::new, |spec| spec.name.to_owned());
                return Decision::Answer(Answer::Input { command, error });
            }
        };
        let joins = table::find(name).is_some_and(|spec| spec.joins == Joins::Yes);
        if joins && let Some(answer) = cannot_join(place, cache) {
            return Decision::Answer(answer);
        }
        if command == Command::NowPlaying && !self.can_write() {
            return Decision::Answer(Answer::CannotWrite {
                channel: place.channel,
            });
        }
        self.forward(place, Ack::DeferPrivate, ReplyKind::Command, command, cache)
    }

    fn decide_button(&self, place: Place, data: &Data, cache: &Cache) -> Decision {
        match data.custom_id.as_deref().and_then(button::parse) {
            Some(Pressed::Player(command)) => {
                self.forward(place, Ack::DeferUpdate, ReplyKind::Button, command, cache)
            }
            // The button sits on the private list itself: editing the original turns its page.
            Some(Pressed::Page(command)) => {
                self.forward(place, Ack::DeferUpdate, ReplyKind::Command, command, cache)
            }
            None => Decision::Answer(Answer::UnknownButton),
        }
    }

    fn forward(
        &self,
        place: Place,
        ack: Ack,
        kind: ReplyKind,
        command: Command,
        cache: &Cache,
    ) -> Decision {
        Decision::Forward {
            ack,
            message: CommandMessage {
                guild: place.guild,
                text_channel: place.channel,
                user: place.user,
                user_voice: cache.voice_channel(place.guild, place.user),
                reply: ReplyTo {
                    token: self.token.clone(),
                    kind,
                },
                command,
            },
        }
    }

    /// Whether the bot may write where this came from; unknown passes.
    fn can_write(&self) -> bool {
        self.app_permissions
            .as_deref()
            .and_then(|text| text.parse().ok())
            .map(Permissions::new)
            .is_none_or(|permissions| {
                permissions.contains(VIEW_CHANNEL.union(SEND_MESSAGES))
                    || permissions.contains(super::cache::permission::ADMINISTRATOR)
            })
    }
}

#[derive(Clone, Copy)]
struct Place {
    guild: GuildId,
    channel: ChannelId,
    user: UserId,
}

/// Returns why the bot cannot come to the asker, as far as the cache knows.
fn cannot_join(place: Place, cache: &Cache) -> Option<Answer> {
    // A guild that is not known yet passes: the session decides with what it knows.
    let guild = cache.guild(place.guild)?;
    let Some(channel) = guild.voice_channel(place.user) else {
        return Some(Answer::Refused(Refusal::NotInVoice));
    };
    if guild.voice_channel(cache.bot()) == Some(channel) {
        return None;
    }
    guild
        .obstacle(channel)
        .map(|obstacle| Answer::Obstacle { channel, obstacle })
}

fn complete(guild: GuildId, data: &Data) -> Decision {
    match data
        .options
        .iter()
        .find(|option| option.focused)
        .map(|option| &option.value)
    {
        Some(Json::String(text)) => Decision::Complete {
            guild,
            text: text.chars().take(usize::from(table::QUERY_MAX)).collect(),
        },
        _ => Decision::NoSuggestions,
    }
}

impl OptionData {
    fn argument(&self) -> Argument {
        let value = match &self.value {
            Json::String(text) => Value::Text(text.clone()),
            Json::Number(number) => number.as_i64().map_or(Value::Other, Value::Integer),
            _ => Value::Other,
        };
        Argument {
            name: self.name.clone(),
            value,
        }
    }
}

const COMMAND: u8 = 2;
const COMPONENT: u8 = 3;
const AUTOCOMPLETE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discord::event;
    use serde_json::json;

    const ALL: u64 = (1 << 10) | (1 << 20) | (1 << 21);

    /// A guild 7 with voice channels 50 (open) and 51 (locked); user 3 is in 50, user 4 in 51,
    /// user 5 in none; the bot is 1.
    fn cache() -> Cache {
        let mut cache = Cache::new("1".parse().expect("an id"));
        let text = json!({"t": "GUILD_CREATE", "op": 0, "s": 1, "d": {
            "id": "7",
            "roles": [{"id": "7", "permissions": ALL.to_string()}],
            "channels": [
                {"id": "50", "type": 2},
                {"id": "51", "type": 2, "permission_overwrites": [
                    {"id": "7", "type": 0, "allow": "0", "deny": (1 << 20).to_string()}]},
            ],
            "voice_states": [
                {"channel_id": "50", "user_id": "3", "session_id": "a"},
                {"channel_id": "51", "user_id": "4", "session_id": "b"},
            ],
            "members": [{"user": {"id": "1", "bot": true}, "roles": []}],
        }})
        .to_string();
        cache.handle(&event::parse(&text).expect("well-formed").1);
        cache
    }

    fn interaction(user: &str, kind: u8, data: &Json) -> Interaction {
        serde_json::from_value(json!({
            "id": "900", "application_id": "1", "type": kind, "token": "secret", "version": 1,
            "guild_id": "7", "channel_id": "60", "member": {"user": {"id": user}, "roles": []},
            "data": data, "app_permissions": (ALL | 1 << 11).to_string(),
        }))
        .expect("well-formed")
    }

    fn decide(user: &str, kind: u8, data: &Json) -> Decision {
        interaction(user, kind, data).decide(&cache())
    }

    fn play(user: &str) -> Decision {
        decide(
            user,
            2,
            &json!({"name": "play", "options": [{"name": "query", "type": 3, "value": "sea"}]}),
        )
    }

    #[test]
    fn a_command_is_deferred_privately_and_carries_who_and_where() {
        let Decision::Forward { ack, message } = play("3") else {
            panic!("forwarded")
        };
        assert_eq!(ack, Ack::DeferPrivate);
        assert_eq!(message.guild.as_u64(), 7);
        assert_eq!(message.text_channel.as_u64(), 60);
        assert_eq!(message.user.as_u64(), 3);
        assert_eq!(message.user_voice.map(ChannelId::as_u64), Some(50));
        assert_eq!(
            message.reply,
            ReplyTo {
                token: "secret".into(),
                kind: ReplyKind::Command
            }
        );
    }

    #[test]
    fn what_the_cache_knows_to_fail_is_answered_at_once() {
        assert_eq!(
            play("5"),
            Decision::Answer(Answer::Refused(Refusal::NotInVoice))
        );
        assert_eq!(
            play("4"),
            Decision::Answer(Answer::Obstacle {
                channel: "51".parse().expect("an id"),
                obstacle: Obstacle::Connect
            })
        );
        let pause = decide("5", 2, &json!({"name": "pause"}));
        assert!(
            matches!(pause, Decision::Forward { .. }),
            "a pause is the session's to refuse"
        );
    }

    #[test]
    fn an_unknown_guild_is_left_to_the_session() {
        let empty = Cache::new("1".parse().expect("an id"));
        let data = json!({"name": "join"});
        let Decision::Forward { message, .. } = interaction("3", 2, &data).decide(&empty) else {
            panic!("forwarded")
        };
        assert_eq!(message.user_voice, None);
    }

    #[test]
    fn buttons_update_in_place_and_the_list_turns_its_page() {
        let Decision::Forward { ack, message } = decide(
            "3",
            3,
            &json!({"custom_id": "np:skip", "component_type": 2}),
        ) else {
            panic!("forwarded")
        };
        assert_eq!(
            (ack, message.reply.kind),
            (Ack::DeferUpdate, ReplyKind::Button)
        );
        assert_eq!(message.command, Command::Skip { count: 1 });

        let Decision::Forward { ack, message } = decide("3", 3, &json!({"custom_id": "q:2:next"}))
        else {
            panic!("forwarded")
        };
        assert_eq!(
            (ack, message.reply.kind),
            (Ack::DeferUpdate, ReplyKind::Command)
        );
        assert_eq!(
            decide("3", 3, &json!({"custom_id": "x"})),
            Decision::Answer(Answer::UnknownButton)
        );
    }

    #[test]
    fn completion_reads_the_focused_option() {
        let data = json!({"name": "play", "options": [{"name": "query", "type": 3, "value": "se", "focused": true}]});
        assert_eq!(
            decide("3", 4, &data),
            Decision::Complete {
                guild: "7".parse().expect("an id"),
                text: "se".into()
            }
        );
        assert_eq!(
            decide("3", 4, &json!({"name": "play"})),
            Decision::NoSuggestions
        );
    }

    #[test]
    fn direct_messages_are_told_where_music_is_made() {
        let dm: Interaction = serde_json::from_value(json!({
            "id": "900", "type": 2, "token": "secret", "channel_id": "60", "user": {"id": "3"},
            "data": {"name": "play"},
        }))
        .expect("well-formed");
        assert_eq!(dm.decide(&cache()), Decision::Answer(Answer::NotInGuild));
    }

    #[test]
    fn input_errors_name_the_command() {
        let data =
            json!({"name": "seek", "options": [{"name": "position", "type": 3, "value": "soon"}]});
        assert_eq!(
            decide("3", 2, &data),
            Decision::Answer(Answer::Input {
                command: "seek".into(),
                error: InputError::NotAPosition
            })
        );
        let data =
            json!({"name": "volume", "options": [{"name": "percent", "type": 10, "value": 1.5}]});
        assert!(matches!(
            decide("3", 2, &data),
            Decision::Answer(Answer::Input { .. })
        ));
    }

    #[test]
    fn now_playing_needs_a_channel_that_can_be_written_in() {
        let mut asked = interaction("3", 2, &json!({"name": "nowplaying"}));
        assert!(matches!(asked.decide(&cache()), Decision::Forward { .. }));
        asked.app_permissions = Some((1_u64 << 10).to_string());
        assert!(matches!(
            asked.decide(&cache()),
            Decision::Answer(Answer::CannotWrite { .. })
        ));
    }

    #[test]
    fn the_token_is_never_printed() {
        let printed = format!("{:?}", interaction("3", 2, &json!({"name": "pause"})));
        assert!(!printed.contains("secret"), "{printed}");
    }
}
