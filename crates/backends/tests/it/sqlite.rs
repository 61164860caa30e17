//! What is special to SQLite: files, their damage, their versions, and the death of a process.

use std::error::Error;
use std::fs;
use std::path::Path;

use backline_backends::store::{OpenStoreError, SavedPosition, Store};
use sqlx::Connection;
use tempfile::TempDir;

use crate::store::{guild, options, session};

#[tokio::test]
async fn what_was_saved_is_there_after_a_close() {
    let (_folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    store
        .sessions()
        .save(guild(1), "{}".into(), 0)
        .await
        .expect("saves");
    store.close().await;
    let store = Store::open(&url, &options()).await.expect("opens again");
    assert_eq!(
        store.sessions().load(guild(1)).await.expect("loads"),
        Some(session(1, "{}", None))
    );
}

#[tokio::test]
async fn a_closed_database_is_one_file() {
    let (folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    store
        .sessions()
        .save(guild(1), "{}".into(), 0)
        .await
        .expect("saves");
    store.sessions().load(guild(1)).await.expect("loads");
    store.close().await;
    let files: Vec<_> = fs::read_dir(folder.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(files, ["backline.db"]);
}

#[tokio::test]
async fn what_was_saved_is_there_when_nobody_closed() {
    let (_folder, url) = database();
    for n in 1..=20_u64 {
        let store = Store::open(&url, &options()).await.expect("opens");
        let all = store.sessions().all().await.expect("loads");
        assert_eq!(all.len() as u64, n - 1, "before save {n}");
        store
            .sessions()
            .save(guild(n), "{}".into(), 0)
            .await
            .expect("saves");
        drop(store);
    }
}

#[tokio::test]
async fn a_saved_session_survives_the_files_as_a_killed_process_leaves_them() {
    let (folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    let position = SavedPosition {
        position_ms: 5_000,
        at_ms: 9,
    };
    for id in 1..=30 {
        store
            .sessions()
            .save(guild(id), "{}".into(), 0)
            .await
            .expect("saves");
        store
            .sessions()
            .save_position(guild(id), position)
            .await
            .expect("saves");
    }
    // The files as they are now, with the process still holding them.
    let crash = tempfile::tempdir().expect("a folder");
    for name in ["backline.db", "backline.db-wal"] {
        fs::copy(folder.path().join(name), crash.path().join(name)).expect("copies");
    }
    let restarted = Store::open(&url_of(crash.path()), &options())
        .await
        .expect("opens");
    let all = restarted.sessions().all().await.expect("loads");
    let expected: Vec<_> = (1..=30)
        .map(|id| session(id, "{}", Some(position)))
        .collect();
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_on_a_new_file_agree() {
    let (_folder, url) = database();
    let starts: Vec<_> = (1..=8)
        .map(|id| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = Store::open(&url, &options()).await.expect("opens");
                store
                    .sessions()
                    .save(guild(id), "{}".into(), 0)
                    .await
                    .expect("saves");
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
async fn the_url_may_be_written_with_slashes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("slashes.db");
    let url = format!("sqlite://{}", file.display());
    Store::open(&url, &options())
        .await
        .expect("opens")
        .close()
        .await;
    assert!(file.is_file());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let (folder, url) = database();
    Store::open(&url, &options())
        .await
        .expect("opens")
        .close()
        .await;
    execute(folder.path(), "INSERT INTO backline_schema VALUES (99, 0)").await;
    let before = fs::read(folder.path().join("backline.db")).expect("readable");
    let error = refused(&url).await;
    let OpenStoreError::Newer { known, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        without_path(&error, folder.path()),
        format!(
            "the database `DIR/backline.db` was written by a newer version \
             (its schema is 99, this version knows {known})"
        )
    );
    assert_eq!(
        fs::read(folder.path().join("backline.db")).expect("readable"),
        before
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let (folder, url) = database();
    execute(folder.path(), "CREATE TABLE recipes (name TEXT)").await;
    let before = fs::read(folder.path().join("backline.db")).expect("readable");
    let error = refused(&url).await;
    insta::assert_snapshot!(
        without_path(&error, folder.path()),
        @"the database `DIR/backline.db` belongs to another program"
    );
    assert_eq!(
        fs::read(folder.path().join("backline.db")).expect("readable"),
        before
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let (folder, url) = database();
    fs::write(
        folder.path().join("backline.db"),
        "These are my notes.\n".repeat(100),
    )
    .expect("writes");
    let error = refused(&url).await;
    insta::assert_snapshot!(
        without_path(&error, folder.path()),
        @"`DIR/backline.db` is no database, or a damaged one: file is not a database"
    );
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let (folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    for id in 1..=50 {
        store
            .sessions()
            .save(guild(id), "x".repeat(2_000), 0)
            .await
            .expect("saves");
    }
    store.close().await;
    let file = folder.path().join("backline.db");
    let mut bytes = fs::read(&file).expect("readable");
    let end = bytes.len();
    bytes[8_192..end].fill(0xAA);
    fs::write(&file, bytes).expect("writes");
    let error = refused(&url).await;
    assert!(matches!(error, OpenStoreError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn paths_that_cannot_work_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display();
    let rows = [
        (
            "missing folder",
            format!("sqlite:{path}/missing/backline.db"),
            "the folder of the database `DIR/missing/backline.db` does not exist",
        ),
        (
            "a folder",
            format!("sqlite:{path}"),
            "the database `DIR` cannot be opened for writing: it is a folder",
        ),
        (
            "nothing",
            "sqlite:".to_owned(),
            "the database `` cannot be opened for writing: it is a folder",
        ),
        (
            "nowhere to write",
            "sqlite:/proc/backline.db".to_owned(),
            "the database `/proc/backline.db` cannot be opened for writing: error returned from database: (code: 14) unable to open database file",
        ),
        (
            "another database",
            "mysql://user:hunter2@host/db".to_owned(),
            "`mysql` is not a database: expected `sqlite:FILE` or `postgres://USER@HOST/DATABASE`",
        ),
        (
            "no scheme",
            "hunter2".to_owned(),
            "`` is not a database: expected `sqlite:FILE` or `postgres://USER@HOST/DATABASE`",
        ),
    ];
    for (name, url, expected) in rows {
        let error = refused(&url).await;
        let text = without_path(&error, folder.path());
        assert_eq!(text, expected, "{name}");
    }
}

#[tokio::test]
async fn a_locked_database_is_waited_for() {
    let (folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    let mut other = connect(folder.path()).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("locks");
    let save = tokio::spawn({
        let sessions = store.sessions();
        async move { sessions.save(guild(1), "{}".into(), 0).await }
    });
    // Readers are not held up by writers.
    assert!(store.sessions().all().await.expect("loads").is_empty());
    assert!(!save.is_finished());
    lock.rollback().await.expect("unlocks");
    save.await
        .expect("no panic")
        .expect("saves after the lock is gone");
}

#[tokio::test]
async fn a_write_that_fails_does_not_undo_others_of_its_group() {
    let (folder, url) = database();
    let store = Store::open(&url, &options()).await.expect("opens");
    execute(
        folder.path(),
        "CREATE TRIGGER unlucky BEFORE INSERT ON sessions WHEN new.guild_id = 13
         BEGIN SELECT raise(ABORT, 'unlucky'); END",
    )
    .await;
    let saves: Vec<_> = (1..=40)
        .map(|id| {
            let sessions = store.sessions();
            tokio::spawn(
                async move { (id, sessions.save(guild(id), "{}".into(), 0).await.is_ok()) },
            )
        })
        .collect();
    for save in saves {
        let (id, saved) = save.await.expect("no panic");
        assert_eq!(saved, id != 13, "guild {id}");
    }
    assert_eq!(store.sessions().all().await.expect("loads").len(), 39);
}

#[tokio::test]
async fn all_tables_are_strict() {
    let (folder, url) = database();
    Store::open(&url, &options())
        .await
        .expect("opens")
        .close()
        .await;
    let mut connection = connect(folder.path()).await;
    let loose: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'")
            .fetch_all(&mut connection)
            .await
            .expect("reads");
    assert!(loose.is_empty(), "{loose:?}");
}

fn database() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = url_of(folder.path());
    (folder, url)
}

fn url_of(folder: &Path) -> String {
    format!("sqlite:{}/backline.db", folder.display())
}

async fn refused(url: &str) -> OpenStoreError {
    Store::open(url, &options()).await.expect_err("is refused")
}

/// Returns the error and its causes, with the folder of this test taken out.
fn without_path(error: &OpenStoreError, folder: &Path) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.replace(&folder.display().to_string(), "DIR")
}

async fn connect(folder: &Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.join("backline.db"))
        .create_if_missing(true);
    sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("connects")
}

async fn execute(folder: &Path, sql: &'static str) {
    let mut connection = connect(folder).await;
    sqlx::query(sql)
        .execute(&mut connection)
        .await
        .expect("executes");
    connection.close().await.expect("closes");
}
