//! Everything moves from one database to the other, whole or not at all.

use backline_backends::store::copy::{CopyError, CopyOptions, Existing, Progress};
use backline_backends::store::{PlayedItem, SavedPosition, ShardSession, Store};
use backline_core::id::{ChannelId, MessageId};

use crate::store::{Place, guild, options};

async fn stores(place: &Place) -> (Store, Store) {
    let from = Store::open(&place.file(), &options()).await.expect("opens");
    let to = Store::open(&place.database(), &options())
        .await
        .expect("opens");
    (from, to)
}

/// Fills all tables with what is hard to carry.
async fn fill(store: &Store, guilds: u64) {
    for id in 1..=guilds {
        let snapshot = format!(r#"{{"n":{id},"title":"Größe ☃ \u0000 '; DROP TABLE x"}}"#);
        let sessions = store.sessions();
        sessions.save(guild(id), snapshot, id).await.expect("saves");
        if id.is_multiple_of(3) {
            let position = SavedPosition {
                position_ms: id,
                at_ms: id,
            };
            sessions
                .save_position(guild(id), position)
                .await
                .expect("saves");
        }
        let item = PlayedItem {
            title: format!("title {id}"),
            author: "ÄRZTE".into(),
            uri: id
                .is_multiple_of(2)
                .then(|| format!("https://a.example/{id}")),
        };
        store
            .history()
            .record(guild(id), item, id)
            .await
            .expect("records");
    }
    let (channel, message) = (ChannelId::new(5), MessageId::new(6));
    let (channel, message) = channel.zip(message).expect("not zero");
    store
        .panels()
        .save(guild(u64::MAX), channel, message, 1)
        .await
        .expect("saves");
    let shard = ShardSession {
        session_id: "abc".into(),
        sequence: 9,
        resume_url: "wss://gateway.example".into(),
    };
    store
        .shards()
        .save([(0, Some(shard))], 1)
        .await
        .expect("saves");
}

fn small() -> CopyOptions {
    CopyOptions {
        batch: 7,
        ..CopyOptions::default()
    }
}

#[tokio::test]
async fn what_was_in_one_database_is_in_the_other() {
    let place = Place::new();
    let (sqlite, postgres) = stores(&place).await;
    fill(&sqlite, 50).await;
    let mut seen: Vec<Progress> = Vec::new();
    let reports = sqlite
        .copy_to(&postgres, small(), &mut |progress| seen.push(progress))
        .await
        .expect("copies");
    let sessions = &reports[0];
    assert_eq!(
        (sessions.table, sessions.rows, sessions.copied),
        ("sessions", 50, 50)
    );
    assert!(
        seen.iter()
            .any(|one| one.table == "sessions" && one.done == 49 && one.total == 50)
    );
    assert_eq!(
        sqlite.sessions().all().await.expect("loads"),
        postgres.sessions().all().await.expect("loads")
    );
    assert_eq!(
        postgres
            .history()
            .suggest(guild(4), "ärzte", 9)
            .await
            .expect("loads")
            .len(),
        1
    );
    // And back into an empty one: the hashes are the same.
    let again = Place::new();
    let back = Store::open(&again.file(), &options()).await.expect("opens");
    let returned = postgres
        .copy_to(&back, small(), &mut |_| {})
        .await
        .expect("copies");
    let hashes = |reports: &[backline_backends::store::copy::TableReport]| {
        reports
            .iter()
            .map(|report| report.hash.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes(&reports), hashes(&returned));
}

#[tokio::test]
async fn a_look_changes_nothing_and_finds_what_is_there_twice() {
    let place = Place::new();
    let (sqlite, postgres) = stores(&place).await;
    fill(&sqlite, 20).await;
    for id in [3, 4] {
        postgres
            .sessions()
            .save(guild(id), "{}".into(), 0)
            .await
            .expect("saves");
    }
    let look = CopyOptions {
        dry_run: true,
        ..small()
    };
    let reports = sqlite
        .copy_to(&postgres, look, &mut |_| {})
        .await
        .expect("looks");
    assert_eq!(
        (reports[0].rows, reports[0].duplicates, reports[0].copied),
        (20, 2, 0)
    );
    assert_eq!(postgres.sessions().all().await.expect("loads").len(), 2);
}

#[tokio::test]
async fn rows_that_are_there_are_refused_kept_or_replaced() {
    let rows = [
        (Existing::Refuse, None),
        (Existing::Keep, Some("{}")),
        (Existing::Replace, Some("new")),
    ];
    for (existing, expected) in rows {
        let place = Place::new();
        let (sqlite, postgres) = stores(&place).await;
        for id in 1..=9 {
            sqlite
                .sessions()
                .save(guild(id), "new".into(), 0)
                .await
                .expect("saves");
        }
        postgres
            .sessions()
            .save(guild(3), "{}".into(), 0)
            .await
            .expect("saves");
        let copied = sqlite
            .copy_to(
                &postgres,
                CopyOptions {
                    existing,
                    ..small()
                },
                &mut |_| {},
            )
            .await;
        let there = postgres
            .sessions()
            .load(guild(3))
            .await
            .expect("loads")
            .expect("is there");
        let count = postgres.sessions().all().await.expect("loads").len();
        match expected {
            None => {
                let error = copied.expect_err("refused");
                assert!(
                    matches!(
                        error,
                        CopyError::Duplicates {
                            table: "sessions",
                            rows: 9,
                            duplicates: 1
                        }
                    ),
                    "{error:?}"
                );
                assert_eq!(
                    (there.snapshot.as_str(), count),
                    ("{}", 1),
                    "nothing of it was copied"
                );
            }
            Some(snapshot) => {
                let report = &copied.expect("copies")[0];
                assert_eq!(
                    (there.snapshot.as_str(), count),
                    (snapshot, 9),
                    "{existing:?}"
                );
                assert_eq!(report.duplicates, 1);
            }
        }
    }
}

#[tokio::test]
async fn a_copy_that_was_broken_off_goes_on() {
    let place = Place::new();
    let (sqlite, postgres) = stores(&place).await;
    fill(&sqlite, 60).await;
    let broken = tokio::spawn({
        let (sqlite, postgres) = (sqlite.clone(), postgres.clone());
        async move {
            let mut stop = |progress: Progress| {
                assert!(progress.done < 30, "broken off on purpose");
            };
            sqlite.copy_to(&postgres, small(), &mut stop).await
        }
    });
    assert!(broken.await.is_err_and(|error| error.is_panic()));
    assert!(
        postgres.sessions().all().await.expect("loads").is_empty(),
        "nothing is in its place"
    );
    let mut first = None;
    sqlite
        .copy_to(&postgres, small(), &mut |progress| {
            first.get_or_insert(progress.done);
        })
        .await
        .expect("copies");
    assert!(
        first.is_some_and(|done| done > 30),
        "{first:?}: it did not begin anew"
    );
    assert_eq!(
        sqlite.sessions().all().await.expect("loads"),
        postgres.sessions().all().await.expect("loads")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_meanwhile_is_noticed() {
    let place = Place::new();
    let (sqlite, postgres) = stores(&place).await;
    fill(&sqlite, 30).await;
    let busy = sqlite.sessions();
    let mut change = |progress: Progress| {
        if progress.table == "sessions" && progress.done == progress.total {
            tokio::task::block_in_place(|| {
                let save = busy.save(guild(1), "changed".into(), 99);
                tokio::runtime::Handle::current().block_on(save)
            })
            .expect("saves");
        }
    };
    let copied = sqlite.copy_to(&postgres, small(), &mut change).await;
    let error = copied.expect_err("they differ");
    assert!(
        matches!(
            error,
            CopyError::Differs {
                table: "sessions",
                rows: 30,
                arrived: 30
            }
        ),
        "{error:?}"
    );
    assert!(
        postgres.sessions().all().await.expect("loads").is_empty(),
        "nothing is in its place"
    );
}
