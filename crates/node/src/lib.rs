//! A Lavalink v4 server: sessions, sources, frame-clock engine, voice.

pub mod engine;
