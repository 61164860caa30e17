//! Bytes in, 20 ms Opus and RTP frames out. Pure and synchronous.
