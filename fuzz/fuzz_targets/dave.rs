#![no_main]
//! DAVE messages of a hostile voice server: a member survives anything, answers a bounded
//! amount, and never gives up encryption unless it was told to.
//!
//! A line of input is a message: its first byte says which one, the rest is its payload.

use std::time::Duration;

use backline_media::{
    frame::SILENCE,
    voice::{
        EndToEnd,
        dave::{Dave, Effect, Input},
    },
};
use backline_proto::voice::{Opcode, dave::DaveMessage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut now = Duration::from_secs(1);
    let mut dave = Dave::new(1, 2);
    let mut end_to_end = EndToEnd::begin(1);
    let mut clear_allowed = false;
    let mut scratch = Vec::new();
    dave.handle(Input::Connected(vec![1, 7, 8]), now);
    dave.handle(Input::ExternalSender(external_sender()), now);
    dave.handle(Input::Described { version: 1 }, now);
    for line in data.split(|byte| *byte == b'\n').take(24) {
        let Some((kind, payload)) = line.split_first() else {
            continue;
        };
        let text = |op| {
            let body = serde_json::from_slice(payload).ok()?;
            DaveMessage::from_text(op, &body)
        };
        let message = match kind % 8 {
            0 => text(Opcode::DavePrepareTransition),
            1 => text(Opcode::DaveExecuteTransition),
            2 => text(Opcode::DavePrepareEpoch),
            3 => DaveMessage::from_binary(Opcode::MlsExternalSender, payload),
            4 => DaveMessage::from_binary(Opcode::MlsProposals, payload),
            5 => DaveMessage::from_binary(Opcode::MlsAnnounceCommitTransition, payload),
            6 => DaveMessage::from_binary(Opcode::MlsWelcome, payload),
            _ => None,
        };
        let input = match message {
            Some(DaveMessage::PrepareTransition(body)) => {
                clear_allowed |= body.protocol_version == 0;
                Input::PrepareTransition {
                    transition_id: body.transition_id,
                    version: body.protocol_version,
                }
            }
            Some(DaveMessage::ExecuteTransition(body)) => Input::ExecuteTransition {
                transition_id: body.transition_id,
            },
            Some(DaveMessage::PrepareEpoch(body)) => Input::PrepareEpoch {
                version: body.protocol_version,
                epoch: body.epoch,
            },
            Some(DaveMessage::ExternalSender(sender)) => Input::ExternalSender(sender),
            Some(DaveMessage::Proposals(payload)) => Input::Proposals(payload),
            Some(DaveMessage::Commit {
                transition_id,
                commit,
            }) => Input::Commit {
                transition_id,
                commit,
            },
            Some(DaveMessage::Welcome {
                transition_id,
                welcome,
            }) => Input::Welcome {
                transition_id,
                welcome,
            },
            None => Input::Resumed,
        };
        dave.handle(input, now);
        let mut effects = 0;
        while let Some(effect) = dave.poll() {
            effects += 1;
            if let Effect::Protect(next) = effect {
                end_to_end = next;
            }
        }
        assert!(effects < 80, "bounded");
        let sound = [0xFC; 40];
        if let Ok(sent) = end_to_end.protect(&sound, &mut scratch) {
            assert!(sent != sound || clear_allowed, "sound in the clear");
        }
        assert_eq!(end_to_end.protect(&SILENCE, &mut scratch), Ok(&SILENCE[..]));
        now += Duration::from_millis(400);
        if dave.deadline().is_some_and(|due| due <= now) {
            dave.handle_deadline(now);
        }
    }
});

/// An external sender whose key is the base point of P-256.
fn external_sender() -> Vec<u8> {
    let mut bytes = vec![0x40, 0x41, 0x04];
    bytes.extend_from_slice(&[
        0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63, 0xA4, 0x40,
        0xF2, 0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98,
        0xC2, 0x96, 0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C,
        0x0F, 0x9E, 0x16, 0x2B, 0xCE, 0x33, 0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68,
        0x37, 0xBF, 0x51, 0xF5,
    ]);
    bytes.extend_from_slice(&[0, 1, 2, b'g', b'w']);
    bytes
}
