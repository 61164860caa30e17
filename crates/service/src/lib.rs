//! Use cases of Backline: load → decide (`core`) → save → publish.
//!
//! Roles reach shared state and one another only through this crate.

pub mod message;
