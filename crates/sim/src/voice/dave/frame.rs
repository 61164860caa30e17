//! What travels between the delivery service and one member.

use backline_proto::voice::Opcode;
use serde_json::{Value, json};

/// A DAVE message, either direction, without the sequence number a gateway puts before it.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// JSON: opcodes 21 to 24 and 31.
    Text {
        /// What it means.
        op: Opcode,
        /// The body, `d`.
        body: Value,
    },
    /// MLS bytes: opcodes 25 to 30.
    Binary {
        /// What it means.
        op: Opcode,
        /// Everything after the opcode.
        payload: Vec<u8>,
    },
}

impl Frame {
    /// Returns what the frame means.
    pub const fn op(&self) -> Opcode {
        match self {
            Self::Text { op, .. } | Self::Binary { op, .. } => *op,
        }
    }

    /// Returns a number of a JSON body, such as `transition_id`.
    pub fn number(&self, field: &str) -> Option<u64> {
        match self {
            Self::Text { body, .. } => body.get(field)?.as_u64(),
            Self::Binary { .. } => None,
        }
    }

    /// Opcode 21: a transition is about to happen.
    pub(super) fn prepare_transition(id: u16, version: u16) -> Self {
        Self::Text {
            op: Opcode::DavePrepareTransition,
            body: json!({ "transition_id": id, "protocol_version": version }),
        }
    }

    /// Opcodes 22 (server: it happens), 23 (client: ready for it), 31 (client: could not follow).
    pub(super) fn transition(op: Opcode, id: u16) -> Self {
        Self::Text {
            op,
            body: json!({ "transition_id": id }),
        }
    }

    /// Opcode 24: a new group is about to be made.
    pub(super) fn prepare_epoch(version: u16) -> Self {
        Self::Text {
            op: Opcode::DavePrepareEpoch,
            body: json!({ "protocol_version": version, "epoch": 1 }),
        }
    }

    pub(super) fn binary(op: Opcode, payload: Vec<u8>) -> Self {
        Self::Binary { op, payload }
    }

    /// Opcodes 29 and 30: a commit or a welcome, and the transition that it begins.
    pub(super) fn with_transition(op: Opcode, id: u16, message: &[u8]) -> Self {
        let mut payload = Vec::with_capacity(2 + message.len());
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(message);
        Self::Binary { op, payload }
    }
}

/// A frame on its way to a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The member's user id.
    pub to: u64,
    /// What it gets.
    pub frame: Frame,
}
