//! The contract of the cache. A new backend joins at the end of this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use backline_backends::cache::memory::MemoryCache;
use backline_backends::cache::{Cache, LoadError};

/// Makes an empty cache.
type Make = fn() -> Arc<dyn Cache>;

const LONG: Duration = Duration::from_hours(1);

async fn a_value_is_served_until_it_is_removed(make: Make) {
    let cache = make();
    assert_eq!(cache.get("key").await, None);
    cache.put("key", value("one"), LONG).await;
    assert_eq!(cache.get("key").await, Some(value("one")));
    assert_eq!(cache.get("other").await, None);
    cache.put("key", value("two"), LONG).await;
    assert_eq!(cache.get("key").await, Some(value("two")));
    cache.remove("key").await;
    assert_eq!(cache.get("key").await, None);
}

async fn a_value_is_forgotten_after_its_time(make: Make) {
    let cache = make();
    cache
        .put("short", value("x"), Duration::from_millis(20))
        .await;
    cache.put("long", value("y"), LONG).await;
    // A later value lives by its own time, not by the first one's.
    cache
        .put("again", value("x"), Duration::from_millis(20))
        .await;
    cache.put("again", value("z"), LONG).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while cache.get("short").await.is_some() {
        assert!(Instant::now() < deadline, "it is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cache.get("long").await, Some(value("y")));
    assert_eq!(cache.get("again").await, Some(value("z")));
}

async fn a_missing_value_is_loaded_once_for_all_who_ask(make: Make) {
    let cache = make();
    let loads = Arc::new(AtomicU32::new(0));
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let (cache, loads) = (Arc::clone(&cache), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = Box::pin(async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    Ok(value("loaded"))
                });
                cache.get_or_load("key", LONG, load).await.expect("loads")
            })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.expect("no panic"), value("loaded"));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.get("key").await, Some(value("loaded")));
}

async fn a_failed_load_leaves_nothing_and_is_tried_again(make: Make) {
    let cache = make();
    let failing = Box::pin(async { Err(LoadError::new(std::io::Error::other("away"))) });
    let error = cache
        .get_or_load("key", LONG, failing)
        .await
        .expect_err("fails");
    assert_eq!(error.source.to_string(), "away");
    assert_eq!(cache.get("key").await, None);
    let working = Box::pin(async { Ok(value("back")) });
    let loaded = cache
        .get_or_load("key", LONG, working)
        .await
        .expect("loads");
    assert_eq!(loaded, value("back"));
}

fn value(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

macro_rules! contracts {
    ($($backend:ident: $make:expr),+ $(,)?) => {$(
        mod $backend {
            use super::*;

            #[tokio::test]
            async fn a_value_is_served_until_it_is_removed() {
                super::a_value_is_served_until_it_is_removed($make).await;
            }

            #[tokio::test]
            async fn a_value_is_forgotten_after_its_time() {
                super::a_value_is_forgotten_after_its_time($make).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_missing_value_is_loaded_once_for_all_who_ask() {
                super::a_missing_value_is_loaded_once_for_all_who_ask($make).await;
            }

            #[tokio::test]
            async fn a_failed_load_leaves_nothing_and_is_tried_again() {
                super::a_failed_load_leaves_nothing_and_is_tried_again($make).await;
            }
        }
    )+};
}

contracts! {
    memory: || Arc::new(MemoryCache::new(1024 * 1024)),
}

#[tokio::test]
async fn the_memory_cache_stays_within_its_bytes() {
    let cache = MemoryCache::new(10_000);
    for n in 0..100 {
        cache.put(&n.to_string(), vec![0; 1_000].into(), LONG).await;
    }
    let mut found = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    while found == 0 || found > 10 {
        assert!(Instant::now() < deadline, "{found} of 100 values are kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
        found = 0;
        for n in 0..100 {
            found += usize::from(cache.get(&n.to_string()).await.is_some());
        }
    }
}
