//! What is written to and read from Redis.

use std::sync::Arc;

use redis::{FromRedisValue, Value};
use uuid::Uuid;

use super::super::DeadLetter;

/// The id of a stream's entry; entries are in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    ms: u64,
    sequence: u64,
}

impl EntryId {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ms, sequence) = text.split_once('-')?;
        Some(Self {
            ms: ms.parse().ok()?,
            sequence: sequence.parse().ok()?,
        })
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

/// An entry of a stream.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    pub(super) payload: Arc<[u8]>,
}

/// What is said on a topic's channel.
pub(super) enum Word {
    /// This partition has something new.
    New(u16),
    /// This partition has no owner.
    Vacant(u16),
}

/// Returns how to say that a partition has no owner.
pub(super) fn vacant(partition: u16) -> String {
    format!("v{partition}")
}

pub(super) fn word(payload: &[u8]) -> Option<Word> {
    let text = std::str::from_utf8(payload).ok()?;
    match text.strip_prefix('v') {
        Some(number) => number.parse().ok().map(Word::Vacant),
        None => text.parse().ok().map(Word::New),
    }
}

pub(super) fn encode_broadcast(origin: Uuid, key: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + body.len());
    bytes.extend_from_slice(origin.as_bytes());
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Returns key and body of a broadcast, unless it is our own or broken.
pub(super) fn broadcast(payload: &[u8], ours: Uuid) -> Option<(u64, &[u8])> {
    let (origin, rest) = payload.split_first_chunk::<16>()?;
    let (key, body) = rest.split_first_chunk::<8>()?;
    (Uuid::from_bytes(*origin) != ours).then(|| (u64::from_be_bytes(*key), body))
}

/// Reads a list of entries, as XRANGE and XCLAIM return it. Entries that are gone are left out.
pub(super) fn entries(value: &Value) -> Vec<Entry> {
    let Value::Array(list) = value else {
        return Vec::new();
    };
    list.iter().filter_map(entry).collect()
}

fn entry(value: &Value) -> Option<Entry> {
    let (id, fields) = id_and_fields(value)?;
    let payload = field(&fields, "p")?;
    Some(Entry {
        id,
        payload: payload.into(),
    })
}

/// Reads what XREADGROUP returns for one stream.
pub(super) fn read(value: &Value) -> Vec<Entry> {
    match value {
        // RESP2: a list of [stream, entries]; RESP3: a map.
        Value::Array(streams) => streams
            .iter()
            .filter_map(|stream| match stream {
                Value::Array(pair) => pair.get(1),
                _ => None,
            })
            .flat_map(entries)
            .collect(),
        Value::Map(streams) => streams.iter().flat_map(|(_, list)| entries(list)).collect(),
        _ => Vec::new(),
    }
}

/// Reads what XPENDING returns: id and how often the entry was handed out.
pub(super) fn pending(value: &Value) -> Vec<(EntryId, u32)> {
    let Value::Array(list) = value else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| {
            let Value::Array(item) = item else {
                return None;
            };
            let id = EntryId::parse(&text(item.first()?)?)?;
            let Value::Int(count) = item.get(3)? else {
                return None;
            };
            Some((id, u32::try_from(*count).unwrap_or(u32::MAX)))
        })
        .collect()
}

pub(super) fn dead_letters(partition: u16, value: &Value) -> Vec<(EntryId, DeadLetter)> {
    let Value::Array(list) = value else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| {
            let (id, fields) = id_and_fields(item)?;
            let number = |name| {
                let bytes = field(&fields, name)?;
                String::from_utf8(bytes).ok()?.parse().ok()
            };
            let dead = DeadLetter {
                partition,
                payload: field(&fields, "p")?.into(),
                attempts: number("attempts").unwrap_or_default(),
                reason: String::from_utf8_lossy(&field(&fields, "reason")?).into_owned(),
            };
            Some((id, dead))
        })
        .collect()
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn id_and_fields(value: &Value) -> Option<(EntryId, Fields)> {
    let Value::Array(pair) = value else {
        return None;
    };
    let id = EntryId::parse(&text(pair.first()?)?)?;
    let fields = match pair.get(1)? {
        Value::Array(flat) => flat
            .chunks_exact(2)
            .filter_map(|two| Some((bytes(&two[0])?, bytes(&two[1])?)))
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(name, value)| Some((bytes(name)?, bytes(value)?)))
            .collect(),
        _ => return None,
    };
    Some((id, fields))
}

fn field(fields: &Fields, name: &str) -> Option<Vec<u8>> {
    let found = fields.iter().find(|(key, _)| key == name.as_bytes())?;
    Some(found.1.clone())
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        other => Vec::<u8>::from_redis_value_ref(other).ok(),
    }
}

fn text(value: &Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}
