//! Payloads that clients send, read strictly; what is wrong is a close code.

use serde_json::Value;

use crate::discord::secret::Secret;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    UnknownOpcode,
    DecodeError,
    NotAuthenticated,
    AuthenticationFailed,
    AlreadyAuthenticated,
    InvalidSequence,
    RateLimited,
    SessionTimedOut,
    InvalidShard,
    ShardingRequired,
    InvalidVersion,
    InvalidIntents,
    DisallowedIntents,
}

impl Close {
    pub(crate) const fn frame(self) -> (u16, &'static str) {
        match self {
            Self::UnknownOpcode => (4001, "Unknown opcode."),
            Self::DecodeError => (4002, "Error while decoding payload."),
            Self::NotAuthenticated => (4003, "Not authenticated."),
            Self::AuthenticationFailed => (4004, "Authentication failed."),
            Self::AlreadyAuthenticated => (4005, "Already authenticated."),
            Self::InvalidSequence => (4007, "Invalid seq."),
            Self::RateLimited => (4008, "Rate limited."),
            Self::SessionTimedOut => (4009, "Session timed out."),
            Self::InvalidShard => (4010, "Invalid shard."),
            Self::ShardingRequired => (4011, "Sharding required."),
            Self::InvalidVersion => (4012, "Invalid API version."),
            Self::InvalidIntents => (4013, "Invalid intent(s)."),
            Self::DisallowedIntents => (4014, "Disallowed intent(s)."),
        }
    }
}

/// A payload of a client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload {
    Heartbeat(Option<u64>),
    Identify(Identify),
    Presence(Value),
    Voice {
        guild: u64,
        channel: Option<u64>,
        self_mute: bool,
        self_deaf: bool,
    },
    Resume {
        token: Secret,
        session: String,
        sequence: u64,
    },
    Members(Value),
    /// Known, without an effect here.
    Ignored,
}

/// IDENTIFY.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identify {
    pub(crate) token: Secret,
    pub(crate) shard: (u64, u64),
    pub(crate) intents: u64,
    pub(crate) presence: Value,
}

/// Reads a payload.
pub(crate) fn parse(bytes: &[u8]) -> Result<Payload, Close> {
    if bytes.len() > MOST_BYTES {
        return Err(Close::DecodeError);
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Close::DecodeError)?;
    let op = value
        .get("op")
        .and_then(Value::as_u64)
        .ok_or(Close::DecodeError)?;
    let data = value.get("d").unwrap_or(&Value::Null);
    match op {
        1 => match data {
            Value::Null => Ok(Payload::Heartbeat(None)),
            other => other
                .as_u64()
                .map(|sequence| Payload::Heartbeat(Some(sequence)))
                .ok_or(Close::DecodeError),
        },
        2 => identify(data).map(Payload::Identify),
        3 => presence(data).map(Payload::Presence),
        4 => voice(data),
        6 => Ok(Payload::Resume {
            token: Secret::new(text(data, "token")?),
            session: text(data, "session_id")?,
            sequence: data["seq"].as_u64().ok_or(Close::DecodeError)?,
        }),
        8 => {
            if !data.is_object() {
                return Err(Close::DecodeError);
            }
            Ok(Payload::Members(data.clone()))
        }
        // Soundboard sounds, channel information: not simulated.
        31 | 43 => Ok(Payload::Ignored),
        _ => Err(Close::UnknownOpcode),
    }
}

fn identify(data: &Value) -> Result<Identify, Close> {
    let token = Secret::new(text(data, "token")?);
    if !data.get("properties").is_some_and(Value::is_object) {
        return Err(Close::DecodeError);
    }
    let intents = match data.get("intents") {
        Some(Value::Number(number)) => number.as_u64().ok_or(Close::InvalidIntents)?,
        _ => return Err(Close::InvalidIntents),
    };
    if data.get("large_threshold").is_some_and(|value| {
        !value.is_null()
            && !value
                .as_u64()
                .is_some_and(|value| (50..=250).contains(&value))
    }) {
        return Err(Close::DecodeError);
    }
    let shard = match data.get("shard") {
        None | Some(Value::Null) => (0, 1),
        Some(shard) => {
            let number = |index: usize| shard.get(index).and_then(Value::as_u64);
            match (shard.as_array().map(Vec::len), number(0), number(1)) {
                (Some(2), Some(number), Some(count)) => (number, count),
                _ => return Err(Close::InvalidShard),
            }
        }
    };
    if shard.0 >= shard.1 {
        return Err(Close::InvalidShard);
    }
    let presence = match data.get("presence") {
        None | Some(Value::Null) => Value::Null,
        Some(value) => presence(value)?,
    };
    Ok(Identify {
        token,
        shard,
        intents,
        presence,
    })
}

fn presence(data: &Value) -> Result<Value, Close> {
    let status = data["status"].as_str().ok_or(Close::DecodeError)?;
    if !matches!(status, "online" | "dnd" | "idle" | "invisible" | "offline") {
        return Err(Close::DecodeError);
    }
    match data.get("activities") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => {
            for activity in list {
                let named = activity["name"]
                    .as_str()
                    .is_some_and(|name| name.chars().count() <= 128);
                if !named || activity["type"].as_u64().is_none_or(|kind| kind > 6) {
                    return Err(Close::DecodeError);
                }
            }
        }
        Some(_) => return Err(Close::DecodeError),
    }
    Ok(data.clone())
}

fn voice(data: &Value) -> Result<Payload, Close> {
    let switch = |key: &str| match data.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or(Close::DecodeError),
    };
    Ok(Payload::Voice {
        guild: snowflake(data.get("guild_id")).ok_or(Close::DecodeError)?,
        channel: match data.get("channel_id") {
            None | Some(Value::Null) => None,
            value => Some(snowflake(value).ok_or(Close::DecodeError)?),
        },
        self_mute: switch("self_mute")?,
        self_deaf: switch("self_deaf")?,
    })
}

/// Reads an id, as text or number.
pub(crate) fn snowflake(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn text(data: &Value, key: &str) -> Result<String, Close> {
    data[key]
        .as_str()
        .map(ToOwned::to_owned)
        .ok_or(Close::DecodeError)
}

/// Largest payload a client may send.
const MOST_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bad_payloads_have_their_close_codes() {
        let identify = |extra: Value| {
            let mut d = json!({"token": "t", "intents": 1, "properties": {"os": "x", "browser": "x", "device": "x"}});
            for (key, value) in extra.as_object().expect("an object") {
                d[key] = value.clone();
            }
            json!({"op": 2, "d": d}).to_string()
        };
        let rows = [
            ("no JSON", "{".to_owned(), Some(4002)),
            ("not an object", "[]".to_owned(), Some(4002)),
            ("no opcode", "{}".to_owned(), Some(4002)),
            ("unknown opcode", r#"{"op":99}"#.to_owned(), Some(4001)),
            ("an opcode only the server sends", r#"{"op":10}"#.to_owned(), Some(4001)),
            ("4,097 bytes", format!(r#"{{"op":1,"d":null,"x":"{}"}}"#, "a".repeat(4_097)), Some(4002)),
            ("heartbeat", r#"{"op":1,"d":null}"#.to_owned(), None),
            ("heartbeat with text", r#"{"op":1,"d":"x"}"#.to_owned(), Some(4002)),
            ("identify", identify(json!({})), None),
            ("identify without intents", r#"{"op":2,"d":{"token":"t","properties":{}}}"#.to_owned(), Some(4013)),
            ("identify without properties", r#"{"op":2,"d":{"token":"t","intents":1}}"#.to_owned(), Some(4002)),
            ("shard out of range", identify(json!({"shard": [2, 2]})), Some(4010)),
            ("no shards", identify(json!({"shard": [0, 0]})), Some(4010)),
            ("half a shard", identify(json!({"shard": [0]})), Some(4010)),
            ("bad presence", identify(json!({"presence": {"status": "asleep"}})), Some(4002)),
            ("voice", r#"{"op":4,"d":{"guild_id":"1","channel_id":null,"self_mute":false,"self_deaf":false}}"#.to_owned(), None),
            ("voice without guild", r#"{"op":4,"d":{"channel_id":null}}"#.to_owned(), Some(4002)),
            ("resume without seq", r#"{"op":6,"d":{"token":"t","session_id":"s"}}"#.to_owned(), Some(4002)),
            ("op 43", r#"{"op":43,"d":{}}"#.to_owned(), None),
        ];
        for (row, payload, code) in rows {
            let found = parse(payload.as_bytes()).err().map(|close| close.frame().0);
            assert_eq!(found, code, "{row}");
        }
    }
}
