//! The MLS side: one client of one group, as the library `davey` does it.

use std::num::NonZeroU16;

use davey::{
    DaveSession, ProposalsOperationType, SessionStatus,
    errors::{ProcessCommitError, SetExternalSenderError},
};
use openmls_rust_crypto::RustCrypto;

use super::{KEY_LEN, MAX_VERSION};

/// One client of one group.
pub(super) struct Member {
    user_id: u64,
    channel_id: u64,
    version: u16,
    session: Option<DaveSession>,
    external_sender: Option<Vec<u8>>,
    /// Sent, and no group answered it yet.
    key_package: Option<Vec<u8>>,
    /// Sent, and neither it nor another one was announced yet.
    commit: Option<Vec<u8>>,
}

/// A message that could not be processed.
pub(super) struct Unprocessable;

/// What came of a commit or welcome.
#[derive(Clone, Copy)]
pub(super) enum Joined {
    /// We are in a new epoch; the base secret of our sender keys.
    Epoch([u8; KEY_LEN]),
    /// It is of a group that we are not in (yet).
    Outside,
    /// We are not in the epoch that the others are in now.
    Failed,
}

impl Member {
    pub(super) fn new(user_id: u64, channel_id: u64) -> Self {
        Self {
            user_id,
            channel_id,
            version: 0,
            session: None,
            external_sender: None,
            key_package: None,
            commit: None,
        }
    }

    pub(super) fn user_id(&self) -> u64 {
        self.user_id
    }

    pub(super) fn version(&self) -> u16 {
        self.version
    }

    /// Returns the epoch, if a group stands.
    pub(super) fn epoch(&self) -> Option<u64> {
        let epoch = self.session.as_ref()?.epoch()?.as_u64();
        // Epoch 0 is the group that every client begins with, alone.
        (epoch > 0).then_some(epoch)
    }

    /// Returns the commit that is not answered yet.
    pub(super) fn open_commit(&self) -> Option<&[u8]> {
        self.commit.as_deref()
    }

    /// Returns the key package that is not answered yet.
    pub(super) fn open_key_package(&self) -> Option<&[u8]> {
        self.key_package.as_deref()
    }

    /// Leaves any group and returns a key package to be added to another one with.
    pub(super) fn begin(&mut self, version: u16) -> Option<Vec<u8>> {
        (self.key_package, self.commit) = (None, None);
        self.version = version;
        let known = NonZeroU16::new(version).filter(|version| version.get() <= MAX_VERSION);
        let Some(version) = known else {
            self.session = None;
            return None;
        };
        let mut session = DaveSession::new(version, self.user_id, self.channel_id, None).ok()?;
        if let Some(sender) = &self.external_sender {
            session.set_external_sender(sender).ok()?;
        }
        let key_package = session.create_key_package().ok()?;
        self.session = Some(session);
        self.key_package = Some(key_package.clone());
        Some(key_package)
    }

    pub(super) fn set_external_sender(&mut self, sender: Vec<u8>) -> Result<(), Unprocessable> {
        if self.external_sender.as_ref() == Some(&sender) {
            // Said again; to set it again would throw proposals away.
            return Ok(());
        }
        if let Some(session) = &mut self.session {
            match session.set_external_sender(&sender) {
                // Of a group that stands, it counts for the next one.
                Ok(()) | Err(SetExternalSenderError::AlreadyInGroup) => {}
                Err(_) => return Err(Unprocessable),
            }
        }
        self.external_sender = Some(sender);
        Ok(())
    }

    /// Takes proposals and returns commit and welcome if there is something to commit.
    pub(super) fn propose(
        &mut self,
        payload: &[u8],
        users: &[u64],
    ) -> Result<Option<Vec<u8>>, Unprocessable> {
        let (kind, proposals) = payload.split_first().ok_or(Unprocessable)?;
        let kind = match kind {
            0 => ProposalsOperationType::APPEND,
            1 => ProposalsOperationType::REVOKE,
            _ => return Err(Unprocessable),
        };
        let session = self.session.as_mut().ok_or(Unprocessable)?;
        let result = session
            .process_proposals(kind, proposals, Some(users))
            .map_err(|_| Unprocessable)?;
        self.commit = result.map(|made| {
            let mut bytes = made.commit;
            bytes.extend_from_slice(&made.welcome.unwrap_or_default());
            bytes
        });
        Ok(self.commit.clone())
    }

    pub(super) fn commit(&mut self, commit: &[u8]) -> Joined {
        let Some(session) = self.session.as_mut() else {
            return Joined::Outside;
        };
        match session.process_commit(commit) {
            Ok(true) => self.entered(),
            Ok(false) | Err(ProcessCommitError::CommitBeforeWelcome) => Joined::Outside,
            Err(_) => Joined::Failed,
        }
    }

    pub(super) fn welcome(&mut self, welcome: &[u8], users: &[u64]) -> Joined {
        let Some(session) = self.session.as_mut() else {
            return Joined::Outside;
        };
        match session.process_welcome(welcome, Some(users)) {
            Ok(()) => self.entered(),
            Err(_) => Joined::Failed,
        }
    }

    fn entered(&mut self) -> Joined {
        (self.key_package, self.commit) = (None, None);
        self.base_secret().map_or(Joined::Failed, Joined::Epoch)
    }

    /// Returns the secret that our keys of this epoch come from.
    pub(super) fn base_secret(&self) -> Option<[u8; KEY_LEN]> {
        let session = self.session.as_ref()?;
        self.epoch()?;
        if session.status() == SessionStatus::PENDING {
            return None;
        }
        let secret = session.group()?.export_secret(
            &RustCrypto::default(),
            LABEL,
            &self.user_id.to_le_bytes(),
            KEY_LEN,
        );
        secret.ok()?.try_into().ok()
    }
}

/// What DAVE calls the export of a sender's base secret.
const LABEL: &str = "Discord Secure Frames v0";
