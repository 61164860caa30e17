//! What every role needs around its work: configuration, telemetry, lifecycle, networking.

pub mod config;
pub mod health;
pub mod lifecycle;
pub mod metrics;
pub mod net;
pub mod telemetry;
