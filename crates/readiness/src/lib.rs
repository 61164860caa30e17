//! Proof that a deployment is ready: suites of checks as data, with evidence.
//!
//! First content: [`conformance`], which asks any Lavalink v4 server, ours or the real one, what
//! the protocol says that it answers.

pub mod conformance;
