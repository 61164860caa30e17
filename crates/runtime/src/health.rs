//! How the parts of a process are, as its supervisor is told.

mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

pub use server::{InternalServer, ServeError, serve};

/// How the parts of a process are; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    components: BTreeMap<&'static str, Entry>,
    draining: bool,
}

#[derive(Debug)]
struct Entry {
    state: State,
    detail: Option<String>,
    since: Instant,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not there yet.
    Starting,
    /// All well.
    Ready,
    /// It works, but worse than it should.
    Degraded,
    /// It does not work.
    Down,
}

/// How all parts are: the body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether work may be sent here.
    pub ready: bool,
    /// Whether the process is about to end.
    pub draining: bool,
    /// Each part, by name.
    pub components: BTreeMap<&'static str, ComponentReport>,
}

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentReport {
    /// How it is.
    pub state: State,
    /// Why, for people; without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// For how long, in whole seconds.
    pub for_s: u64,
}

impl Health {
    /// Returns the health of a process without parts; it is not ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part, which is starting. The process is not ready until it is.
    pub fn component(&self, name: &'static str) -> Component {
        let component = Component {
            health: self.clone(),
            name,
        };
        component.set(State::Starting, None);
        component
    }

    /// Says that the process is about to end: no more work is to be sent here.
    pub fn drain(&self) {
        self.inner().draining = true;
    }

    /// Returns how all parts are.
    pub fn report(&self) -> Report {
        let inner = self.inner();
        let components: BTreeMap<_, _> = inner
            .components
            .iter()
            .map(|(name, entry)| {
                let report = ComponentReport {
                    state: entry.state,
                    detail: entry.detail.clone(),
                    for_s: entry.since.elapsed().as_secs(),
                };
                (*name, report)
            })
            .collect();
        let works =
            |report: &ComponentReport| matches!(report.state, State::Ready | State::Degraded);
        let ready = !inner.draining && !components.is_empty() && components.values().all(works);
        Report {
            ready,
            draining: inner.draining,
            components,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One part of a process, which says how it is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: &'static str,
}

impl Component {
    /// Says that all is well.
    pub fn ready(&self) {
        self.set(State::Ready, None);
    }

    /// Says that it works, but worse than it should, and why. No secrets.
    pub fn degraded(&self, detail: impl fmt::Display) {
        self.set(State::Degraded, Some(detail.to_string()));
    }

    /// Says that it does not work, and why. No secrets.
    pub fn down(&self, detail: impl fmt::Display) {
        self.set(State::Down, Some(detail.to_string()));
    }

    fn set(&self, state: State, detail: Option<String>) {
        let mut inner = self.health.inner();
        let old = inner.components.get(self.name);
        let since = match old {
            Some(old) if old.state == state => old.since,
            _ => Instant::now(),
        };
        inner.components.insert(
            self.name,
            Entry {
                state,
                detail,
                since,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are() {
        let health = Health::new();
        assert!(!health.report().ready, "without parts");
        let gateway = health.component("gateway");
        let store = health.component("store");
        store.ready();
        assert!(!health.report().ready, "one is starting");
        gateway.ready();
        assert!(health.report().ready, "both are ready");
        gateway.degraded("one shard of two is away");
        assert!(health.report().ready, "degraded still works");
        gateway.down("all shards are away");
        assert!(!health.report().ready, "one is down");
        gateway.ready();
        assert!(health.report().ready, "it came back");
        health.drain();
        assert!(!health.report().ready, "it is about to end");
    }
}
