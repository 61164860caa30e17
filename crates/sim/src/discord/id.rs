//! Snowflakes: ids with a time inside, as Discord makes them.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Serialize, Serializer};

/// Milliseconds from the Unix epoch to Discord's epoch, the first second of 2015.
pub const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number that is known to be such an id.
            pub const fn new(id: u64) -> Self {
                Self(id)
            }

            /// Returns the number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Returns when the id was made, in milliseconds since the Unix epoch.
            pub const fn created_ms(self) -> u64 {
                (self.0 >> 22) + DISCORD_EPOCH_MS
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

ids! {
    /// A person or a bot.
    UserId
    /// A guild.
    GuildId
    /// A channel of a guild, or a direct message channel.
    ChannelId
    /// A message.
    MessageId
    /// A role; the role @everyone has the id of its guild.
    RoleId
    /// An application.
    ApplicationId
    /// An application command.
    CommandId
    /// An interaction.
    InteractionId
    /// An uploaded file.
    AttachmentId
}

/// Makes snowflakes that are unique and never decrease.
#[derive(Debug)]
pub(crate) struct Snowflakes {
    last: u64,
    last_guild_ms: u64,
}

impl Snowflakes {
    /// `now_ms`: guilds are made to look older than this.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            last: 0,
            last_guild_ms: now_ms.saturating_sub(GUILD_AGE_MS),
        }
    }

    /// Makes an id for something that comes into being now.
    pub(crate) fn next(&mut self, now_ms: u64) -> u64 {
        let floor = now_ms.saturating_sub(DISCORD_EPOCH_MS) << 22;
        self.last = floor.max(self.last + 1);
        self.last
    }

    /// Makes an id for a guild: older than everything else, no two in one millisecond, so
    /// that `(id >> 22) % shards` spreads them.
    pub(crate) fn next_guild(&mut self) -> u64 {
        self.last_guild_ms += GUILD_STEP_MS;
        (self.last_guild_ms.saturating_sub(DISCORD_EPOCH_MS)) << 22
    }
}

const GUILD_AGE_MS: u64 = 400 * 24 * 3600 * 1000;
/// Prime, so that neighbours land on neighbouring shards for every usual shard count.
const GUILD_STEP_MS: u64 = 1_009;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_time_and_never_repeat() {
        let now = 1_790_000_000_000;
        let mut snowflakes = Snowflakes::new(now);
        let ids: Vec<u64> = (0..10_000).map(|_| snowflakes.next(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(MessageId::new(ids[0]).created_ms(), now);
    }

    #[test]
    fn guilds_spread_evenly_over_shards() {
        let mut snowflakes = Snowflakes::new(1_790_000_000_000);
        let mut counts = [0_u32; 16];
        for _ in 0..1_600 {
            counts[((snowflakes.next_guild() >> 22) % 16) as usize] += 1;
        }
        assert!(counts.iter().all(|count| *count == 100), "{counts:?}");
    }
}
