//! Doing what the control decides.

use std::sync::Arc;
use std::time::Duration;

use backline_media::pipeline::Fade;
use backline_proto::lavalink::Message;
use tokio::time::Instant;

use super::control::{Control, Effect};
use super::{Player, State};
use crate::engine::feed::{Feed, Settings};
use crate::source::piped::orders::{Order, Orders};

/// A feed that fades out and is silenced then.
pub(super) struct Leaving {
    pub(super) feed: Arc<Feed>,
    pub(super) until: Instant,
}

/// What lies between the order to fade and its first packet.
const TAIL: Duration = Duration::from_millis(60);

impl Player {
    /// Does everything that was decided, in order.
    pub(super) fn run(&self, state: &mut State) {
        let mut leave_ms = 0;
        while let Some(effect) = state.control.poll() {
            match effect {
                Effect::Send(message) => {
                    if let Some(session) = self.session.upgrade() {
                        session.send(&message);
                    }
                }
                Effect::Tell(message) => {
                    if let Some(session) = self.session.upgrade() {
                        session.send_object(&message);
                    }
                }
                Effect::Update => self.tell_update(state),
                Effect::Pause(paused) => self.seat.pause(paused),
                Effect::Sound => self.remake(state),
                Effect::EndAt(end_ms) => {
                    if let (Some(feed), Some(goal)) = (&state.feed, state.control.goal()) {
                        feed.set_end(goal.run, end_ms);
                    }
                    self.order(state, Order::End(end_ms));
                }
                Effect::Alarm(at_ms) => {
                    if let (Some(feed), Some(goal)) = (&state.feed, state.control.goal()) {
                        feed.set_alarm(goal.run, at_ms);
                    }
                }
                Effect::Fade { up, ms } => {
                    let to = if up { 1.0 } else { 0.0 };
                    self.order(state, Order::Fade(Fade { to, ms }));
                }
                Effect::Later { ms, turn } => self.wait(ms, move |player| {
                    player.change(|control, _| control.handle_later(turn));
                }),
                Effect::Leave(ms) => leave_ms = ms,
                Effect::Silence => {
                    Self::drop_jobs(state);
                    self.leave(state, leave_ms);
                    if state.leaving.is_none() {
                        self.seat.stop();
                    }
                }
                Effect::Open => {
                    // What is buffered of the old track plays until the new one yields.
                    self.leave(state, leave_ms);
                    self.start_job(state, None);
                }
                Effect::Seek => {
                    let load = state.control.goal().map(|goal| goal.load);
                    if state.job.as_ref().is_none_or(|job| Some(job.load) != load) {
                        let feed = state.feed.take();
                        if let Some(feed) = &feed {
                            feed.retire();
                        }
                        self.start_job(state, feed);
                    }
                }
                Effect::Prepare => self.prepare(state),
                Effect::Forget => {
                    Self::drop_ahead(state);
                    self.order(state, Order::Unfollow);
                }
                Effect::Started => self.tell_watchers(state),
            }
        }
    }

    /// Gives an order to the tracks that run, if any do.
    pub(super) fn order(&self, state: &State, order: Order) {
        if let (Some(feed), Some(orders)) = (&state.feed, &state.orders) {
            orders.give(order);
            self.app.engine.pool().remake(feed);
        }
    }

    /// Lets packets be made again with the present effects.
    fn remake(&self, state: &State) {
        if let Some(feed) = &state.feed {
            let settings = settings(&state.control);
            self.app.engine.pool().apply(feed, settings);
        }
    }

    /// Lets what runs fade out, or drops it.
    fn leave(&self, state: &mut State, ms: u32) {
        let (feed, orders) = (state.feed.take(), state.orders.take());
        let Some(feed) = feed else { return };
        if ms == 0 {
            self.app.engine.pool().dispose(&feed);
            return;
        }
        self.left(state);
        let orders = orders.unwrap_or_default();
        orders.give(Order::Unfollow);
        orders.give(Order::Fade(Fade { to: 0.0, ms }));
        self.app.engine.pool().remake(&feed);
        let until = Instant::now() + Duration::from_millis(ms.into()) + TAIL;
        state.leaving = Some(Leaving { feed, until });
        self.wait(ms + TAIL.as_millis() as u32, move |player| {
            let mut state = player.lock();
            let mine = state.leaving.as_ref().map(|leaving| leaving.until);
            if mine == Some(until) {
                player.left(&mut state);
                if state.feed.is_none() && !state.destroyed {
                    player.seat.stop();
                }
            }
        });
    }

    /// Drops what fades out.
    pub(super) fn left(&self, state: &mut State) {
        if let Some(leaving) = state.leaving.take() {
            self.app.engine.pool().dispose(&leaving.feed);
        }
    }

    fn wait(&self, ms: u32, then: impl FnOnce(&Self) + Send + 'static) {
        let player = self.this.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms.into())).await;
            if let Some(player) = player.upgrade() {
                then(&player);
            }
        });
    }

    pub(super) fn tell_update(&self, state: &State) {
        if let Some(session) = self.session.upgrade() {
            let state = state.control.state(&super::sight(state));
            session.send_update(&Message::PlayerUpdate {
                guild_id: self.guild_id,
                state,
            });
        }
    }

    /// Tells the client where the player is, if a track is loaded.
    pub fn tell_position(&self) {
        let state = self.lock();
        if state.control.track().is_some() {
            self.tell_update(&state);
        }
    }

    /// Tells the client where the player is.
    pub fn tell_state(&self) {
        let state = self.lock();
        self.tell_update(&state);
    }
}

/// Returns the orders that a new feed begins with.
pub(super) fn first_orders(control: &Control, orders: &Orders) {
    orders.give(Order::End(control.end_ms()));
    let first = control.goal().is_some_and(|goal| goal.load == goal.run);
    let ms = control.start_fade_ms();
    if first && ms > 0 {
        orders.give(Order::FadeIn(ms));
    }
}

pub(super) fn settings(control: &Control) -> Settings {
    Settings {
        effects: Arc::new(control.effects().clone()),
    }
}
