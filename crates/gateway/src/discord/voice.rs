//! Voice requests: which channel the bot should be in, and the shards that ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backline_core::id::{ChannelId, GuildId};
use tracing::debug;
use twilight_gateway::MessageSender;
use twilight_model::gateway::payload::outgoing::UpdateVoiceState;
use twilight_model::id::Id;

/// Asks for voice channels; cheap to clone.
#[derive(Debug, Clone)]
pub struct Voice {
    senders: Arc<[MessageSender]>,
    /// Where the bot is, or will be once Discord has done what was asked.
    places: Arc<Mutex<HashMap<GuildId, ChannelId>>>,
}

impl Voice {
    /// Returns a way to ask the shards, given in order.
    pub fn new(senders: impl IntoIterator<Item = MessageSender>) -> Self {
        Self {
            senders: senders.into_iter().collect(),
            places: Arc::default(),
        }
    }

    /// Asks to join, move to or (with `None`) leave a voice channel. Sent as soon as the shard is
    /// there.
    pub fn request(&self, guild: GuildId, channel: Option<ChannelId>) {
        self.happened(guild, channel);
        let channel = channel.map(|channel| Id::new(channel.as_u64()));
        // Deaf: the bot never listens, and says so.
        let command = UpdateVoiceState::new(Id::new(guild.as_u64()), channel, true, false);
        if self.senders[shard_of(guild, self.senders.len())]
            .command(&command)
            .is_err()
        {
            debug!(guild.id = %guild, "voice request came after the shard closed");
        }
    }

    /// Takes in where the bot is, as Discord says.
    pub fn happened(&self, guild: GuildId, channel: Option<ChannelId>) {
        let mut places = self.places();
        match channel {
            Some(channel) => places.insert(guild, channel),
            None => places.remove(&guild),
        };
    }

    /// Asks again for the channel the bot was in, after a session was lost and its place in voice
    /// with it. Returns whether there was one.
    pub fn request_again(&self, guild: GuildId) -> bool {
        let place = self.places().get(&guild).copied();
        if place.is_some() {
            self.request(guild, place);
        }
        place.is_some()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<GuildId, ChannelId>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns which of `shards` shards a guild belongs to.
pub fn shard_of(guild: GuildId, shards: usize) -> usize {
    usize::try_from((guild.as_u64() >> 22) % shards.max(1) as u64)
        .expect("less than the number of shards")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guilds_belong_to_shards_as_discord_says() {
        let guild = |text: &str| text.parse::<GuildId>().expect("an id");
        assert_eq!(shard_of(guild("197038439483310086"), 1), 0);
        assert_eq!(shard_of(guild("4194304"), 4), 1);
        assert_eq!(shard_of(guild("20971520"), 4), 1);
        assert_eq!(shard_of(guild("1"), 4), 0);
    }
}
