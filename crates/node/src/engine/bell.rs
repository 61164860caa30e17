//! Wakes an async task from a clock thread with one non-blocking write.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use tokio::io::AsyncReadExt;

/// The end that a thread rings.
#[derive(Debug)]
pub struct Bell(UnixStream);

/// The end that a task waits at.
#[derive(Debug)]
pub struct Ear(tokio::net::UnixStream);

impl Bell {
    /// Returns a bell for each of `count` threads, and the ears for one task.
    pub fn pairs(count: usize) -> io::Result<(Vec<Self>, Vec<Ear>)> {
        let mut bells = Vec::with_capacity(count);
        let mut ears = Vec::with_capacity(count);
        for _ in 0..count {
            let (bell, ear) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            ear.set_nonblocking(true)?;
            bells.push(Self(bell));
            ears.push(Ear(tokio::net::UnixStream::from_std(ear)?));
        }
        Ok((bells, ears))
    }

    /// Rings. When the pipe is full the other end has yet to hear earlier rings, which is
    /// enough.
    ///
    /// Real-time: one non-blocking system call.
    pub fn ring(&self) {
        let _full_or_gone = (&self.0).write(&[1]);
    }
}

impl Ear {
    /// Waits for a ring; false when the bell is gone. Cancel-safe.
    pub async fn hear(&mut self) -> bool {
        let mut rings = [0; 64];
        matches!(self.0.read(&mut rings).await, Ok(count) if count > 0)
    }
}
