//! Opcodes of the voice gateway.

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// What a frame means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Opcode {
            $($(#[$doc])* $name = $value,)*
        }

        impl Opcode {
            /// Returns the opcode with this number, if the protocol has it.
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

opcodes! {
    /// Client: begins a session.
    Identify = 0,
    /// Client: names its UDP address and the encryption.
    SelectProtocol = 1,
    /// Server: answers Identify with an SSRC and a UDP address.
    Ready = 2,
    /// Client: is alive.
    Heartbeat = 3,
    /// Server: hands out the key.
    SessionDescription = 4,
    /// Both: somebody starts or stops speaking.
    Speaking = 5,
    /// Server: answers a heartbeat.
    HeartbeatAck = 6,
    /// Client: goes on with a session after a lost connection.
    Resume = 7,
    /// Server: greets, and says how often to heartbeat.
    Hello = 8,
    /// Server: the session goes on.
    Resumed = 9,
    /// Server: these users are in the call.
    ClientsConnect = 11,
    /// Server: a user left the call.
    ClientDisconnect = 13,
    /// Client: which incoming media it wants.
    MediaSinkWants = 15,
    /// Server: flags of a user.
    ClientFlags = 18,
    /// Server: platform of a user.
    ClientPlatform = 20,
    /// Server: a protocol downgrade or the end of encryption is about to happen.
    DavePrepareTransition = 21,
    /// Server: the transition happens now.
    DaveExecuteTransition = 22,
    /// Client: ready for the transition.
    DaveTransitionReady = 23,
    /// Server: a new protocol version or group is about to begin.
    DavePrepareEpoch = 24,
    /// Server, binary: credential and key of the external sender.
    MlsExternalSender = 25,
    /// Client, binary: its key package.
    MlsKeyPackage = 26,
    /// Server, binary: proposals to append or revoke.
    MlsProposals = 27,
    /// Client, binary: commit and optional welcome.
    MlsCommitWelcome = 28,
    /// Server, binary: the commit that won.
    MlsAnnounceCommitTransition = 29,
    /// Server, binary: welcome for a new member.
    MlsWelcome = 30,
    /// Client: a commit or welcome could not be processed.
    MlsInvalidCommitWelcome = 31,
}

impl Opcode {
    /// Whether frames of this opcode are binary.
    pub const fn is_binary(self) -> bool {
        matches!(
            self,
            Self::MlsExternalSender
                | Self::MlsKeyPackage
                | Self::MlsProposals
                | Self::MlsCommitWelcome
                | Self::MlsAnnounceCommitTransition
                | Self::MlsWelcome
        )
    }

    /// Whether this opcode belongs to DAVE, the end-to-end encryption.
    pub const fn is_dave(self) -> bool {
        matches!(self as u8, 21..=31)
    }
}
