//! Discord's identifiers as Lavalink writes them: decimal strings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 64-bit identifier, written as a decimal string. Numbers are accepted too.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(pub u64);

/// The text was not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is a decimal number of 64 bits")]
pub struct SnowflakeError;

impl fmt::Display for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snowflake({})", self.0)
    }
}

impl FromStr for Snowflake {
    type Err = SnowflakeError;

    fn from_str(text: &str) -> Result<Self, SnowflakeError> {
        // `u64::from_str` also takes a leading `+`, which no platform writes.
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(SnowflakeError);
        }
        text.parse().map(Self).map_err(|_| SnowflakeError)
    }
}

impl From<u64> for Snowflake {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl Serialize for Snowflake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Snowflake;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal string of 64 bits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Snowflake, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Snowflake, E> {
                Ok(Snowflake(value))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_read_and_strings_are_written() {
        for json in ["\"42\"", "42"] {
            let id: Snowflake = serde_json::from_str(json).expect(json);
            assert_eq!(id, Snowflake(42));
            assert_eq!(serde_json::to_string(&id).expect("serializes"), "\"42\"");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for json in [
            "\"\"",
            "\"abc\"",
            "\"-1\"",
            "\"+1\"",
            "\" 1\"",
            "\"18446744073709551616\"",
            "-1",
            "1.5",
            "null",
        ] {
            assert!(serde_json::from_str::<Snowflake>(json).is_err(), "{json}");
        }
    }
}
