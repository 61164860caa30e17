//! From an Opus packet to the datagram that goes to Discord, and back.
//!
//! A frame passes [`EndToEnd`] first, then a [`Sealer`] puts it behind an [`RtpHeader`] and
//! encrypts it for the transport. An [`Opener`] is the other end of the transport. The
//! conversation that yields mode, key and SSRC is `backline_proto::voice::session`.

pub mod dave;
pub mod discovery;
mod end_to_end;
mod rtp;
mod seal;
mod sender;

pub use end_to_end::{EndToEnd, EndToEndError};
pub use rtp::{ParsedHeader, RtpError, RtpHeader};
pub use seal::{MAX_DATAGRAM, Mode, OpenError, Opener, SealError, Sealer, UnknownMode};
pub use sender::SenderKey;
