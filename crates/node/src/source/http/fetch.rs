//! Fills a window from a web server: on demand, again after a dropped connection, and from
//! elsewhere when the reader jumps.

use std::time::Duration;

use reqwest::Response;
use url::Url;

use super::window::{Demand, Failure};
use super::{FetchError, Http, SharedWindow};

/// Fills one window until nobody reads it any more.
#[derive(Debug)]
pub struct Filler {
    /// Fetches.
    pub http: Http,
    /// The URL, after redirects.
    pub url: Url,
    /// The file's strong tag.
    pub tag: Option<String>,
    /// The file's length.
    pub total: Option<u64>,
    /// Whether the server can begin anywhere.
    pub seekable: bool,
    /// What is filled.
    pub window: SharedWindow,
}

/// Bytes after which a connection has done some good.
const PROGRESS: u64 = 4 * 1024;
/// Dropped connections in a row, without any good between them, before a file is given up.
const ATTEMPTS: u32 = 4;
/// The pause after the first of them; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);

impl Filler {
    /// Runs until the reader is gone.
    pub async fn run(self, first: Response) {
        let gone = self.window.gone.clone();
        tokio::select! {
            () = gone.cancelled() => {}
            () = self.fill(first) => {}
        }
    }

    async fn fill(&self, first: Response) {
        let mut response = Some(first);
        // Where the response under way has come to.
        let mut at = 0;
        // Bytes since the last break.
        let mut received = 0;
        let mut failures = 0;
        loop {
            let offset = match self.window.demand().await {
                Demand::More(offset) => offset,
                Demand::Jump(offset) => {
                    failures = 0;
                    offset
                }
            };
            if offset != at || response.is_none() {
                if self.total.is_some_and(|total| offset >= total) {
                    self.window.finish();
                    response = None;
                    continue;
                }
                response = None;
                let resumed = self
                    .http
                    .resume(&self.url, offset, self.tag.as_deref(), self.total);
                tokio::select! {
                    resumed = resumed => match resumed {
                        Ok(resumed) => {
                            response = Some(resumed);
                            at = offset;
                        }
                        Err(error) => {
                            failures += 1;
                            if failures >= ATTEMPTS || !is_passing(&error) {
                                self.window.fail(Failure(error.to_string()));
                            } else {
                                tokio::time::sleep(PAUSE * 2_u32.pow(failures)).await;
                            }
                            continue;
                        }
                    },
                    () = self.window.jumped() => continue,
                }
            }
            let Some(open) = response.as_mut() else {
                continue;
            };
            let chunk = tokio::select! {
                chunk = self.http.chunk(open) => chunk,
                // The response may be in the middle of a chunk: it is of no use any more.
                () = self.window.jumped() => {
                    response = None;
                    continue;
                }
            };
            match chunk {
                Ok(Some(bytes)) => {
                    at += bytes.len() as u64;
                    received += bytes.len() as u64;
                    // A server that breaks off after every few bytes is not asked for ever.
                    if received >= PROGRESS {
                        failures = 0;
                    }
                    self.window.append(bytes);
                }
                Ok(None) if self.total.is_none_or(|total| at >= total) => {
                    self.window.finish();
                    response = None;
                }
                // The body ended or broke before its end: go on from there, if the server can.
                Ok(None) => {
                    response = None;
                    failures += 1;
                    received = 0;
                    self.broke(failures, "the file is cut off").await;
                }
                Err(Failure(why)) => {
                    response = None;
                    failures += 1;
                    received = 0;
                    self.broke(failures, &why).await;
                }
            }
        }
    }

    async fn broke(&self, failures: u32, why: &str) {
        if !self.seekable || failures >= ATTEMPTS {
            self.window.fail(Failure(why.to_owned()));
        } else if failures > 1 {
            tokio::time::sleep(PAUSE * 2_u32.pow(failures)).await;
        }
    }
}

/// Whether the same request may succeed a little later.
pub fn is_passing(error: &FetchError) -> bool {
    match error {
        FetchError::Connect | FetchError::TimedOut | FetchError::Broken(_) => true,
        FetchError::Status(status) => status.is_server_error() || status.as_u16() == 429,
        FetchError::Refused(_)
        | FetchError::Redirect
        | FetchError::Range
        | FetchError::Changed
        | FetchError::TooLarge => false,
    }
}
