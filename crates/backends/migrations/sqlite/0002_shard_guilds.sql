-- What a gateway shard knows of its guilds, saved together with its session: a resumed session
-- does not tell it again. `shards` is the number of shards it was made for.
CREATE TABLE shard_guilds (
    guild_id INTEGER PRIMARY KEY,
    shard    INTEGER NOT NULL,
    shards   INTEGER NOT NULL,
    body     TEXT    NOT NULL
) STRICT;

CREATE INDEX shard_guilds_by_shard ON shard_guilds (shard, shards);
