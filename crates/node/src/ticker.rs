//! The node's one timer: positions, stats, clean-up and gauges, once a second; and the task that
//! hands the engine's events to players.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backline_proto::lavalink::Message;
use tokio::time::MissedTickBehavior;

use crate::app::{App, wall_ms};
use crate::engine::Events;
use crate::stats::{Minutes, session_stats};

/// Hands every event of the engine to its player, in order, until the engine ends.
pub async fn hand_out_events(app: Arc<App>, mut events: Events) {
    let mut batch = Vec::new();
    loop {
        let heard = tokio::select! {
            heard = events.next(&mut batch) => heard,
            () = app.shutdown.cancelled() => return,
        };
        for event in batch.drain(..) {
            if let Some(player) = app.players.get(event.player) {
                player.handle_event(event);
            }
        }
        if !heard {
            return;
        }
    }
}

/// Ticks once a second until the node ends.
pub async fn tick(app: Arc<App>, minutes: Arc<Mutex<Minutes>>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let interval = u64::from(app.config.player_update_interval_s.max(1));
    let mut second = 0_u64;
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            () = app.shutdown.cancelled() => return,
        }
        second += 1;
        let now_ms = wall_ms();
        let players = app.players.all();
        minutes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .handle_time(now_ms, &players);
        for player in &players {
            player.handle_time();
            // Spread over the interval by player, so that not all are told at once.
            if (second + player.id).is_multiple_of(interval) {
                player.tell_position();
            }
        }
        let sessions = app.sessions.all();
        for session in sessions.iter().filter(|session| session.stats_due(now_ms)) {
            let minutes = minutes.lock().unwrap_or_else(PoisonError::into_inner);
            let stats = session_stats(&app, session, &minutes);
            drop(minutes);
            session.send_stats(&Message::Stats(stats));
        }
        app.metrics.players.set(players.len() as i64);
        let playing = players.iter().filter(|player| player.is_playing()).count();
        app.metrics.playing_players.set(playing as i64);
        app.metrics.sessions.set(sessions.len() as i64);
    }
}
