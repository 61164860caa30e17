//! Doing what a session wants to be done.

use std::sync::Arc;
use std::time::Duration;

use backline_core::music::session::{Effect, PlayId, RequestId};
use backline_core::music::{Input, Outcome, Track};
use backline_proto::lavalink::{Object, Omissible, UpdatePlayer, UpdateTrack};
use backline_service::message::{ToDiscord, UiNow};
use serde_json::json;
use tracing::{error, info, warn};

use super::Guild;
use super::lane::Job;
use crate::clock::now_ms;
use crate::query;

/// The key of our own data on a track, which a node echoes in its events.
pub(super) const USER_DATA: &str = "backline";

const SAVE_TRIES: u32 = 4;
const SAVE_PAUSE: Duration = Duration::from_millis(50);

impl Guild {
    /// Does everything the session wants to be done, in order.
    pub(super) async fn run_effects(&mut self) {
        while let Some(effect) = self.session.poll() {
            self.run(effect).await;
        }
    }

    async fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Save => self.save().await,
            Effect::Resolve { request, query } => self.look_up(request, &query),
            Effect::JoinVoice { channel } => {
                let channel = Some(channel);
                self.send(ToDiscord::Voice {
                    guild: self.id,
                    channel,
                })
                .await;
            }
            Effect::LeaveVoice => {
                self.credentials.forget();
                self.send(ToDiscord::Voice {
                    guild: self.id,
                    channel: None,
                })
                .await;
            }
            Effect::ConnectVoice => self.connect_voice(),
            Effect::Play {
                play,
                track,
                start_ms,
                paused,
                volume,
            } => {
                info!(guild.id = %self.id, track.source = track.source, start_ms, "track was sent to the node");
                let update = play_update(play, &track, start_ms, paused, volume);
                self.ask_node(Job::Play(play, update));
            }
            Effect::Pause(paused) => self.change(UpdatePlayer {
                paused: Some(paused),
                ..UpdatePlayer::default()
            }),
            Effect::Seek(ms) => self.change(UpdatePlayer {
                position: Some(clamped(ms)),
                ..UpdatePlayer::default()
            }),
            Effect::Volume(percent) => {
                self.change(UpdatePlayer {
                    volume: Some(percent.into()),
                    ..UpdatePlayer::default()
                });
            }
            Effect::StopPlayer => {
                let track = Some(UpdateTrack {
                    encoded: Omissible::Null,
                    ..UpdateTrack::default()
                });
                self.change(UpdatePlayer {
                    track,
                    ..UpdatePlayer::default()
                });
            }
            Effect::DestroyPlayer => {
                self.lane.clear();
                self.ask_node(Job::Destroy);
                self.seat = None;
            }
            Effect::Reply { request, outcome } => {
                if let Some(asked) = self.asked.remove(&request) {
                    self.context
                        .metrics
                        .answered(now_ms().saturating_sub(asked.published_ms));
                    self.send(ToDiscord::Reply {
                        guild: self.id,
                        to: asked.reply,
                        outcome,
                    })
                    .await;
                    asked.receipt.ack();
                }
            }
            Effect::Notice {
                text_channel,
                outcome,
            } => {
                if let Outcome::Refused { .. } = outcome {
                    self.context.metrics.notices.inc();
                }
                self.send(ToDiscord::Notice {
                    guild: self.id,
                    text_channel,
                    outcome,
                })
                .await;
            }
            Effect::View(view) => {
                let (guild, text_channel) = (self.id, self.session.text_channel());
                self.context.services.lines.publish_now(UiNow {
                    guild,
                    text_channel,
                    view: view.map(|view| *view),
                });
            }
            Effect::RecordHistory { track } => self.record(&track).await,
            // Lavalink v4 has no request for it; our own node will learn one.
            Effect::Preload { .. } => {}
        }
    }

    /// Saves the session. The music does not stop for a store that is away: it is tried some times,
    /// and the next change saves everything anyway.
    pub(super) async fn save(&mut self) {
        let snapshot = self.session.snapshot(now_ms());
        let sessions = &self.context.services.sessions;
        for attempt in 1..=SAVE_TRIES {
            let saved = if snapshot.is_blank() {
                sessions.delete(self.id).await
            } else {
                sessions.save(self.id, &snapshot).await
            };
            match saved {
                Ok(()) => return,
                Err(error) if error.is_transient() && attempt < SAVE_TRIES => {
                    tokio::time::sleep(SAVE_PAUSE * attempt).await;
                }
                Err(error) => {
                    self.context.metrics.save_failures.inc();
                    error!(guild.id = %self.id, error = %error, "session was not saved");
                    return;
                }
            }
        }
    }

    /// Saves how far the track is, if it plays.
    pub(super) async fn save_position(&mut self) {
        let now = now_ms();
        let Some(position) = self.session.playing_position(now) else {
            return;
        };
        if let Err(error) = self
            .context
            .services
            .sessions
            .save_position(self.id, position, now)
            .await
        {
            self.context.metrics.save_failures.inc();
            warn!(guild.id = %self.id, error = %error, "position was not saved");
        }
    }

    fn look_up(&mut self, request: RequestId, query: &str) {
        let identifier = query::identifier(query, &self.context.search_prefix);
        let (context, turns) = (self.context.clone(), Arc::clone(&self.turns));
        self.lookups.push(Box::pin(async move {
            let _turn = turns.acquire().await;
            let result = query::resolve(&context.nodes, &identifier, &context.metrics).await;
            Input::Resolved { request, result }
        }));
    }

    fn connect_voice(&mut self) {
        if self.seat.is_none() {
            self.seat = self.context.nodes.sit();
        }
        if self.seat.is_none() {
            self.later.push_back(Input::NodeLost { since: now_ms() });
        } else if let Some(voice) = self.credentials.hand_out() {
            self.ask_node(Job::Connect(voice));
        } else {
            // They went away in the meantime: only joining again brings new ones.
            self.later.push_back(Input::VoiceFailed);
        }
    }

    fn change(&mut self, update: UpdatePlayer) {
        self.ask_node(Job::Change(update));
    }

    fn ask_node(&mut self, job: Job) {
        if let Some(seat) = &self.seat {
            self.lane.push(seat.node(), job);
        }
    }

    async fn record(&mut self, track: &Track) {
        self.context.metrics.tracks_started.inc();
        if let Err(error) = self
            .context
            .services
            .history
            .record(self.id, track, now_ms())
            .await
        {
            warn!(guild.id = %self.id, error = %error, "history was not recorded");
        }
    }

    pub(super) async fn send(&mut self, message: ToDiscord) {
        if let Err(error) = self.context.services.lines.send_to_discord(message).await {
            warn!(guild.id = %self.id, error = %error, "message to the gateway was not sent");
        }
    }
}

fn play_update(
    play: PlayId,
    track: &Track,
    start_ms: u64,
    paused: bool,
    volume: u16,
) -> UpdatePlayer {
    let mut user_data = Object::new();
    user_data.insert(USER_DATA.to_owned(), json!({ "play": play.0 }));
    UpdatePlayer {
        track: Some(UpdateTrack {
            encoded: Omissible::Value(track.encoded.clone()),
            user_data: Some(user_data),
            ..UpdateTrack::default()
        }),
        position: (start_ms > 0).then(|| clamped(start_ms)),
        paused: Some(paused),
        volume: Some(volume.into()),
        ..UpdatePlayer::default()
    }
}

fn clamped(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
