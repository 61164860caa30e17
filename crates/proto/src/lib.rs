//! What is spoken on wires: Discord voice, Lavalink v4, our own bus. Pure.

#![deny(missing_docs)]

pub mod bus;
pub mod lavalink;
pub mod voice;
