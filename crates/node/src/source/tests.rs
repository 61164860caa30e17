//! The order of sources, and how they point at each other.

use backline_proto::lavalink::encoded::Details;
use backline_proto::lavalink::{LoadResult, TrackInfo};
use futures_util::FutureExt;

use super::*;

/// A source that only points elsewhere: `from` leads to `to`, and so do its tracks.
#[derive(Debug)]
struct Signpost {
    from: &'static str,
    to: &'static str,
}

impl Source for Signpost {
    fn label(&self) -> LoadSource {
        LoadSource::Deezer
    }

    fn names(&self) -> &'static [&'static str] {
        &["signpost"]
    }

    fn load<'a>(&'a self, _: &'a Sources, identifier: &'a str) -> BoxFuture<'a, Loaded> {
        let known = identifier == self.from;
        let answer = if known {
            Loaded::Moved(self.to.to_owned())
        } else {
            Loaded::Foreign
        };
        std::future::ready(answer).boxed()
    }

    fn open<'a>(
        &'a self,
        _: &'a Sources,
        track: &'a Track,
        _: Wake,
    ) -> BoxFuture<'a, Result<Opened, Box<Exception>>> {
        std::future::ready(Ok(Opened::Instead(Box::new(track.clone())))).boxed()
    }
}

fn sources(posts: &[(&'static str, &'static str)]) -> Sources {
    let _other_test = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (pool, _) = Pool::start(0, Vec::new()).expect("no threads, no failure");
    let mut config = config::Node::default();
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");
    config.local.root = Some(assets.into());
    let mut sources = Sources::new(&config, &pool, &NodeMetrics::default()).expect("sources");
    for (from, to) in posts {
        sources.list.insert(0, Arc::new(Signpost { from, to }));
    }
    sources
}

#[tokio::test]
async fn a_source_may_point_at_another_five_times_and_no_more() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../assets/music/nocturne.opus"
    );
    let file = std::fs::canonicalize(file).expect("there is music");
    let file: &'static str = file.to_string_lossy().into_owned().leak();
    let posts = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", file)];
    let straight = sources(&posts);
    assert!(matches!(straight.load("a").await, LoadResult::Track(_)));

    let around = sources(&[("a", "b"), ("b", "a")]);
    let LoadResult::Error(failure) = around.load("a").await else {
        panic!("a circle has no end");
    };
    assert!(failure.cause.contains("redirects"), "{}", failure.cause);
}

#[tokio::test]
async fn tracks_that_lead_in_a_circle_cannot_be_opened() {
    let info = TrackInfo {
        identifier: "a".into(),
        is_seekable: true,
        author: "b".into(),
        length: 1,
        is_stream: false,
        position: 0,
        title: "c".into(),
        uri: None,
        source_name: "signpost".into(),
        artwork_url: None,
        isrc: None,
    };
    let track = describe::track(info, Details::None);
    let sources = sources(&[("a", "b")]);
    let Err(failure) = sources.open(&track, 0).await else {
        panic!("a circle has no end");
    };
    assert!(failure.cause.contains("redirects"), "{}", failure.cause);
}

#[tokio::test]
async fn what_no_source_knows_is_empty() {
    let sources = sources(&[("a", "b")]);
    for text in [
        "never gonna",
        "b",
        "ytsearch:x",
        "ftp://host/a.mp3",
        "",
        " ",
    ] {
        assert_eq!(sources.load(text).await, LoadResult::Empty, "{text}");
    }
}

#[test]
fn sources_are_named_in_the_order_in_which_they_are_asked() {
    assert_eq!(sources(&[]).names(), ["local", "http"]);
    assert_eq!(
        sources(&[("a", "b"), ("c", "d")]).names(),
        ["signpost", "local", "http"]
    );
}
