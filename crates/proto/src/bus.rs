//! Our own bus: the envelope around every message between roles, topics and partitions.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many partitions each stream has.
///
/// Part of the wire format: changing it moves guilds between partitions, which loses order.
pub const PARTITIONS: u16 = 64;

/// The version of [`Envelope`] that this build writes, and the only one it reads.
pub const VERSION: u16 = 1;

/// The longest encoded envelope, in bytes. A longer one is refused on both sides.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A stream: keeps order within a partition, is acknowledged, redelivered and dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// gateway → audio: what people asked for.
    Commands,
    /// gateway → audio: what the platform said about voice.
    ToAudio,
    /// audio → gateway: what to do on the platform.
    ToDiscord,
}

impl Topic {
    /// All streams.
    pub const ALL: [Self; 3] = [Self::Commands, Self::ToAudio, Self::ToDiscord];

    /// Returns its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commands => "discord-bot:commands",
            Self::ToAudio => "discord-bot:to-audio",
            Self::ToDiscord => "discord-bot:to-discord",
        }
    }

    /// Returns its index in [`Topic::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::Commands => 0,
            Self::ToAudio => 1,
            Self::ToDiscord => 2,
        }
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A broadcast: lossy, the latest message of a guild wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Broadcast {
    /// audio → gateway and dashboards: how a session looks now.
    UiNow,
}

impl Broadcast {
    /// Returns its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UiNow => "discord-bot:ui:now",
        }
    }
}

impl std::fmt::Display for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns the partition of a guild, in `0..PARTITIONS`.
///
/// Snowflakes differ mostly in their upper bits and share low bits, so they are mixed first
/// (the finaliser of SplitMix64).
pub const fn partition_of(guild: u64) -> u16 {
    let mut mixed = guild;
    mixed ^= mixed >> 30;
    mixed = mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 27;
    mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed % PARTITIONS as u64) as u16
}

/// What every message of ours travels in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Names the message; the same over all its deliveries. Version 7: sortable by time.
    pub id: Uuid,
    /// The format of this envelope: [`VERSION`].
    pub version: u16,
    /// The partition, from [`partition_of`].
    pub partition: u16,
    /// When it was published, in milliseconds since 1970 UTC.
    pub published_ms: u64,
    /// The message itself.
    pub body: T,
}

impl<T> Envelope<T> {
    /// Returns an envelope of the current version around `body`, for the partition of `guild`.
    pub const fn new(id: Uuid, guild: u64, published_ms: u64, body: T) -> Self {
        Self {
            id,
            version: VERSION,
            partition: partition_of(guild),
            published_ms,
            body,
        }
    }
}

impl<T: Serialize> Envelope<T> {
    /// Returns the envelope as JSON.
    ///
    /// # Errors
    /// `TooLong` above [`MAX_BYTES`]; `Json` if the body cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        let bytes = serde_json::to_vec(self).map_err(|error| EnvelopeError::json(&error))?;
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }
}

impl<T: DeserializeOwned> Envelope<T> {
    /// Returns the envelope that `bytes` hold.
    ///
    /// # Errors
    /// `Version` for an envelope of another version, whose body is then not looked at;
    /// `TooLong` above [`MAX_BYTES`]; `Json` for anything else that does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::TooLong { bytes: bytes.len() });
        }
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| EnvelopeError::json(&error))?;
        if head.version != VERSION {
            return Err(EnvelopeError::Version {
                found: head.version,
            });
        }
        serde_json::from_slice(bytes).map_err(|error| EnvelopeError::json(&error))
    }
}

/// Why an envelope could not be written or read. Never holds any of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is longer than [`MAX_BYTES`].
    #[error("an envelope of {bytes} bytes is longer than {MAX_BYTES}")]
    TooLong {
        /// How long.
        bytes: usize,
    },
    /// Another version of Backline wrote it.
    #[error("an envelope of version {found}, expected {VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is not the JSON we expect.
    #[error("not a message of this topic ({kind} at line {line}, column {column})")]
    Json {
        /// Which sort of mistake.
        kind: &'static str,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
}

impl EnvelopeError {
    // serde's own text echoes values, and a message may hold an interaction token.
    fn json(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "not writable",
            serde_json::error::Category::Syntax => "syntax error",
            serde_json::error::Category::Data => "unexpected data",
            serde_json::error::Category::Eof => "unexpected end",
        };
        Self::Json {
            kind,
            line: error.line(),
            column: error.column(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope<String> {
        Envelope::new(
            Uuid::from_u128(7),
            81_384_788_765_712_384,
            1_700_000_000_000,
            "hello".to_owned(),
        )
    }

    #[test]
    fn an_envelope_looks_like_this_on_the_wire() {
        let text = String::from_utf8(envelope().encode().expect("encodes")).expect("is text");
        assert_eq!(
            text,
            r#"{"id":"00000000-0000-0000-0000-000000000007","version":1,"partition":61,"published_ms":1700000000000,"body":"hello"}"#
        );
    }

    #[test]
    fn an_envelope_survives_the_round_trip() {
        let bytes = envelope().encode().expect("encodes");
        assert_eq!(Envelope::decode(&bytes), Ok(envelope()));
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_echoing_it() {
        let long = vec![b' '; MAX_BYTES + 1];
        let rows: &[(&str, &[u8], &str)] = &[
            ("empty", b"", "not a message of this topic (unexpected end at line 1, column 0)"),
            (
                "not JSON",
                b"secret",
                "not a message of this topic (syntax error at line 1, column 1)",
            ),
            (
                "a later version with another body",
                br#"{"version":2,"body":{"secret":1}}"#,
                "an envelope of version 2, expected 1",
            ),
            (
                "another body",
                br#"{"id":"00000000-0000-0000-0000-000000000007","version":1,"partition":0,"published_ms":0,"body":{"secret":1}}"#,
                "not a message of this topic (unexpected data at line 1, column 95)",
            ),
            ("too long", &long, "an envelope of 1048577 bytes is longer than 1048576"),
        ];
        for (name, bytes, expected) in rows {
            let error = Envelope::<String>::decode(bytes).expect_err(name);
            assert_eq!(error.to_string(), *expected, "{name}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let envelope = Envelope::new(Uuid::nil(), 1, 0, "x".repeat(MAX_BYTES));
        assert!(matches!(
            envelope.encode(),
            Err(EnvelopeError::TooLong { .. })
        ));
    }

    #[test]
    fn guilds_made_in_sequence_spread_over_all_partitions() {
        let mut counts = [0_u32; PARTITIONS as usize];
        for n in 0..64_000_u64 {
            counts[usize::from(partition_of((1_700_000_000_000 + n * 1_000) << 22))] += 1;
        }
        for (partition, count) in counts.into_iter().enumerate() {
            assert!(
                (800..1_200).contains(&count),
                "partition {partition} has {count} of 64000 guilds"
            );
        }
    }

    #[test]
    fn partitions_never_move() {
        let known = [(1, 37), (2, 10), (3, 48), (81_384_788_765_712_384, 61)];
        let found = known.map(|(guild, _)| (guild, partition_of(guild)));
        assert_eq!(found, known);
    }

    #[test]
    fn topics_are_indexed_in_order() {
        for (index, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(topic.index(), index);
        }
    }
}
