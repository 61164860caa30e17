//! The outside world on loopback, speaking the real protocols: Discord first.

pub mod discord;
pub mod voice;
