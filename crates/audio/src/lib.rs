//! Owns music sessions: conducts Lavalink v4 nodes, restores after restart.
