//! What the server says.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{
    Opcode, Snowflake,
    frame::{Incoming, ParseError, write, write_raw},
};

/// A text frame from the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerMessage {
    /// Greets; comes first.
    Hello(Hello),
    /// Answers Identify.
    Ready(Ready),
    /// Answers SelectProtocol.
    SessionDescription(SessionDescription),
    /// Answers a heartbeat with its `t`.
    HeartbeatAck {
        /// The number that the heartbeat carried.
        t: u64,
    },
    /// Answers Resume.
    Resumed,
    /// Somebody starts or stops speaking.
    Speaking(Speaking),
    /// These users are in the call.
    ClientsConnect(ClientsConnect),
    /// A user left the call.
    ClientDisconnect(ClientDisconnect),
    /// DAVE in JSON (opcodes 21, 22, 24); the body is not interpreted here.
    Dave {
        /// The opcode.
        op: Opcode,
        /// The body.
        body: Value,
    },
    /// Anything else. Discord sends opcodes that it does not document; clients ignore them.
    Other {
        /// The opcode.
        op: u8,
        /// The body.
        body: Value,
    },
}

/// A [`ServerMessage`] and its place in the order of messages, if it has one.
#[derive(Clone, Debug, PartialEq)]
pub struct SequencedMessage {
    /// Sequence number; present on what a resume would send again.
    pub seq: Option<i64>,
    /// The message.
    pub message: ServerMessage,
}

impl ServerMessage {
    /// Returns the frame's text.
    pub fn to_json(&self, seq: Option<i64>) -> String {
        match self {
            Self::Hello(body) => write(Opcode::Hello, body, seq),
            Self::Ready(body) => write(Opcode::Ready, body, seq),
            Self::SessionDescription(body) => write(Opcode::SessionDescription, body, seq),
            Self::HeartbeatAck { t } => write(Opcode::HeartbeatAck, &Ack { t: *t }, seq),
            Self::Resumed => write(Opcode::Resumed, &(), seq),
            Self::Speaking(body) => write(Opcode::Speaking, body, seq),
            Self::ClientsConnect(body) => write(Opcode::ClientsConnect, body, seq),
            Self::ClientDisconnect(body) => write(Opcode::ClientDisconnect, body, seq),
            Self::Dave { op, body } => write(*op, body, seq),
            Self::Other { op, body } => write_raw(*op, body, seq),
        }
    }

    /// Reads a frame that the server sent.
    ///
    /// # Errors
    /// A frame that is no envelope, or a body that does not fit its opcode.
    pub fn from_json(text: &str) -> Result<SequencedMessage, ParseError> {
        let frame = Incoming::parse(text)?;
        let message = match Opcode::from_u8(frame.op) {
            Some(Opcode::Hello) => Self::Hello(frame.body()?),
            Some(Opcode::Ready) => Self::Ready(frame.body()?),
            Some(Opcode::SessionDescription) => Self::SessionDescription(frame.body()?),
            Some(Opcode::HeartbeatAck) => Self::HeartbeatAck {
                t: frame.body::<Ack>()?.t,
            },
            Some(Opcode::Resumed) => Self::Resumed,
            Some(Opcode::Speaking) => Self::Speaking(frame.body()?),
            Some(Opcode::ClientsConnect) => Self::ClientsConnect(frame.body()?),
            Some(Opcode::ClientDisconnect) => Self::ClientDisconnect(frame.body()?),
            Some(
                op @ (Opcode::DavePrepareTransition
                | Opcode::DaveExecuteTransition
                | Opcode::DavePrepareEpoch),
            ) => Self::Dave {
                op,
                body: frame.body()?,
            },
            _ => Self::Other {
                op: frame.op,
                body: frame.body()?,
            },
        };
        Ok(SequencedMessage {
            seq: frame.seq,
            message,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Ack {
    t: u64,
}

/// Opcode 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the gateway.
    #[serde(default)]
    pub v: u8,
    /// Time between heartbeats.
    ///
    /// Unit: milliseconds. Range: 1..=3,600,000.
    #[serde(rename = "heartbeat_interval", deserialize_with = "interval")]
    pub heartbeat_interval_ms: u64,
}

// WIRE: older gateway versions sent fractions of a millisecond, so any number is taken.
fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (1.0..=3_600_000.0).contains(&value) {
        Ok(value as u64)
    } else {
        Err(D::Error::custom("heartbeat_interval is out of range"))
    }
}

/// Opcode 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The SSRC that the client sends with.
    pub ssrc: u32,
    /// Where to send packets.
    pub ip: IpAddr,
    /// Where to send packets.
    pub port: u16,
    /// Transport encryptions on offer.
    pub modes: Vec<String>,
    /// Experiments; of no meaning to bots.
    #[serde(default)]
    pub experiments: Vec<String>,
}

/// Opcode 4.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// The transport encryption that was selected.
    pub mode: String,
    /// Its key. Secret.
    pub secret_key: [u8; 32],
    /// The version of DAVE in force; 0 is none.
    #[serde(default)]
    pub dave_protocol_version: u16,
    /// Codec, `opus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// An identifier for support requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_session_id: Option<String>,
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDescription")
            .field("mode", &self.mode)
            .field("dave_protocol_version", &self.dave_protocol_version)
            .finish_non_exhaustive()
    }
}

/// Opcode 5, from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "named as on the wire")]
pub struct Speaking {
    /// Who.
    pub user_id: Snowflake,
    /// The SSRC of their packets.
    pub ssrc: u32,
    /// Flags; see [`super::SPEAKING_MICROPHONE`].
    pub speaking: u32,
}

/// Opcode 11.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsConnect {
    /// Who is in the call.
    pub user_ids: Vec<Snowflake>,
}

/// Opcode 13.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDisconnect {
    /// Who left.
    pub user_id: Snowflake,
}
