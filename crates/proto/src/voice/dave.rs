//! What a server says about DAVE, the end-to-end encryption: opcodes 21, 22, 24 and the binary
//! 25, 27, 29, 30. MLS bytes are handed on as they are.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Opcode;

/// A DAVE message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaveMessage {
    /// Opcode 21.
    PrepareTransition(PrepareTransition),
    /// Opcode 22.
    ExecuteTransition(Transition),
    /// Opcode 24.
    PrepareEpoch(PrepareEpoch),
    /// Opcode 25: the external sender.
    ExternalSender(Vec<u8>),
    /// Opcode 27: kind of operation, then proposals.
    Proposals(Vec<u8>),
    /// Opcode 29.
    Commit {
        /// Names the transition to the new epoch.
        transition_id: u16,
        /// The commit.
        commit: Vec<u8>,
    },
    /// Opcode 30.
    Welcome {
        /// Names the transition to the new epoch.
        transition_id: u16,
        /// The welcome.
        welcome: Vec<u8>,
    },
}

/// Body of opcode 21.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareTransition {
    /// Names the transition; 0 means at once.
    pub transition_id: u16,
    /// What the call will speak.
    pub protocol_version: u16,
}

/// Body of the opcodes 22, 23 and 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Which one.
    pub transition_id: u16,
}

/// Body of opcode 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareEpoch {
    /// What the group will speak.
    pub protocol_version: u16,
    /// 1 is a new group.
    pub epoch: u64,
}

impl DaveMessage {
    /// Reads the body of a text frame; `None` if it is no message of a server or malformed.
    pub fn from_text(op: Opcode, body: &Value) -> Option<Self> {
        match op {
            Opcode::DavePrepareTransition => read(body).map(Self::PrepareTransition),
            Opcode::DaveExecuteTransition => read(body).map(Self::ExecuteTransition),
            Opcode::DavePrepareEpoch => read(body).map(Self::PrepareEpoch),
            _ => None,
        }
    }

    /// Reads the payload of a binary frame; `None` if it is no message of a server or malformed.
    pub fn from_binary(op: Opcode, payload: &[u8]) -> Option<Self> {
        match op {
            Opcode::MlsExternalSender => Some(Self::ExternalSender(payload.to_vec())),
            Opcode::MlsProposals => Some(Self::Proposals(payload.to_vec())),
            Opcode::MlsAnnounceCommitTransition => {
                let (transition_id, commit) = numbered(payload)?;
                Some(Self::Commit {
                    transition_id,
                    commit,
                })
            }
            Opcode::MlsWelcome => {
                let (transition_id, welcome) = numbered(payload)?;
                Some(Self::Welcome {
                    transition_id,
                    welcome,
                })
            }
            _ => None,
        }
    }
}

fn read<T: DeserializeOwned>(body: &Value) -> Option<T> {
    T::deserialize(body).ok()
}

fn numbered(payload: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (number, rest) = payload.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest.to_vec()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_read_and_what_is_none_is_refused() {
        let read = |op, body| DaveMessage::from_text(op, &body);
        assert_eq!(
            read(
                Opcode::DavePrepareTransition,
                json!({"transition_id": 7, "protocol_version": 0, "new": true})
            ),
            Some(DaveMessage::PrepareTransition(PrepareTransition {
                transition_id: 7,
                protocol_version: 0
            }))
        );
        assert_eq!(
            read(
                Opcode::DavePrepareEpoch,
                json!({"epoch": 1, "protocol_version": 1})
            ),
            Some(DaveMessage::PrepareEpoch(PrepareEpoch {
                protocol_version: 1,
                epoch: 1
            }))
        );
        for (op, body) in [
            (Opcode::DaveExecuteTransition, json!({})),
            (
                Opcode::DaveExecuteTransition,
                json!({"transition_id": 65_536}),
            ),
            (Opcode::DaveExecuteTransition, json!(null)),
            (Opcode::DaveTransitionReady, json!({"transition_id": 1})),
        ] {
            assert_eq!(read(op, body.clone()), None, "{op:?} {body}");
        }
        assert_eq!(
            DaveMessage::from_binary(Opcode::MlsWelcome, &[1, 2, 3, 4]),
            Some(DaveMessage::Welcome {
                transition_id: 258,
                welcome: vec![3, 4]
            })
        );
        assert_eq!(DaveMessage::from_binary(Opcode::MlsWelcome, &[1]), None);
        assert_eq!(DaveMessage::from_binary(Opcode::MlsKeyPackage, &[1]), None);
    }
}
