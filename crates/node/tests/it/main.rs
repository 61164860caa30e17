//! The node as its clients see it: over real HTTP, real WebSockets and real encrypted voice.

#![expect(clippy::unwrap_used, reason = "tests")]

mod apis;
mod blackhole;
mod call;
mod client;
mod encryption;
mod faults;
mod filters;
mod gapless;
mod hls;
mod hostile;
mod icecast;
mod markers;
mod mirror;
mod playback;
mod plugins;
mod protocol;
mod radio;
mod resume;
mod shutdown;
mod signal;
mod station;
mod tenants;
mod tones;
mod web;
mod ytdlp;
