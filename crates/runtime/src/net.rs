//! Networking that every role shares: the HTTP client, TLS, waiting before a retry, and which
//! addresses strangers may make us fetch.

pub mod backoff;
pub mod client;
pub mod guard;
pub mod serve;
pub mod tls;

pub use backoff::Backoff;
