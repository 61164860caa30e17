//! The outside world on loopback, speaking the real protocols: Discord first.

pub mod chat;
pub mod discord;
pub mod servers;
pub mod voice;
