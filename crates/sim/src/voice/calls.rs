//! Encryption between the members of a call: hands messages and media to its delivery service.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::{
    HeardFrame, HeardStats,
    dave::{Call, CallState, Fault, Frame, Opened},
    registry::Registry,
    session::Session,
};

/// The calls of all channels.
#[derive(Debug)]
pub(super) struct Calls {
    /// Whether calls are encrypted where all members can be.
    offered: bool,
    begin: Instant,
    /// Where calls are woken; members may come and go on any thread.
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<u64, Arc<Mutex<Call>>>,
    /// Channels that are never encrypted, such as stages.
    exempt: HashSet<u64>,
}

impl Calls {
    /// Has to be called inside the runtime that serves.
    pub(super) fn new(offered: bool) -> Self {
        Self {
            offered,
            begin: Instant::now(),
            runtime: Handle::current(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn exempt(&self, channel_id: u64) {
        self.state().exempt.insert(channel_id);
    }

    pub(super) fn is_exempt(&self, channel_id: u64) -> bool {
        self.state().exempt.contains(&channel_id)
    }

    pub(super) fn clear(&self) {
        self.state().calls.clear();
    }

    /// Returns the channel's call, unless nothing is encrypted there.
    fn get(&self, channel_id: u64) -> Option<Arc<Mutex<Call>>> {
        let mut state = self.state();
        if !self.offered || state.exempt.contains(&channel_id) {
            return None;
        }
        let call = state
            .calls
            .entry(channel_id)
            .or_insert_with(|| Arc::new(Mutex::new(Call::new(channel_id))));
        Some(Arc::clone(call))
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }
}

/// The order of locks: what was heard, then a call, then the registry and sessions.
fn lock(call: &Mutex<Call>) -> MutexGuard<'_, Call> {
    call.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// A client comes into its call. `describe` tells it the version, before anything else.
    pub(super) fn join_call(
        self: &Arc<Self>,
        session: &Session,
        max_version: u16,
        describe: impl FnOnce(u16),
    ) {
        let spec = &session.spec;
        let Some(call) = self.calls.get(spec.channel_id) else {
            return describe(0);
        };
        let mut call = lock(&call);
        let version = call.join(spec.user_id, max_version, self.calls.now());
        session.speaks_dave(version > 0);
        describe(version);
        self.settle(spec.channel_id, &mut call);
    }

    /// A simulated member comes, with DAVE or without.
    pub(super) fn attend_call(self: &Arc<Self>, channel_id: u64, user_id: u64, max_version: u16) {
        self.with_call(channel_id, |call, now| {
            call.attend(user_id, max_version, now);
        });
    }

    pub(super) fn leave_call(self: &Arc<Self>, channel_id: u64, user_id: u64) {
        self.with_call(channel_id, |call, now| call.leave(user_id, now));
    }

    /// A client says something about DAVE.
    pub(super) fn handle_dave(self: &Arc<Self>, session: &Session, frame: &Frame) {
        let spec = &session.spec;
        self.with_call(spec.channel_id, |call, now| {
            call.handle(spec.user_id, frame, now);
        });
    }

    pub(super) fn disturb_call(self: &Arc<Self>, channel_id: u64, fault: Fault) {
        self.with_call(channel_id, |call, _| call.inject(fault));
    }

    pub(super) fn call_state(&self, channel_id: u64) -> Option<CallState> {
        let call = self.calls.state().calls.get(&channel_id).cloned()?;
        let state = lock(&call).state();
        Some(state)
    }

    /// Takes the encryption between members off a frame. Returns it if it can be heard.
    pub(super) fn unseal(
        &self,
        channel_id: u64,
        mut frame: HeardFrame,
        stats: &mut HeardStats,
    ) -> Option<HeardFrame> {
        let Some(call) = self.calls.get(channel_id) else {
            return Some(frame);
        };
        let opened = lock(&call).open(frame.user_id, &frame.opus, self.calls.now());
        match opened {
            Opened::Plain => return Some(frame),
            Opened::Encrypted(opus) => {
                stats.encrypted += 1;
                frame.opus = opus.into();
                return Some(frame);
            }
            Opened::Plaintext => stats.plaintext_frames += 1,
            Opened::Undecryptable => stats.undecryptable += 1,
            Opened::Unheard => stats.unheard += 1,
        }
        stats.heard -= 1;
        None
    }

    fn with_call(self: &Arc<Self>, channel_id: u64, act: impl FnOnce(&mut Call, Duration)) {
        if let Some(call) = self.calls.get(channel_id) {
            let mut call = lock(&call);
            act(&mut call, self.calls.now());
            self.settle(channel_id, &mut call);
        }
    }

    /// Delivers what a call has to say, and sees to it that it is woken.
    fn settle(self: &Arc<Self>, channel_id: u64, call: &mut Call) {
        while let Some(delivery) = call.poll() {
            if let Some(session) = self.in_channel(channel_id, delivery.to) {
                session.send_dave(&delivery.frame);
            }
        }
        let Some(deadline) = call.deadline() else {
            return;
        };
        let wait = deadline.saturating_sub(self.calls.now());
        let registry = Arc::downgrade(self);
        self.calls.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            wake(&registry, channel_id);
        });
    }
}

fn wake(registry: &Weak<Registry>, channel_id: u64) {
    if let Some(registry) = registry.upgrade() {
        registry.with_call(channel_id, Call::handle_deadline);
    }
}
