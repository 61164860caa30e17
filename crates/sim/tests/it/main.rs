//! The simulated Discord, judged by raw sockets and by twilight, a client that is not ours.

mod twilight;
mod voice;
