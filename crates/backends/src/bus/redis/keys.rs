//! The names of keys and channels.

use backline_proto::bus::{Broadcast, Topic};

/// Makes names. All keys of a partition have one hash tag.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// The consumer group of every stream: there is one, because one owner reads a partition.
pub(super) const GROUP: &str = "owner";

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The stream of a partition.
    pub(super) fn stream(&self, topic: Topic, partition: u16) -> String {
        format!("{{{}:{partition:02}}}:{topic}", self.prefix)
    }

    /// Who may read it.
    pub(super) fn lease(&self, topic: Topic, partition: u16) -> String {
        format!("{{{}:{partition:02}}}:{topic}:owner", self.prefix)
    }

    /// What nobody could handle.
    pub(super) fn dead(&self, topic: Topic, partition: u16) -> String {
        format!("{{{}:{partition:02}}}:{topic}:dead", self.prefix)
    }

    /// The channel on which new messages of a topic are announced.
    pub(super) fn wake(&self, topic: Topic) -> String {
        format!("{}:{topic}:wake", self.prefix)
    }

    /// The channel of a broadcast.
    pub(super) fn broadcast(&self, broadcast: Broadcast) -> String {
        format!("{}:{broadcast}", self.prefix)
    }
}
