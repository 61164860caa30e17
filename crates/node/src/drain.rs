//! The end of a node that others go on without: it plays on until its clients have taken their
//! players elsewhere, or its time is up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backline_proto::lavalink::Message;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::stats::{Minutes, session_stats};

/// How often it is looked whether anything still plays.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the node is told to end, lets it drain, and ends it.
pub async fn drain(app: Arc<App>, minutes: Arc<Mutex<Minutes>>, told_to_end: CancellationToken) {
    tokio::select! {
        () = told_to_end.cancelled() => {}
        () = app.shutdown.cancelled() => return,
    }
    let longest = Duration::from_secs(app.config.drain_timeout_s.into());
    if !longest.is_zero() && plays(&app) {
        let until = *app.drain_until.get_or_init(|| Instant::now() + longest);
        tracing::info!(longest_s = longest.as_secs(), "node drains");
        // Clients that know the field take their players elsewhere; others ignore it.
        for session in app.sessions.all() {
            let stats = {
                let minutes = minutes.lock().unwrap_or_else(PoisonError::into_inner);
                session_stats(&app, &session, &minutes)
            };
            session.send_stats(&Message::Stats(stats));
        }
        while Instant::now() < until && plays(&app) {
            tokio::time::sleep(LOOK).await;
        }
        if plays(&app) {
            tracing::warn!("node ends although something plays");
        }
    }
    app.shutdown.cancel();
}

fn plays(app: &App) -> bool {
    app.players.all().iter().any(|player| player.is_playing())
}
