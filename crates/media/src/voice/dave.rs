//! A member of a DAVE group: Discord's end-to-end encryption, without a socket or a clock.
//!
//! What the voice gateway says goes into [`Dave::handle`], what is to be answered and how frames
//! are to be protected comes out of [`Dave::poll`]. MLS itself is done by the library `davey`,
//! which takes randomness from the system: an accepted exception to the purity of this crate
//! (decision 0011). Frames are encrypted by [`super::SenderKey`].
//!
//! The rules that make it safe:
//! - Protection changes only when a transition is executed, and only to keys of that transition.
//!   To keys it also changes when the word to execute is overdue; to none it never does.
//! - Whenever it is not clear which key is right, protection is [`EndToEnd::Pending`].
//! - No base secret is ever installed twice in a voice session, so that no nonce is used twice.

mod member;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};

use self::member::{Joined, Member, Unprocessable};
use super::{
    EndToEnd,
    sender::{KEY_LEN, Ratchet},
};

/// Highest version of DAVE that is spoken.
pub const MAX_VERSION: u16 = davey::DAVE_PROTOCOL_VERSION;

/// What happened in the call, in the order of the gateway.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// Keys of the transport were agreed; the call speaks this version, 0 is no encryption.
    Described {
        /// The version.
        version: u16,
    },
    /// A lost connection to the gateway is back.
    Resumed,
    /// These users are in the call.
    Connected(Vec<u64>),
    /// This user left the call.
    Disconnected(u64),
    /// Opcode 21.
    PrepareTransition {
        /// Names the transition; 0 means at once.
        transition_id: u16,
        /// What the call will speak.
        version: u16,
    },
    /// Opcode 22.
    ExecuteTransition {
        /// Which one.
        transition_id: u16,
    },
    /// Opcode 24.
    PrepareEpoch {
        /// What the group will speak.
        version: u16,
        /// 1 is a new group.
        epoch: u64,
    },
    /// Opcode 25: who may propose from outside.
    ExternalSender(Vec<u8>),
    /// Opcode 27: kind of operation and proposals.
    Proposals(Vec<u8>),
    /// Opcode 29: the commit that won.
    Commit {
        /// Names the transition to the new epoch.
        transition_id: u16,
        /// The commit.
        commit: Vec<u8>,
    },
    /// Opcode 30: we were added.
    Welcome {
        /// Names the transition to the new epoch.
        transition_id: u16,
        /// The welcome.
        welcome: Vec<u8>,
    },
}

impl Input {
    /// Whether it may take longer than a few microseconds: everything with public keys in it.
    pub fn is_heavy(&self) -> bool {
        matches!(
            self,
            Self::Described { version: 1.. }
                | Self::PrepareEpoch { .. }
                | Self::ExternalSender(_)
                | Self::Proposals(_)
                | Self::Commit { .. }
                | Self::Welcome { .. }
        )
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Described { .. } => "Described",
            Self::Resumed => "Resumed",
            Self::Connected(_) => "Connected",
            Self::Disconnected(_) => "Disconnected",
            Self::PrepareTransition { .. } => "PrepareTransition",
            Self::ExecuteTransition { .. } => "ExecuteTransition",
            Self::PrepareEpoch { .. } => "PrepareEpoch",
            Self::ExternalSender(_) => "ExternalSender",
            Self::Proposals(_) => "Proposals",
            Self::Commit { .. } => "Commit",
            Self::Welcome { .. } => "Welcome",
        })
    }
}

/// Something for the shell to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Send opcode 26 with this payload.
    KeyPackage(Vec<u8>),
    /// Send opcode 28 with this payload.
    CommitWelcome(Vec<u8>),
    /// Send opcode 23 for this transition.
    TransitionReady(u16),
    /// Send opcode 31 for this transition.
    InvalidCommitWelcome(u16),
    /// From now on frames are protected so.
    Protect(EndToEnd),
    /// Leave the voice session and begin another one: asking to be added anew was of no use.
    Restart,
}

/// How frames are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Not at all: the call is not end-to-end encrypted.
    Off,
    /// There is no key (yet): only silence is sent.
    Pending,
    /// With a key.
    Keyed,
}

/// What a member has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transitions that were executed.
    pub transitions: u64,
    /// Messages that could not be processed.
    pub failures: u64,
    /// Times we asked to be added anew.
    pub recoveries: u64,
}

/// A member of the DAVE group of one call, for one voice session.
pub struct Dave {
    member: Member,
    users: BTreeSet<u64>,
    protection: Protection,
    /// Transitions that were prepared and not executed, oldest first.
    transitions: VecDeque<Transition>,
    /// Digests of base secrets that were installed.
    used: VecDeque<Digest>,
    /// Digests of commits and welcomes that were processed.
    seen: VecDeque<Digest>,
    /// Transitions that were executed.
    executed: VecDeque<u16>,
    recovery: Recovery,
    counts: Counts,
    effects: VecDeque<Effect>,
}

type Digest = [u8; 32];

enum Protection {
    Off,
    Pending,
    Keyed {
        base: Digest,
        ratchet: Ratchet,
        renew: Duration,
    },
}

/// A transition that was prepared.
struct Transition {
    id: u16,
    target: Target,
    /// When the word to execute it is overdue.
    overdue: Duration,
}

/// What a transition leads to.
#[derive(Clone, Copy)]
enum Target {
    Off,
    Keys([u8; KEY_LEN]),
    /// An epoch that we are not in.
    Lost,
}

/// When we ask to be added anew, because we fell out of the group or never got into it.
#[derive(Default)]
struct Recovery {
    /// When, and which transition showed it.
    due: Option<(Duration, u16)>,
    last: Option<Duration>,
    tries: u32,
}

impl Dave {
    /// Returns a member that has heard nothing yet.
    pub fn new(user_id: u64, channel_id: u64) -> Self {
        Self {
            member: Member::new(user_id, channel_id),
            users: BTreeSet::from([user_id]),
            protection: Protection::Off,
            transitions: VecDeque::new(),
            used: VecDeque::new(),
            seen: VecDeque::new(),
            executed: VecDeque::new(),
            recovery: Recovery::default(),
            counts: Counts::default(),
            effects: VecDeque::new(),
        }
    }

    /// Returns the next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns how frames are protected now.
    pub fn mode(&self) -> Mode {
        match self.protection {
            Protection::Off => Mode::Off,
            Protection::Pending => Mode::Pending,
            Protection::Keyed { .. } => Mode::Keyed,
        }
    }

    /// Returns the epoch of the group that we are in.
    pub fn epoch(&self) -> Option<u64> {
        self.member.epoch()
    }

    /// Returns what was done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns when [`Self::handle_deadline`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        let renew = match self.protection {
            Protection::Keyed { renew, .. } => Some(renew),
            _ => None,
        };
        let recover = self.recovery.due.map(|(due, _)| due);
        let overdue = self.overdue().map(|transition| transition.overdue);
        [renew, recover, overdue].into_iter().flatten().min()
    }

    /// Time passed: takes the next generation of the key, asks again to be added.
    pub fn handle_deadline(&mut self, now: Duration) {
        if let Protection::Keyed { ratchet, renew, .. } = &mut self.protection
            && *renew <= now
        {
            *renew = now + GENERATION;
            let key = EndToEnd::Keyed(ratchet.advance());
            self.effects.push_back(Effect::Protect(key));
        }
        if let Some(transition) = self.overdue()
            && transition.overdue <= now
        {
            // Everybody who is in the new epoch can open its frames already, and nobody will
            // open those of the old one for long. (Or the call was not encrypted so far.)
            self.execute(transition.id, now);
        }
        if let Some((due, transition_id)) = self.recovery.due
            && due <= now
        {
            if self.is_alone() {
                // There is nobody to be in a group with.
                self.recovery.due = None;
            } else {
                self.recover(transition_id, now);
            }
        }
    }

    /// Returns the last transition to keys that waits for the word to execute it.
    fn overdue(&self) -> Option<&Transition> {
        let keys = |transition: &&Transition| matches!(transition.target, Target::Keys(_));
        self.transitions.iter().rev().find(keys)
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, now: Duration) {
        match input {
            Input::Described { version } => self.described(version, now),
            Input::Resumed => self.resumed(),
            Input::Connected(users) => {
                let room = MAX_USERS.saturating_sub(self.users.len());
                self.users.extend(users.into_iter().take(room));
                self.watch(now);
            }
            Input::Disconnected(user) => {
                if user != self.member.user_id() {
                    self.users.remove(&user);
                }
            }
            Input::PrepareTransition {
                transition_id,
                version,
            } => self.prepare(transition_id, version, now),
            Input::ExecuteTransition { transition_id } => self.execute(transition_id, now),
            Input::PrepareEpoch { version, epoch } => {
                if epoch == NEW_GROUP {
                    self.recovery = Recovery::default();
                    self.enter_group(version);
                    self.watch(now);
                }
            }
            Input::ExternalSender(sender) => {
                if self.member.set_external_sender(sender).is_err() {
                    self.counts.failures += 1;
                }
            }
            Input::Proposals(payload) => {
                let users: Vec<u64> = self.users.iter().copied().collect();
                match self.member.propose(&payload, &users) {
                    Ok(Some(commit)) => self.effects.push_back(Effect::CommitWelcome(commit)),
                    Ok(None) => {}
                    // The commit that follows will not fit; what to do then is decided then.
                    Err(Unprocessable) => self.counts.failures += 1,
                }
            }
            Input::Commit {
                transition_id,
                commit,
            } => {
                let digest = hash(&commit);
                if !self.answer_again(transition_id, &digest) {
                    let joined = self.member.commit(&commit);
                    self.joined(joined, transition_id, digest, now);
                }
            }
            Input::Welcome {
                transition_id,
                welcome,
            } => {
                let digest = hash(&welcome);
                if !self.answer_again(transition_id, &digest) {
                    let users: Vec<u64> = self.users.iter().copied().collect();
                    let joined = self.member.welcome(&welcome, &users);
                    self.joined(joined, transition_id, digest, now);
                }
            }
        }
    }

    fn is_alone(&self) -> bool {
        self.users.len() < 2
    }

    /// Sees to it that we do not stay outside of a group for ever.
    fn watch(&mut self, now: Duration) {
        let outside = self.member.version() > 0 && self.member.epoch().is_none();
        if outside && !self.is_alone() {
            self.recovery.due.get_or_insert((now + OUTSIDE, 0));
        }
    }

    fn described(&mut self, version: u16, now: Duration) {
        self.transitions.clear();
        self.recovery = Recovery::default();
        self.protection = if version == 0 {
            Protection::Off
        } else {
            Protection::Pending
        };
        if version > 0 {
            self.enter_group(version);
            self.watch(now);
        }
    }

    /// Begins a membership: whatever group there was is left. Keys in use stay in use until a
    /// transition is executed.
    fn enter_group(&mut self, version: u16) {
        match self.member.begin(version) {
            Some(key_package) => self.effects.push_back(Effect::KeyPackage(key_package)),
            None => self.counts.failures += 1,
        }
    }

    /// Says again what the server may have missed while the connection was lost.
    fn resumed(&mut self) {
        for transition in &self.transitions {
            if !matches!(transition.target, Target::Lost) {
                self.effects
                    .push_back(Effect::TransitionReady(transition.id));
            }
        }
        if let Some(commit) = self.member.open_commit() {
            let commit = commit.to_vec();
            self.effects.push_back(Effect::CommitWelcome(commit));
        } else if let Some(key_package) = self.member.open_key_package() {
            let key_package = key_package.to_vec();
            self.effects.push_back(Effect::KeyPackage(key_package));
        }
    }

    fn prepare(&mut self, transition_id: u16, version: u16, now: Duration) {
        let target = if version == 0 {
            Target::Off
        } else {
            self.member.base_secret().map_or(Target::Lost, Target::Keys)
        };
        self.plan(transition_id, target, now);
    }

    /// Remembers what a transition leads to and says that we are ready for it.
    fn plan(&mut self, transition_id: u16, target: Target, now: Duration) {
        if transition_id == 0 {
            return self.apply(target, now);
        }
        self.remember(transition_id, target, now);
        self.effects
            .push_back(Effect::TransitionReady(transition_id));
    }

    fn remember(&mut self, id: u16, target: Target, now: Duration) {
        self.transitions.retain(|other| other.id != id);
        if self.transitions.len() == MAX_TRANSITIONS {
            self.transitions.pop_front();
        }
        let overdue = now + OVERDUE;
        self.transitions.push_back(Transition {
            id,
            target,
            overdue,
        });
    }

    fn execute(&mut self, transition_id: u16, now: Duration) {
        let place = self
            .transitions
            .iter()
            .position(|other| other.id == transition_id);
        let Some(place) = place else {
            let lost = matches!(self.protection, Protection::Keyed { .. })
                && !self.executed.contains(&transition_id);
            if lost {
                // A transition that we have not heard of: the others leave our epoch.
                self.failed(transition_id, now);
                self.apply(Target::Lost, now);
            }
            return;
        };
        if self.executed.len() == MAX_SEEN {
            self.executed.pop_front();
        }
        self.executed.push_back(transition_id);
        // Older ones are overtaken: executing them later would bring old keys back.
        let overtaken = self.transitions.drain(..=place).next_back();
        if let Some(transition) = overtaken {
            self.apply(transition.target, now);
        }
    }

    fn apply(&mut self, target: Target, now: Duration) {
        self.counts.transitions += 1;
        self.protection = match target {
            Target::Off => Protection::Off,
            Target::Lost => Protection::Pending,
            Target::Keys(base) => {
                let digest = hash(&base);
                if matches!(&self.protection, Protection::Keyed { base, .. } if *base == digest) {
                    // The same keys: their nonces simply go on.
                    return;
                }
                if self.used.contains(&digest) {
                    self.counts.failures += 1;
                    Protection::Pending
                } else {
                    note(&mut self.used, digest, MAX_USED);
                    let mut ratchet = Ratchet::new(base);
                    let key = EndToEnd::Keyed(ratchet.advance());
                    self.effects.push_back(Effect::Protect(key));
                    let renew = now + GENERATION;
                    self.protection = Protection::Keyed {
                        base: digest,
                        ratchet,
                        renew,
                    };
                    return;
                }
            }
        };
        let protect = match self.protection {
            Protection::Off => EndToEnd::Off,
            _ => EndToEnd::Pending,
        };
        self.effects.push_back(Effect::Protect(protect));
    }

    /// Whether this commit or welcome was processed before; then only the answer is repeated.
    fn answer_again(&mut self, transition_id: u16, digest: &Digest) -> bool {
        let known = self.seen.contains(digest);
        let open = self
            .transitions
            .iter()
            .any(|other| other.id == transition_id);
        if known && open {
            self.effects
                .push_back(Effect::TransitionReady(transition_id));
        }
        known
    }

    fn joined(&mut self, joined: Joined, transition_id: u16, digest: Digest, now: Duration) {
        match joined {
            Joined::Epoch(base) => {
                note(&mut self.seen, digest, MAX_SEEN);
                self.recovery.due = None;
                self.recovery.tries = 0;
                self.plan(transition_id, Target::Keys(base), now);
            }
            Joined::Outside => {
                // Somebody else's commit; our welcome should be on its way.
                let due = now + WELCOME;
                let soonest = self.recovery.due.map_or(due, |(other, _)| other.min(due));
                self.recovery.due = Some((soonest, transition_id));
            }
            Joined::Failed => {
                // The others go on to an epoch whose keys we do not have.
                if transition_id == 0 {
                    self.apply(Target::Lost, now);
                } else {
                    self.remember(transition_id, Target::Lost, now);
                }
                self.failed(transition_id, now);
            }
        }
    }

    fn failed(&mut self, transition_id: u16, now: Duration) {
        self.counts.failures += 1;
        let soonest = self.recovery.last.map_or(now, |last| last + PAUSE);
        if soonest <= now {
            self.recover(transition_id, now);
        } else {
            self.recovery.due = Some((soonest, transition_id));
        }
    }

    /// Tells the server that we are out, and offers a key package to be added with.
    fn recover(&mut self, transition_id: u16, now: Duration) {
        if self.recovery.tries == MAX_TRIES {
            self.recovery = Recovery::default();
            self.effects.push_back(Effect::Restart);
            return;
        }
        self.counts.recoveries += 1;
        // An answer may never come; asking again costs little if the pauses grow.
        let patience = ANSWER * (1 << self.recovery.tries);
        self.recovery = Recovery {
            due: Some((now + patience, transition_id)),
            last: Some(now),
            tries: self.recovery.tries + 1,
        };
        self.effects
            .push_back(Effect::InvalidCommitWelcome(transition_id));
        self.enter_group(self.member.version());
    }
}

impl fmt::Debug for Dave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dave")
            .field("mode", &self.mode())
            .field("epoch", &self.epoch())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

fn hash(bytes: &[u8]) -> Digest {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn note(list: &mut VecDeque<Digest>, digest: Digest, most: usize) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(digest);
}

/// The epoch that opcode 24 names for a new group.
const NEW_GROUP: u64 = 1;

/// How long one generation of a key is used. At 50 frames a second it would be spent after 93
/// hours; receivers accept the next one from 28 hours on.
const GENERATION: Duration = Duration::from_hours(48);

/// How long the word to execute a transition may take. Receivers keep the keys of the epoch
/// before for 10 seconds.
const OVERDUE: Duration = Duration::from_secs(6);

/// How long we may be outside of the group of a call in which there are others.
const OUTSIDE: Duration = Duration::from_secs(10);

/// How long a welcome may take after a commit of a group that we are not in.
const WELCOME: Duration = Duration::from_secs(4);

/// Shortest time between two requests to be added anew.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the first request to be added anew may stay without an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Requests to be added anew before the voice session is given up.
const MAX_TRIES: u32 = 3;

/// Users of a call that are kept in mind.
const MAX_USERS: usize = 4_096;

/// Transitions that may be prepared at a time.
const MAX_TRANSITIONS: usize = 32;

/// Base secrets kept in mind so that none is installed twice. MLS never yields one twice; this
/// is the second lock on the door.
const MAX_USED: usize = 1_024;

/// Commits and welcomes kept in mind so that a repeated one does no harm.
const MAX_SEEN: usize = 32;

#[cfg(test)]
mod tests;
