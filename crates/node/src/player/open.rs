//! Opening and seeking tracks, and opening ahead what follows.

use std::any::Any;
use std::sync::Arc;

use backline_proto::lavalink::Exception;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::control::{Control, Goal};
use super::perform::{first_orders, settings};
use super::{Player, State};
use crate::engine::feed::{Feed, PacketSource};
use crate::source::piped::Piped;
use crate::source::piped::orders::Order;

/// The task that opens or seeks the loaded track.
pub(super) struct Job {
    pub(super) load: u64,
    task: AbortHandle,
}

/// The track that follows, while it is opened and until it is handed to the one before it.
pub(super) struct Ahead {
    load: u64,
    task: AbortHandle,
    source: Option<Box<dyn PacketSource>>,
}

impl Player {
    /// Opens the loaded track, or takes it from `running` and seeks.
    pub(super) fn start_job(&self, state: &mut State, running: Option<Arc<Feed>>) {
        if let Some(job) = state.job.take() {
            job.task.abort();
        }
        let (Some(goal), Some(this)) = (state.control.goal(), self.this.upgrade()) else {
            return;
        };
        let opened = Self::take_ahead(state, goal.load);
        let task = tokio::spawn(async move { this.reach(goal, running, opened).await });
        state.job = Some(Job {
            load: goal.load,
            task: task.abort_handle(),
        });
    }

    /// Opens the loaded track, or takes it over, and brings it to its goal; the goal may move
    /// meanwhile.
    async fn reach(
        self: Arc<Self>,
        mut goal: Goal,
        running: Option<Arc<Feed>>,
        mut opened: Option<Box<dyn PacketSource>>,
    ) {
        let load = goal.load;
        // Where `opened` is: a track that was opened ahead is where it has to begin.
        let mut at_goal = opened.is_some();
        if let Some(feed) = running {
            // Waits for a turn of the pool that may be under way.
            let taken = tokio::task::spawn_blocking(move || feed.take_source()).await;
            opened = taken.ok().flatten().filter(|source| is_in(&**source, load));
            if opened.is_none() {
                // Its packets had ended, or had gone over into those of the track that follows.
                self.change(Control::handle_next_lost);
            }
        }
        loop {
            let result = match opened.take() {
                Some(source) if at_goal => Ok(source),
                Some(source) => self.app.sources.seek(source, goal.position_ms).await,
                None => {
                    let track = self.lock().control.track().cloned();
                    let Some(track) = track else { return };
                    self.app.sources.open(&track, goal.position_ms).await
                }
            };
            at_goal = false;
            let leaving = self.lock().leaving.as_ref().map(|leaving| leaving.until);
            if let Some(until) = leaving.filter(|until| *until > Instant::now()) {
                sleep_until(until).await;
            }
            let mut state = self.lock();
            let Some(now) = state.control.goal().filter(|now| now.load == load) else {
                return;
            };
            match result {
                Ok(done) if now.run != goal.run => opened = Some(done),
                Ok(source) => {
                    self.start_feed(&mut state, goal, source);
                    return;
                }
                Err(failure) => {
                    state.job = None;
                    self.fail(&mut state, load, *failure);
                    return;
                }
            }
            goal = now;
        }
    }

    fn start_feed(&self, state: &mut State, goal: Goal, mut source: Box<dyn PacketSource>) {
        let control = &state.control;
        let mut wakes = vec![source.wake()];
        state.orders = None;
        let mut titles = None;
        if let Some(piped) = (&mut *source as &mut dyn Any).downcast_mut::<Piped>() {
            piped.begin(goal.load, goal.run);
            let orders = piped.orders();
            first_orders(control, &orders);
            wakes = piped.wakes();
            titles = piped.titles();
            state.orders = Some(orders);
        }
        state.watch_titles(titles);
        let control = &state.control;
        let (position_ms, settings) = (goal.position_ms, settings(control));
        let (feed, line) = Feed::new(self.id, goal.run, position_ms, settings, source);
        feed.set_end(goal.run, control.end_ms());
        feed.set_alarm(goal.run, control.alarm_ms());
        for wake in wakes {
            wake.aim(&feed);
        }
        self.left(state);
        state.feed = Some(feed);
        state.job = None;
        self.seat.play(line);
        self.hand_over_ahead(state);
    }

    fn fail(&self, state: &mut State, load: u64, failure: Exception) {
        let sight = super::sight(state);
        state.control.handle_open_failed(load, failure, &sight);
        self.run(state);
    }

    /// Opens the track that follows.
    pub(super) fn prepare(&self, state: &mut State) {
        Self::drop_ahead(state);
        let (Some((track, goal)), Some(this)) = (state.control.next(), self.this.upgrade()) else {
            return;
        };
        let track = track.clone();
        let task = tokio::spawn(async move {
            // When that fails, it is tried again when its time has come, and then told.
            let opened = this.app.sources.open(&track, goal.position_ms).await;
            let mut state = this.lock();
            if let (Ok(source), Some(ahead)) = (opened, &mut state.ahead)
                && ahead.load == goal.load
            {
                ahead.source = Some(source);
                this.hand_over_ahead(&mut state);
            }
        });
        state.ahead = Some(Ahead {
            load: goal.load,
            task: task.abort_handle(),
            source: None,
        });
    }

    /// Hands what follows to the track before it, once both are there.
    fn hand_over_ahead(&self, state: &mut State) {
        let Some((_, goal)) = state.control.next() else {
            return;
        };
        let (Some(feed), Some(_), Some(ahead)) = (&state.feed, &state.orders, &mut state.ahead)
        else {
            return;
        };
        if ahead.load != goal.load || !ahead.source.as_deref().is_some_and(is_piped) {
            return;
        }
        let source: Option<Box<dyn Any>> =
            ahead.source.take().map(|source| -> Box<dyn Any> { source });
        let Some(Ok(track)) = source.map(Box::<dyn Any>::downcast::<Piped>) else {
            return;
        };
        for wake in track.wakes() {
            wake.aim(feed);
        }
        let order = Order::Follow {
            track,
            load: goal.load,
            run: goal.run,
            crossfade_ms: state.control.crossfade_ms(),
        };
        self.order(state, order);
    }

    /// Takes what was opened ahead, if it is load `load`; anything else is dropped.
    fn take_ahead(state: &mut State, load: u64) -> Option<Box<dyn PacketSource>> {
        let ahead = state.ahead.take_if(|ahead| ahead.load == load)?;
        ahead.task.abort();
        ahead.source
    }

    /// Drops what is being opened or was opened ahead.
    pub(super) fn drop_ahead(state: &mut State) {
        if let Some(ahead) = state.ahead.take() {
            ahead.task.abort();
        }
    }

    /// Ends all tasks that open something.
    pub(super) fn drop_jobs(state: &mut State) {
        if let Some(job) = state.job.take() {
            job.task.abort();
        }
        Self::drop_ahead(state);
    }
}

fn is_piped(source: &dyn PacketSource) -> bool {
    (source as &dyn Any).is::<Piped>()
}

/// Whether a source still plays load `load`.
fn is_in(source: &dyn PacketSource, load: u64) -> bool {
    let piped = (source as &dyn Any).downcast_ref::<Piped>();
    piped.is_none_or(|piped| piped.load() == load)
}
