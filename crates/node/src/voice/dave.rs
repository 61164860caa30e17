//! The DAVE member of one voice connection. What takes public keys is done on a thread that may
//! block, one batch at a time, while the connection goes on with everything else.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backline_media::voice::dave::{Counts, Dave, Effect, Input, Mode};
use backline_proto::voice::dave::DaveMessage;
use backline_runtime::metrics::voice::{DaveMode, VoiceMetrics};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// The DAVE member of one connection and what it has to do.
pub struct Desk {
    user_id: u64,
    channel_id: u64,
    /// At most this many desks work at a time, so that the threads do not grow with the calls.
    permits: Arc<Semaphore>,
    metrics: VoiceMetrics,
    users: BTreeSet<u64>,
    described: bool,
    queue: VecDeque<Work>,
    member: Member,
    seen: Seen,
}

enum Member {
    Here(Box<Dave>),
    /// On a thread that may block. Dropped when it is of no use any more; then it ends by itself.
    Away(Pin<Box<dyn Future<Output = Result<Box<Dave>, JoinError>> + Send>>),
}

enum Work {
    Input(Input),
    Deadline,
}

/// What the metrics know of the member.
#[derive(Default)]
struct Seen {
    mode: Option<DaveMode>,
    counts: Counts,
    epoch: Option<u64>,
}

/// Messages that may wait while others are worked on; a server that says more loses them.
const MAX_QUEUE: usize = 256;

impl Desk {
    /// Returns a desk for the bot's member in a call.
    pub fn new(
        user_id: u64,
        channel_id: u64,
        permits: Arc<Semaphore>,
        metrics: VoiceMetrics,
    ) -> Self {
        Self {
            user_id,
            channel_id,
            permits,
            metrics,
            users: BTreeSet::new(),
            described: false,
            queue: VecDeque::new(),
            member: Member::Here(Box::new(Dave::new(user_id, channel_id))),
            seen: Seen::default(),
        }
    }

    /// A new voice session begins: everything known of the call and its keys is void.
    pub fn begin(&mut self) {
        self.users.clear();
        self.renew();
    }

    fn renew(&mut self) {
        self.described = false;
        self.queue.clear();
        self.member = Member::Here(Box::new(Dave::new(self.user_id, self.channel_id)));
        self.seen.counts = Counts::default();
        self.seen.epoch = None;
    }

    /// New keys of the transport were agreed. Whoever is told so begins with no other keys.
    pub fn describe(&mut self, version: u16) {
        if self.described {
            // A member on its way must not come back with keys of the transport before.
            self.renew();
            let users = self.users.iter().copied().collect();
            self.put(Input::Connected(users));
        }
        self.described = true;
        self.put(Input::Described { version });
    }

    /// Takes in what happened.
    pub fn put(&mut self, input: Input) {
        match &input {
            Input::Connected(users) => self.users.extend(users.iter().take(MAX_USERS)),
            Input::Disconnected(user) => {
                self.users.remove(user);
            }
            _ => {}
        }
        if self.queue.len() < MAX_QUEUE {
            self.queue.push_back(Work::Input(input));
        } else {
            self.metrics.dave_failures.inc();
        }
    }

    /// Takes in what the server said.
    pub fn hear(&mut self, message: Option<DaveMessage>) {
        match message {
            Some(message) => self.put(input(message)),
            None => {
                self.metrics.dave_failures.inc();
            }
        }
    }

    /// Does what is quick at once and sends the member away for the rest.
    pub fn work(&mut self, now: Duration) {
        let Member::Here(dave) = &mut self.member else {
            return;
        };
        if dave.deadline().is_some_and(|due| due <= now) {
            self.queue.push_front(Work::Deadline);
        }
        while let Some(Work::Input(input)) = self.queue.pop_front_if(|work| !work.is_heavy()) {
            dave.handle(input, now);
        }
        if self.queue.is_empty() {
            return self.count();
        }
        let batch = std::mem::take(&mut self.queue);
        let permits = Arc::clone(&self.permits);
        let time = self.metrics.dave_work.clone();
        let member = std::mem::replace(
            &mut self.member,
            Member::Away(Box::pin(std::future::pending())),
        );
        let Member::Here(mut dave) = member else {
            return;
        };
        self.member = Member::Away(Box::pin(async move {
            let _permit = permits.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                for work in batch {
                    match work {
                        Work::Input(input) => dave.handle(input, now),
                        Work::Deadline => dave.handle_deadline(now),
                    }
                }
                time.observe(begun.elapsed().as_secs_f64());
                dave
            })
            .await
        }));
    }

    /// Waits until a member that is away is back; for ever if none is. Cancel-safe.
    ///
    /// # Errors
    /// When it did not survive its work; the call must end then.
    pub async fn back(&mut self) -> Result<(), JoinError> {
        match &mut self.member {
            Member::Here(_) => std::future::pending().await,
            Member::Away(work) => {
                let done = work.await;
                self.member = Member::Here(done?);
                Ok(())
            }
        }
    }

    /// Returns the next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        match &mut self.member {
            Member::Here(dave) => dave.poll(),
            Member::Away(_) => None,
        }
    }

    /// Returns when [`Self::work`] has to be called at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.member {
            Member::Here(dave) => dave.deadline(),
            Member::Away(_) => None,
        }
    }

    /// Tells the metrics what changed.
    fn count(&mut self) {
        let Member::Here(dave) = &self.member else {
            return;
        };
        let mode = self.described.then(|| match dave.mode() {
            Mode::Off => DaveMode::Off,
            Mode::Pending => DaveMode::Pending,
            Mode::Keyed => DaveMode::Keyed,
        });
        let (counts, epoch) = (dave.counts(), dave.epoch());
        let before = std::mem::replace(&mut self.seen.counts, counts);
        for (counter, now, before) in [
            (
                &self.metrics.dave_transitions,
                counts.transitions,
                before.transitions,
            ),
            (
                &self.metrics.dave_failures,
                counts.failures,
                before.failures,
            ),
            (
                &self.metrics.dave_recoveries,
                counts.recoveries,
                before.recoveries,
            ),
        ] {
            counter.inc_by(now.saturating_sub(before));
        }
        if std::mem::replace(&mut self.seen.epoch, epoch) != epoch && epoch.is_some() {
            self.metrics.dave_epochs.inc();
        }
        self.show(mode);
    }

    fn show(&mut self, mode: Option<DaveMode>) {
        if self.seen.mode != mode {
            if let Some(mode) = std::mem::replace(&mut self.seen.mode, mode) {
                self.metrics.dave_gauge(mode).dec();
            }
            if let Some(mode) = mode {
                self.metrics.dave_gauge(mode).inc();
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.show(None);
    }
}

impl Work {
    fn is_heavy(&self) -> bool {
        match self {
            Self::Input(input) => input.is_heavy(),
            Self::Deadline => true,
        }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Desk").finish_non_exhaustive()
    }
}

fn input(message: DaveMessage) -> Input {
    match message {
        DaveMessage::PrepareTransition(body) => Input::PrepareTransition {
            transition_id: body.transition_id,
            version: body.protocol_version,
        },
        DaveMessage::ExecuteTransition(body) => Input::ExecuteTransition {
            transition_id: body.transition_id,
        },
        DaveMessage::PrepareEpoch(body) => Input::PrepareEpoch {
            version: body.protocol_version,
            epoch: body.epoch,
        },
        DaveMessage::ExternalSender(sender) => Input::ExternalSender(sender),
        DaveMessage::Proposals(payload) => Input::Proposals(payload),
        DaveMessage::Commit {
            transition_id,
            commit,
        } => Input::Commit {
            transition_id,
            commit,
        },
        DaveMessage::Welcome {
            transition_id,
            welcome,
        } => Input::Welcome {
            transition_id,
            welcome,
        },
    }
}

/// Users of a call that are kept in mind.
const MAX_USERS: usize = 4_096;
