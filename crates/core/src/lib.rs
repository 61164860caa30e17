//! Decisions of Backline: one guild's music session, its queue and its player.
//!
//! Pure: no async, no socket, no clock, no randomness. Time and seeds come in as
//! arguments, effects go out as values.

#![deny(missing_docs)]

pub mod id;
pub mod music;
