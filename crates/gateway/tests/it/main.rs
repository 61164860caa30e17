//! The role against a simulated Discord: real sockets, real protocol. The audio role is played by
//! the tests, at the other end of the bus.

#![expect(clippy::unwrap_used, reason = "tests")]

mod commands;
mod house;
mod login;
mod panel;
mod sessions;
mod voice;
