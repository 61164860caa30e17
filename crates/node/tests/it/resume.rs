//! Sessions that outlive their sockets.
