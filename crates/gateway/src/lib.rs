//! Chat platforms: Discord shards, commands, rendering of replies.
