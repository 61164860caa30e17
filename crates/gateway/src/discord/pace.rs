//! A pace for requests: evenly spread, after a small burst.
//!
//! Discord allows fifty requests a second over all routes. The client counts fixed seconds, so
//! that a hundred may fall on one second of Discord's; and it repeats a request at once that was
//! refused for all routes, which makes matters worse until Discord shuts the bot out. Hence the
//! limit is never reached.

use std::time::{Duration, Instant};

/// A pace, kept by asking for each request when it may go.
#[derive(Debug)]
pub struct Pace {
    /// The time of one request.
    each: Duration,
    /// How far ahead of the even pace a burst may run.
    ahead: Duration,
    /// When the next request would go at an even pace.
    even: Option<Instant>,
}

impl Pace {
    /// Returns a pace of `per_second` requests, `burst` of which may go at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self {
            each,
            ahead: each * burst.saturating_sub(1),
            even: None,
        }
    }

    /// Returns when the next request may go; it counts as gone.
    pub fn reserve(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + self.each);
        even.checked_sub(self.ahead).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_evenly() {
        let start = Instant::now() + Duration::from_hours(1);
        let mut pace = Pace::new(10, 3);
        let after = |at: Instant| at.duration_since(start).as_millis();
        let waits: Vec<_> = (0..6).map(|_| after(pace.reserve(start))).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        let later = start + Duration::from_millis(350);
        assert_eq!(
            after(pace.reserve(later)),
            400,
            "the burst is not refilled at once"
        );
        let much_later = start + Duration::from_secs(5);
        let waits: Vec<_> = (0..4).map(|_| after(pace.reserve(much_later))).collect();
        assert_eq!(waits, [5000, 5000, 5000, 5100]);
    }

    #[test]
    fn no_second_holds_more_than_the_limit() {
        let start = Instant::now() + Duration::from_hours(1);
        let mut pace = Pace::new(35, 10);
        let times: Vec<_> = (0..500).map(|_| pace.reserve(start)).collect();
        for (index, from) in times.iter().enumerate() {
            let within = times[index..]
                .iter()
                .take_while(|at| **at < *from + Duration::from_secs(1))
                .count();
            assert!(within <= 45, "{within} within one second");
        }
    }
}
