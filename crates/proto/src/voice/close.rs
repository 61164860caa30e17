//! Close codes of the voice gateway, and what a client does about each.

/// A WebSocket close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Close(pub u16);

/// What a client does when the connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Connect again and Resume, if there is a session to resume; else Identify.
    Resume,
    /// Connect again and Identify: this session is of no more use.
    Reconnect,
    /// Give up and tell whoever owns the player.
    Surface,
}

impl Close {
    /// Closed on purpose.
    pub const NORMAL: Self = Self(1000);
    /// The server goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The connection broke without a close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// Unspecified.
    pub const UNKNOWN_ERROR: Self = Self(4000);
    /// An opcode that does not exist.
    pub const UNKNOWN_OPCODE: Self = Self(4001);
    /// A payload that could not be read.
    pub const DECODE_ERROR: Self = Self(4002);
    /// A payload before Identify.
    pub const NOT_AUTHENTICATED: Self = Self(4003);
    /// The token is wrong.
    pub const AUTHENTICATION_FAILED: Self = Self(4004);
    /// A second Identify.
    pub const ALREADY_AUTHENTICATED: Self = Self(4005);
    /// The session does not exist any more.
    pub const SESSION_INVALID: Self = Self(4006);
    /// No heartbeat for too long.
    pub const SESSION_TIMEOUT: Self = Self(4009);
    /// The guild does not exist here.
    pub const SERVER_NOT_FOUND: Self = Self(4011);
    /// Not `udp`.
    pub const UNKNOWN_PROTOCOL: Self = Self(4012);
    /// Kicked, moved or the channel was deleted.
    pub const DISCONNECTED: Self = Self(4014);
    /// The voice server crashed.
    pub const SERVER_CRASHED: Self = Self(4015);
    /// An encryption that was not on offer.
    pub const UNKNOWN_ENCRYPTION_MODE: Self = Self(4016);
    /// The channel demands DAVE and the client does not speak it.
    pub const DAVE_REQUIRED: Self = Self(4017);
    /// A malformed request.
    pub const BAD_REQUEST: Self = Self(4020);
    /// Too many payloads.
    pub const RATE_LIMITED: Self = Self(4021);
    /// The call was ended for everybody.
    pub const CALL_TERMINATED: Self = Self(4022);

    /// Returns what a client does about this code.
    ///
    /// Codes that hint at a broken connection or a crashed server keep the session. Codes that
    /// say this session was used wrongly or timed out need a new one. The rest means that
    /// trying again by itself would be wrong: somebody else decided.
    pub const fn reaction(self) -> Reaction {
        match self.0 {
            // 1005 is what libraries report for a close frame without a code;
            // 1011 to 1014 come from proxies in front of a restarting server.
            1001 | 1005 | 1006 | 1011..=1014 | 4000..=4002 | 4015 => Reaction::Resume,
            4003 | 4005 | 4009 | 4012 | 4016 | 4020 => Reaction::Reconnect,
            _ => Reaction::Surface,
        }
    }
}
