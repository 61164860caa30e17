//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns how long it is until `at`, in milliseconds since 1970 UTC; zero if that is past.
pub(crate) fn until(at: u64) -> Duration {
    Duration::from_millis(at.saturating_sub(now_ms()))
}
