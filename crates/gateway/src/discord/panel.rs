//! The Now Playing messages: one a guild, edited seldom, and always the latest.

pub mod coalescer;
pub mod task;
