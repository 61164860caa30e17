//! Discord's permission bits, as far as music needs them.

use serde::{Deserialize, Serialize};

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions(u64);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(u64::MAX);

    /// Returns the set with these bits.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns it without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Everything, everywhere.
pub const ADMINISTRATOR: Permissions = Permissions::new(1 << 3);
/// See a channel.
pub const VIEW_CHANNEL: Permissions = Permissions::new(1 << 10);
/// Write messages.
pub const SEND_MESSAGES: Permissions = Permissions::new(1 << 11);
/// Join a voice channel.
pub const CONNECT: Permissions = Permissions::new(1 << 20);
/// Be heard in it.
pub const SPEAK: Permissions = Permissions::new(1 << 21);
/// Move members, and join full channels.
pub const MOVE_MEMBERS: Permissions = Permissions::new(1 << 24);
