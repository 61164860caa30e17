//! Who is told when bytes have come.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::engine::feed::Wake;

/// Tells one feed that bytes have come, or whoever has taken its place; cheap to clone.
#[derive(Clone)]
pub struct Alarm {
    wake: Wake,
    instead: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl Alarm {
    /// Returns one that tells the feed that `wake` is aimed at.
    pub fn new(wake: Wake) -> Self {
        Self {
            wake,
            instead: Arc::default(),
        }
    }

    /// Tells somebody else from now on; works once.
    pub fn divert(&self, call: impl Fn() + Send + Sync + 'static) {
        let _taken = self.instead.set(Box::new(call));
    }

    /// Tells it.
    pub fn call(&self) {
        match self.instead.get() {
            Some(call) => call(),
            None => self.wake.call(),
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Alarm").finish_non_exhaustive()
    }
}
