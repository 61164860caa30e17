//! What clients say.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Opcode, Snowflake,
    frame::{Incoming, ParseError, write, write_raw},
};

/// A text frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// Begins a session.
    Identify(Identify),
    /// Names the UDP address and the encryption.
    SelectProtocol(SelectProtocol),
    /// Is alive.
    Heartbeat(Heartbeat),
    /// Starts or stops speaking.
    Speaking(SpeakingUpdate),
    /// Goes on with a session.
    Resume(Resume),
    /// Which incoming media it wants; the body is not interpreted.
    MediaSinkWants(Value),
    /// DAVE in JSON (opcodes 23 and 31); the body is not interpreted here.
    Dave {
        /// [`Opcode::DaveTransitionReady`] or [`Opcode::MlsInvalidCommitWelcome`].
        op: Opcode,
        /// The body.
        body: Value,
    },
}

impl ClientMessage {
    /// Returns the frame's text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Identify(body) => write(Opcode::Identify, body, None),
            Self::SelectProtocol(body) => write(Opcode::SelectProtocol, body, None),
            Self::Heartbeat(body) => write(Opcode::Heartbeat, body, None),
            Self::Speaking(body) => write(Opcode::Speaking, body, None),
            Self::Resume(body) => write(Opcode::Resume, body, None),
            Self::MediaSinkWants(body) => write(Opcode::MediaSinkWants, body, None),
            Self::Dave { op, body } => write_raw(*op as u8, body, None),
        }
    }

    /// Reads a frame that a client sent.
    ///
    /// # Errors
    /// [`ParseError::close`] says how a server answers. A server's opcode is an unknown one here.
    pub fn from_json(text: &str) -> Result<Self, ParseError> {
        let frame = Incoming::parse(text)?;
        match Opcode::from_u8(frame.op) {
            Some(Opcode::Identify) => frame.body().map(Self::Identify),
            Some(Opcode::SelectProtocol) => frame.body().map(Self::SelectProtocol),
            Some(Opcode::Heartbeat) => frame.body().map(Self::Heartbeat),
            Some(Opcode::Speaking) => frame.body().map(Self::Speaking),
            Some(Opcode::Resume) => frame.body().map(Self::Resume),
            Some(Opcode::MediaSinkWants) => frame.body().map(Self::MediaSinkWants),
            Some(op @ (Opcode::DaveTransitionReady | Opcode::MlsInvalidCommitWelcome)) => {
                frame.body().map(|body| Self::Dave { op, body })
            }
            _ => Err(ParseError::UnknownOpcode { op: frame.op }),
        }
    }
}

/// Opcode 0.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identify {
    /// The guild (or, in a private call, the channel).
    pub server_id: Snowflake,
    /// The bot.
    pub user_id: Snowflake,
    /// Session from the VOICE_STATE_UPDATE of the bot.
    pub session_id: String,
    /// Token from VOICE_SERVER_UPDATE. Secret.
    pub token: String,
    /// Highest version of DAVE that the client speaks; 0 or absent is none.
    #[serde(default)]
    pub max_dave_protocol_version: u16,
    /// Whether the client can do video. Some clients say so, the server does not care.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<bool>,
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identify")
            .field("server_id", &self.server_id)
            .field("user_id", &self.user_id)
            .field("max_dave_protocol_version", &self.max_dave_protocol_version)
            .finish_non_exhaustive()
    }
}

/// Opcode 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectProtocol {
    /// `udp`; anything else gets [`super::Close::UNKNOWN_PROTOCOL`].
    pub protocol: String,
    /// Address and encryption.
    pub data: ProtocolData,
}

/// Body of [`SelectProtocol`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolData {
    /// The client's address as discovered.
    pub address: IpAddr,
    /// The client's port as discovered.
    pub port: u16,
    /// One of the offered modes; anything else gets [`super::Close::UNKNOWN_ENCRYPTION_MODE`].
    pub mode: String,
}

/// Opcode 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// A number that the answer repeats; by custom milliseconds of some clock.
    pub t: u64,
    /// Last sequence number received, [`super::NO_SEQUENCE`] before the first.
    pub seq_ack: i64,
}

/// Opcode 5, from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakingUpdate {
    /// Flags; see [`super::SPEAKING_MICROPHONE`]. 0 stops.
    pub speaking: u32,
    /// Always 0.
    #[serde(default)]
    pub delay: u32,
    /// The client's own SSRC.
    pub ssrc: u32,
}

/// Opcode 7.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// As in [`Identify`].
    pub server_id: Snowflake,
    /// As in [`Identify`].
    pub session_id: String,
    /// As in [`Identify`]. Secret.
    pub token: String,
    /// Last sequence number received; what came after is sent again.
    pub seq_ack: i64,
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume")
            .field("server_id", &self.server_id)
            .field("seq_ack", &self.seq_ack)
            .finish_non_exhaustive()
    }
}
