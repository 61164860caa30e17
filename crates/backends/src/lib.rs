//! State shared between processes: store, bus, cache; one contract suite for every backend.
//!
//! Each port has one implementation for a single process (SQLite, memory) and is shaped so that
//! one for many processes (PostgreSQL, Redis) fits behind it without a change to its users.

#![deny(missing_docs)]

pub mod bus;
pub mod cache;
pub mod store;
