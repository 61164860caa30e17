//! Radio: streams without an end that a server sends as they come about (SHOUTcast, Icecast).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use backline_media::icy::{self, Piece, Splitter};
use bytes::Bytes;
use rand::RngExt;
use reqwest::Response;
use reqwest::header::{self, HeaderMap};
use tokio::sync::watch;
use url::Url;

use super::fetch::is_passing;
use super::window::Failure;
use super::{FetchError, Http, SharedWindow};

/// What a radio server says about itself.
#[derive(Debug, Clone)]
pub struct Station {
    /// What it is called.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Its page on the web.
    pub page: Option<String>,
    /// What plays now.
    pub title: Title,
    /// Whether it tells titles.
    pub tells_titles: bool,
}

/// What a radio station plays now; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Title(Arc<watch::Sender<Option<Arc<str>>>>);

/// The header that asks for titles.
pub const WANTS_TITLES: &str = "icy-metadata";
/// How long a station may take to tell what plays.
const TITLE: Duration = Duration::from_millis(1_500);
/// Longest stretch of sound between two titles, in bytes.
const MAX_INTERVAL: usize = 1 << 20;
/// Breaks in a row, without a good stretch of sound between them, before a station is given up:
/// about two minutes.
const ATTEMPTS: u32 = 10;
/// The pause after the first of them; doubled each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Bytes after which a connection counts as good.
const GOOD: u64 = 64 * 1024;

impl Station {
    /// Returns what the headers of an answer say, if they are those of a radio server.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let is_radio = headers
            .keys()
            .any(|name| name.as_str().starts_with("icy-") || name == "ice-audio-info");
        let text = |name: &str| {
            let text = icy::text(headers.get(name)?.as_bytes());
            (!text.is_empty()).then_some(text)
        };
        is_radio.then(|| Self {
            name: text("icy-name"),
            description: text("icy-description"),
            page: text("icy-url"),
            title: Title::default(),
            tells_titles: interval(headers).is_some(),
        })
    }
}

/// Waits a moment until a station tells what plays.
pub async fn hear_title(station: Option<Station>) {
    let Some(station) = station.filter(|station| station.tells_titles) else {
        return;
    };
    let mut title = station.title.subscribe();
    let told = title.wait_for(Option::is_some);
    let _late = tokio::time::timeout(TITLE, told).await;
}

impl Title {
    /// Returns what plays now.
    pub fn now(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// Returns what tells when it changes.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.0.subscribe()
    }

    /// Says what plays from now on; an empty text is nothing.
    pub fn set(&self, text: &str) {
        self.0.send_if_modified(|now| {
            if now.as_deref().unwrap_or_default() == text {
                return false;
            }
            *now = (!text.is_empty()).then(|| text.into());
            true
        });
    }
}

/// How many bytes of sound are between two titles.
fn interval(headers: &HeaderMap) -> Option<NonZeroUsize> {
    let text = headers.get("icy-metaint")?.to_str().ok()?;
    let interval: NonZeroUsize = text.trim().parse().ok()?;
    (interval.get() <= MAX_INTERVAL).then_some(interval)
}

/// Fills one window until nobody reads it any more, again after the connection broke.
#[derive(Debug)]
pub struct LiveFiller {
    /// Fetches.
    pub http: Http,
    /// The URL, before redirects.
    pub url: Url,
    /// What the server says that it sends.
    pub content_type: Option<String>,
    /// What plays now.
    pub title: Title,
    /// What is filled.
    pub window: SharedWindow,
}

/// Why a connection ended.
enum Ended {
    /// Nobody listens.
    Idle,
    Broke(String),
}

impl LiveFiller {
    /// Runs until the reader is gone.
    pub async fn run(self, first: Response) {
        let gone = self.window.gone.clone();
        tokio::select! {
            () = gone.cancelled() => {}
            () = self.fill(first) => {}
        }
    }

    async fn fill(&self, first: Response) {
        let mut response = first;
        let mut failures = 0;
        loop {
            let mut received = 0;
            let ended = self.listen(response, &mut received).await;
            if received >= GOOD {
                failures = 0;
            }
            let mut why = match ended {
                Ended::Idle => {
                    self.window.park().await;
                    None
                }
                Ended::Broke(why) => Some(why),
            };
            response = loop {
                if let Some(why) = why {
                    failures += 1;
                    if failures > ATTEMPTS {
                        self.window.fail(Failure(why));
                        return;
                    }
                    tokio::time::sleep(pause(failures)).await;
                    if self.window.is_idle() {
                        self.window.park().await;
                    }
                }
                why = match self.http.get(&self.url, 0, None).await {
                    Ok((_, response)) if self.is_same(&response) => break response,
                    Ok(_) => {
                        let why = "the station has changed its format";
                        self.window.fail(Failure(why.to_owned()));
                        return;
                    }
                    // A station that is being restarted is not there for a moment.
                    Err(FetchError::Status(status)) => Some(FetchError::Status(status).to_string()),
                    Err(error) if is_passing(&error) => Some(error.to_string()),
                    Err(error) => {
                        self.window.fail(Failure(error.to_string()));
                        return;
                    }
                };
            };
        }
    }

    fn is_same(&self, response: &Response) -> bool {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(self.content_type.as_deref().unwrap_or_default())
    }

    async fn listen(&self, mut response: Response, received: &mut u64) -> Ended {
        let mut splitter = interval(response.headers()).map(Splitter::new);
        loop {
            let mut chunk = match self.http.chunk(&mut response).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ended::Broke("the station stopped sending".to_owned()),
                Err(Failure(why)) => return Ended::Broke(why),
            };
            if self.window.is_idle() {
                return Ended::Idle;
            }
            *received += chunk.len() as u64;
            match &mut splitter {
                None => self.window.append(chunk),
                Some(splitter) => self.split(splitter, &mut chunk),
            }
        }
    }

    fn split(&self, splitter: &mut Splitter, chunk: &mut Bytes) {
        while !chunk.is_empty() {
            let (used, piece) = splitter.handle(chunk);
            let bytes = chunk.split_to(used);
            match piece {
                Piece::Sound => self.window.append(bytes),
                Piece::Block => {}
                Piece::Title(title) => self.title.set(&title),
            }
        }
    }
}

/// Doubles each time, and differs between listeners that were cut off together.
fn pause(failures: u32) -> Duration {
    let pause = PAUSE
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_PAUSE);
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radio_is_told_by_its_headers() {
        let mut headers = HeaderMap::new();
        assert!(Station::of(&headers).is_none());
        headers.insert("icy-name", "Caf\u{e9} Radio".parse().expect("a value"));
        headers.insert("icy-metaint", "16000".parse().expect("a value"));
        let station = Station::of(&headers).expect("radio");
        assert_eq!(station.name.as_deref(), Some("Café Radio"));
        assert!(station.tells_titles);
        for odd in ["0", "-1", "x", "99999999999"] {
            headers.insert("icy-metaint", odd.parse().expect("a value"));
            assert_eq!(interval(&headers), None, "{odd}");
        }
    }

    #[test]
    fn a_title_is_told_once() {
        let title = Title::default();
        let mut told = title.subscribe();
        title.set("One");
        assert!(told.has_changed().expect("it is there"));
        assert_eq!(told.borrow_and_update().as_deref(), Some("One"));
        title.set("One");
        assert!(!told.has_changed().expect("it is there"));
        title.set("");
        assert_eq!(title.now(), None);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        for failures in 1..=ATTEMPTS {
            assert!(pause(failures) <= LONGEST_PAUSE);
        }
        assert!(pause(ATTEMPTS) > pause(1));
    }
}
