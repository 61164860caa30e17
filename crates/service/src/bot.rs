//! Who the bot is: known once the gateway role logged in.

use std::sync::Arc;

use backline_core::id::UserId;
use tokio::sync::watch;

/// Who the bot is; cheap to clone.
#[derive(Debug, Clone)]
pub struct Bot {
    user: Arc<watch::Sender<Option<UserId>>>,
}

impl Default for Bot {
    fn default() -> Self {
        Self {
            user: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl Bot {
    /// Tells everybody the bot's user id.
    pub fn set(&self, user: UserId) {
        self.user.send_replace(Some(user));
    }

    /// Returns the bot's user id, if it is known by now.
    pub fn user(&self) -> Option<UserId> {
        *self.user.borrow()
    }

    /// Returns the bot's user id as soon as it is known. Cancel-safe.
    pub async fn known(&self) -> UserId {
        let mut receiver = self.user.subscribe();
        loop {
            if let Some(user) = *receiver.borrow_and_update() {
                return user;
            }
            // The sender lives as long as `self`: this only returns when something changed.
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
