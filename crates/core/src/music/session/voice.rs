//! Getting into a voice channel, staying there, and leaving it.
//!
//! ```text
//! Out ─join─▶ Joining ─credentials─▶ Connecting ─ready─▶ Connected
//!               ▲ └─ overdue: leave and join again, a few times     │ node lost
//!               └──────────── voice failed ◀────────────────────────┤
//!                         Stranded ─node ready─▶ Connecting ◀───────┘
//! ```

use crate::id::ChannelId;
use crate::music::Refusal;

use super::playback::Player;
use super::{Effect, Session};

/// Where the bot is, and how far the node got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// In no channel.
    Out,
    /// The platform was asked; state and server are awaited.
    Joining {
        channel: ChannelId,
        attempt: u32,
        until: u64,
    },
    /// The node was told.
    Connecting {
        channel: ChannelId,
        attempt: u32,
        until: u64,
    },
    /// The node is connected.
    Connected {
        channel: ChannelId,
        attempt: u32,
        since: u64,
    },
    /// In the channel, but there is no node.
    Stranded { channel: ChannelId },
}

pub(super) const FIRST_ATTEMPT: u32 = 1;

/// How long the platform may take to answer, per attempt, in milliseconds.
pub(super) const JOIN_PATIENCE: [u64; 3] = [3_000, 5_000, 8_000];
/// How long a node may take to connect, in milliseconds.
pub(super) const CONNECT_PATIENCE: u64 = 15_000;
/// A connection that held for this long has proven itself, in milliseconds.
pub(super) const PROVEN: u64 = 60_000;

impl Voice {
    pub(super) fn is_out(self) -> bool {
        self == Self::Out
    }

    pub(super) fn channel(self) -> Option<ChannelId> {
        match self {
            Self::Out => None,
            Self::Joining { channel, .. }
            | Self::Connecting { channel, .. }
            | Self::Connected { channel, .. }
            | Self::Stranded { channel } => Some(channel),
        }
    }

    pub(super) fn deadline(self) -> Option<u64> {
        match self {
            Self::Joining { until, .. } | Self::Connecting { until, .. } => Some(until),
            Self::Out | Self::Connected { .. } | Self::Stranded { .. } => None,
        }
    }
}

impl Session {
    /// Asks the platform to join or move to a channel.
    pub(super) fn join(&mut self, now: u64, channel: ChannelId, attempt: u32) {
        let patience = JOIN_PATIENCE[(attempt as usize - 1).min(JOIN_PATIENCE.len() - 1)];
        self.voice = Voice::Joining {
            channel,
            attempt,
            until: now + patience,
        };
        self.listeners = None;
        self.effects.push_back(Effect::JoinVoice { channel });
        self.changed();
    }

    /// Leaves the channel. The playing track stays where it is, for the next time.
    pub(super) fn leave(&mut self, now: u64) {
        let was_out = self.voice.is_out();
        self.be_out(now);
        if !was_out {
            self.effects.push_back(Effect::LeaveVoice);
        }
    }

    /// Takes note that the bot is in no channel any more.
    pub(super) fn be_out(&mut self, now: u64) {
        if let Some(current) = &mut self.current {
            current.hold(now);
        }
        if !self.voice.is_out() {
            self.voice = Voice::Out;
            self.effects.push_back(Effect::DestroyPlayer);
        }
        self.listeners = None;
        if self.current.is_none() && self.queue.is_empty() {
            self.reset();
        }
        self.changed();
    }

    pub(super) fn on_voice_joined(&mut self, joined: ChannelId) {
        match &mut self.voice {
            // While it is on its way the answer to an earlier request says nothing.
            Voice::Out | Voice::Joining { .. } => {}
            Voice::Connecting { channel, .. }
            | Voice::Connected { channel, .. }
            | Voice::Stranded { channel } => {
                if *channel != joined {
                    *channel = joined;
                    self.listeners = None;
                    self.changed();
                }
            }
        }
    }

    pub(super) fn on_voice_left(&mut self, now: u64) {
        match self.voice {
            Voice::Out | Voice::Joining { .. } => {}
            Voice::Connecting { .. } | Voice::Connected { .. } | Voice::Stranded { .. } => {
                self.be_out(now);
            }
        }
    }

    pub(super) fn on_voice_credentials(&mut self, now: u64) {
        match self.voice {
            Voice::Out => {}
            Voice::Joining {
                channel, attempt, ..
            }
            | Voice::Connecting {
                channel, attempt, ..
            } => {
                self.connect(now, channel, attempt);
            }
            Voice::Stranded { channel } => self.connect(now, channel, FIRST_ATTEMPT),
            // New credentials for a player that plays: it goes on meanwhile.
            Voice::Connected { .. } => self.effects.push_back(Effect::ConnectVoice),
        }
    }

    pub(super) fn on_voice_ready(&mut self, now: u64) {
        if let Voice::Connecting {
            channel, attempt, ..
        } = self.voice
        {
            self.voice = Voice::Connected {
                channel,
                attempt,
                since: now,
            };
            self.changes.view = true;
            if self.current.is_none() && !self.queue.is_empty() {
                self.next(now, Player::Silent);
            } else {
                self.start(now);
            }
        }
    }

    pub(super) fn on_voice_failed(&mut self, now: u64) {
        match self.voice {
            Voice::Out | Voice::Joining { .. } | Voice::Stranded { .. } => {}
            Voice::Connecting {
                channel, attempt, ..
            } => self.join_again(now, channel, attempt + 1),
            Voice::Connected {
                channel,
                attempt,
                since,
            } => {
                let proven = now.saturating_sub(since) >= PROVEN;
                self.join_again(
                    now,
                    channel,
                    if proven { FIRST_ATTEMPT } else { attempt + 1 },
                );
            }
        }
    }

    pub(super) fn on_voice_overdue(&mut self, now: u64) {
        if let Voice::Joining {
            channel, attempt, ..
        }
        | Voice::Connecting {
            channel, attempt, ..
        } = self.voice
        {
            self.join_again(now, channel, attempt + 1);
        }
    }

    pub(super) fn on_node_lost(&mut self, now: u64, since: u64) {
        if let Some(current) = &mut self.current {
            current.hold(since.min(now));
        }
        if let Voice::Connecting { channel, .. } | Voice::Connected { channel, .. } = self.voice {
            self.voice = Voice::Stranded { channel };
            self.changes.view = true;
        }
    }

    pub(super) fn on_node_ready(&mut self, now: u64) {
        if let Voice::Stranded { channel } = self.voice {
            self.connect(now, channel, FIRST_ATTEMPT);
        }
    }

    fn connect(&mut self, now: u64, channel: ChannelId, attempt: u32) {
        self.voice = Voice::Connecting {
            channel,
            attempt,
            until: now + CONNECT_PATIENCE,
        };
        self.effects.push_back(Effect::ConnectVoice);
    }

    /// Only leaving first makes the platform hand out fresh credentials for the same channel.
    fn join_again(&mut self, now: u64, channel: ChannelId, attempt: u32) {
        if attempt as usize > JOIN_PATIENCE.len() {
            self.notice(Refusal::VoiceFailed);
            self.leave(now);
        } else {
            self.effects.push_back(Effect::LeaveVoice);
            self.join(now, channel, attempt);
        }
    }
}
