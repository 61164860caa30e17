//! The contract of the store. A new backend joins at the end of this file.

use std::sync::{Arc, OnceLock};

use backline_backends::store::{
    PlayedItem, SavedPosition, SavedSession, ShardChanges, ShardGuild, ShardSession, Store,
    StoreError, StoreOptions,
};
use backline_core::id::{ChannelId, GuildId, MessageId};
use backline_runtime::metrics::Metrics;
use backline_sim::servers::{PgBouncer, Postgres};
use tempfile::TempDir;

async fn a_session_is_loaded_as_it_was_saved_last(store: Store) {
    let sessions = store.sessions();
    assert_eq!(sessions.load(guild(1)).await.expect("loads"), None);
    sessions
        .save(guild(1), r#"{"n":1}"#.into(), 5)
        .await
        .expect("saves");
    sessions
        .save(guild(1), r#"{"n":2,"title":"Größe ☃"}"#.into(), 6)
        .await
        .expect("saves");
    let saved = sessions.load(guild(1)).await.expect("loads");
    assert_eq!(
        saved,
        Some(session(1, r#"{"n":2,"title":"Größe ☃"}"#, None))
    );
}

async fn a_position_is_kept_beside_its_snapshot_until_the_next_one(store: Store) {
    let sessions = store.sessions();
    let position = SavedPosition {
        position_ms: 61_500,
        at_ms: 1_700_000_000_123,
    };
    sessions
        .save_position(guild(1), position)
        .await
        .expect("saves");
    assert_eq!(
        sessions.load(guild(1)).await.expect("loads"),
        None,
        "no session, no position"
    );

    sessions
        .save(guild(1), "{}".into(), 5)
        .await
        .expect("saves");
    sessions
        .save_position(guild(1), position)
        .await
        .expect("saves");
    let saved = sessions.load(guild(1)).await.expect("loads");
    assert_eq!(saved, Some(session(1, "{}", Some(position))));

    sessions
        .save(guild(1), "[]".into(), 6)
        .await
        .expect("saves");
    let saved = sessions.load(guild(1)).await.expect("loads");
    assert_eq!(
        saved,
        Some(session(1, "[]", None)),
        "the position was of the older snapshot"
    );
}

async fn all_sessions_come_by_guild(store: Store) {
    let sessions = store.sessions();
    for id in [3, 1, 2] {
        sessions
            .save(guild(id), format!("{id}"), 0)
            .await
            .expect("saves");
    }
    sessions.delete(guild(2)).await.expect("deletes");
    sessions
        .delete(guild(9))
        .await
        .expect("deleting nothing is fine");
    let all = sessions.all().await.expect("loads");
    assert_eq!(all, [session(1, "1", None), session(3, "3", None)]);
}

async fn the_largest_numbers_survive(store: Store) {
    let sessions = store.sessions();
    let biggest = guild(u64::MAX);
    let position = SavedPosition {
        position_ms: i64::MAX as u64,
        at_ms: i64::MAX as u64 / 1_000,
    };
    sessions
        .save(biggest, "1".into(), u64::MAX)
        .await
        .expect("saves");
    sessions
        .save_position(biggest, position)
        .await
        .expect("saves");
    let saved = sessions
        .load(biggest)
        .await
        .expect("loads")
        .expect("is there");
    assert_eq!((saved.guild, saved.position), (biggest, Some(position)));
}

async fn the_panel_of_a_guild_is_replaced_and_forgotten(store: Store) {
    let panels = store.panels();
    assert_eq!(panels.load(guild(1)).await.expect("loads"), None);
    panels
        .save(guild(1), channel(10), message(100), 0)
        .await
        .expect("saves");
    panels
        .save(guild(2), channel(20), message(200), 0)
        .await
        .expect("saves");
    panels
        .save(guild(1), channel(11), message(101), 0)
        .await
        .expect("saves");
    assert_eq!(
        panels.load(guild(1)).await.expect("loads"),
        Some((channel(11), message(101)))
    );
    panels.delete(guild(1)).await.expect("deletes");
    assert_eq!(panels.load(guild(1)).await.expect("loads"), None);
    assert_eq!(
        panels.load(guild(2)).await.expect("loads"),
        Some((channel(20), message(200)))
    );
}

async fn shard_sessions_are_saved_many_at_once(store: Store) {
    let shards = store.shards();
    let batch = [(0, Some(shard(7))), (1, Some(shard(8)))];
    shards.save(batch, 0).await.expect("saves");
    shards
        .save([(0, Some(shard(9))), (1, None), (2, None)], 0)
        .await
        .expect("saves");
    shards.save([], 0).await.expect("saving nothing is fine");
    assert_eq!(shards.load(0).await.expect("loads"), Some(shard(9)));
    assert_eq!(shards.load(1).await.expect("loads"), None);
}

async fn history_is_found_by_words_in_any_case_the_latest_first(store: Store) {
    let history = store.history();
    let played = [
        item("Night Drive", "The Lanterns", "https://a.example/1"),
        item("Drive Home", "ÄRZTE am Meer", "https://a.example/2"),
        item("100% Rain_fall", "", "https://a.example/3"),
        item("Blue", "Night Owls", "https://a.example/4"),
    ];
    for (n, item) in (1..).zip(played) {
        history.record(guild(1), item, n).await.expect("records");
    }
    history
        .record(
            guild(2),
            item("Night elsewhere", "", "https://b.example"),
            9,
        )
        .await
        .expect("records");

    let rows: &[(&str, &str, &[&str])] = &[
        (
            "no words: the latest",
            "",
            &["Blue", "100% Rain_fall", "Drive Home", "Night Drive"],
        ),
        ("in title or author", "night", &["Blue", "Night Drive"]),
        ("case does not matter", "NIGHT DRIVE", &["Night Drive"]),
        ("beyond ASCII", "ärzte", &["Drive Home"]),
        (
            "order of words does not matter",
            "home drive",
            &["Drive Home"],
        ),
        (
            "words of title and author",
            "drive lantern",
            &["Night Drive"],
        ),
        ("part of a word", "riv", &["Drive Home", "Night Drive"]),
        ("per cent is a letter", "100%", &["100% Rain_fall"]),
        ("per cent is no wildcard", "n%t", &[]),
        ("underscore is no wildcard", "rain_", &["100% Rain_fall"]),
        ("underscore matches nothing else", "nigh_", &[]),
        ("nothing", "zebra", &[]),
        ("quotes are letters", "' OR 1=1 --", &[]),
    ];
    for (name, text, expected) in rows {
        let found = history.suggest(guild(1), text, 25).await.expect(name);
        let titles: Vec<_> = found.iter().map(|item| item.title.as_str()).collect();
        assert_eq!(titles, *expected, "{name}");
    }
    let two = history.suggest(guild(1), "", 2).await.expect("suggests");
    assert_eq!(two.len(), 2);
}

async fn the_same_item_again_moves_to_the_front(store: Store) {
    let history = store.history();
    history
        .record(guild(1), item("One", "A", "https://a.example/1"), 1)
        .await
        .expect("records");
    history
        .record(guild(1), item("Two", "A", "https://a.example/2"), 2)
        .await
        .expect("records");
    history
        .record(
            guild(1),
            item("One (remaster)", "A", "https://a.example/1"),
            3,
        )
        .await
        .expect("records");
    let local = PlayedItem {
        title: "Local".into(),
        author: String::new(),
        uri: None,
    };
    history
        .record(guild(1), local.clone(), 4)
        .await
        .expect("records");
    history
        .record(
            guild(1),
            PlayedItem {
                title: "LOCAL".into(),
                ..local
            },
            5,
        )
        .await
        .expect("records");
    let found = history.suggest(guild(1), "", 25).await.expect("suggests");
    let titles: Vec<_> = found.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, ["LOCAL", "One (remaster)", "Two"]);
}

async fn only_the_latest_items_of_a_guild_are_kept(store: Store) {
    let history = store.history();
    history
        .record(guild(2), item("other guild", "", "https://b.example"), 0)
        .await
        .expect("records");
    let all: Vec<_> = (0..510_u64)
        .map(|n| {
            let history = history.clone();
            let item = item(&format!("item {n}"), "", &format!("https://a.example/{n}"));
            tokio::spawn(async move { history.record(guild(1), item, 1_000 + n).await })
        })
        .collect();
    for record in all {
        record.await.expect("no panic").expect("records");
    }
    // Writers at the same moment may not see one another; the next one clears up after them.
    let last = item("item 509", "", "https://a.example/509");
    history
        .record(guild(1), last, 1_509)
        .await
        .expect("records");
    let found = history
        .suggest(guild(1), "", 1_000)
        .await
        .expect("suggests");
    assert_eq!(found.len(), 500);
    assert_eq!(found.first().map(|item| &*item.title), Some("item 509"));
    assert_eq!(found.last().map(|item| &*item.title), Some("item 10"));
    assert_eq!(
        history
            .suggest(guild(2), "", 25)
            .await
            .expect("suggests")
            .len(),
        1
    );
}

async fn a_hundred_guilds_saving_at_once_do_not_mix(store: Store) {
    let guilds: Vec<_> = (1..=100_u64)
        .map(|id| {
            let sessions = store.sessions();
            tokio::spawn(async move {
                for n in 0..50_u64 {
                    let snapshot = format!(r#"{{"guild":{id},"n":{n}}}"#);
                    sessions
                        .save(guild(id), snapshot.clone(), n)
                        .await
                        .expect("saves");
                    let position = SavedPosition {
                        position_ms: id * 1_000 + n,
                        at_ms: n,
                    };
                    sessions
                        .save_position(guild(id), position)
                        .await
                        .expect("saves");
                    let expected = session(id, &snapshot, Some(position));
                    assert_eq!(
                        sessions.load(guild(id)).await.expect("loads"),
                        Some(expected)
                    );
                }
            })
        })
        .collect();
    for guild in guilds {
        guild.await.expect("no panic");
    }
    assert_eq!(store.sessions().all().await.expect("loads").len(), 100);
}

async fn two_processes_that_write_at_once_lose_nothing(store: Store) {
    // Two handles on the same tables write rows of the same guilds in opposite order.
    let there = store.clone();
    let writers = [(store.clone(), 0_u64), (there, 1)].map(|(store, writer)| {
        tokio::spawn(async move {
            for n in 0..50_u64 {
                let changes = (1..=100_u64).map(|id| {
                    let id = if writer == 0 { id } else { 101 - id };
                    let known = ShardGuild {
                        shard: 0,
                        shards: 1,
                        body: Some(format!("{writer} {n}")),
                    };
                    (guild(id), known)
                });
                let changes = ShardChanges {
                    guilds: changes.collect(),
                    ..ShardChanges::default()
                };
                store.shards().change(changes, 0).await.expect("saves");
            }
        })
    });
    for writer in writers {
        writer.await.expect("no panic");
    }
    let guilds = store.shards().guilds(0, 1).await.expect("loads");
    assert_eq!(guilds.len(), 100);
    assert!(
        guilds.iter().all(|(_, body)| body == &guilds[0].1),
        "transactions are whole: {guilds:?}"
    );
}

async fn a_closed_store_has_saved_everything_and_refuses_more(store: Store) {
    let saves: Vec<_> = (1..=50)
        .map(|id| {
            let sessions = store.sessions();
            tokio::spawn(async move { sessions.save(guild(id), "{}".into(), 0).await })
        })
        .collect();
    let mut saved = 0;
    store.close().await;
    for save in saves {
        match save.await.expect("no panic") {
            Ok(()) => saved += 1,
            Err(StoreError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(saved <= 50);
    let refused = store.sessions().save(guild(99), "{}".into(), 0).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let refused = store.sessions().all().await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    store.close().await;
}

pub fn guild(id: u64) -> GuildId {
    GuildId::new(id).expect("not zero")
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("not zero")
}

fn message(id: u64) -> MessageId {
    MessageId::new(id).expect("not zero")
}

pub fn session(id: u64, snapshot: &str, position: Option<SavedPosition>) -> SavedSession {
    SavedSession {
        guild: guild(id),
        snapshot: snapshot.into(),
        position,
    }
}

fn shard(sequence: u64) -> ShardSession {
    ShardSession {
        session_id: format!("session {sequence}"),
        sequence,
        resume_url: "wss://gateway.example".into(),
    }
}

fn item(title: &str, author: &str, uri: &str) -> PlayedItem {
    PlayedItem {
        title: title.into(),
        author: author.into(),
        uri: Some(uri.into()),
    }
}

macro_rules! contract {
    ($backend:ident, $make:expr, [$($test:ident),+ $(,)?]) => {
        mod $backend {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let place = Place::new();
                    let make: fn(&Place) -> (String, StoreOptions) = $make;
                    let (url, options) = make(&place);
                    let store = Store::open(&url, &options).await.expect("opens");
                    super::$test(store).await;
                }
            )+
        }
    };
}

macro_rules! contracts {
    ($($backend:ident: $make:expr),+ $(,)?) => {$(
        contract!($backend, $make, [
            a_session_is_loaded_as_it_was_saved_last,
            a_position_is_kept_beside_its_snapshot_until_the_next_one,
            all_sessions_come_by_guild,
            the_largest_numbers_survive,
            the_panel_of_a_guild_is_replaced_and_forgotten,
            shard_sessions_are_saved_many_at_once,
            history_is_found_by_words_in_any_case_the_latest_first,
            the_same_item_again_moves_to_the_front,
            only_the_latest_items_of_a_guild_are_kept,
            a_hundred_guilds_saving_at_once_do_not_mix,
            a_closed_store_has_saved_everything_and_refuses_more,
            two_processes_that_write_at_once_lose_nothing,
        ]);
    )+};
}

contracts! {
    sqlite_file: |place| (place.file(), options()),
    sqlite_memory: |_| ("sqlite::memory:".to_owned(), options()),
    postgres: |place| (place.database(), options()),
    postgres_behind_a_pooler: |place| {
        let pooled = StoreOptions {
            transaction_pooler: true,
            ..options()
        };
        (place.pooled(), pooled)
    },
}

/// Where the databases of one test are.
pub struct Place {
    folder: TempDir,
    postgres: OnceLock<Arc<Postgres>>,
    pooler: OnceLock<PgBouncer>,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            postgres: OnceLock::new(),
            pooler: OnceLock::new(),
        }
    }

    pub fn file(&self) -> String {
        format!("sqlite:{}/backline.db", self.folder.path().display())
    }

    pub fn postgres(&self) -> &Postgres {
        self.postgres
            .get_or_init(|| Postgres::shared().expect("PostgreSQL starts"))
    }

    pub fn database(&self) -> String {
        self.postgres().database().expect("a database")
    }

    /// Few connections to the server, so that they change hands.
    fn pooled(&self) -> String {
        let database = self.database();
        let name = database.rsplit('/').next().expect("a name");
        self.pooler
            .get_or_init(|| PgBouncer::start(self.postgres(), 3).expect("PgBouncer starts"))
            .url(name)
    }
}

pub fn options() -> StoreOptions {
    StoreOptions::new(Metrics::new().store)
}
