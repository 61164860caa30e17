//! How a node is doing: `GET /v4/stats` and the op `stats`.

use serde::{Deserialize, Serialize};

use super::Omissible;

/// How a node is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "names of the wire")]
pub struct Stats {
    /// Frames of the last minute. REST: absent. WebSocket: `null` while nothing can be said.
    #[serde(default, skip_serializing_if = "Omissible::is_absent")]
    pub frame_stats: Omissible<FrameStats>,
    /// Players.
    pub players: u32,
    /// Players with a track that are not paused.
    pub playing_players: u32,
    /// Milliseconds since the start of the process.
    pub uptime: u64,
    /// Memory.
    pub memory: Memory,
    /// CPU.
    pub cpu: Cpu,
    /// Milliseconds until a node that is going away ends; absent otherwise. Not of Lavalink:
    /// clients that know it take their players elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining_ms: Option<u64>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Free.
    pub free: u64,
    /// Used.
    pub used: u64,
    /// Allocated.
    pub allocated: u64,
    /// At most allocatable.
    pub reservable: u64,
}

/// CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cpu {
    /// Logical cores.
    pub cores: u32,
    /// Load of the machine, 0..=1.
    pub system_load: f64,
    /// Load of the node, 0..=1.
    pub lavalink_load: f64,
}

/// Frames of the last full minute: means per player of the session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameStats {
    /// Handed to the sender.
    pub sent: i32,
    /// Due, but the player had none.
    pub nulled: i32,
    /// 3000 − (sent + nulled).
    pub deficit: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(frame_stats: Omissible<FrameStats>) -> Stats {
        Stats {
            frame_stats,
            players: 0,
            playing_players: 0,
            uptime: 1,
            memory: Memory::default(),
            cpu: Cpu {
                cores: 2,
                system_load: 0.5,
                lavalink_load: 0.25,
            },
            draining_ms: None,
        }
    }

    #[test]
    fn frame_stats_are_absent_null_or_there() {
        const REST: &str = r#"{"players":0,"playingPlayers":0,"uptime":1,"memory":{"free":0,"used":0,"allocated":0,"reservable":0},"cpu":{"cores":2,"systemLoad":0.5,"lavalinkLoad":0.25}}"#;
        let null = REST.replacen('{', r#"{"frameStats":null,"#, 1);
        let there = REST.replacen(
            '{',
            r#"{"frameStats":{"sent":3000,"nulled":0,"deficit":0},"#,
            1,
        );
        let frames = FrameStats {
            sent: 3000,
            nulled: 0,
            deficit: 0,
        };
        for (json, value) in [
            (REST, stats(Omissible::Absent)),
            (null.as_str(), stats(Omissible::Null)),
            (there.as_str(), stats(Omissible::Value(frames))),
        ] {
            assert_eq!(serde_json::to_string(&value).expect("serializes"), json);
            assert_eq!(serde_json::from_str::<Stats>(json).expect(json), value);
        }
    }
}
