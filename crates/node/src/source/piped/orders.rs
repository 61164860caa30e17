//! What a player tells the tracks that run for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use backline_media::pipeline::{Duck, Fade};

use super::Piped;

/// Orders for the tracks of one feed; cheap to clone. They are obeyed when the feed's packets are
/// made again: see [`crate::engine::pool::Pool::remake`].
#[derive(Debug, Clone, Default)]
pub struct Orders(Arc<Mutex<Vec<Order>>>);

/// Something a player wants of its tracks.
#[derive(Debug)]
pub enum Order {
    /// This track follows the present one.
    Follow {
        /// A track that has not begun.
        track: Box<Piped>,
        /// Which load it is.
        load: u64,
        /// What its packets are called.
        run: u64,
        /// How long both are heard.
        crossfade_ms: u32,
    },
    /// Nothing follows.
    Unfollow,
    /// The present track ends there.
    End(Option<u64>),
    /// Everything fades.
    Fade(Fade),
    /// Everything fades in, from silence, within so many milliseconds. For the beginning.
    FadeIn(u32),
    /// This track is heard over the present one, in place of what was.
    Over {
        /// What it is known as.
        mix: Mix,
        /// A track that has not begun.
        track: Box<Piped>,
        /// How the present one makes room.
        duck: Duck,
    },
    /// Nothing is heard over the present track.
    NotOver,
}

/// A track over the present one, as both sides know it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Mix(Arc<MixState>);

#[derive(Debug)]
struct MixState {
    volume: f32,
    over: AtomicBool,
}

impl Mix {
    /// Returns one that is about to be heard, at a linear volume.
    pub fn new(volume: f32) -> Self {
        Self(Arc::new(MixState {
            volume,
            over: AtomicBool::new(false),
        }))
    }

    /// Returns its linear volume.
    pub fn volume(&self) -> f32 {
        self.0.volume
    }

    /// Marks that it has been heard to its end.
    pub fn finish(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    /// Whether it has been heard to its end.
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }
}

impl Orders {
    /// Gives an order.
    pub fn give(&self, order: Order) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(order);
    }

    /// Takes all orders, oldest first.
    pub fn take(&self) -> Vec<Order> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
