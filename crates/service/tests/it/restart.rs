//! What is there after a restart, asked for or not.

use std::fs;
use std::time::Instant;

use backline_backends::store::StoreOptions;
use backline_core::id::MessageId;
use backline_runtime::config;
use backline_runtime::metrics::Metrics;
use backline_service::{Services, ShardSession};

use crate::{PATIENCE, channel, guild, in_folder, snapshot, track};

fn session(sequence: u64) -> ShardSession {
    ShardSession {
        session_id: "session".into(),
        sequence,
        resume_url: "wss://gateway.example".into(),
    }
}

#[tokio::test]
async fn everything_is_there_after_a_close() {
    let folder = tempfile::tempdir().expect("a folder");
    let services = in_folder(&folder).await;
    services
        .sessions
        .save(guild(1), &snapshot(1))
        .await
        .expect("saves");
    let message = MessageId::new(3).expect("not zero");
    services
        .panels
        .save(guild(1), channel(2), message)
        .await
        .expect("saves");
    services
        .history
        .record(guild(1), &track("one", None), 5)
        .await
        .expect("records");
    services.shards.put(0, session(41));
    services.shards.put(1, session(42));
    services.shards.clear(1);
    services.shards.put(0, session(43));
    services.close().await;

    let services = in_folder(&folder).await;
    assert_eq!(
        services.sessions.load(guild(1)).await.expect("loads"),
        Some(snapshot(1))
    );
    let panel = services.panels.load(guild(1)).await.expect("loads");
    assert_eq!(panel, Some((channel(2), message)));
    assert_eq!(
        services
            .history
            .suggest(guild(1), "one", 5)
            .await
            .expect("suggests")
            .len(),
        1
    );
    assert_eq!(
        services.shards.load(0).await.expect("loads"),
        Some(session(43))
    );
    assert_eq!(services.shards.load(1).await.expect("loads"), None);
}

#[tokio::test]
async fn what_was_saved_is_in_the_files_of_a_process_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let services = in_folder(&folder).await;
    for id in 1..=20 {
        services
            .sessions
            .save(guild(id), &snapshot(id))
            .await
            .expect("saves");
        services
            .sessions
            .save_position(guild(id), id * 1_000, 5)
            .await
            .expect("saves");
    }
    services.shards.put(0, session(41));
    // Written behind, within a second: looked for in copies of the files, as a kill leaves them.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let copy = tempfile::tempdir().expect("a folder");
        for name in ["backline.db", "backline.db-wal"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).expect("copies");
        }
        let restarted = in_folder(&copy).await;
        let sessions = restarted.sessions.all().await.expect("loads");
        let expected: Vec<_> = (1..=20)
            .map(|id| {
                let mut snapshot = snapshot(id);
                snapshot.set_position(id * 1_000);
                (guild(id), snapshot)
            })
            .collect();
        assert_eq!(sessions, expected);
        if restarted.shards.load(0).await.expect("loads") == Some(session(41)) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the shard session was not written"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_read_does_not_hide_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let services = in_folder(&folder).await;
    services
        .sessions
        .save(guild(1), &snapshot(1))
        .await
        .expect("saves");
    services.close().await;

    let url = format!("sqlite:{}/backline.db", folder.path().display());
    let store =
        backline_backends::store::Store::open(&url, &StoreOptions::new(Metrics::new().store))
            .await
            .expect("opens");
    let broken = r#"{"version":1,"secret":"hunter2"}"#;
    store
        .sessions()
        .save(guild(2), broken.into(), 0)
        .await
        .expect("saves");
    store.close().await;

    let services = Services::open(
        &config::Store {
            url: url.into(),
            ..config::Store::default()
        },
        &config::Redis::default(),
        &Metrics::new(),
    )
    .await
    .expect("opens");
    let all = services.sessions.all().await.expect("loads");
    assert_eq!(all, [(guild(1), snapshot(1))]);
    let error = services
        .sessions
        .load(guild(2))
        .await
        .expect_err("is not readable");
    assert_eq!(
        error.to_string(),
        "the saved session of guild 2 cannot be read (line 1, column 32)"
    );
}
