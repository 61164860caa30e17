//! Opus packets into Ogg and WebM that can be listened to while they grow.
//!
//! Both muxers append to a vector: first the head, then packet after packet. What was appended
//! so far can be sent on at any time.

pub mod ogg;
pub mod webm;
