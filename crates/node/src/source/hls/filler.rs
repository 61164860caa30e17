//! Fetches the segments of a stream in their turn.

use std::time::Duration;

use backline_media::demux::segment::SegmentDemuxer;
use backline_media::playlist::hls::{Key, Map, Media, Range, Segment};
use bytes::Bytes;
use tokio::time::Instant;
use url::Url;

use super::secret::decrypt;
use super::{StreamError, load};
use crate::source::http::fetch::is_passing;
use crate::source::http::window::{Demand, EDGE, Failure};
use crate::source::http::{Body, FetchError, Http, SharedWindow};

/// Fills one window until nobody reads it any more.
pub struct HlsFiller {
    http: Http,
    /// Where the playlist is, after redirects.
    url: Url,
    media: Media,
    /// When the playlist may be looked at again.
    due: Instant,
    window: SharedWindow,
    demuxer: SegmentDemuxer,
    /// What was sent before the segments, so that it is not sent again.
    map: Option<Map>,
    /// The key that was used last.
    key: Option<(String, [u8; 16])>,
    failures: u32,
}

/// What came of a segment.
enum Done {
    /// It was handed on, or cannot be had.
    Next,
    /// The reader is elsewhere.
    Jump(u64),
    /// Nothing more can be had.
    Over(Failure),
}

/// Failures in a row before a stream is given up.
const ATTEMPTS: u32 = 8;
/// The pause after the first of them; doubled each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The largest segment that has to be held as a whole.
const MAX_SECRET: usize = 32 << 20;
/// The largest initialisation section.
const MAX_MAP: usize = 1 << 20;
/// The shortest time between two looks at a playlist.
const SOON: Duration = Duration::from_millis(500);
/// How many segments before the newest one a live stream is joined.
const FROM_EDGE: usize = 3;

impl HlsFiller {
    /// Returns what fills a window with the segments of `media`, which came from `url` just now.
    pub fn new(http: Http, url: Url, media: Media, window: SharedWindow) -> Self {
        let mut filler = Self {
            http,
            url,
            media,
            due: Instant::now(),
            window,
            demuxer: SegmentDemuxer::new(),
            map: None,
            key: None,
            failures: 0,
        };
        filler.due = Instant::now() + filler.target();
        filler
    }

    /// Runs until the reader is gone.
    pub async fn run(mut self) {
        let gone = self.window.gone.clone();
        tokio::select! {
            () = gone.cancelled() => {}
            () = self.fill() => {}
        }
    }

    async fn fill(&mut self) {
        let mut next = if self.media.ended {
            self.media.segments.first().map_or(0, |first| first.number)
        } else {
            self.edge()
        };
        loop {
            if let Demand::Jump(to) = self.window.demand().await {
                next = self.jump(to).await;
            }
            let segment = match self.find(&mut next).await {
                Ok(Some(segment)) => segment,
                Ok(None) => {
                    self.window.finish();
                    continue;
                }
                Err(failure) => {
                    self.window.fail(failure);
                    continue;
                }
            };
            match self.hand_on(&segment).await {
                Done::Next => next = segment.number + 1,
                Done::Jump(to) => next = self.jump(to).await,
                Done::Over(failure) => self.window.fail(failure),
            }
        }
    }

    /// Begins anew at a segment by its place in the list, or where what is new is.
    async fn jump(&mut self, to: u64) -> u64 {
        self.demuxer = SegmentDemuxer::new();
        self.map = None;
        self.failures = 0;
        if to != EDGE {
            let segment = usize::try_from(to).ok();
            let segment = segment.and_then(|place| self.media.segments.get(place));
            return segment.map_or(u64::MAX, |segment| segment.number);
        }
        if let Ok((url, media)) = load(&self.http, &self.url).await {
            self.take(url, media);
        }
        self.edge()
    }

    /// Where a live stream is joined.
    fn edge(&self) -> u64 {
        let segments = &self.media.segments;
        let place = segments.len().saturating_sub(FROM_EDGE);
        segments.get(place).map_or(0, |segment| segment.number)
    }

    fn target(&self) -> Duration {
        Duration::from_millis(self.media.target_ms).clamp(SOON, Duration::from_mins(1))
    }

    fn take(&mut self, url: Url, media: Media) {
        let last = |media: &Media| media.segments.last().map(|segment| segment.number);
        let is_new = last(&media) != last(&self.media);
        (self.url, self.media) = (url, media);
        // RFC 8216, section 6.3.4: half as long if nothing was new.
        let wait = if is_new {
            self.target()
        } else {
            self.target() / 2
        };
        self.due = Instant::now() + wait.max(SOON);
    }

    /// Returns the segment with number `next`, or with the number that has taken its place;
    /// `None` at the end.
    async fn find(&mut self, next: &mut u64) -> Result<Option<Segment>, Failure> {
        loop {
            if let Some(first) = self.media.segments.first() {
                let last = first.number + self.media.segments.len() as u64 - 1;
                let is_behind = *next < first.number;
                // The server began to count anew.
                let is_ahead = !self.media.ended && *next > last + RESTARTED;
                if is_behind || is_ahead {
                    *next = self.edge();
                }
                let place = usize::try_from(next.saturating_sub(first.number));
                let found = place.ok().and_then(|place| self.media.segments.get(place));
                if let Some(segment) = found {
                    return Ok(Some(segment.clone()));
                }
            }
            if self.media.ended {
                return Ok(None);
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.due) => {}
                // The list is looked at again when the reader says where it is.
                () = self.window.jumped() => return Ok(Some(Segment { is_gap: true, number: *next, ..Segment::default() })),
            }
            match load(&self.http, &self.url).await {
                Ok((url, media)) => {
                    self.failures = 0;
                    self.take(url, media);
                }
                Err(error) => {
                    let lasting = match &error {
                        StreamError::Fetch(FetchError::Status(_)) => false,
                        StreamError::Fetch(error) => !is_passing(error),
                        // Half a playlist, while it is being written.
                        _ => false,
                    };
                    self.fail(lasting, error.to_string()).await?;
                }
            }
        }
    }

    /// Counts a failure and pauses, or gives up.
    async fn fail(&mut self, lasting: bool, why: String) -> Result<(), Failure> {
        self.failures += 1;
        if lasting || self.failures > ATTEMPTS {
            return Err(Failure(why));
        }
        let pause = PAUSE.saturating_mul(1 << self.failures.min(16));
        tokio::select! {
            () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => {}
            () = self.window.jumped() => {}
        }
        Ok(())
    }

    /// Fetches a segment and hands its sound on.
    async fn hand_on(&mut self, segment: &Segment) -> Done {
        if segment.is_gap {
            return Done::Next;
        }
        let why = loop {
            let tried = if segment.key.is_some() {
                self.hand_on_secret(segment).await
            } else {
                self.hand_on_open(segment).await
            };
            let (error, is_fresh) = match tried {
                Ok(done) => {
                    self.failures = 0;
                    return done;
                }
                Err(failed) => failed,
            };
            let lasting = matches!(error, FetchError::Refused(_) | FetchError::TooLarge);
            let is_gone = matches!(error, FetchError::Status(status) if status.is_client_error());
            if let Err(failure) = self.fail(lasting, error.to_string()).await {
                break failure;
            }
            // What was heard of it is not heard again, and what is gone stays away.
            if !is_fresh || is_gone {
                return Done::Next;
            }
        };
        Done::Over(why)
    }

    /// Fails with whether nothing of the segment was handed on yet.
    async fn hand_on_open(&mut self, segment: &Segment) -> Result<Done, (FetchError, bool)> {
        let fresh = |error| (error, true);
        self.hand_on_map(segment).await.map_err(fresh)?;
        let mut body = self
            .body(&segment.location, segment.range)
            .await
            .map_err(fresh)?;
        self.demuxer.begin(segment.is_discontinuous);
        let mut is_fresh = true;
        loop {
            if let Demand::Jump(to) = self.window.demand().await {
                return Ok(Done::Jump(to));
            }
            let chunk = tokio::select! {
                chunk = body.next() => chunk,
                () = self.window.jumped() => continue,
            };
            match chunk.map_err(|error| (error, is_fresh))? {
                None => return Ok(Done::Next),
                Some(chunk) => {
                    is_fresh = false;
                    if let Err(failure) = self.append(&chunk) {
                        return Ok(Done::Over(failure));
                    }
                }
            }
        }
    }

    async fn hand_on_secret(&mut self, segment: &Segment) -> Result<Done, (FetchError, bool)> {
        let fresh = |error| (error, true);
        self.hand_on_map(segment).await.map_err(fresh)?;
        let Some(key) = &segment.key else {
            return Ok(Done::Next);
        };
        let bytes = self
            .fetch(&segment.location, segment.range, MAX_SECRET)
            .await
            .map_err(fresh)?;
        let bytes = self.open(key, segment.number, bytes).await.map_err(fresh)?;
        self.demuxer.begin(segment.is_discontinuous);
        Ok(match self.append(&bytes) {
            Ok(()) => Done::Next,
            Err(failure) => Done::Over(failure),
        })
    }

    /// Hands on what decoders have to see before a segment, unless they have.
    async fn hand_on_map(&mut self, segment: &Segment) -> Result<(), FetchError> {
        let Some(map) = &segment.map else {
            return Ok(());
        };
        if self.map.as_ref() == Some(&**map) {
            return Ok(());
        }
        let mut bytes = self.fetch(&map.location, map.range, MAX_MAP).await?;
        if let Some(key) = &map.key {
            bytes = self.open(key, segment.number, bytes).await?;
        }
        self.window.append(bytes.into());
        self.map = Some(Map::clone(map));
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut sound = Vec::with_capacity(bytes.len());
        self.demuxer
            .push(bytes, &mut sound)
            .map_err(|error| Failure(error.to_string()))?;
        self.window.append(Bytes::from(sound));
        Ok(())
    }

    async fn open(
        &mut self,
        key: &Key,
        number: u64,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, FetchError> {
        let known = self.key.as_ref();
        let known = known.filter(|(location, _)| *location == key.location);
        let secret = if let Some((_, secret)) = known {
            *secret
        } else {
            let secret = self.fetch(&key.location, None, 16).await?;
            let secret: [u8; 16] = secret
                .try_into()
                .map_err(|_| FetchError::Broken("the key is too short".to_owned()))?;
            self.key = Some((key.location.clone(), secret));
            secret
        };
        decrypt(&secret, key.iv_for(number), bytes)
            .ok_or_else(|| FetchError::Broken("the key does not fit".to_owned()))
    }

    async fn body(&self, location: &str, range: Option<Range>) -> Result<Body, FetchError> {
        let url = self.url.join(location).map_err(|_| FetchError::Redirect)?;
        let range = range.map(|range| (range.offset, range.length));
        self.http.body(&url, range).await
    }

    async fn fetch(
        &self,
        location: &str,
        range: Option<Range>,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let url = self.url.join(location).map_err(|_| FetchError::Redirect)?;
        let range = range.map(|range| (range.offset, range.length));
        let (_, bytes) = self.http.fetch(&url, range, limit).await?;
        Ok(bytes)
    }
}

/// A number this far behind the list is not one that is about to come.
const RESTARTED: u64 = 10;
