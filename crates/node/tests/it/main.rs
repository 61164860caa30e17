//! The node as its clients see it: over real HTTP, real WebSockets and real encrypted voice.

#![expect(clippy::unwrap_used, reason = "tests")]

mod blackhole;
mod call;
mod client;
mod encryption;
mod faults;
mod filters;
mod gapless;
mod hls;
mod hostile;
mod playback;
mod protocol;
mod radio;
mod resume;
mod shutdown;
mod signal;
mod station;
mod tones;
mod web;
