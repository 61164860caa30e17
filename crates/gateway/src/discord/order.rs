//! Keeps what people of one guild ask for in order, although each is acknowledged on its own.

use std::collections::HashMap;

use backline_core::id::GuildId;
use tokio::sync::oneshot;

/// Hands out turns, one guild apart from another.
#[derive(Debug, Default)]
pub struct Order {
    last: HashMap<GuildId, oneshot::Receiver<()>>,
    /// Turns that are over are swept out at this many guilds.
    sweep_at: usize,
}

/// A turn: over when it is dropped.
#[derive(Debug)]
pub struct Turn {
    previous: Option<oneshot::Receiver<()>>,
    _over: oneshot::Sender<()>,
}

impl Order {
    /// Returns the next turn of a guild.
    pub fn next(&mut self, guild: GuildId) -> Turn {
        if self.last.len() >= self.sweep_at.max(SWEEP_LEAST) {
            self.last.retain(|_, turn| {
                matches!(turn.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            });
            self.sweep_at = self.last.len() * 2;
        }
        let (over, next) = oneshot::channel();
        Turn {
            previous: self.last.insert(guild, next),
            _over: over,
        }
    }
}

impl Turn {
    /// Returns when all earlier turns of the guild are over. Cancel-safe.
    pub async fn comes(&mut self) {
        if let Some(previous) = &mut self.previous {
            // A turn is only ever dropped, never answered.
            let _ = previous.await;
            self.previous = None;
        }
    }
}

const SWEEP_LEAST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn guild(number: u64) -> GuildId {
        GuildId::new(number).expect("not zero")
    }

    #[test]
    fn turns_of_one_guild_follow_one_another() {
        let mut order = Order::default();
        let mut first = order.next(guild(1));
        let mut second = order.next(guild(1));
        let mut other = order.next(guild(2));
        assert!(first.comes().now_or_never().is_some());
        assert!(
            other.comes().now_or_never().is_some(),
            "another guild does not wait"
        );
        assert!(second.comes().now_or_never().is_none());
        drop(first);
        assert!(second.comes().now_or_never().is_some());
    }

    #[test]
    fn turns_that_are_over_are_swept_out() {
        let mut order = Order::default();
        let kept = order.next(guild(1));
        for number in 2..=5000 {
            drop(order.next(guild(number)));
        }
        assert!(
            order.last.len() <= SWEEP_LEAST + 1,
            "{} guilds",
            order.last.len()
        );
        assert!(
            order.last.contains_key(&guild(1)),
            "a turn that is not over is kept"
        );
        drop(kept);
    }
}
