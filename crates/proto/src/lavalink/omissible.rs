//! Fields of requests that tell "leave it" from "clear it".

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A field that may be absent, an explicit `null`, or a value.
///
/// Use it with `#[serde(default, skip_serializing_if = "Omissible::is_absent")]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Omissible<T> {
    /// The key is not there: leave things as they are.
    #[default]
    Absent,
    /// The key is there with `null`: clear.
    Null,
    /// The key is there with a value: set.
    Value(T),
}

impl<T> Omissible<T> {
    /// Whether the key is not there.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the key is there, with `null` or a value.
    pub const fn is_present(&self) -> bool {
        !self.is_absent()
    }

    /// Returns the value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Returns a view of the value.
    pub const fn as_ref(&self) -> Omissible<&T> {
        match self {
            Self::Absent => Omissible::Absent,
            Self::Null => Omissible::Null,
            Self::Value(value) => Omissible::Value(value),
        }
    }

    /// Returns `None` when the key is absent, else what it is to be set to.
    #[expect(clippy::option_option, reason = "absent is not the same as null")]
    pub fn update(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// `None` is an explicit `null`.
impl<T> From<Option<T>> for Omissible<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

impl<T: Serialize> Serialize for Omissible<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // A missing `skip_serializing_if` shows up as a null, which is the nearest true thing.
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Omissible<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::from)
    }
}

/// Reads a field that may be absent but not `null`: with `#[serde(default, deserialize_with)]`.
pub(super) fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Body {
        #[serde(default, skip_serializing_if = "Omissible::is_absent")]
        field: Omissible<u32>,
    }

    #[test]
    fn three_states_survive_the_wire() {
        for (json, field) in [
            ("{}", Omissible::Absent),
            (r#"{"field":null}"#, Omissible::Null),
            (r#"{"field":7}"#, Omissible::Value(7)),
        ] {
            let body: Body = serde_json::from_str(json).expect(json);
            assert_eq!(body.field, field, "{json}");
            assert_eq!(serde_json::to_string(&body).expect("serializes"), json);
        }
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        assert!(serde_json::from_str::<Body>(r#"{"field":"7"}"#).is_err());
    }
}
