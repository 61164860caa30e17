-- Ids are 64-bit integers, times are microseconds since 1970 UTC, JSON is text.

-- One music session a guild. The position moves often and is kept beside the snapshot, so that
-- saving it does not rewrite the whole queue.
CREATE TABLE sessions (
    guild_id    INTEGER PRIMARY KEY,
    snapshot    TEXT    NOT NULL,
    saved_us    INTEGER NOT NULL,
    position_ms INTEGER,
    position_us INTEGER
) STRICT;

-- What a guild played; one row an item, at its latest time.
CREATE TABLE history (
    guild_id  INTEGER NOT NULL,
    item      TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    author    TEXT    NOT NULL,
    uri       TEXT,
    words     TEXT    NOT NULL,
    played_us INTEGER NOT NULL,
    PRIMARY KEY (guild_id, item)
) STRICT, WITHOUT ROWID;

CREATE INDEX history_by_time ON history (guild_id, played_us);

-- The Now Playing message of a guild.
CREATE TABLE panels (
    guild_id   INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    saved_us   INTEGER NOT NULL
) STRICT;

-- What a gateway shard needs to resume.
CREATE TABLE shard_sessions (
    shard      INTEGER PRIMARY KEY,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    resume_url TEXT    NOT NULL,
    saved_us   INTEGER NOT NULL
) STRICT;
