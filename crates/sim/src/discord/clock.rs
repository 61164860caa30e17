//! The world's clock: real time, plus what the test has skipped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Real time that can be moved forward.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    skipped_us: Arc<AtomicU64>,
}

impl Clock {
    /// Returns the time in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    /// Returns the time in microseconds since the Unix epoch.
    pub(crate) fn now_us(&self) -> u64 {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros() as u64;
        real + self.skipped_us.load(Ordering::Relaxed)
    }

    /// Skips some time.
    pub(crate) fn advance(&self, by: Duration) {
        self.skipped_us
            .fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

/// Writes a time as Discord does: `2026-11-20T12:00:00.123000+00:00`.
pub(crate) fn iso(ms: u64) -> String {
    jiff::Timestamp::from_millisecond(ms as i64)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_microseconds_and_offset() {
        assert_eq!(iso(1_500_000_000_123), "2017-07-14T02:40:00.123000+00:00");
        assert_eq!(iso(0), "1970-01-01T00:00:00.000000+00:00");
    }
}
