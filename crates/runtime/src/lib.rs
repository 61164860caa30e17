//! What every role needs around its work: configuration, telemetry, lifecycle, networking.
//!
//! A process begins in this order, and ends in the reverse one:
//!
//! 1. [`net::tls::install_provider`], before anything speaks TLS.
//! 2. [`config::load`], which names all mistakes at once.
//! 3. [`telemetry::init`]: from here on, lines are logged and panics, too.
//! 4. [`lifecycle::Lifecycle`]: its token goes to everything that runs, and the first SIGTERM
//!    cancels it.
//! 5. [`health::serve`] with a token of its own, so that `/readyz` tells of the drain until the
//!    end.
//! 6. The roles, each with its [`health::Component`].
//! 7. [`lifecycle::Lifecycle::drained`].

pub mod config;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod net;
pub mod telemetry;
