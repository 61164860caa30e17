//! Bytes in, 20 ms Opus and RTP frames out. Pure and synchronous.
//!
//! Nothing here knows a clock, a socket or a thread. What the node needs, from the source's
//! bytes to the packet that goes out, in the order in which a frame passes:
//!
//! - [`source`]: where bytes come from; [`pipeline`] does all that follows in one.
//! - [`demux`]: Ogg and WebM to Opus packets, without decoding; [`mux`] is the way back.
//! - [`decode`], [`resample`], [`dsp`], [`framer`], [`opus`]: anything else to Opus packets.
//! - [`frame`] and [`packet`]: one Opus packet, and what its first bytes say.
//! - [`voice`]: end-to-end encryption, RTP, transport encryption, IP discovery.

#![deny(missing_docs)]

pub mod decode;
pub mod demux;
pub mod dsp;
pub mod frame;
pub mod framer;
pub mod icy;
pub mod mux;
pub mod opus;
pub mod packet;
pub mod pipeline;
pub mod playlist;
pub mod resample;
mod sniff;
pub mod source;
pub mod voice;
