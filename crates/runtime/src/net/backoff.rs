//! How long to wait before a retry.

use std::time::Duration;

/// Waits that double from retry to retry, up to a longest, with jitter.
///
/// The jitter keeps many clients that lost the same server from coming back in step. It comes in
/// as an argument, so that whoever decides stays free of randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Returns waits that begin at `first` and never exceed `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the wait before retry number `retry`, counted from 0.
    ///
    /// `jitter` in 0.0..=1.0 chooses between half of the wait and all of it; what lies outside is
    /// taken as the nearer end.
    pub fn delay(&self, retry: u32, jitter: f64) -> Duration {
        let factor = 1_u32.checked_shl(retry).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.longest);
        let jitter = if jitter.is_nan() {
            1.0
        } else {
            jitter.clamp(0.0, 1.0)
        };
        whole / 2 + (whole / 2).mul_f64(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

    #[test]
    fn waits_double_up_to_the_longest() {
        let rows = [
            (0, 500),
            (1, 1_000),
            (2, 2_000),
            (5, 16_000),
            (6, 30_000),
            (31, 30_000),
            (32, 30_000),
            (u32::MAX, 30_000),
        ];
        for (retry, expected) in rows {
            let delay = BACKOFF.delay(retry, 1.0);
            assert_eq!(delay, Duration::from_millis(expected), "retry {retry}");
        }
    }

    #[test]
    fn jitter_takes_away_up_to_a_half() {
        let rows = [
            (0.0, 1_000),
            (0.5, 1_500),
            (1.0, 2_000),
            (-3.0, 1_000),
            (7.0, 2_000),
            (f64::NAN, 2_000),
        ];
        for (jitter, expected) in rows {
            let delay = BACKOFF.delay(2, jitter);
            assert_eq!(delay, Duration::from_millis(expected), "jitter {jitter}");
        }
    }
}
