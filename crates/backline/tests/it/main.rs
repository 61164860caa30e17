//! Tests of the whole: the house rules, the binary as its users run it, public clients.

mod command_line;
mod judges;
mod mistakes;
mod ogg;
mod playback;
mod restart;
mod sound;
mod stage;
mod tidy;
