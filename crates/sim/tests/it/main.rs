//! The simulator judged over its sockets.

mod voice;
