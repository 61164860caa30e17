//! What a shard remembers of its guilds: who is in which voice channel, and what the bot may do
//! there. Nothing else, so that a guild costs a few kibibytes at most.
//!
//! Owned by one shard task, hence without locks.

pub mod guild;
pub mod permission;

use std::collections::{HashMap, HashSet};

use backline_core::id::{ChannelId, GuildId, UserId};

use super::event::Event;
use guild::Guild;

/// The guilds of one shard.
#[derive(Debug)]
pub struct Cache {
    bot: UserId,
    guilds: HashMap<GuildId, Guild>,
    /// Guilds that changed since [`Cache::take_changed`].
    changed: HashSet<GuildId>,
}

impl Cache {
    /// Returns an empty cache for the bot with this user id.
    pub fn new(bot: UserId) -> Self {
        Self {
            bot,
            guilds: HashMap::new(),
            changed: HashSet::new(),
        }
    }

    /// Takes in an event; others than those about guilds change nothing.
    pub fn handle(&mut self, event: &Event) {
        let bot = self.bot;
        let changed = match event {
            Event::Guild(payload) => {
                self.guilds.insert(payload.id, Guild::new(payload, bot));
                Some(payload.id)
            }
            // An outage keeps what is known: GUILD_CREATE follows when it is over.
            Event::GuildGone {
                guild,
                removed: true,
            } => self.guilds.remove(guild).map(|_| *guild),
            Event::Channel { guild, channel } => {
                self.change(*guild, |known| known.put_channel(channel))
            }
            Event::ChannelGone { guild, channel } => {
                self.change(*guild, |known| known.remove_channel(*channel))
            }
            Event::Role { guild, role } => self.change(*guild, |known| known.put_role(role)),
            Event::RoleGone { guild, role } => {
                self.change(*guild, |known| known.remove_role(*role))
            }
            Event::Member { guild, user, roles } if *user == bot => {
                self.change(*guild, |known| known.set_own_roles(roles))
            }
            Event::VoiceState(state) => match state.guild_id {
                Some(guild) => self.change(guild, |known| known.put_voice_state(state)),
                None => None,
            },
            _ => None,
        };
        self.changed.extend(changed);
    }

    /// Returns a guild, if it is known.
    pub fn guild(&self, guild: GuildId) -> Option<&Guild> {
        self.guilds.get(&guild)
    }

    /// Returns the bot's user id.
    pub fn bot(&self) -> UserId {
        self.bot
    }

    /// Returns the voice channel somebody is in, if that is known.
    pub fn voice_channel(&self, guild: GuildId, user: UserId) -> Option<ChannelId> {
        self.guilds.get(&guild)?.voice_channel(user)
    }

    /// Returns the bot's voice channel and how many people other than bots are in it.
    pub fn listeners(&self, guild: GuildId) -> Option<(ChannelId, u32)> {
        let known = self.guilds.get(&guild)?;
        let channel = known.voice_channel(self.bot)?;
        Some((channel, known.people_in(channel)))
    }

    /// Puts in a guild that was saved by an earlier process.
    pub fn restore(&mut self, guild: GuildId, known: Guild) {
        self.guilds.entry(guild).or_insert(known);
    }

    /// Forgets everything: a new session tells all anew.
    pub fn clear(&mut self) {
        self.changed.extend(self.guilds.keys());
        self.guilds.clear();
    }

    /// Returns the guilds that changed since the last call.
    pub fn take_changed(&mut self) -> HashSet<GuildId> {
        std::mem::take(&mut self.changed)
    }

    /// Returns where the bot is in voice and with how many people, of all guilds in which it is.
    pub fn told(&self) -> HashMap<GuildId, (ChannelId, u32)> {
        self.guilds
            .keys()
            .filter_map(|guild| Some((*guild, self.listeners(*guild)?)))
            .collect()
    }

    /// Returns all known guilds.
    pub fn guilds(&self) -> Vec<GuildId> {
        self.guilds.keys().copied().collect()
    }

    /// Returns how many guilds are known.
    pub fn len(&self) -> usize {
        self.guilds.len()
    }

    /// Returns whether no guild is known.
    pub fn is_empty(&self) -> bool {
        self.guilds.is_empty()
    }

    fn change(&mut self, guild: GuildId, change: impl FnOnce(&mut Guild)) -> Option<GuildId> {
        let known = self.guilds.get_mut(&guild)?;
        change(known);
        Some(guild)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event;
    use super::*;

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().expect("an id")
    }

    fn feed(cache: &mut Cache, name: &str, data: &str) {
        let text = format!(r#"{{"t":"{name}","s":1,"op":0,"d":{data}}}"#);
        let (_, event) = event::parse(&text).expect("well-formed");
        cache.handle(&event);
    }

    const GUILD: &str = r#"{"id":"7","roles":[{"id":"7","permissions":"3146752"}],
        "channels":[{"id":"50","type":2},{"id":"51","type":0}],
        "members":[{"user":{"id":"1","bot":true},"roles":[]},{"user":{"id":"3"},"roles":[]},
                   {"user":{"id":"4","bot":true},"roles":[]}],
        "voice_states":[{"channel_id":"50","user_id":"3","session_id":"a"},
                        {"channel_id":"50","user_id":"4","session_id":"b"}]}"#;

    #[test]
    fn people_in_the_bots_channel_are_counted_without_bots() {
        let mut cache = Cache::new(id("1"));
        feed(&mut cache, "GUILD_CREATE", GUILD);
        assert_eq!(cache.voice_channel(id("7"), id("3")), Some(id("50")));
        assert_eq!(cache.listeners(id("7")), None, "the bot is nowhere yet");

        let bot = |channel: &str| {
            format!(
                r#"{{"guild_id":"7","channel_id":{channel},"user_id":"1","session_id":"s",
                "member":{{"user":{{"id":"1","bot":true}},"roles":[]}}}}"#
            )
        };
        feed(&mut cache, "VOICE_STATE_UPDATE", &bot("\"50\""));
        assert_eq!(cache.listeners(id("7")), Some((id("50"), 1)));

        feed(
            &mut cache,
            "VOICE_STATE_UPDATE",
            r#"{"guild_id":"7","channel_id":"50","user_id":"5","session_id":"c","member":{"user":{"id":"5"},"roles":[]}}"#,
        );
        assert_eq!(cache.listeners(id("7")), Some((id("50"), 2)));

        feed(
            &mut cache,
            "VOICE_STATE_UPDATE",
            r#"{"guild_id":"7","channel_id":null,"user_id":"3"}"#,
        );
        assert_eq!(cache.listeners(id("7")), Some((id("50"), 1)));
        feed(&mut cache, "VOICE_STATE_UPDATE", &bot("null"));
        assert_eq!(cache.listeners(id("7")), None);
    }

    #[test]
    fn an_outage_keeps_a_guild_and_a_removal_forgets_it() {
        let mut cache = Cache::new(id("1"));
        feed(&mut cache, "GUILD_CREATE", GUILD);
        feed(
            &mut cache,
            "GUILD_DELETE",
            r#"{"id":"7","unavailable":true}"#,
        );
        assert_eq!(cache.len(), 1);
        feed(&mut cache, "GUILD_DELETE", r#"{"id":"7"}"#);
        assert!(cache.is_empty());
    }

    #[test]
    fn changed_guilds_are_told_once() {
        let mut cache = Cache::new(id("1"));
        feed(&mut cache, "GUILD_CREATE", GUILD);
        assert_eq!(cache.take_changed().len(), 1);
        assert!(cache.take_changed().is_empty());
        feed(
            &mut cache,
            "VOICE_STATE_UPDATE",
            r#"{"guild_id":"8","channel_id":null,"user_id":"3"}"#,
        );
        assert!(
            cache.take_changed().is_empty(),
            "an unknown guild is not made up"
        );
        feed(&mut cache, "GUILD_DELETE", r#"{"id":"7"}"#);
        assert_eq!(cache.take_changed().len(), 1, "a removal is a change");
    }
}
