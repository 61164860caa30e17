//! Opening and closing.

use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::sessions::SessionError;
use backline_service::{OpenError, Services, StoreError};

use crate::{guild, in_memory, snapshot, within};

#[tokio::test]
async fn a_store_that_is_refused_says_why() {
    let store = config::Store {
        url: "sqlite:/nowhere/backline.db".into(),
        ..config::Store::default()
    };
    let error = Services::open(&store, &config::Redis::default(), &Metrics::new())
        .await
        .expect_err("is refused");
    assert!(matches!(error, OpenError::Store(_)));
    assert_eq!(
        error.to_string(),
        "the folder of the database `/nowhere/backline.db` does not exist"
    );
}

#[tokio::test]
async fn closing_ends_all_clones_and_their_readers() {
    let services = in_memory().await;
    let other = services.clone();
    other.check().await.expect("answers");
    let mut commands = other.lines.commands();
    let mut now = other.lines.now();
    let readers =
        tokio::spawn(async move { (commands.next().await.is_none(), now.next().await.is_none()) });
    within(services.close()).await;
    assert_eq!(within(readers).await.expect("no panic"), (true, true));
    let gone = other.check().await;
    assert!(matches!(gone, Err(StoreError::Closed)), "{gone:?}");
    let refused = other.sessions.save(guild(1), &snapshot(1)).await;
    assert!(
        matches!(refused, Err(SessionError::Store(StoreError::Closed))),
        "{refused:?}"
    );
    within(other.close()).await;
}
