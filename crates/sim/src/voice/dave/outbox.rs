//! What is on its way to members, and what goes wrong on it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use backline_proto::voice::Opcode;

use super::frame::{Delivery, Frame};

/// Something that goes wrong with the next messages of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which messages.
    pub op: Opcode,
    /// To whom; nobody in particular means everybody.
    pub to: Option<u64>,
    /// What happens to them.
    pub harm: Harm,
    /// To how many of them.
    pub times: u32,
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// A bit near its end is flipped; does nothing to JSON.
    Corrupt,
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It, and everything behind it to the same member, arrives that much later.
    Delay(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Delivery>,
    held: BTreeMap<u64, Held>,
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Held {
    until: Duration,
    frames: VecDeque<Frame>,
}

impl Outbox {
    pub(super) fn inject(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.faults.push(fault);
        }
    }

    pub(super) fn push(&mut self, to: u64, mut frame: Frame, now: Duration) {
        match self.harm(to, &frame) {
            Some(Harm::Drop) => return,
            Some(Harm::Corrupt) => corrupt(&mut frame),
            Some(Harm::Duplicate) => self.put(to, frame.clone()),
            Some(Harm::Delay(by)) => {
                let held = self.held.entry(to).or_insert_with(|| Held {
                    until: now,
                    frames: VecDeque::new(),
                });
                held.until = held.until.max(now + by);
            }
            None => {}
        }
        self.put(to, frame);
    }

    fn put(&mut self, to: u64, frame: Frame) {
        match self.held.get_mut(&to) {
            Some(held) => held.frames.push_back(frame),
            None => self.ready.push_back(Delivery { to, frame }),
        }
    }

    fn harm(&mut self, to: u64, frame: &Frame) -> Option<Harm> {
        let index = self.faults.iter().position(|fault| {
            fault.op == frame.op() && fault.to.is_none_or(|target| target == to)
        })?;
        let fault = &mut self.faults[index];
        let harm = fault.harm;
        fault.times -= 1;
        if fault.times == 0 {
            self.faults.remove(index);
        }
        Some(harm)
    }

    pub(super) fn poll(&mut self) -> Option<Delivery> {
        self.ready.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.held.values().map(|held| held.until).min()
    }

    pub(super) fn handle_deadline(&mut self, now: Duration) {
        let due: Vec<u64> = self
            .held
            .iter()
            .filter_map(|(to, held)| (held.until <= now).then_some(*to))
            .collect();
        for to in due {
            if let Some(held) = self.held.remove(&to) {
                let frames = held.frames.into_iter();
                self.ready
                    .extend(frames.map(|frame| Delivery { to, frame }));
            }
        }
    }

    /// Forgets what a member has not got yet.
    pub(super) fn forget(&mut self, user_id: u64) {
        self.held.remove(&user_id);
        self.ready.retain(|delivery| delivery.to != user_id);
    }
}

/// Flips a bit in what every message ends with: a signature, a tag, a ciphertext.
fn corrupt(frame: &mut Frame) {
    if let Frame::Binary { payload, .. } = frame
        && let Some(index) = payload.len().checked_sub(8)
    {
        payload[index] ^= 0x10;
    }
}
