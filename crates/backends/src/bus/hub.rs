//! Broadcasts within a process: a mailbox a subscriber, in which the latest of each key waits.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::Subscriber;

/// All subscribers of a broadcast.
#[derive(Default)]
pub(super) struct Hub {
    state: Mutex<HubState>,
}

#[derive(Default)]
struct HubState {
    mailboxes: Vec<Weak<Mailbox>>,
    closed: bool,
}

/// The latest message of each key that a subscriber has not seen. Bounded by the number of keys.
#[derive(Default)]
struct Mailbox {
    state: Mutex<MailboxState>,
    ready: Notify,
}

#[derive(Default)]
struct MailboxState {
    order: VecDeque<u64>,
    latest: HashMap<u64, Arc<[u8]>>,
    closed: bool,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, key: u64, payload: &Arc<[u8]>) {
        self.state().mailboxes.retain(|mailbox| {
            let Some(mailbox) = mailbox.upgrade() else {
                return false;
            };
            mailbox.put(key, Arc::clone(payload));
            true
        });
    }

    pub(super) fn subscribe(&self) -> Box<dyn Subscriber> {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.state();
        if state.closed {
            mailbox.close();
        } else {
            state.mailboxes.push(Arc::downgrade(&mailbox));
        }
        drop(state);
        Box::new(MailboxSubscriber { mailbox })
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for mailbox in state
            .mailboxes
            .drain(..)
            .filter_map(|mailbox| mailbox.upgrade())
        {
            mailbox.close();
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Mailbox {
    fn state(&self) -> MutexGuard<'_, MailboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: u64, payload: Arc<[u8]>) {
        let mut state = self.state();
        if state.latest.insert(key, payload).is_none() {
            state.order.push_back(key);
        }
        drop(state);
        self.ready.notify_one();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.ready.notify_one();
    }
}

struct MailboxSubscriber {
    mailbox: Arc<Mailbox>,
}

impl Subscriber for MailboxSubscriber {
    fn next(&mut self) -> BoxFuture<'_, Option<Arc<[u8]>>> {
        Box::pin(async {
            loop {
                {
                    let mut state = self.mailbox.state();
                    if let Some(key) = state.order.pop_front() {
                        return state.latest.remove(&key);
                    }
                    if state.closed {
                        return None;
                    }
                }
                self.mailbox.ready.notified().await;
            }
        })
    }
}

impl fmt::Debug for MailboxSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailboxSubscriber").finish_non_exhaustive()
    }
}
