//! What the audio role is told of a shard's events: a pure decision.

use std::collections::{HashMap, HashSet};

use backline_core::id::{ChannelId, GuildId};
use backline_service::message::ToAudio;

use super::cache::Cache;
use super::event::{Event, GuildPayload, VoiceStatePayload};

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell the audio role.
    Tell(ToAudio),
    /// The bot's place in voice is now this one.
    Place {
        /// Where.
        guild: GuildId,
        /// The channel, if any.
        channel: Option<ChannelId>,
    },
    /// A new session does not own the place in voice that the lost one had: ask for it again, so
    /// that the music goes on. If there was none, tell what is left to tell.
    Rejoin {
        /// Where.
        guild: GuildId,
        /// What is told if there was no place.
        otherwise: Option<ToAudio>,
    },
}

/// Remembers what the audio role was told.
#[derive(Debug)]
pub struct Reporter {
    /// The bot's channel and how many people are with it, as told last.
    told: HashMap<GuildId, (ChannelId, u32)>,
    /// Guilds of a new session that did not arrive yet.
    fresh: HashSet<GuildId>,
}

impl Reporter {
    /// Returns a reporter after a process that knew `cache`: that much was told.
    pub fn new(cache: &Cache) -> Self {
        Self {
            told: cache.told(),
            fresh: HashSet::new(),
        }
    }

    /// Takes in that a new session began, before the cache forgets the old one. Guilds that it
    /// does not name were left meanwhile.
    pub fn begin(&mut self, guilds: &[GuildId], cache: &Cache) -> Vec<Effect> {
        self.fresh = guilds.iter().copied().collect();
        let left = cache
            .guilds()
            .into_iter()
            .filter(|guild| !self.fresh.contains(guild));
        let left: Vec<_> = left.collect();
        left.into_iter()
            .flat_map(|guild| self.leave(guild))
            .collect()
    }

    /// Takes in an event that the cache took in already.
    pub fn handle(&mut self, event: &Event, cache: &Cache) -> Vec<Effect> {
        match event {
            Event::Guild(guild) => self.guild(guild, cache),
            Event::GuildGone {
                guild,
                removed: true,
            } => self.leave(*guild).into(),
            Event::VoiceState(state) => self.voice_state(state, cache),
            Event::VoiceServer {
                guild,
                token,
                endpoint,
            } => {
                vec![Effect::Tell(ToAudio::VoiceServer {
                    guild: *guild,
                    token: token.clone(),
                    endpoint: endpoint.clone(),
                })]
            }
            _ => Vec::new(),
        }
    }

    fn guild(&mut self, guild: &GuildPayload, cache: &Cache) -> Vec<Effect> {
        let channel = cache.voice_channel(guild.id, cache.bot());
        let told = self.told.get(&guild.id).map(|(channel, _)| *channel);
        // The bot was moved or thrown out while nobody listened.
        let moved = (told.is_some() && told != channel).then(|| {
            let own = guild
                .voice_states
                .iter()
                .find(|state| state.user_id == cache.bot());
            let session_id = own
                .map(|state| state.session_id.clone())
                .unwrap_or_default();
            ToAudio::VoiceState {
                guild: guild.id,
                channel,
                session_id,
            }
        });
        let first = if self.fresh.remove(&guild.id) {
            Some(Effect::Rejoin {
                guild: guild.id,
                otherwise: moved,
            })
        } else {
            moved.map(Effect::Tell)
        };
        first
            .into_iter()
            .chain(self.listeners(guild.id, cache))
            .collect()
    }

    fn voice_state(&mut self, state: &VoiceStatePayload, cache: &Cache) -> Vec<Effect> {
        let Some(guild) = state.guild_id else {
            return Vec::new();
        };
        let mut effects = Vec::with_capacity(3);
        if state.user_id == cache.bot() {
            let (channel, session_id) = (state.channel_id, state.session_id.clone());
            effects.push(Effect::Place { guild, channel });
            effects.push(Effect::Tell(ToAudio::VoiceState {
                guild,
                channel,
                session_id,
            }));
            // Whoever asked for this place wants to know who is there, also if it is the same.
            self.told.remove(&guild);
        }
        effects.extend(self.listeners(guild, cache));
        effects
    }

    fn listeners(&mut self, guild: GuildId, cache: &Cache) -> Option<Effect> {
        let Some((channel, people)) = cache.listeners(guild) else {
            self.told.remove(&guild);
            return None;
        };
        let before = self.told.insert(guild, (channel, people));
        (before != Some((channel, people)))
            .then_some(Effect::Tell(ToAudio::Listeners { guild, people }))
    }

    fn leave(&mut self, guild: GuildId) -> [Effect; 2] {
        self.told.remove(&guild);
        [
            Effect::Place {
                guild,
                channel: None,
            },
            Effect::Tell(ToAudio::GuildLeft { guild }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::event;
    use super::*;
    use serde_json::{Value, json};

    /// The bot is 1, the person 3, the guild 7, the channel 50.
    struct Room {
        cache: Cache,
        reporter: Reporter,
    }

    impl Room {
        fn new() -> Self {
            let cache = Cache::new(id("1"));
            let reporter = Reporter::new(&cache);
            let mut room = Self { cache, reporter };
            room.feed("GUILD_CREATE", &guild(&json!([place("3", "50")])));
            room
        }

        fn feed(&mut self, name: &str, data: &Value) -> Vec<Effect> {
            let text = json!({"t": name, "op": 0, "s": 1, "d": data}).to_string();
            let (_, event) = event::parse(&text).expect("well-formed");
            if let Event::Ready { guilds } = &event {
                let effects = self.reporter.begin(guilds, &self.cache);
                self.cache.clear();
                return effects;
            }
            self.cache.handle(&event);
            self.reporter.handle(&event, &self.cache)
        }

        fn moves(&mut self, user: &str, channel: Option<&str>) -> Vec<Effect> {
            let bot = user == "1";
            let member = json!({"user": {"id": user, "bot": bot}, "roles": []});
            let state = json!({"guild_id": "7", "channel_id": channel, "user_id": user,
                "session_id": "s", "member": member});
            self.feed("VOICE_STATE_UPDATE", &state)
        }
    }

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().expect("an id")
    }

    fn place(user: &str, channel: &str) -> Value {
        json!({"user_id": user, "channel_id": channel, "session_id": "old"})
    }

    fn guild(voice_states: &Value) -> Value {
        json!({"id": "7", "voice_states": voice_states,
            "channels": [{"id": "50", "type": 2}, {"id": "51", "type": 2}]})
    }

    fn state(channel: Option<&str>, session_id: &str) -> ToAudio {
        ToAudio::VoiceState {
            guild: id("7"),
            channel: channel.map(id),
            session_id: session_id.into(),
        }
    }

    fn listeners(people: u32) -> Effect {
        Effect::Tell(ToAudio::Listeners {
            guild: id("7"),
            people,
        })
    }

    #[test]
    fn the_bots_own_moves_are_told_with_who_is_there() {
        let mut room = Room::new();
        let joined = room.moves("1", Some("50"));
        let place = Effect::Place {
            guild: id("7"),
            channel: Some(id("50")),
        };
        assert_eq!(
            joined,
            [
                place.clone(),
                Effect::Tell(state(Some("50"), "s")),
                listeners(1)
            ]
        );
        let again = room.moves("1", Some("50"));
        assert_eq!(
            again,
            [place, Effect::Tell(state(Some("50"), "s")), listeners(1)],
            "asked for again"
        );
        let left = room.moves("1", None);
        let nowhere = Effect::Place {
            guild: id("7"),
            channel: None,
        };
        assert_eq!(left, [nowhere, Effect::Tell(state(None, "s"))]);
    }

    #[test]
    fn others_are_told_only_when_the_number_changes() {
        let mut room = Room::new();
        assert_eq!(room.moves("4", Some("50")), [], "the bot is not there");
        room.moves("1", Some("50"));
        assert_eq!(room.moves("5", Some("50")), [listeners(3)]);
        assert_eq!(room.moves("5", Some("50")), [], "muted, or the like");
        assert_eq!(room.moves("6", Some("51")), [], "elsewhere");
        assert_eq!(room.moves("5", Some("51")), [listeners(2)]);
    }

    #[test]
    fn after_a_lost_session_the_place_is_asked_for_again() {
        let mut room = Room::new();
        room.moves("1", Some("50"));
        assert_eq!(
            room.feed(
                "READY",
                &json!({"guilds": [{"id": "7", "unavailable": true}]})
            ),
            []
        );
        let told = room.feed("GUILD_CREATE", &guild(&json!([place("3", "50")])));
        let gone = Some(state(None, ""));
        assert_eq!(
            told,
            [Effect::Rejoin {
                guild: id("7"),
                otherwise: gone
            }]
        );
    }

    #[test]
    fn a_place_that_changed_during_an_outage_is_told() {
        let mut room = Room::new();
        room.moves("1", Some("50"));
        let told = room.feed(
            "GUILD_CREATE",
            &guild(&json!([place("1", "51"), place("3", "50")])),
        );
        assert_eq!(told, [Effect::Tell(state(Some("51"), "old")), listeners(0)]);
    }

    #[test]
    fn guilds_that_a_new_session_does_not_name_were_left() {
        let mut room = Room::new();
        room.moves("1", Some("50"));
        let place = Effect::Place {
            guild: id("7"),
            channel: None,
        };
        let left = Effect::Tell(ToAudio::GuildLeft { guild: id("7") });
        assert_eq!(
            room.feed("READY", &json!({"guilds": []})),
            [place.clone(), left.clone()]
        );
        let mut room = Room::new();
        assert_eq!(
            room.feed("GUILD_DELETE", &json!({"id": "7"})),
            [place, left]
        );
        assert_eq!(
            room.feed("GUILD_DELETE", &json!({"id": "7", "unavailable": true})),
            []
        );
    }
}
