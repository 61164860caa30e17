//! What bots did, in order, for tests to assert on and for messages that explain.

use std::{collections::VecDeque, time::Duration};

use super::{
    clock::{Clock, iso},
    id::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, UserId},
};

/// The last things that happened between bots and the simulated Discord.
#[derive(Debug, Clone)]
pub struct Journal {
    clock: Clock,
    entries: VecDeque<(u64, Entry)>,
    acknowledgements: VecDeque<Duration>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A session began.
    Identify {
        /// Whose.
        application: ApplicationId,
        /// Shard number and count.
        shard: (u64, u64),
        /// What it asked for.
        intents: u64,
        /// The session's id.
        session: String,
    },
    /// A session was continued, or should have been.
    Resume {
        /// The session's id.
        session: String,
        /// The last event the client has seen.
        sequence: u64,
        /// Whether it worked.
        accepted: bool,
    },
    /// A session ended for good.
    SessionEnded {
        /// The session's id.
        session: String,
    },
    /// A gateway connection was closed.
    GatewayClosed {
        /// The session on it, if there was one.
        session: Option<String>,
        /// Close code; none if the connection broke.
        code: Option<u16>,
        /// Whether the bot closed it.
        by_bot: bool,
    },
    /// The commands of an application were set.
    CommandsRegistered {
        /// Where; none means everywhere.
        guild: Option<GuildId>,
        /// All names there are now.
        names: Vec<String>,
    },
    /// A REST request was answered.
    Rest {
        /// Method.
        method: String,
        /// Path without version; tokens are left out.
        path: String,
        /// Status of the answer.
        status: u16,
        /// Discord's error code and message, if refused.
        refusal: Option<String>,
    },
    /// An interaction was sent to a bot.
    InteractionSent {
        /// Which one.
        interaction: InteractionId,
        /// What it is about, such as `/play`.
        what: String,
        /// Sessions that got it.
        sessions: usize,
    },
    /// A bot acknowledged an interaction.
    InteractionAcknowledged {
        /// Which one.
        interaction: InteractionId,
        /// Callback type.
        kind: u8,
        /// Time from the dispatch.
        after: Duration,
    },
    /// A bot wrote a message.
    MessageCreated {
        /// Where.
        channel: ChannelId,
        /// Which one.
        message: MessageId,
        /// Whether it is ephemeral.
        ephemeral: bool,
    },
    /// A bot edited a message.
    MessageEdited {
        /// Where.
        channel: ChannelId,
        /// Which one.
        message: MessageId,
    },
    /// Somebody's voice state changed.
    Voice {
        /// Where.
        guild: GuildId,
        /// Who.
        user: UserId,
        /// The channel now.
        channel: Option<ChannelId>,
    },
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            entries: VecDeque::new(),
            acknowledgements: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        if self.entries.len() == MOST_ENTRIES {
            self.entries.pop_front();
        }
        if let Entry::InteractionAcknowledged { after, .. } = &entry {
            if self.acknowledgements.len() == MOST_ENTRIES {
                self.acknowledgements.pop_front();
            }
            self.acknowledgements.push_back(*after);
        }
        self.entries.push_back((self.clock.now_ms(), entry));
    }

    /// Returns everything, oldest first, with times in milliseconds since the Unix epoch.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &(u64, Entry)> {
        self.entries.iter()
    }

    /// Returns how long each interaction took from dispatch to callback, oldest first.
    pub fn acknowledgements(&self) -> impl Iterator<Item = Duration> {
        self.acknowledgements.iter().copied()
    }

    /// Returns how many sessions were begun.
    pub fn identifies(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::Identify { .. }))
    }

    /// Returns how many sessions were continued.
    pub fn resumes(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::Resume { accepted: true, .. }))
    }

    /// Returns how often commands were written.
    pub fn registrations(&self) -> usize {
        self.count(|entry| matches!(entry, Entry::CommandsRegistered { .. }))
    }

    /// Counts entries.
    pub fn count(&self, mut wanted: impl FnMut(&Entry) -> bool) -> usize {
        self.entries
            .iter()
            .filter(|(_, entry)| wanted(entry))
            .count()
    }

    /// Writes the last entries since a time, one a line, for error messages.
    pub fn tail(&self, since_ms: u64, lines: usize) -> String {
        let recent: Vec<String> = self
            .entries
            .iter()
            .rev()
            .take_while(|(at, _)| *at >= since_ms)
            .take(lines)
            .map(|(at, entry)| format!("  {} {entry:?}", &iso(*at)[11..23]))
            .collect();
        if recent.is_empty() {
            return "  nothing at all".to_owned();
        }
        recent.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

const MOST_ENTRIES: usize = 100_000;
