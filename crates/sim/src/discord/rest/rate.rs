//! Rate limits: buckets, the global limit, and the count of invalid requests.

use std::collections::{HashMap, VecDeque};

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::route::Bucket;
use crate::discord::{clock::Clock, id::ApplicationId, options::Limits};

/// All counters.
#[derive(Debug)]
pub(crate) struct Rates {
    clock: Clock,
    buckets: HashMap<(Option<ApplicationId>, &'static str, String), Window>,
    global: HashMap<ApplicationId, Window>,
    invalid: VecDeque<u64>,
    most_invalid: usize,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_us: u64,
    used: u32,
}

/// What a request may do.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It passes, with these headers.
    Pass(HeaderMap),
    Limited(Limited),
}

/// A 429.
#[derive(Debug)]
pub(crate) struct Limited {
    pub(crate) headers: HeaderMap,
    pub(crate) retry_after_us: u64,
    pub(crate) global: bool,
    pub(crate) scope: &'static str,
}

impl Rates {
    pub(crate) fn new(clock: Clock, limits: &Limits) -> Self {
        Self {
            clock,
            buckets: HashMap::new(),
            global: HashMap::new(),
            invalid: VecDeque::new(),
            most_invalid: limits.invalid_requests as usize,
        }
    }

    /// Counts a request.
    pub(crate) fn check(
        &mut self,
        application: Option<ApplicationId>,
        bucket: &Bucket,
        limits: &Limits,
    ) -> Verdict {
        let now = self.clock.now_us();
        if let Some(application) = application.filter(|_| bucket.global) {
            let window = self.global.entry(application).or_insert(Window {
                ends_us: 0,
                used: 0,
            });
            window.roll(now, 1_000_000);
            window.used += 1;
            if limits.rates_enforced && window.used > limits.global_per_second {
                return Verdict::Limited(Limited {
                    headers: HeaderMap::new(),
                    retry_after_us: window.ends_us - now,
                    global: true,
                    scope: "user",
                });
            }
        }
        if bucket.limit == 0 {
            return Verdict::Pass(HeaderMap::new());
        }
        if self.buckets.len() > MOST_BUCKETS {
            self.buckets.retain(|_, window| window.ends_us > now);
        }
        let window = self
            .buckets
            .entry((application, bucket.name, bucket.major.clone()))
            .or_insert(Window {
                ends_us: 0,
                used: 0,
            });
        window.roll(now, bucket.window_ms * 1_000);
        let limited = window.used >= bucket.limit;
        if !limited || !limits.rates_enforced {
            window.used = (window.used + 1).min(bucket.limit);
        }
        let headers = headers(bucket, *window, now);
        if limited && limits.rates_enforced {
            return Verdict::Limited(Limited {
                headers,
                retry_after_us: window.ends_us - now,
                global: false,
                scope: "user",
            });
        }
        Verdict::Pass(headers)
    }

    /// Counts an answer 401, 403 or 429.
    pub(crate) fn count_invalid(&mut self) {
        self.invalid.push_back(self.clock.now_us());
        if self.invalid.len() > self.most_invalid + 1 {
            self.invalid.pop_front();
        }
    }

    /// Returns whether there were too many invalid requests.
    pub(crate) fn is_shut_out(&mut self) -> bool {
        let now = self.clock.now_us();
        while self
            .invalid
            .front()
            .is_some_and(|at| at + INVALID_WINDOW_US < now)
        {
            self.invalid.pop_front();
        }
        self.invalid.len() >= self.most_invalid
    }

    /// Returns how many invalid requests there were in the last ten minutes.
    pub(crate) fn invalid_requests(&mut self) -> usize {
        self.is_shut_out();
        self.invalid.len()
    }
}

impl Window {
    fn roll(&mut self, now: u64, length_us: u64) {
        if now >= self.ends_us {
            *self = Self {
                ends_us: now + length_us,
                used: 0,
            };
        }
    }
}

impl Limited {
    pub(crate) fn into_response(self) -> Response {
        let seconds = self.retry_after_us as f64 / 1e6;
        let mut headers = self.headers;
        headers.insert(header::RETRY_AFTER, number(seconds.ceil() as u64));
        headers.insert(SCOPE, HeaderValue::from_static(self.scope));
        if self.global {
            headers.insert(GLOBAL, HeaderValue::from_static("true"));
        }
        let body = json!({
            "message": "You are being rate limited.",
            "retry_after": (seconds * 1_000.0).ceil() / 1_000.0,
            "global": self.global,
        });
        (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
    }
}

/// The answer of the edge to clients that were invalid too often: no JSON.
pub(crate) fn shut_out() -> Response {
    (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::RETRY_AFTER, "600"), (header::CONTENT_TYPE, "text/html")],
        "<html><head><title>Error 1015</title></head><body>You are being rate limited</body></html>",
    )
        .into_response()
}

fn headers(bucket: &Bucket, window: Window, now: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0"));
    headers.insert(LIMIT, number(u64::from(bucket.limit)));
    headers.insert(
        REMAINING,
        number(u64::from(bucket.limit.saturating_sub(window.used))),
    );
    headers.insert(RESET, text(format!("{:.3}", window.ends_us as f64 / 1e6)));
    headers.insert(
        RESET_AFTER,
        text(format!("{:.3}", (window.ends_us - now) as f64 / 1e6)),
    );
    headers.insert(BUCKET, text(hash(bucket.name)));
    headers
}

fn number(number: u64) -> HeaderValue {
    HeaderValue::from(number)
}

/// A stable 32-digit name, like Discord's hashes.
fn hash(name: &str) -> String {
    let fnv = |seed: u64| {
        name.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    format!(
        "{:016x}{:016x}",
        fnv(0xCBF2_9CE4_8422_2325),
        fnv(0x9E37_79B9_7F4A_7C15)
    )
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RESET_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-reset-after");
const BUCKET: HeaderName = HeaderName::from_static("x-ratelimit-bucket");
const SCOPE: HeaderName = HeaderName::from_static("x-ratelimit-scope");
const GLOBAL: HeaderName = HeaderName::from_static("x-ratelimit-global");
const INVALID_WINDOW_US: u64 = 600_000_000;
const MOST_BUCKETS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bucket(global: bool) -> Bucket {
        Bucket {
            name: "b",
            major: String::new(),
            limit: 5,
            window_ms: 5_000,
            global,
        }
    }

    #[test]
    fn the_sixth_request_of_five_waits_for_the_window() {
        let (clock, limits) = (Clock::default(), Limits::default());
        let mut rates = Rates::new(clock.clone(), &limits);
        let who = Some(ApplicationId::new(1));
        for left in (0..5).rev() {
            let Verdict::Pass(headers) = rates.check(who, &bucket(true), &limits) else {
                panic!("a request within the limit was refused");
            };
            assert_eq!(headers[&REMAINING], left.to_string());
        }
        let Verdict::Limited(limited) = rates.check(who, &bucket(true), &limits) else {
            panic!("the sixth request passed");
        };
        assert!(
            limited.retry_after_us > 0 && limited.retry_after_us <= 5_000_000 && !limited.global
        );
        clock.advance(Duration::from_secs(5));
        assert!(matches!(
            rates.check(who, &bucket(true), &limits),
            Verdict::Pass(_)
        ));
    }

    #[test]
    fn the_global_limit_counts_all_routes_but_interactions() {
        let (clock, limits) = (Clock::default(), Limits::default());
        let mut rates = Rates::new(clock, &limits);
        let who = Some(ApplicationId::new(1));
        let wide = |name| Bucket {
            name,
            limit: 1_000,
            ..bucket(true)
        };
        let mut limited = 0;
        for _ in 0..30 {
            for name in ["a", "b"] {
                if let Verdict::Limited(one) = rates.check(who, &wide(name), &limits) {
                    assert!(one.global);
                    limited += 1;
                }
            }
        }
        assert_eq!(limited, 10);
        let exempt = Bucket {
            global: false,
            limit: 0,
            ..bucket(false)
        };
        assert!(matches!(
            rates.check(None, &exempt, &limits),
            Verdict::Pass(_)
        ));
    }

    #[test]
    fn ten_thousand_invalid_requests_shut_a_client_out_for_ten_minutes() {
        let clock = Clock::default();
        let mut rates = Rates::new(clock.clone(), &Limits::default());
        for _ in 0..9_999 {
            rates.count_invalid();
        }
        assert!(!rates.is_shut_out());
        rates.count_invalid();
        assert!(rates.is_shut_out());
        clock.advance(Duration::from_secs(601));
        assert!(!rates.is_shut_out());
    }
}
