-- What a gateway shard knows of its guilds, saved together with its session: a resumed session
-- does not tell it again. `shards` is the number of shards it was made for.
CREATE TABLE shard_guilds (
    guild_id BIGINT  PRIMARY KEY,
    shard    BIGINT  NOT NULL,
    shards   BIGINT  NOT NULL,
    body     TEXT    NOT NULL
);

CREATE INDEX shard_guilds_by_shard ON shard_guilds (shard, shards);
