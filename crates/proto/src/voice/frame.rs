//! The `{op, d, seq}` envelope of text frames.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Close, MAX_FRAME, Opcode};

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than [`MAX_FRAME`].
    #[error("frame of {length} bytes is too long")]
    TooLong {
        /// Length of the frame in bytes.
        length: usize,
    },
    /// Not JSON, or not an envelope.
    #[error("frame is not a gateway payload")]
    Envelope(#[source] serde_json::Error),
    /// The opcode does not exist, or never comes from this side.
    #[error("opcode {op} is not known")]
    UnknownOpcode {
        /// The opcode as received.
        op: u8,
    },
    /// The body does not fit the opcode.
    #[error("body of opcode {op} is malformed")]
    Body {
        /// The opcode as received.
        op: u8,
        /// What is wrong with it. Names fields, never echoes values of secrets.
        #[source]
        source: serde_json::Error,
    },
    /// A binary frame is too short to carry its head.
    #[error("binary frame of {length} bytes is too short")]
    TooShort {
        /// Length of the frame in bytes.
        length: usize,
    },
}

impl ParseError {
    /// Returns the code with which a server closes the connection for this.
    pub const fn close(&self) -> Close {
        match self {
            Self::UnknownOpcode { .. } => Close::UNKNOWN_OPCODE,
            _ => Close::DECODE_ERROR,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Incoming<'a> {
    pub(super) op: u8,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) seq: Option<i64>,
}

impl<'a> Incoming<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > MAX_FRAME {
            return Err(ParseError::TooLong { length: text.len() });
        }
        serde_json::from_str(text).map_err(ParseError::Envelope)
    }

    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let json = self.d.map_or("null", RawValue::get);
        serde_json::from_str(json).map_err(|source| ParseError::Body {
            op: self.op,
            source,
        })
    }
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    op: u8,
    d: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

pub(super) fn write<T: Serialize>(op: Opcode, body: &T, seq: Option<i64>) -> String {
    write_raw(op as u8, body, seq)
}

pub(super) fn write_raw<T: Serialize>(op: u8, d: &T, seq: Option<i64>) -> String {
    serde_json::to_string(&Outgoing { op, d, seq })
        .expect("payloads have string keys and finite numbers")
}
