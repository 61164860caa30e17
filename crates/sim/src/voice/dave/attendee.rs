//! A member that is not there: the client's half of DAVE, on `davey`.

use std::{collections::VecDeque, num::NonZeroU16};

use backline_proto::voice::Opcode;
use davey::{Codec, DaveSession, MediaType, ProposalsOperationType};

use super::frame::Frame;

/// A simulated member of a call: follows its group, hears, and speaks.
///
/// It does what public clients do with the same messages. Hand it what the service delivers
/// ([`handle`](Self::handle)) and the service what it [`poll`](Self::poll)s.
#[derive(Debug)]
pub struct Attendee {
    user_id: u64,
    channel_id: u64,
    session: Option<DaveSession>,
    version: u16,
    outbox: VecDeque<Frame>,
    failures: u64,
}

impl Attendee {
    /// Comes into a call whose session description names `version`.
    pub fn new(user_id: u64, channel_id: u64, version: u16) -> Self {
        let mut attendee = Self {
            user_id,
            channel_id,
            session: None,
            version,
            outbox: VecDeque::new(),
            failures: 0,
        };
        attendee.begin(version);
        attendee
    }

    /// Follows a message of the delivery service. `present` are the users in the call.
    pub fn handle(&mut self, frame: &Frame, present: &[u64]) {
        let id = frame.number("transition_id").unwrap_or_default() as u16;
        let version = frame.number("protocol_version").unwrap_or_default() as u16;
        match (frame, frame.op()) {
            (Frame::Text { .. }, Opcode::DavePrepareTransition) => self.prepare(id, version),
            (Frame::Text { .. }, Opcode::DaveExecuteTransition) => self.execute(id),
            (Frame::Text { .. }, Opcode::DavePrepareEpoch) if frame.number("epoch") == Some(1) => {
                self.begin(version);
            }
            (Frame::Binary { payload, .. }, op) => self.handle_binary(op, payload, present),
            _ => {}
        }
    }

    /// Returns the next message for the delivery service.
    pub fn poll(&mut self) -> Option<Frame> {
        self.outbox.pop_front()
    }

    /// Whether it has keys to hear and speak with.
    pub fn is_ready(&self) -> bool {
        self.session.as_ref().is_some_and(DaveSession::can_encrypt)
    }

    /// Returns its group's epoch; 0 without an established one.
    pub fn epoch(&self) -> u64 {
        let session = self.session.as_ref();
        session
            .and_then(DaveSession::epoch)
            .map_or(0, |epoch| epoch.as_u64())
    }

    /// How many messages it could not process.
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Opens a frame that another member has encrypted.
    pub fn decrypt(&mut self, from: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let session = self.session.as_mut()?;
        session.decrypt(from, MediaType::AUDIO, frame).ok()
    }

    /// Encrypts an Opus frame, or returns nothing while there is no key.
    pub fn encrypt(&mut self, opus: &[u8]) -> Option<Vec<u8>> {
        let session = self
            .session
            .as_mut()
            .filter(|session| session.can_encrypt())?;
        let sealed = session.encrypt(MediaType::AUDIO, Codec::OPUS, opus).ok()?;
        Some(sealed.into_owned())
    }

    /// Begins a group of its own and asks to be added.
    fn begin(&mut self, version: u16) {
        let Some(version) = NonZeroU16::new(version) else {
            return;
        };
        self.version = version.get();
        let (user, channel) = (self.user_id, self.channel_id);
        let begun = if let Some(session) = &mut self.session {
            session.reinit(version, user, channel, None).is_ok()
        } else {
            self.session = DaveSession::new(version, user, channel, None).ok();
            self.session.is_some()
        };
        let session = self.session.as_mut().filter(|_| begun);
        match session.and_then(|session| session.create_key_package().ok()) {
            Some(package) => {
                let frame = Frame::binary(Opcode::MlsKeyPackage, package);
                self.outbox.push_back(frame);
            }
            None => self.failures += 1,
        }
    }

    fn handle_binary(&mut self, op: Opcode, payload: &[u8], present: &[u64]) {
        let Some(session) = &mut self.session else {
            self.failures += 1;
            return;
        };
        match (op, payload) {
            (Opcode::MlsExternalSender, _) => {
                self.failures += u64::from(session.set_external_sender(payload).is_err());
            }
            (Opcode::MlsProposals, [operation, proposals @ ..]) => {
                let operation = match operation {
                    0 => ProposalsOperationType::APPEND,
                    _ => ProposalsOperationType::REVOKE,
                };
                match session.process_proposals(operation, proposals, Some(present)) {
                    Ok(Some(made)) => {
                        let mut payload = made.commit;
                        payload.extend(made.welcome.unwrap_or_default());
                        let frame = Frame::binary(Opcode::MlsCommitWelcome, payload);
                        self.outbox.push_back(frame);
                    }
                    Ok(None) => {}
                    Err(_) => self.failures += 1,
                }
            }
            (
                Opcode::MlsAnnounceCommitTransition | Opcode::MlsWelcome,
                [high, low, message @ ..],
            ) => {
                let id = u16::from_be_bytes([*high, *low]);
                let followed = if op == Opcode::MlsWelcome {
                    let welcomed = session.process_welcome(message, Some(present));
                    welcomed.map(|()| true).map_err(|_| ())
                } else {
                    session.process_commit(message).map_err(|_| ())
                };
                match followed {
                    Ok(true) => self.prepare(id, self.version),
                    Ok(false) => {}
                    Err(()) => self.recover(id),
                }
            }
            _ => self.failures += 1,
        }
    }

    fn recover(&mut self, id: u16) {
        self.failures += 1;
        let frame = Frame::transition(Opcode::MlsInvalidCommitWelcome, id);
        self.outbox.push_back(frame);
        self.begin(self.version);
    }

    fn prepare(&mut self, id: u16, version: u16) {
        if let Some(session) = &mut self.session {
            self.failures += u64::from(session.prepare_transition(id, version).is_err());
        }
        if id != 0 {
            let frame = Frame::transition(Opcode::DaveTransitionReady, id);
            self.outbox.push_back(frame);
        }
    }

    fn execute(&mut self, id: u16) {
        if let Some(session) = &mut self.session {
            self.failures += u64::from(session.execute_transition(id).is_err());
        }
    }
}
