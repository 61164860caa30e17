//! What a session wants its shell to do.

use std::{fmt, net::SocketAddr};

use serde_json::Value;

use crate::voice::{Close, Opcode, Snowflake, Speaking};

/// Something for the shell to do or to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Open a WebSocket to this URL, then call `handle_opened` or `handle_connect_failed`.
    Connect {
        /// Where to.
        url: String,
        /// 0 for the first connection, then counts attempts in a row.
        attempt: u32,
    },
    /// Send a text frame.
    SendText(String),
    /// Send a binary frame.
    SendBinary(Vec<u8>),
    /// Close the WebSocket with this code and forget it: nothing that still arrives from it may
    /// be handed to the session.
    CloseSocket(Close),
    /// Ask this address for our own one by IP discovery (answers get lost: repeat a few times),
    /// then call `handle_discovered` or `handle_udp_failed`.
    OpenUdp {
        /// Where packets go.
        address: SocketAddr,
        /// Our SSRC.
        ssrc: u32,
    },
    /// A new session begins at the server: what was known of the call and its keys is void.
    Begun,
    /// Packets may be sent, from the first nonce of this key on.
    Established(Established),
    /// The control connection is back; keys, nonces and sequence numbers simply go on.
    Resumed,
    /// The control connection is lost.
    Closed(Closed),
    /// Somebody in the call starts or stops speaking.
    Speaking(Speaking),
    /// These users are in the call.
    ClientsConnected(Vec<Snowflake>),
    /// This user left the call.
    ClientDisconnected(Snowflake),
    /// A DAVE message in JSON.
    DaveText {
        /// The opcode.
        op: Opcode,
        /// The body.
        body: Value,
    },
    /// A DAVE message in MLS bytes.
    DaveBinary {
        /// The opcode.
        op: Opcode,
        /// The payload.
        payload: Vec<u8>,
    },
}

/// A voice connection with its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Established {
    /// Where packets go.
    pub address: SocketAddr,
    /// Our SSRC.
    pub ssrc: u32,
    /// Transport encryption, one of those in the session's options.
    pub mode: String,
    /// Its key. Secret. Always another one than before.
    pub key: [u8; 32],
    /// Version of DAVE in force; 0 is none.
    pub dave_protocol_version: u16,
}

impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Established")
            .field("ssrc", &self.ssrc)
            .field("mode", &self.mode)
            .field("dave_protocol_version", &self.dave_protocol_version)
            .finish_non_exhaustive()
    }
}

/// How a control connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code, ours or theirs.
    pub code: Close,
    /// The reason given with it; may be empty.
    pub reason: String,
    /// Whether the server (or the network) closed, not we.
    pub by_remote: bool,
    /// Whether the session connects again by itself. If not, it is over.
    pub will_retry: bool,
}
