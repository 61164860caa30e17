//! Contract suites: what every backend of a port promises, and what is special to each.

mod bus;
mod cache;
mod copy;
mod postgres;
mod redis;
mod schema;
mod sqlite;
mod store;
