//! A short track over the present one: an announcement.

use std::any::Any;

use backline_media::pipeline::Duck;
use backline_proto::lavalink::beyond::{Ducking, Mix as View};
use backline_proto::lavalink::{Object, Track};
use serde_json::json;

use super::{Player, State};
use crate::source::piped::Piped;
use crate::source::piped::orders::{Mix, Order};

/// What is heard over the present track.
pub(super) struct Over {
    view: View,
    mix: Mix,
}

/// Why nothing can be heard over a track.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MixError {
    /// There is no track.
    #[error("No track is playing")]
    Silent,
    /// What is to be heard cannot be played.
    #[error("{0}")]
    Track(String),
}

impl Player {
    /// Plays `track` over the present one, in place of what was played so before.
    ///
    /// # Errors
    /// See [`MixError`].
    pub async fn add_mix(
        &self,
        track: Track,
        volume: f32,
        ducking: Ducking,
    ) -> Result<View, MixError> {
        if self.lock().orders.is_none() {
            return Err(MixError::Silent);
        }
        let position_ms = u64::try_from(track.info.position).unwrap_or(0);
        let opened = self.app.sources.open(&track, position_ms).await;
        let opened =
            opened.map_err(|failure| MixError::Track(failure.message.unwrap_or(failure.cause)))?;
        let opened: Box<dyn Any> = opened;
        let Ok(piped) = opened.downcast::<Piped>() else {
            let message = "Live streams cannot be played over a track";
            return Err(MixError::Track(message.to_owned()));
        };
        let mut state = self.lock();
        let Some(feed) = state.feed.clone().filter(|_| state.orders.is_some()) else {
            return Err(MixError::Silent);
        };
        Self::end_mix(&mut state, "replaced");
        for wake in piped.wakes() {
            wake.aim(&feed);
        }
        let mix = Mix::new(volume);
        let view = View {
            id: new_id(),
            track,
            volume,
        };
        let order = Order::Over {
            mix: mix.clone(),
            track: piped,
            duck: duck(ducking),
        };
        self.order(&state, order);
        tell(
            &mut state,
            json!({"type": "MixStartedEvent", "mixId": view.id, "track": view.track, "volume": volume}),
        );
        state.over = Some(Over {
            view: view.clone(),
            mix,
        });
        self.run(&mut state);
        Ok(view)
    }

    /// Returns what is heard over the present track.
    pub fn mixes(&self) -> Vec<View> {
        let state = self.lock();
        let over = state.over.iter().filter(|over| !over.mix.is_over());
        over.map(|over| over.view.clone()).collect()
    }

    /// Ends what is heard over the present track; false if it is not known.
    pub fn remove_mix(&self, id: &str) -> bool {
        let mut state = self.lock();
        if state.over.as_ref().is_none_or(|over| over.view.id != id) {
            return false;
        }
        self.order(&state, Order::NotOver);
        Self::end_mix(&mut state, "removed");
        self.run(&mut state);
        true
    }

    /// Tells the client when what is heard over the present track has ended. Call it every second.
    pub(super) fn look_after_mix(state: &mut State) {
        let Some(over) = &state.over else { return };
        if over.mix.is_over() {
            Self::end_mix(state, "finished");
        } else if state.control.track().is_none() {
            Self::end_mix(state, "stopped");
        }
    }

    fn end_mix(state: &mut State, reason: &str) {
        if let Some(over) = state.over.take() {
            let reason = if over.mix.is_over() {
                "finished"
            } else {
                reason
            };
            tell(
                state,
                json!({"type": "MixEndedEvent", "mixId": over.view.id, "reason": reason}),
            );
        }
    }
}

fn tell(state: &mut State, event: serde_json::Value) {
    let event: Option<Object> = match event {
        serde_json::Value::Object(event) => Some(event),
        _ => None,
    };
    state.control.tell_plugin(event);
}

fn duck(ducking: Ducking) -> Duck {
    let volume = if ducking.enabled {
        ducking.target_volume
    } else {
        1.0
    };
    Duck {
        gain_db: (20.0 * volume.max(0.001).log10()).clamp(-60.0, 0.0),
        fade_ms: ducking.duration,
    }
}

fn new_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}
