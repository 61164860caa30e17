//! What a node sends over its WebSocket.

use serde::{Deserialize, Serialize};

use super::{Exception, PlayerState, Snowflake, Stats, Track};

/// A message from node to client, by its `op`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(
    clippy::large_enum_variant,
    reason = "messages are sent and read one at a time"
)]
pub enum Message {
    /// The first of all.
    Ready {
        /// Whether an older session goes on.
        resumed: bool,
        /// The session.
        session_id: String,
    },
    /// Where a player is.
    PlayerUpdate {
        /// Its guild.
        guild_id: Snowflake,
        /// Where it is.
        state: PlayerState,
    },
    /// How the node is doing: at once after `ready`, then every minute.
    Stats(Stats),
    /// Something happened to a player.
    Event(Event),
    /// Something that came with a later version or a plugin.
    #[serde(other)]
    Unknown,
}

/// Something happened to a player, by its `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Event {
    /// A track starts; whether it can be heard is not known yet.
    #[serde(rename = "TrackStartEvent")]
    TrackStart {
        /// The player's guild.
        guild_id: Snowflake,
        /// The track.
        track: Track,
    },
    /// A track ended.
    #[serde(rename = "TrackEndEvent")]
    TrackEnd {
        /// The player's guild.
        guild_id: Snowflake,
        /// The track.
        track: Track,
        /// Why.
        reason: TrackEndReason,
    },
    /// A track failed; its end follows.
    #[serde(rename = "TrackExceptionEvent")]
    TrackException {
        /// The player's guild.
        guild_id: Snowflake,
        /// The track.
        track: Track,
        /// Why.
        exception: Exception,
    },
    /// A track gives no audio; it has not ended.
    #[serde(rename = "TrackStuckEvent")]
    TrackStuck {
        /// The player's guild.
        guild_id: Snowflake,
        /// The track.
        track: Track,
        /// For how many milliseconds at least.
        threshold_ms: i64,
    },
    /// The voice gateway closed, and the node will not try again.
    #[serde(rename = "WebSocketClosedEvent")]
    WebSocketClosed {
        /// The player's guild.
        guild_id: Snowflake,
        /// Close code of the voice gateway.
        code: i32,
        /// Its reason; may be empty.
        reason: String,
        /// Whether Discord closed it.
        by_remote: bool,
    },
    /// Something that came with a later version or a plugin.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// Returns the player's guild, if the event is known.
    pub fn guild_id(&self) -> Option<Snowflake> {
        match self {
            Self::TrackStart { guild_id, .. }
            | Self::TrackEnd { guild_id, .. }
            | Self::TrackException { guild_id, .. }
            | Self::TrackStuck { guild_id, .. }
            | Self::WebSocketClosed { guild_id, .. } => Some(*guild_id),
            Self::Unknown => None,
        }
    }
}

/// Why a track ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrackEndReason {
    /// It came to its end, or failed midway: the next may start.
    Finished,
    /// It gave no audio at all: the next may start.
    LoadFailed,
    /// It was stopped.
    Stopped,
    /// Another took its place.
    Replaced,
    /// Nobody pulled audio from it for a minute.
    Cleanup,
}

impl TrackEndReason {
    /// Whether the next track may start.
    pub const fn may_start_next(self) -> bool {
        matches!(self, Self::Finished | Self::LoadFailed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn track() -> Value {
        json!({
            "encoded": "QAAA",
            "info": {
                "identifier": "a", "isSeekable": true, "author": "b", "length": 1, "isStream": false,
                "position": 0, "title": "t", "uri": null, "sourceName": "http", "artworkUrl": null, "isrc": null
            },
            "pluginInfo": {}, "userData": {"from": "me"}
        })
    }

    #[test]
    fn every_message_is_written_as_it_was_read() {
        let rows = [
            json!({"op": "ready", "resumed": false, "sessionId": "la3kfsdf5eafe848"}),
            json!({"op": "playerUpdate", "guildId": "5", "state": {"time": 1, "position": 2, "connected": true, "ping": 0}}),
            json!({
                "op": "stats", "frameStats": null, "players": 1, "playingPlayers": 1, "uptime": 9,
                "memory": {"free": 1, "used": 2, "allocated": 3, "reservable": 4},
                "cpu": {"cores": 4, "systemLoad": 0.5, "lavalinkLoad": 0.25}
            }),
            json!({"op": "event", "type": "TrackStartEvent", "guildId": "5", "track": track()}),
            json!({"op": "event", "type": "TrackEndEvent", "guildId": "5", "track": track(), "reason": "finished"}),
            json!({"op": "event", "type": "TrackEndEvent", "guildId": "5", "track": track(), "reason": "loadFailed"}),
            json!({
                "op": "event", "type": "TrackExceptionEvent", "guildId": "5", "track": track(),
                "exception": {"message": null, "severity": "suspicious", "cause": "c", "causeStackTrace": "s"}
            }),
            json!({"op": "event", "type": "TrackStuckEvent", "guildId": "5", "track": track(), "thresholdMs": 10000}),
            json!({"op": "event", "type": "WebSocketClosedEvent", "guildId": "5", "code": 4006, "reason": "", "byRemote": true}),
        ];
        for row in rows {
            let message: Message = serde_json::from_value(row.clone())
                .unwrap_or_else(|error| panic!("{row}: {error}"));
            assert_eq!(serde_json::to_value(&message).expect("serializes"), row);
            // The text form goes through serde's buffered path of tagged enums as well.
            let text = serde_json::to_string(&message).expect("serializes");
            assert_eq!(
                serde_json::from_str::<Message>(&text).expect("reads its own text"),
                message
            );
        }
    }

    #[test]
    fn what_plugins_send_is_unknown_and_no_error() {
        let segments =
            json!({"op": "event", "type": "SegmentsLoaded", "guildId": "5", "segments": []});
        assert_eq!(
            serde_json::from_value::<Message>(segments).expect("reads"),
            Message::Event(Event::Unknown)
        );
        assert_eq!(
            serde_json::from_value::<Message>(json!({"op": "new"})).expect("reads"),
            Message::Unknown
        );
    }

    #[test]
    fn broken_messages_are_errors() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"op":1}"#,
            r#"{"op":"ready"}"#,
            r#"{"op":"event"}"#,
            r#"{"op":"event","type":"TrackStartEvent"}"#,
        ] {
            assert!(serde_json::from_str::<Message>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_two_reasons_let_the_next_track_start() {
        use TrackEndReason::{Cleanup, Finished, LoadFailed, Replaced, Stopped};
        for (reason, may) in [
            (Finished, true),
            (LoadFailed, true),
            (Stopped, false),
            (Replaced, false),
            (Cleanup, false),
        ] {
            assert_eq!(reason.may_start_next(), may, "{reason:?}");
        }
    }
}
