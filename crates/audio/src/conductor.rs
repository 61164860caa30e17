//! Hands everything that happens to the guild it is about, and saves positions for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use backline_core::id::GuildId;
use backline_core::music::Snapshot;
use backline_service::message::ToAudio;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::guild::{self, Context, GuildMessage, Origin};
use crate::node::NodeEvent;

/// All guilds that have something to do.
pub(crate) struct Conductor {
    context: Context,
    guilds: HashMap<GuildId, Entry>,
    tasks: JoinSet<Vec<GuildMessage>>,
    by_task: HashMap<Id, GuildId>,
    /// Saved sessions that are not back yet, and when the next may come.
    saved: Vec<(GuildId, Snapshot)>,
    restored: u32,
}

struct Entry {
    mailbox: mpsc::UnboundedSender<GuildMessage>,
    /// What came while the guild was about to rest.
    late: Vec<GuildMessage>,
}

const SAVE_POSITIONS: Duration = Duration::from_secs(5);
/// Sessions that come back at once, and how long each further one waits. A platform takes some 120
/// requests a minute on one connection, and each session may need three.
const RESTORE_AT_ONCE: u32 = 30;
const RESTORE_PACE: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(8);

impl Conductor {
    pub(crate) fn new(context: Context, saved: Vec<(GuildId, Snapshot)>) -> Self {
        let mut saved: Vec<_> = saved
            .into_iter()
            .filter(|(_, snapshot)| snapshot.voice_channel.is_some())
            .collect();
        saved.reverse();
        Self {
            context,
            guilds: HashMap::new(),
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
            saved,
            restored: 0,
        }
    }

    /// Runs until shutdown, then lets every guild save its session.
    pub(crate) async fn run(
        mut self,
        mut nodes: mpsc::Receiver<NodeEvent>,
        shutdown: CancellationToken,
    ) {
        let lines = &self.context.services.lines;
        let (mut commands, mut platform) = (lines.commands(), lines.to_audio());
        let mut positions = interval(SAVE_POSITIONS);
        positions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_restore = Instant::now();
        if !self.saved.is_empty() {
            info!(sessions = self.saved.len(), "sessions are being restored");
        }
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep_until(next_restore), if !self.saved.is_empty() => {
                    self.restore_next();
                    if self.restored >= RESTORE_AT_ONCE {
                        next_restore = Instant::now() + RESTORE_PACE;
                    }
                }
                Some(ended) = self.tasks.join_next_with_id() => self.on_ended(ended),
                Some(event) = nodes.recv() => self.on_node(event),
                Some(delivery) = platform.next() => {
                    let guild = delivery.guild();
                    let wakes = matches!(*delivery, ToAudio::GuildLeft { .. });
                    if wakes || self.guilds.contains_key(&guild) {
                        self.tell(guild, GuildMessage::Platform(delivery));
                    } else {
                        // A guild that does nothing has no use for it.
                        delivery.ack();
                    }
                }
                Some(delivery) = commands.next() => {
                    let guild = delivery.guild;
                    self.tell(guild, GuildMessage::Command(delivery));
                }
                _ = positions.tick() => self.tell_all(|| GuildMessage::SavePosition),
                else => break,
            }
            self.context.metrics.sessions.set(self.guilds.len() as i64);
        }
        self.drain().await;
    }

    fn restore_next(&mut self) {
        if let Some((guild, snapshot)) = self.saved.pop()
            && !self.guilds.contains_key(&guild)
        {
            self.restored += 1;
            self.spawn(guild, Origin::Saved(Box::new(snapshot)));
        }
    }

    fn spawn(&mut self, guild: GuildId, origin: Origin) {
        // Whoever wakes a guild earlier loads what is saved: it must not come back a second time.
        self.saved.retain(|(saved, _)| *saved != guild);
        let (mailbox, messages) = mpsc::unbounded_channel();
        let task = self
            .tasks
            .spawn(guild::run(guild, self.context.clone(), origin, messages));
        self.by_task.insert(task.id(), guild);
        self.guilds.insert(
            guild,
            Entry {
                mailbox,
                late: Vec::new(),
            },
        );
    }

    /// Tells a guild something; one that does nothing is woken.
    fn tell(&mut self, guild: GuildId, message: GuildMessage) {
        if !self.guilds.contains_key(&guild) {
            self.spawn(guild, Origin::Load);
        }
        if let Some(entry) = self.guilds.get_mut(&guild)
            && let Err(mpsc::error::SendError(message)) = entry.mailbox.send(message)
        {
            entry.late.push(message);
        }
    }

    fn tell_all(&mut self, message: impl Fn() -> GuildMessage) {
        for entry in self.guilds.values() {
            // One that is about to rest has nothing to do with it.
            let _ = entry.mailbox.send(message());
        }
    }

    fn on_node(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Up => self.tell_all(|| GuildMessage::NodeUp),
            NodeEvent::Lost { node, since } => {
                self.tell_all(|| GuildMessage::NodeLost { node, since });
            }
            NodeEvent::Draining { node } => self.tell_all(|| GuildMessage::NodeDraining { node }),
            NodeEvent::Player { node, guild, news } => {
                if let Some(entry) = self.guilds.get(&guild) {
                    let _ = entry.mailbox.send(GuildMessage::Player { node, news });
                }
            }
        }
    }

    fn on_ended(&mut self, ended: Result<(Id, Vec<GuildMessage>), JoinError>) {
        let (task, late) = match ended {
            Ok((task, late)) => (task, late),
            Err(error) => {
                error!(error = %error, "guild died");
                (error.id(), Vec::new())
            }
        };
        let Some(guild) = self.by_task.remove(&task) else {
            return;
        };
        let Some(entry) = self.guilds.remove(&guild) else {
            return;
        };
        for message in late.into_iter().chain(entry.late) {
            match message {
                GuildMessage::Command(_) | GuildMessage::Platform(_) => self.tell(guild, message),
                // About a player that is gone.
                _ => {}
            }
        }
    }

    async fn drain(mut self) {
        self.tell_all(|| GuildMessage::Stop);
        let count = self.tasks.len();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(DRAIN, all).await.is_err() {
            warn!(
                left = self.tasks.len(),
                "not every session was saved in time"
            );
        } else {
            info!(sessions = count, "sessions were saved");
        }
        self.context.metrics.sessions.set(0);
    }
}

impl std::fmt::Debug for Conductor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conductor")
            .field("guilds", &self.guilds.len())
            .finish_non_exhaustive()
    }
}

/// Loads what is saved, waits for the bot to be known, connects the nodes, and conducts.
pub(crate) async fn conduct(
    context: Context,
    saved: Vec<(GuildId, Snapshot)>,
    shutdown: CancellationToken,
) {
    let user = tokio::select! {
        user = context.services.bot.known() => user,
        () = shutdown.cancelled() => return,
    };
    let (events, receiver) = mpsc::channel(1_024);
    let nodes = Arc::clone(&context.nodes);
    let farewell = CancellationToken::new();
    let sockets = nodes.connect(user, &events, &context.metrics, &farewell);
    Conductor::new(context, saved).run(receiver, shutdown).await;
    // Only now: while guilds save where they are, their players still play.
    farewell.cancel();
    sockets.wait().await;
}
