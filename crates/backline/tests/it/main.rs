//! Tests of the whole: the house rules, the binary as its users run it, public clients.

mod browser;
mod clients;
mod command_line;
mod conformance;
mod judges;
mod lavalink;
mod mistakes;
mod ogg;
mod playback;
mod restart;
mod sound;
mod stage;
mod tidy;
