//! The delivery service's view of the MLS group: its leaves, and what is proposed to change.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    frame::Frame,
    sender::{Package, Sender, Signed},
    wire::{self, Commit, Welcome},
};
use backline_proto::voice::Opcode;

/// A group, established (epoch above 0) or still one of its own at each member.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) epoch: u64,
    leaves: Vec<Option<u64>>,
    /// Signature keys of those who are in it.
    keys: BTreeMap<u64, Vec<u8>>,
    /// Members that lost their state; their leaves are to be removed.
    stale: BTreeSet<u64>,
    proposals: Vec<Proposal>,
}

#[derive(Debug)]
struct Proposal {
    change: Change,
    signed: Signed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// With the reference of the key package, which may be replaced.
    Add {
        user_id: u64,
        package: Vec<u8>,
    },
    Remove {
        user_id: u64,
        leaf: u32,
    },
}

impl Change {
    const fn user_id(&self) -> u64 {
        match self {
            Self::Add { user_id, .. } | Self::Remove { user_id, .. } => *user_id,
        }
    }
}

/// What a commit that won leads to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Who was in the group and stays: they get the commit.
    pub(super) stayed: Vec<u64>,
    /// Who came: each gets its welcome.
    pub(super) welcomed: Vec<(u64, Vec<u8>)>,
}

/// Why a commit did not win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Of another epoch: somebody was faster.
    Late,
    /// Does not hold what it must.
    Invalid,
}

impl Group {
    /// Users with a leaf and the state that belongs to it.
    pub(super) fn valid(&self) -> impl Iterator<Item = u64> {
        let leaves = self.leaves.iter().flatten().copied();
        leaves.filter(|user_id| !self.stale.contains(user_id))
    }

    /// Users that can make a commit now, given who is in the call.
    pub(super) fn committers(&self, present: &BTreeSet<u64>) -> Vec<u64> {
        if self.epoch == 0 {
            return present.iter().copied().collect();
        }
        self.valid()
            .filter(|user_id| present.contains(user_id))
            .collect()
    }

    /// Notes that a member lost its state. Returns whether it was in the group.
    pub(super) fn flag(&mut self, user_id: u64) -> bool {
        self.leaf(user_id).is_some() && self.stale.insert(user_id)
    }

    fn leaf(&self, user_id: u64) -> Option<u32> {
        let leaf = self.leaves.iter().position(|leaf| *leaf == Some(user_id))?;
        Some(leaf as u32)
    }

    /// Brings the proposals in line with who is in the call and who wants to be added.
    ///
    /// Returns what has to be said, and to whom: revocations, then new proposals.
    pub(super) fn negotiate(
        &mut self,
        sender: &Sender,
        present: &BTreeSet<u64>,
        packages: &BTreeMap<u64, Package>,
    ) -> Vec<(u64, Frame)> {
        let wanted = self.wanted(present, packages);
        let (kept, revoked): (Vec<_>, Vec<_>) = std::mem::take(&mut self.proposals)
            .into_iter()
            .partition(|proposal| wanted.contains(&proposal.change));
        self.proposals = kept;
        let mut added = Vec::new();
        for change in wanted {
            if self.proposals.iter().all(|kept| kept.change != change) {
                let signed = match &change {
                    Change::Add { user_id, .. } => {
                        sender.propose_add(&packages[user_id], self.epoch)
                    }
                    Change::Remove { leaf, .. } => sender.propose_remove(*leaf, self.epoch),
                };
                self.proposals.push(Proposal { change, signed });
                added.push(self.proposals.len() - 1);
            }
        }
        let mut said = Vec::new();
        for to in self.committers(present) {
            let references = revoked
                .iter()
                .filter(|proposal| self.concerns(proposal, to))
                .map(|proposal| {
                    let mut reference = Vec::new();
                    wire::write_vector(&mut reference, &proposal.signed.reference);
                    reference
                });
            said.extend(proposals(REVOKE, references).map(|frame| (to, frame)));
            let messages = added
                .iter()
                .map(|index| &self.proposals[*index])
                .filter(|proposal| self.concerns(proposal, to))
                .map(|proposal| proposal.signed.message.clone());
            said.extend(proposals(APPEND, messages).map(|frame| (to, frame)));
        }
        said
    }

    /// What a newcomer of a group that is not established yet has to be told.
    pub(super) fn in_flight(&self, to: u64) -> Option<Frame> {
        if self.epoch != 0 {
            return None;
        }
        let messages = self.proposals.iter();
        let messages = messages.filter(|proposal| self.concerns(proposal, to));
        proposals(
            APPEND,
            messages.map(|proposal| proposal.signed.message.clone()),
        )
    }

    /// Before the group is established, nobody adds itself to the one it has made.
    fn concerns(&self, proposal: &Proposal, user_id: u64) -> bool {
        self.epoch != 0 || proposal.change.user_id() != user_id
    }

    fn wanted(&self, present: &BTreeSet<u64>, packages: &BTreeMap<u64, Package>) -> Vec<Change> {
        let mut wanted = Vec::new();
        for (leaf, user_id) in (0..).zip(&self.leaves) {
            if let Some(user_id) = *user_id
                && (!present.contains(&user_id)
                    || self.stale.contains(&user_id)
                    || packages.contains_key(&user_id))
            {
                wanted.push(Change::Remove { user_id, leaf });
            }
        }
        for (user_id, package) in packages {
            if present.contains(user_id) {
                wanted.push(Change::Add {
                    user_id: *user_id,
                    package: package.reference.clone(),
                });
            }
        }
        wanted
    }

    /// Judges a commit, and goes to the next epoch with it if it is the first good one.
    pub(super) fn accept(
        &mut self,
        user_id: u64,
        commit: &Commit<'_>,
        welcome: Option<&Welcome<'_>>,
        group_id: &[u8],
        packages: &mut BTreeMap<u64, Package>,
    ) -> Result<Outcome, Refusal> {
        if commit.epoch != self.epoch {
            return Err(Refusal::Late);
        }
        if commit.group_id != group_id {
            return Err(Refusal::Invalid);
        }
        let key = self.committer_key(user_id, commit, packages)?;
        if commit
            .path
            .as_ref()
            .is_some_and(|path| path.identity != user_id.to_be_bytes() || path.signature_key != key)
        {
            return Err(Refusal::Invalid);
        }
        let changes = self.committed(user_id, commit)?;

        let mut welcomed = Vec::new();
        for change in &changes {
            if let Change::Add { user_id, package } = change {
                let welcome = welcome.ok_or(Refusal::Invalid)?;
                let own = welcome.addressed_to(package).ok_or(Refusal::Invalid)?;
                welcomed.push((*user_id, own));
            }
        }

        if self.epoch == 0 {
            packages.remove(&user_id);
            self.leaves = vec![Some(user_id)];
            self.keys = BTreeMap::from([(user_id, key)]);
        }
        self.apply(&changes, packages);
        let came: BTreeSet<u64> = welcomed.iter().map(|(user_id, _)| *user_id).collect();
        let stayed = self.valid().filter(|user_id| !came.contains(user_id));
        Ok(Outcome {
            stayed: stayed.collect(),
            welcomed,
        })
    }

    /// Returns the committer's signature key if it may commit.
    fn committer_key(
        &self,
        user_id: u64,
        commit: &Commit<'_>,
        packages: &BTreeMap<u64, Package>,
    ) -> Result<Vec<u8>, Refusal> {
        if self.epoch == 0 {
            // In the group of its own making, everybody has the first leaf.
            let package = packages.get(&user_id).ok_or(Refusal::Invalid)?;
            return (commit.leaf == 0)
                .then(|| package.signature_key.clone())
                .ok_or(Refusal::Invalid);
        }
        let own = self.leaf(user_id) == Some(commit.leaf) && !self.stale.contains(&user_id);
        let key = self.keys.get(&user_id).filter(|_| own);
        key.cloned().ok_or(Refusal::Invalid)
    }

    /// Returns the changes in the commit's order, which has to hold all that are proposed.
    fn committed(&self, user_id: u64, commit: &Commit<'_>) -> Result<Vec<Change>, Refusal> {
        let due = self
            .proposals
            .iter()
            .filter(|proposal| self.concerns(proposal, user_id))
            .count();
        let mut changes = Vec::new();
        for reference in &commit.references {
            let proposal = self
                .proposals
                .iter()
                .find(|proposal| proposal.signed.reference == *reference)
                .filter(|proposal| self.concerns(proposal, user_id))
                .ok_or(Refusal::Invalid)?;
            if changes.contains(&proposal.change) {
                return Err(Refusal::Invalid);
            }
            changes.push(proposal.change.clone());
        }
        if changes.is_empty() || changes.len() != due {
            return Err(Refusal::Invalid);
        }
        Ok(changes)
    }

    /// Removes first, then adds from the left, as MLS does.
    fn apply(&mut self, changes: &[Change], packages: &mut BTreeMap<u64, Package>) {
        for change in changes {
            if let Change::Remove { user_id, leaf } = change {
                self.leaves[*leaf as usize] = None;
                self.keys.remove(user_id);
                self.stale.remove(user_id);
            }
        }
        for change in changes {
            if let Change::Add { user_id, .. } = change {
                match self.leaves.iter_mut().find(|leaf| leaf.is_none()) {
                    Some(leaf) => *leaf = Some(*user_id),
                    None => self.leaves.push(Some(*user_id)),
                }
                if let Some(package) = packages.remove(user_id) {
                    self.keys.insert(*user_id, package.signature_key);
                }
            }
        }
        self.epoch += 1;
        self.proposals.clear();
    }
}

/// Opcode 27, unless there is nothing to say.
fn proposals(operation: u8, parts: impl Iterator<Item = Vec<u8>>) -> Option<Frame> {
    let parts: Vec<u8> = parts.flatten().collect();
    if parts.is_empty() {
        return None;
    }
    let mut payload = vec![operation];
    wire::write_vector(&mut payload, &parts);
    Some(Frame::binary(Opcode::MlsProposals, payload))
}

const APPEND: u8 = 0;
const REVOKE: u8 = 1;
