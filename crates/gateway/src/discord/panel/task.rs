//! Runs the panels of all guilds: views in, REST requests out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backline_core::id::GuildId;
use backline_core::music::View;
use backline_runtime::metrics::gateway::{Delivery, GatewayMetrics, PanelAction, PanelLabels};
use backline_service::message::UiNow;
use backline_service::{Now, Panels};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use twilight_model::channel::message::component::Component;

use super::super::render::now_playing;
use super::super::rest::{Rest, RestError};
use super::coalescer::{Effect, Input, Panel};

/// The Now Playing messages of all guilds.
#[derive(Debug)]
pub struct PanelTask {
    rest: Rest,
    panels: Panels,
    metrics: GatewayMetrics,
    guilds: HashMap<GuildId, Panel>,
    /// When to look at which guild; an entry that came too early does no harm.
    wakes: BinaryHeap<Reverse<(Instant, GuildId)>>,
    results: mpsc::UnboundedSender<(GuildId, Input)>,
}

impl PanelTask {
    /// Runs until shutdown. Messages stay as they are, and where they are is remembered: the next
    /// process goes on with them.
    pub async fn run(
        rest: Rest,
        panels: Panels,
        metrics: GatewayMetrics,
        mut views: Now,
        shutdown: CancellationToken,
    ) {
        // Bounded by the guilds: each has at most one request on its way.
        let (results, mut answers) = mpsc::unbounded_channel();
        let guilds = HashMap::new();
        let mut task = Self {
            rest,
            panels,
            metrics,
            guilds,
            wakes: BinaryHeap::new(),
            results,
        };
        loop {
            let wake = task.wakes.peek().map(|Reverse((at, _))| *at);
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some((guild, input)) = answers.recv() => task.handle(guild, input),
                view = views.next() => match view {
                    Some(view) => task.handle_view(view),
                    None => break,
                },
                () = sleep_until(wake) => task.wake(),
            }
        }
        if tokio::time::timeout(FINISH, task.finish(answers))
            .await
            .is_err()
        {
            debug!("some panels were not remembered");
        }
    }

    /// Waits for the requests on their way, and remembers the messages they made.
    async fn finish(self, mut answers: mpsc::UnboundedReceiver<(GuildId, Input)>) {
        let Self {
            rest,
            panels,
            metrics,
            mut guilds,
            results,
            ..
        } = self;
        // From now on only the requests on their way can answer.
        drop(results);
        while let Some((guild, input)) = answers.recv().await {
            let Some(panel) = guilds.get_mut(&guild) else {
                continue;
            };
            let now = Instant::now();
            panel.handle(now, input);
            let (rest, panels, metrics) = (rest.clone(), panels.clone(), metrics.clone());
            let worker = Worker {
                guild,
                rest,
                panels,
                metrics,
            };
            // Only what needs no answer: nothing new is begun.
            while let Some(
                effect @ (Effect::Save { .. } | Effect::Delete { .. } | Effect::Forget),
            ) = panel.poll(now, REFRESH)
            {
                worker.perform(effect).await;
            }
        }
    }

    fn handle_view(&mut self, now: UiNow) {
        let input = Input::Now {
            channel: now.text_channel,
            view: now.view.map(Box::new),
        };
        self.handle(now.guild, input);
    }

    fn handle(&mut self, guild: GuildId, input: Input) {
        let now = Instant::now();
        self.guilds.entry(guild).or_default().handle(now, input);
        self.drive(guild, now);
    }

    fn wake(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, guild))) = self.wakes.peek().copied() {
            if at > now {
                break;
            }
            self.wakes.pop();
            self.drive(guild, now);
        }
    }

    fn drive(&mut self, guild: GuildId, now: Instant) {
        // Bars of many guilds share one budget of requests.
        let refresh =
            REFRESH.max(REFRESH_EACH * u32::try_from(self.guilds.len()).unwrap_or(u32::MAX));
        let Some(panel) = self.guilds.get_mut(&guild) else {
            return;
        };
        let mut effects = Vec::new();
        while let Some(effect) = panel.poll(now, refresh) {
            effects.push(effect);
        }
        if panel.is_over() {
            self.guilds.remove(&guild);
        } else if let Some(at) = panel.deadline() {
            self.wakes.push(Reverse((at, guild)));
        }
        for effect in effects {
            self.perform(guild, effect);
        }
    }

    fn perform(&self, guild: GuildId, effect: Effect) {
        let worker = Worker {
            guild,
            rest: self.rest.clone(),
            panels: self.panels.clone(),
            metrics: self.metrics.clone(),
        };
        let results = self.results.clone();
        tokio::spawn(async move {
            if let Some(input) = worker.perform(effect).await {
                // Nobody listens any more after shutdown.
                let _ = results.send((guild, input));
            }
        });
    }
}

struct Worker {
    guild: GuildId,
    rest: Rest,
    panels: Panels,
    metrics: GatewayMetrics,
}

impl Worker {
    async fn perform(&self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Load => {
                let found = self.panels.load(self.guild).await.unwrap_or_else(|error| {
                    warn!(guild.id = %self.guild, error = %error, "panel could not be looked up");
                    None
                });
                Some(Input::Loaded(found))
            }
            Effect::Create { channel, view } => {
                let result = self.rest.create_message(channel, &draw(Some(&view))).await;
                self.count(PanelAction::Create, result.as_ref().err());
                Some(match result {
                    Ok(message) => Input::Created(message),
                    // An unknown channel is as bad as a forbidden one: do not try it over and over.
                    Err(RestError::Forbidden { .. } | RestError::Gone { .. }) => {
                        info!(guild.id = %self.guild, channel.id = %channel, "panel was not permitted");
                        Input::Forbidden
                    }
                    Err(error) => {
                        warn!(guild.id = %self.guild, error = %error, "panel was not created");
                        Input::Failed
                    }
                })
            }
            Effect::Edit {
                channel,
                message,
                view,
            } => {
                let result = self
                    .rest
                    .edit_message(channel, message, &draw(view.as_deref()))
                    .await;
                self.count(PanelAction::Edit, result.as_ref().err());
                Some(match result {
                    Ok(()) => Input::Edited,
                    Err(RestError::Gone { .. }) => Input::Gone,
                    Err(RestError::Forbidden { .. }) => Input::Forbidden,
                    Err(error) => {
                        warn!(guild.id = %self.guild, error = %error, "panel was not edited");
                        Input::Failed
                    }
                })
            }
            Effect::Delete { channel, message } => {
                let result = self.rest.delete_message(channel, message).await;
                self.count(PanelAction::Delete, result.as_ref().err());
                if let Err(error) = result {
                    debug!(guild.id = %self.guild, error = %error, "old panel was not deleted");
                }
                None
            }
            Effect::Save { channel, message } => {
                if let Err(error) = self.panels.save(self.guild, channel, message).await {
                    warn!(guild.id = %self.guild, error = %error, "panel was not remembered");
                }
                None
            }
            Effect::Forget => {
                if let Err(error) = self.panels.delete(self.guild).await {
                    warn!(guild.id = %self.guild, error = %error, "panel was not forgotten");
                }
                None
            }
        }
    }

    fn count(&self, action: PanelAction, error: Option<&RestError>) {
        let result = error.map_or(Delivery::Ok, RestError::delivery);
        self.metrics
            .panels
            .get_or_create(&PanelLabels { action, result })
            .inc();
    }
}

fn draw(view: Option<&View>) -> Vec<Component> {
    match view {
        Some(view) => now_playing::now_playing(view, now_ms()),
        None => now_playing::ended(),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// How long requests may take to come to their end at shutdown.
const FINISH: Duration = Duration::from_secs(5);

/// How often a progress bar is drawn anew.
const REFRESH: Duration = Duration::from_secs(12);

/// And how much less often for each guild that has one: ten bars a second in all, a fifth of what
/// Discord allows a bot.
const REFRESH_EACH: Duration = Duration::from_millis(100);
