//! A call with simulated members in it beside the real ones.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use backline_media::frame::SILENCE;

use super::{Attendee, CallState, Delivery, DeliveryService, Fault, Frame};

/// A [`DeliveryService`] and the [`Attendee`]s of its call.
///
/// Used like the service itself; what simulated members and the service say to each other
/// stays inside, so [`poll`](Self::poll) yields messages for real members only.
#[derive(Debug)]
pub struct Call {
    channel_id: u64,
    service: DeliveryService,
    attendees: BTreeMap<u64, Attendee>,
    outbox: VecDeque<Delivery>,
}

/// What became of a frame of media that was heard in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was encrypted; this is what it holds.
    Encrypted(Vec<u8>),
    /// It was encrypted, and no simulated member can open it.
    Undecryptable,
    /// It was encrypted, and there is no simulated member who could.
    Unheard,
    /// It was not encrypted, and need not be.
    Plain,
    /// It was not encrypted, but had to be.
    Plaintext,
}

impl Call {
    /// Begins a call in a channel.
    pub fn new(channel_id: u64) -> Self {
        Self {
            channel_id,
            service: DeliveryService::new(channel_id),
            attendees: BTreeMap::new(),
            outbox: VecDeque::new(),
        }
    }

    /// A real member comes. Returns the version for its session description.
    pub fn join(&mut self, user_id: u64, max_version: u16, now: Duration) -> u16 {
        let version = self.service.join(user_id, max_version, now);
        self.pump(now);
        version
    }

    /// A simulated member comes; with version 0 one that cannot encrypt.
    pub fn attend(&mut self, user_id: u64, max_version: u16, now: Duration) {
        let version = self.service.join(user_id, max_version, now);
        if max_version > 0 {
            let attendee = Attendee::new(user_id, self.channel_id, version);
            self.attendees.insert(user_id, attendee);
        }
        self.pump(now);
    }

    /// A member goes, real or not.
    pub fn leave(&mut self, user_id: u64, now: Duration) {
        self.attendees.remove(&user_id);
        self.service.leave(user_id, now);
        self.pump(now);
    }

    /// A real member says something.
    pub fn handle(&mut self, user_id: u64, frame: &Frame, now: Duration) {
        self.service.handle(user_id, frame, now);
        self.pump(now);
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.service.deadline()
    }

    /// Time passed.
    pub fn handle_deadline(&mut self, now: Duration) {
        self.service.handle_deadline(now);
        self.pump(now);
    }

    /// Returns the next message for a real member.
    pub fn poll(&mut self) -> Option<Delivery> {
        self.outbox.pop_front()
    }

    /// Lets something go wrong.
    pub fn inject(&mut self, fault: Fault) {
        self.service.inject(fault);
    }

    /// Returns how things stand.
    pub fn state(&self) -> CallState {
        self.service.state()
    }

    /// Returns a simulated member.
    pub fn attendee(&mut self, user_id: u64) -> Option<&mut Attendee> {
        self.attendees.get_mut(&user_id)
    }

    /// Opens a frame of media, as whoever is in the call hears it.
    pub fn open(&mut self, from: u64, media: &[u8], now: Duration) -> Opened {
        // WIRE: silence is never encrypted, so that a server can make it.
        if media == SILENCE {
            return Opened::Plain;
        }
        if !has_marker(media) {
            return if self.service.demands_encryption(now) {
                Opened::Plaintext
            } else {
                Opened::Plain
            };
        }
        let mut heard = false;
        for attendee in self.attendees.values_mut() {
            heard = true;
            if let Some(opus) = attendee.decrypt(from, media) {
                return Opened::Encrypted(opus);
            }
        }
        if heard {
            Opened::Undecryptable
        } else {
            Opened::Unheard
        }
    }

    /// Lets simulated members and the service talk until they have nothing to say.
    fn pump(&mut self, now: Duration) {
        loop {
            let mut said = Vec::new();
            for (user_id, attendee) in &mut self.attendees {
                while let Some(frame) = attendee.poll() {
                    said.push((*user_id, frame));
                }
            }
            for (user_id, frame) in &said {
                self.service.handle(*user_id, frame, now);
            }
            let mut delivered = false;
            while let Some(delivery) = self.service.poll() {
                delivered = true;
                if let Some(attendee) = self.attendees.get_mut(&delivery.to) {
                    let present = self.service.state().members;
                    attendee.handle(&delivery.frame, &present);
                } else {
                    self.outbox.push_back(delivery);
                }
            }
            if said.is_empty() && !delivered {
                return;
            }
        }
    }
}

/// Whether this looks like an encrypted frame: the marker, and a size before it that fits.
fn has_marker(media: &[u8]) -> bool {
    let Some(([.., size], marker)) = media.split_last_chunk::<2>() else {
        return false;
    };
    let size = usize::from(*size);
    *marker == [0xFA, 0xFA] && size > MIN_SUPPLEMENT && size < media.len()
}

/// A tag of eight bytes, the size and the marker; at least a byte of nonce is between.
const MIN_SUPPLEMENT: usize = 11;
