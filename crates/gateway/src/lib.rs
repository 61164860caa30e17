//! The role `gateway`: talks to chat platforms. Commands come in, music sessions are asked over
//! the bus, and what they answer is shown.
//!
//! [`command`] is the same for every platform; [`discord`] is the first of them.

pub mod command;
pub mod discord;

pub use discord::{GatewayError, RunningGateway, StartError, start};
