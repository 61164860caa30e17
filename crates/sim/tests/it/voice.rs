//! The voice servers, talked to by a client that knows only the protocol.

pub(crate) mod client;
mod dave;
mod gateway;
mod udp;

use std::time::Duration;

use backline_sim::voice::{SessionSpec, Ticket, VoiceOptions, VoiceServer};

const GUILD: u64 = 100;
const CHANNEL: u64 = 200;
const BOT: u64 = 300;

/// Starts voice servers, and opens a session for the bot.
async fn start(options: VoiceOptions) -> (VoiceServer, Ticket) {
    let server = VoiceServer::start(options).await.expect("ports are free");
    let ticket = server.open_session(spec(BOT, "session"));
    (server, ticket)
}

fn spec(user_id: u64, session_id: &str) -> SessionSpec {
    SessionSpec {
        guild_id: GUILD,
        channel_id: CHANNEL,
        user_id,
        session_id: session_id.to_owned(),
    }
}

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(30);
