//! The audio role between a real bus and store, a platform that answers, and nodes that speak
//! Lavalink v4 and fail on demand.

mod guild;
mod nodes;
mod peer;
mod real;
mod restart;
mod stage;
