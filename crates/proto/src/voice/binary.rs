//! Binary frames: MLS payloads of DAVE.
//!
//! The server's begin with a big-endian sequence number and an opcode, the client's with an
//! opcode only. The payload is not interpreted here.

use super::{MAX_FRAME, Opcode, frame::ParseError};

/// A binary frame from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerFrame<'a> {
    /// Place in the order of messages, shared with the text frames.
    pub seq: u16,
    /// What the payload is.
    pub op: Opcode,
    /// MLS bytes.
    pub payload: &'a [u8],
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// A frame that is too short, too long, or has an opcode that is never binary.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        check_length(bytes)?;
        let [high, low, op, payload @ ..] = bytes else {
            return Err(ParseError::TooShort {
                length: bytes.len(),
            });
        };
        Ok(Self {
            seq: u16::from_be_bytes([*high, *low]),
            op: binary_opcode(*op)?,
            payload,
        })
    }

    /// Returns the frame's bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(3 + self.payload.len());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.push(self.op as u8);
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// A binary frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFrame<'a> {
    /// What the payload is.
    pub op: Opcode,
    /// MLS bytes.
    pub payload: &'a [u8],
}

impl<'a> ClientFrame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// A frame that is too short, too long, or has an opcode that is never binary.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        check_length(bytes)?;
        let [op, payload @ ..] = bytes else {
            return Err(ParseError::TooShort {
                length: bytes.len(),
            });
        };
        Ok(Self {
            op: binary_opcode(*op)?,
            payload,
        })
    }

    /// Returns the frame's bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.payload.len());
        bytes.push(self.op as u8);
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

fn check_length(bytes: &[u8]) -> Result<(), ParseError> {
    if bytes.len() > MAX_FRAME {
        return Err(ParseError::TooLong {
            length: bytes.len(),
        });
    }
    Ok(())
}

fn binary_opcode(op: u8) -> Result<Opcode, ParseError> {
    Opcode::from_u8(op)
        .filter(|opcode| opcode.is_binary())
        .ok_or(ParseError::UnknownOpcode { op })
}
