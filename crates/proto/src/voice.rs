//! Discord's voice gateway, version 8: what a client and a server say to each other.
//!
//! Both directions can be read and written, because the node is a client and the simulator is a
//! server. Types are strict where the protocol is (identifiers are strings, keys are 32 bytes),
//! and unknown *fields* are ignored, because Discord adds some without notice.
//!
//! Text frames are JSON `{op, d, seq?}`; see [`ClientMessage`] and [`ServerMessage`].
//! Binary frames exist only for MLS payloads; see [`binary`].

pub mod binary;
mod client;
mod close;
pub mod dave;
mod frame;
mod id;
mod opcode;
mod server;
pub mod session;

pub use client::{
    ClientMessage, Heartbeat, Identify, ProtocolData, Resume, SelectProtocol, SpeakingUpdate,
};
pub use close::{Close, Reaction};
pub use frame::ParseError;
pub use id::Snowflake;
pub use opcode::Opcode;
pub use server::{
    ClientDisconnect, ClientsConnect, Hello, Ready, SequencedMessage, ServerMessage,
    SessionDescription, Speaking,
};

/// Version that clients put into the query of the gateway URL (`?v=8`).
pub const VERSION: u8 = 8;

/// Preferred transport encryption.
pub const AES256_GCM_RTPSIZE: &str = "aead_aes256_gcm_rtpsize";

/// Transport encryption that every client and server must offer.
pub const XCHACHA20_POLY1305_RTPSIZE: &str = "aead_xchacha20_poly1305_rtpsize";

/// Speaking flag: normal microphone audio. Bots that play music use it too.
pub const SPEAKING_MICROPHONE: u32 = 1;

/// Longest text or binary frame that is parsed, in bytes.
pub const MAX_FRAME: usize = 256 * 1024;

/// The sequence acknowledged by a client that has not seen any sequenced message yet.
pub const NO_SEQUENCE: i64 = -1;

#[cfg(test)]
mod tests;
