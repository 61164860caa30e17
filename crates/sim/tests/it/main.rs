//! The simulated Discord, judged by raw sockets and by twilight, a client that is not ours.

mod chat;
mod dave_hour;
mod gateway;
mod interactions;
mod raw;
mod rest;
mod twilight;
mod voice;
