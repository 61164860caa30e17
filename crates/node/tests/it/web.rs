//! A web server that does what it is told, also what it should not.
