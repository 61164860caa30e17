//! What a player tells the tracks that run for it.

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
    /// This track is heard over the present one.
    Over {
        /// A track that has not begun.
        track: Box<Piped>,
        /// Its gain.
        volume: f32,
        /// How the present one makes room.
        duck: Duck,
    },
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
