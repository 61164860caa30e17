//! What is special to PostgreSQL: its server goes away and comes back, or refuses us.

use std::sync::Arc;
use std::time::Duration;

use backline_backends::store::{OpenStoreError, Store, StoreError, StoreOptions};
use backline_runtime::metrics::Metrics;
use backline_sim::servers::Postgres;

use crate::store::{Place, guild, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_loses_nothing_that_was_acknowledged() {
    let server = Arc::new(Postgres::start().expect("starts"));
    let url = server.database().expect("a database");
    let hasty = StoreOptions {
        acquire_timeout: Duration::from_secs(2),
        ..options()
    };
    let store = Store::open(&url, &hasty).await.expect("opens");
    let done = stop_signal();
    let writers: Vec<_> = (0..4_u64)
        .map(|writer| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                let (mut saved, mut refused) = (0_u64, 0_u64);
                let mut n = 0;
                while !*done.borrow() {
                    n += 1;
                    let id = guild(1 + writer * 1_000_000 + n);
                    match store.sessions().save(id, format!("{n}"), 0).await {
                        Ok(()) => saved += 1,
                        Err(error) if error.is_transient() => refused += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (saved, refused)
            })
        })
        .collect();
    for crash in [false, true] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            if crash {
                server.kill();
            } else {
                server.stop();
            }
            // Away for longer than a statement waits: it is refused, not hung.
            std::thread::sleep(Duration::from_secs(3));
            server.restart().expect("comes back");
        })
        .await
        .expect("no panic");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    done.send_replace(true);
    let (mut saved, mut refused) = (0, 0);
    for writer in writers {
        let (ok, no) = writer.await.expect("no panic");
        saved += ok;
        refused += no;
    }
    let kept = store.sessions().all().await.expect("answers again").len() as u64;
    assert!(refused > 0, "the outages were noticed");
    assert!(kept >= saved, "{kept} rows for {saved} acknowledged writes");
    store.check().await.expect("answers");
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said() {
    let place = Place::new();
    let database = place.database();
    let nobody = database.replace("postgres@", "nobody@");
    let missing = format!("{}/nowhere", database.rsplit_once('/').expect("a path").0);
    let closed = "postgres://postgres@127.0.0.1:1/backline";
    let secret = database.replace("postgres@", "postgres:hunter2@");
    let rows: [(&str, &str, &str); 6] = [
        (
            "a user it does not know",
            &nobody,
            "refuses the user `nobody`",
        ),
        (
            "no such database",
            &missing,
            "no database `nowhere`: make it first",
        ),
        ("nobody listens", closed, "127.0.0.1:1 cannot be reached"),
        ("a password in the URL", &secret, "set it beside the URL"),
        (
            "no port",
            "postgres://postgres@127.0.0.1:x/b",
            "is not right",
        ),
        (
            "another scheme",
            "mysql://hunter2@h/b",
            "`mysql` is not a database",
        ),
    ];
    for (name, url, says) in rows {
        let error = Store::open(url, &options()).await.expect_err(name);
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{name}: {text}");
        assert!(!text.contains("hunter2"), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_database_of_another_program_or_a_newer_version_is_left_alone() {
    let place = Place::new();
    let server = place.postgres();
    let foreign = place.database();
    let name = foreign.rsplit('/').next().expect("a name");
    server
        .sql(name, "CREATE TABLE theirs (n int)")
        .expect("sql");
    let error = Store::open(&foreign, &options())
        .await
        .expect_err("refused");
    assert!(matches!(error, OpenStoreError::Foreign { .. }), "{error:?}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(server.sql(name, tables).expect("sql"), "1");

    let newer = place.database();
    let name = newer.rsplit('/').next().expect("a name");
    Store::open(&newer, &options())
        .await
        .expect("opens")
        .close()
        .await;
    server
        .sql(name, "INSERT INTO backline_schema VALUES (999, 0)")
        .expect("sql");
    let error = Store::open(&newer, &options()).await.expect_err("refused");
    assert!(
        matches!(error, OpenStoreError::Newer { found: 999, .. }),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_on_an_empty_database_agree() {
    let place = Place::new();
    let url = place.database();
    let starts: Vec<_> = (1..=8)
        .map(|id| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = Store::open(&url, &options()).await.expect("opens");
                let saved = store.sessions().save(guild(id), "{}".into(), 0).await;
                saved.expect("saves");
                store
            })
        })
        .collect();
    let mut stores = Vec::new();
    for start in starts {
        stores.push(start.await.expect("no panic"));
    }
    for store in stores {
        assert_eq!(store.sessions().all().await.expect("loads").len(), 8);
    }
}

#[tokio::test]
async fn a_statement_that_finds_no_connection_in_time_is_refused_and_counted() {
    let place = Place::new();
    let url = place.database();
    let metrics = Metrics::new();
    let tight = StoreOptions {
        connections: 1,
        acquire_timeout: Duration::from_millis(300),
        ..StoreOptions::new(metrics.store.clone())
    };
    let store = Store::open(&url, &tight).await.expect("opens");
    let name = url.rsplit('/').next().expect("a name").to_owned();
    let server = Postgres::shared().expect("is there");
    // Somebody holds the table: the only connection waits for it, and others for the connection.
    let lock = tokio::task::spawn_blocking({
        let (server, name) = (Arc::clone(&server), name.clone());
        move || {
            server.sql(
                &name,
                "BEGIN; LOCK TABLE sessions; SELECT pg_sleep(3); COMMIT",
            )
        }
    });
    let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'
                 AND relation = 'sessions'::regclass";
    while server.sql(&name, locks).expect("sql") == "0" {}
    let one = store.sessions();
    let waits = tokio::spawn(async move { one.save(guild(1), "{}".into(), 0).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while server.sql(&name, waiting).expect("sql") == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = store.sessions().load(guild(2)).await;
    waits
        .await
        .expect("no panic")
        .expect("saves once the table is free");
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    lock.await.expect("no panic").expect("sql");
    store.check().await.expect("answers again");
    assert!(metrics.store.acquire_timeouts.get() >= 1);
    assert!(metrics.store.very_slow_statements.get() >= 1);
}

/// Returns what writers look at to know that they shall end.
fn stop_signal() -> Arc<tokio::sync::watch::Sender<bool>> {
    Arc::new(tokio::sync::watch::Sender::new(false))
}
