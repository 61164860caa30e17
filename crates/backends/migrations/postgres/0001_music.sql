-- Ids are 64-bit integers, times are microseconds since 1970 UTC, JSON is text.

-- One music session a guild. The position moves often and is kept beside the snapshot, so that
-- saving it does not rewrite the whole queue.
CREATE TABLE sessions (
    guild_id    BIGINT  PRIMARY KEY,
    snapshot    TEXT    NOT NULL,
    saved_us    BIGINT  NOT NULL,
    position_ms BIGINT,
    position_us BIGINT
);

-- What a guild played; one row an item, at its latest time.
CREATE TABLE history (
    guild_id  BIGINT  NOT NULL,
    item      TEXT    NOT NULL,
    title     TEXT    NOT NULL,
    author    TEXT    NOT NULL,
    uri       TEXT,
    words     TEXT    NOT NULL,
    played_us BIGINT  NOT NULL,
    PRIMARY KEY (guild_id, item)
);

CREATE INDEX history_by_time ON history (guild_id, played_us);

-- The Now Playing message of a guild.
CREATE TABLE panels (
    guild_id   BIGINT  PRIMARY KEY,
    channel_id BIGINT  NOT NULL,
    message_id BIGINT  NOT NULL,
    saved_us   BIGINT  NOT NULL
);

-- What a gateway shard needs to resume.
CREATE TABLE shard_sessions (
    shard      BIGINT  PRIMARY KEY,
    session_id TEXT    NOT NULL,
    sequence   BIGINT  NOT NULL,
    resume_url TEXT    NOT NULL,
    saved_us   BIGINT  NOT NULL
);
