//! One guild's requests to its node: one after another, beside everything else the guild does.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use backline_core::id::GuildId;
use backline_core::music::session::PlayId;
use backline_proto::lavalink::{UpdatePlayer, VoiceState};
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::node::Node;
use crate::node::rest::RestError;

/// What a node is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Connect to voice.
    Connect(VoiceState),
    /// Play a track.
    Play(PlayId, UpdatePlayer),
    /// Change how it plays.
    Change(UpdatePlayer),
    /// Remove the player.
    Destroy,
}

/// What a finished job was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    Connect,
    Play(PlayId),
    Change,
    Destroy,
}

/// A job that was done, or not.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) kind: JobKind,
    pub(super) node: Arc<Node>,
    pub(super) result: Result<(), RestError>,
}

/// The requests of one guild.
pub(super) struct Lane {
    guild: GuildId,
    waiting: VecDeque<(Arc<Node>, Job)>,
    running: Option<BoxFuture<'static, Finished>>,
}

impl Lane {
    pub(super) fn new(guild: GuildId) -> Self {
        Self {
            guild,
            waiting: VecDeque::new(),
            running: None,
        }
    }

    pub(super) fn push(&mut self, node: &Arc<Node>, job: Job) {
        self.waiting.push_back((Arc::clone(node), job));
    }

    /// Drops what waits. What runs goes on: its node may have obeyed already.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Drops everything that was meant for a node that is gone.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
        self.running = None;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }

    /// Returns the next job that was done; never, when there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Finished {
        if self.running.is_none() {
            let Some((node, job)) = self.waiting.pop_front() else {
                return pending().await;
            };
            self.running = Some(Box::pin(run(node, self.guild, job)));
        }
        let Some(running) = &mut self.running else {
            return pending().await;
        };
        let finished = running.await;
        self.running = None;
        finished
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("waiting", &self.waiting.len())
            .field("running", &self.running.is_some())
            .finish_non_exhaustive()
    }
}

/// How often a request is sent again that met a node without our session.
const TRIES: u32 = 4;
/// How long a broken connection to a node may take to come back. A node that does not is declared
/// lost before that, and its jobs are abandoned.
const GAP: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(200);

async fn run(node: Arc<Node>, guild: GuildId, job: Job) -> Finished {
    let (kind, update) = match job {
        Job::Connect(voice) => (
            JobKind::Connect,
            Some(UpdatePlayer {
                voice: Some(voice),
                ..UpdatePlayer::default()
            }),
        ),
        Job::Play(play, update) => (JobKind::Play(play), Some(update)),
        Job::Change(update) => (JobKind::Change, Some(update)),
        Job::Destroy => (JobKind::Destroy, None),
    };
    let mut attempt = 1;
    let result = loop {
        let result = ask(&node, guild, update.as_ref()).await;
        match result {
            // A session whose socket broke answers again once it is resumed.
            Err(error) if error.is_node_gone() && attempt < TRIES => {
                sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            result => break result,
        }
    };
    Finished { kind, node, result }
}

async fn ask(node: &Node, guild: GuildId, update: Option<&UpdatePlayer>) -> Result<(), RestError> {
    let session = node
        .session_within(GAP)
        .await
        .ok_or(RestError::SessionLost)?;
    match update {
        Some(update) => node.rest.update_player(&session, guild, update).await,
        None => node.rest.destroy_player(&session, guild).await,
    }
}
