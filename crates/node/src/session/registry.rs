//! All sessions of a node, and the ways in and out: new, parked, resumed, expired.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use rand::RngExt;

use super::Session;
use super::outbox::Inbox;

/// All sessions of a node; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Mutex<HashMap<String, Arc<Session>>>>);

/// A parked session that a client is about to take up; dropped unused, it is parked again.
#[derive(Debug)]
pub struct Claim {
    registry: Registry,
    session: Option<Arc<Session>>,
}

impl Registry {
    /// Returns a new live session of the bot `user_id`.
    pub fn open(&self, user_id: u64) -> (Arc<Session>, Inbox) {
        let mut sessions = self.lock();
        let mut id = new_id();
        while sessions.contains_key(&id) {
            id = new_id();
        }
        let (session, inbox) = Session::new(id.clone(), user_id);
        sessions.insert(id, Arc::clone(&session));
        (session, inbox)
    }

    /// Returns a live session; parked ones are not to be found.
    pub fn live(&self, id: &str) -> Option<Arc<Session>> {
        self.lock()
            .get(id)
            .filter(|session| session.is_live())
            .cloned()
    }

    /// Returns a session, parked or not.
    pub fn any(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Returns all sessions, parked ones included.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().cloned().collect()
    }

    /// Takes the parked session `id`, if it is one.
    pub fn claim(&self, id: &str) -> Option<Claim> {
        let session = self.lock().get(id).cloned()?;
        session.claim().then(|| Claim {
            registry: self.clone(),
            session: Some(session),
        })
    }

    /// Takes the news that a session's socket is gone: parks it, or ends it.
    pub fn release(&self, session: &Arc<Session>, inbox: Inbox) {
        match session.park(inbox) {
            Some((timeout, epoch)) => self.expire_after(session, timeout, epoch),
            None => self.end(session),
        }
    }

    /// Ends a session and its players.
    pub fn end(&self, session: &Session) {
        self.lock().remove(&session.id);
        session.remove_players();
    }

    fn expire_after(&self, session: &Arc<Session>, timeout: Duration, epoch: u64) {
        let (registry, session) = (self.clone(), Arc::clone(session));
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            if session.expire(epoch) {
                tracing::info!(session.id = session.id, "parked session expired");
                registry.end(&session);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Makes the session live: returns it with what was kept, in order.
    pub fn revive(mut self) -> (Arc<Session>, Vec<Utf8Bytes>, Inbox) {
        let session = self.session.take().expect("a claim is used once");
        let (kept, inbox) = session.revive();
        (session, kept, inbox)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Some((timeout, epoch)) = session.unclaim()
        {
            self.registry.expire_after(&session, timeout, epoch);
        }
    }
}

/// Session ids look like those of the reference server: 16 characters of `a-z0-9`.
fn new_id() -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..16)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}
