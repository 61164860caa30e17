//! DAVE, Discord's end-to-end encryption: the voice gateway's half, and members to try it with.
//!
//! [`DeliveryService`] is what Discord's voice gateway does for one call: it is the external
//! sender of the call's MLS group, proposes who comes and goes, picks the commit that wins,
//! and leads everybody through transitions. [`Attendee`] is a member, built on `davey`.
//! [`Call`] puts simulated members beside real ones. None of them has a socket or a clock;
//! keys and signatures are the only randomness.
//!
//! Facts from the protocol's whitepaper, version 1.1.4 (<https://daveprotocol.com>).

mod attendee;
mod call;
mod frame;
mod group;
mod outbox;
mod sender;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use backline_proto::voice::Opcode;

pub use self::{
    attendee::Attendee,
    call::{Call, Opened},
    frame::{Delivery, Frame},
    outbox::{Fault, Harm},
};
use self::{
    group::{Group, Refusal},
    outbox::Outbox,
    sender::{Package, Sender},
};

/// The voice gateway's DAVE half for one call.
///
/// Feed it members ([`join`](Self::join), [`leave`](Self::leave)) and their messages
/// ([`handle`](Self::handle)), wake it at its [`deadline`](Self::deadline), and deliver what it
/// [`poll`](Self::poll)s. Time is any monotonic clock's. Members also have to be told of each
/// other (opcodes 11 and 13), which is not done here; of all its messages, opcode 25 must not
/// overtake the answer to [`join`](Self::join).
#[derive(Debug)]
pub struct DeliveryService {
    sender: Sender,
    members: BTreeMap<u64, Member>,
    packages: BTreeMap<u64, Package>,
    /// The version that media is sent with; 0 is none.
    version: u16,
    /// There while the version is not 0, or about to be.
    group: Option<Group>,
    transition: Option<Transition>,
    last_transition: u16,
    /// Until when media of the version before an upgrade may still arrive.
    grace: Option<Duration>,
    outbox: Outbox,
    counts: Counts,
}

#[derive(Debug)]
struct Member {
    max_version: u16,
    /// Whether it knows the external sender.
    informed: bool,
}

#[derive(Debug)]
struct Transition {
    id: u16,
    version: u16,
    members: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
    until: Duration,
}

/// How often something happened in a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits that won.
    pub commits: u64,
    /// Commits that came too late to win.
    pub late_commits: u64,
    /// Messages that were not valid: broken commits, foreign key packages, wrong opcodes.
    pub refused: u64,
    /// Opcodes 31: commits or welcomes that a member could not process.
    pub flagged: u64,
    /// Transitions that were executed.
    pub transitions: u64,
    /// Among them, those that did not wait for every member.
    pub impatient: u64,
}

/// What a call looks like from the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallState {
    /// The version that media is sent with; 0 is none.
    pub version: u16,
    /// The group's epoch; 0 while there is none.
    pub epoch: u64,
    /// Everybody in the call.
    pub members: Vec<u64>,
    /// Those who are in the group.
    pub group: Vec<u64>,
    /// Whether nothing is under way: no transition, and everybody who can be is in the group.
    pub settled: bool,
    /// What happened so far.
    pub counts: Counts,
}

impl DeliveryService {
    /// Begins a call; the channel's id is the group's.
    pub fn new(channel_id: u64) -> Self {
        Self {
            sender: Sender::new(channel_id),
            members: BTreeMap::new(),
            packages: BTreeMap::new(),
            version: 0,
            group: None,
            transition: None,
            last_transition: 0,
            grace: None,
            outbox: Outbox::default(),
            counts: Counts::default(),
        }
    }

    /// A member comes, or comes anew. Returns the version for its session description.
    pub fn join(&mut self, user_id: u64, max_version: u16, now: Duration) -> u16 {
        self.leave(user_id, now);
        let first = self.members.is_empty();
        let member = Member {
            max_version: max_version.min(VERSION),
            informed: false,
        };
        self.members.insert(user_id, member);
        let target = self.target();
        if first && target > 0 {
            self.version = target;
            self.group = Some(Group::default());
        }
        if target > 0 {
            let group = self.group.as_ref();
            let in_flight = group.and_then(|group| group.in_flight(user_id));
            self.inform(user_id, now);
            if let Some(frame) = in_flight {
                self.outbox.push(user_id, frame, now);
            }
        }
        self.reconsider(now);
        target
    }

    /// A member goes. Nothing happens if it was not there.
    pub fn leave(&mut self, user_id: u64, now: Duration) {
        if self.members.remove(&user_id).is_none() {
            return;
        }
        self.packages.remove(&user_id);
        self.outbox.forget(user_id);
        if let Some(transition) = &mut self.transition {
            transition.members.remove(&user_id);
        }
        self.ready(user_id, None, now);
        self.reconsider(now);
    }

    /// A member says something. What is not valid is counted, and otherwise ignored.
    pub fn handle(&mut self, user_id: u64, frame: &Frame, now: Duration) {
        if !self.members.contains_key(&user_id) {
            self.counts.refused += 1;
            return;
        }
        let id = frame.number("transition_id");
        match (frame, frame.op()) {
            (Frame::Text { .. }, Opcode::DaveTransitionReady) => {
                if let Some(id) = id {
                    self.ready(user_id, u16::try_from(id).ok(), now);
                } else {
                    self.counts.refused += 1;
                }
            }
            (Frame::Text { .. }, Opcode::MlsInvalidCommitWelcome) => self.flagged(user_id, now),
            (Frame::Binary { payload, .. }, Opcode::MlsKeyPackage) => {
                self.key_package(user_id, payload, now);
            }
            (Frame::Binary { payload, .. }, Opcode::MlsCommitWelcome) => {
                self.commit(user_id, payload, now);
            }
            _ => self.counts.refused += 1,
        }
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let transition = self.transition.as_ref().map(|transition| transition.until);
        let held = self.outbox.deadline();
        transition.into_iter().chain(held).min()
    }

    /// Executes a transition that waited long enough, and lets delayed messages go.
    pub fn handle_deadline(&mut self, now: Duration) {
        self.outbox.handle_deadline(now);
        if self
            .transition
            .as_ref()
            .is_some_and(|transition| transition.until <= now)
        {
            self.counts.impatient += 1;
            self.execute(now);
        }
    }

    /// Returns the next message to deliver.
    pub fn poll(&mut self) -> Option<Delivery> {
        self.outbox.poll()
    }

    /// Lets something go wrong.
    pub fn inject(&mut self, fault: Fault) {
        self.outbox.inject(fault);
    }

    /// Returns how things stand.
    pub fn state(&self) -> CallState {
        let group = self.group.as_ref();
        let inside: Vec<u64> = group
            .map(|group| group.valid().collect())
            .unwrap_or_default();
        let settled = self.transition.is_none()
            && self.version == self.target()
            && (group.is_none() || self.members.len() < 2 || inside.len() == self.members.len());
        CallState {
            version: self.version,
            epoch: group.map_or(0, |group| group.epoch),
            members: self.members.keys().copied().collect(),
            group: inside,
            settled,
            counts: self.counts,
        }
    }

    /// Whether media that arrives now has to be encrypted.
    pub fn demands_encryption(&self, now: Duration) -> bool {
        let downgrades = self.transition.as_ref();
        let downgrades = downgrades.is_some_and(|transition| transition.version == 0);
        self.version > 0 && !downgrades && self.grace.is_none_or(|until| until <= now)
    }

    /// The version that all members have in common.
    fn target(&self) -> u16 {
        let versions = self.members.values().map(|member| member.max_version);
        versions.min().unwrap_or(0)
    }

    /// Members that speak DAVE.
    fn capable(&self) -> BTreeSet<u64> {
        let members = self.members.iter();
        let capable = members.filter(|(_, member)| member.max_version > 0);
        capable.map(|(user_id, _)| *user_id).collect()
    }

    /// Draws the consequences of who is in the call now.
    fn reconsider(&mut self, now: Duration) {
        if self.members.is_empty() {
            self.end_encryption();
            return;
        }
        let downgrades = self.transition.as_ref();
        if downgrades.is_some_and(|transition| transition.version == 0) {
            return;
        }
        let target = self.target();
        let alone = self.members.len() == 1;
        match &self.group {
            None if target == 0 => return,
            Some(_) if target == 0 => return self.downgrade(now),
            None => self.restart(target, now),
            // Nobody keeps the group of a call for itself.
            Some(group) if alone && group.epoch > 0 => self.restart(target, now),
            Some(_) if alone && self.version == 0 => {}
            Some(_) => return self.negotiate(now),
        }
        if alone {
            self.tell_all(&Frame::prepare_transition(0, target), now);
            self.version = target;
        }
    }

    /// Begins a new group: everybody begins anew too, with a new key package.
    fn restart(&mut self, version: u16, now: Duration) {
        self.transition = None;
        self.group = Some(Group::default());
        self.packages.clear();
        self.tell_all(&Frame::prepare_epoch(version), now);
        for user_id in self.capable() {
            self.inform(user_id, now);
        }
    }

    fn inform(&mut self, user_id: u64, now: Duration) {
        if let Some(member) = self.members.get_mut(&user_id)
            && !std::mem::replace(&mut member.informed, true)
        {
            let package = self.sender.package.clone();
            let frame = Frame::binary(Opcode::MlsExternalSender, package);
            self.outbox.push(user_id, frame, now);
        }
    }

    fn tell_all(&mut self, frame: &Frame, now: Duration) {
        for user_id in self.capable() {
            self.outbox.push(user_id, frame.clone(), now);
        }
    }

    /// Somebody came who cannot take part: everybody goes on without encryption.
    fn downgrade(&mut self, now: Duration) {
        self.packages.clear();
        let capable = self.capable();
        if capable.is_empty() || self.version == 0 {
            // Nobody sends encrypted media, so there is nothing to lead out of.
            self.end_encryption();
            if capable.is_empty() {
                return;
            }
        }
        let id = self.begin_transition(0, capable, now);
        self.tell_all(&Frame::prepare_transition(id, 0), now);
    }

    fn end_encryption(&mut self) {
        self.version = 0;
        self.group = None;
        self.transition = None;
        self.packages.clear();
        self.grace = None;
    }

    fn begin_transition(&mut self, version: u16, members: BTreeSet<u64>, now: Duration) -> u16 {
        // 0 has a meaning of its own.
        self.last_transition = self.last_transition.wrapping_add(1).max(1);
        self.transition = Some(Transition {
            id: self.last_transition,
            version,
            waiting: members.clone(),
            members,
            until: now + PATIENCE,
        });
        self.last_transition
    }

    /// A member is ready for a transition; without an id it does not have to be any more.
    fn ready(&mut self, user_id: u64, id: Option<u16>, now: Duration) {
        if let Some(transition) = &mut self.transition
            && id.is_none_or(|id| id == transition.id)
        {
            transition.waiting.remove(&user_id);
            if transition.waiting.is_empty() {
                self.execute(now);
            }
        }
    }

    fn execute(&mut self, now: Duration) {
        let Some(transition) = self.transition.take() else {
            return;
        };
        self.counts.transitions += 1;
        for user_id in &transition.members {
            let frame = Frame::transition(Opcode::DaveExecuteTransition, transition.id);
            self.outbox.push(*user_id, frame, now);
        }
        if transition.version == 0 {
            self.end_encryption();
        } else if self.version == 0 {
            self.grace = Some(now + IN_FLIGHT);
        }
        self.version = transition.version;
        self.reconsider(now);
    }

    /// Proposes what the group lacks, unless its last change is not in force yet.
    fn negotiate(&mut self, now: Duration) {
        if self.transition.is_some() {
            return;
        }
        let present = self.capable();
        if let Some(group) = &mut self.group {
            for (to, frame) in group.negotiate(&self.sender, &present, &self.packages) {
                self.outbox.push(to, frame, now);
            }
        }
    }

    fn key_package(&mut self, user_id: u64, payload: &[u8], now: Duration) {
        match self.sender.check(payload, user_id) {
            Some(package) if self.group.is_some() => {
                self.packages.insert(user_id, package);
                self.negotiate(now);
            }
            // Crossed a downgrade on its way.
            Some(_) => {}
            None => self.counts.refused += 1,
        }
    }

    fn commit(&mut self, user_id: u64, payload: &[u8], now: Duration) {
        let Some(group) = &mut self.group else {
            self.counts.late_commits += 1;
            return;
        };
        let downgrades = self.transition.as_ref();
        if downgrades.is_some_and(|transition| transition.version == 0) {
            self.counts.late_commits += 1;
            return;
        }
        let accepted = wire::commit_and_welcome(payload)
            .ok_or(Refusal::Invalid)
            .and_then(|(commit, welcome)| {
                let group_id = self.sender.group_id();
                let first = group.epoch == 0;
                let outcome = group.accept(
                    user_id,
                    &commit,
                    welcome.as_ref(),
                    group_id,
                    &mut self.packages,
                )?;
                Ok((first, commit.bytes, outcome))
            });
        let (first, commit, outcome) = match accepted {
            Ok(accepted) => accepted,
            Err(Refusal::Late) => {
                self.counts.late_commits += 1;
                return;
            }
            Err(Refusal::Invalid) => {
                self.counts.refused += 1;
                return;
            }
        };
        self.counts.commits += 1;
        let present = self.capable();
        let mut concerned: BTreeSet<u64> = outcome.stayed.iter().copied().collect();
        concerned.extend(outcome.welcomed.iter().map(|(user_id, _)| *user_id));
        concerned.retain(|user_id| present.contains(user_id));
        // The first group of a call is there at once: nobody could send before.
        let id = if first && self.version > 0 {
            0
        } else {
            self.begin_transition(self.target(), concerned.clone(), now)
        };
        for user_id in outcome.stayed {
            if concerned.contains(&user_id) {
                let op = Opcode::MlsAnnounceCommitTransition;
                let frame = Frame::with_transition(op, id, commit);
                self.outbox.push(user_id, frame, now);
            }
        }
        for (user_id, welcome) in outcome.welcomed {
            let frame = Frame::with_transition(Opcode::MlsWelcome, id, &welcome);
            self.outbox.push(user_id, frame, now);
        }
        self.negotiate(now);
    }

    /// A member could not follow: it is removed, and added again once its new key package is here.
    fn flagged(&mut self, user_id: u64, now: Duration) {
        self.counts.flagged += 1;
        self.packages.remove(&user_id);
        let present = self.capable();
        if let Some(group) = &mut self.group
            && group.flag(user_id)
        {
            if group.committers(&present).is_empty() {
                // All have reset themselves, so nobody is left who could commit.
                *group = Group::default();
                self.transition = None;
            }
            self.ready(user_id, None, now);
            self.negotiate(now);
        }
    }
}

/// The newest version of the protocol that is spoken.
pub const VERSION: u16 = 1;

/// How long a transition waits for its members.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long unencrypted media may still be on its way after an upgrade.
const IN_FLIGHT: Duration = Duration::from_secs(1);
