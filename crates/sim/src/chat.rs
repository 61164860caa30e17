//! A page that looks like a chat client, for a person to use a bot in the simulated Discord.
//!
//! The person at the page is a real user of the simulation: what they type is dispatched to the
//! bot like anybody's command, and what they hear is what the voice servers received. Hand
//! [`routes`] to [`ExtraRoutes`], and the page is served at `/`.

mod act;
mod audio;
mod live;
mod page;
mod snapshot;
mod tape;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::{
    discord::{Discord, ExtraRoutes, UserId, world::World},
    voice::VoiceServer,
};

/// Whose page it is, and what it proposes.
#[derive(Debug, Clone, Default)]
pub struct ChatOptions {
    /// The user at the page; none means the first person of the world, made if there is none.
    pub user: Option<UserId>,
    /// Lines shown as chips to a first-time visitor, such as `/play nocturne`.
    pub suggestions: Vec<String>,
}

/// Returns the page and what it talks to: `/`, its files, and everything below `/chat/`.
pub fn routes(discord: Discord, options: ChatOptions) -> Router {
    let chat = Chat {
        shared: Arc::new(Shared {
            discord,
            options,
            me: OnceLock::new(),
        }),
    };
    Router::new()
        .route("/", get(page::index))
        .route("/icon.svg", get(page::icon))
        .route("/css/{name}", get(page::style))
        .route("/js/{name}", get(page::script))
        .route("/chat/events", get(live::events))
        .route("/chat/audio/{name}", get(audio::stream))
        .route("/chat/command", post(act::command))
        .route("/chat/autocomplete", post(act::autocomplete))
        .route("/chat/press", post(act::press))
        .route("/chat/message", post(act::message))
        .route("/chat/voice", post(act::voice))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(chat)
}

/// Wraps [`routes`] for the options of [`Discord::start`].
pub fn extra_routes(options: ChatOptions) -> ExtraRoutes {
    ExtraRoutes::new(|discord| routes(discord, options))
}

/// What every request needs.
#[derive(Debug, Clone)]
struct Chat {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    discord: Discord,
    options: ChatOptions,
    me: OnceLock<UserId>,
}

impl Chat {
    fn discord(&self) -> &Discord {
        &self.shared.discord
    }

    /// The user at the page. Locks the world on the first call.
    fn me(&self) -> UserId {
        *self.shared.me.get_or_init(|| {
            let first = || self.discord().people().first().copied();
            self.shared
                .options
                .user
                .or_else(first)
                .unwrap_or_else(|| self.discord().add_user("Guest"))
        })
    }

    fn suggestions(&self) -> &[String] {
        &self.shared.options.suggestions
    }

    /// Looks at the world, as the user at the page.
    fn look<T>(&self, look: impl FnOnce(&World, UserId) -> T) -> T {
        let me = self.me();
        look(&self.discord().shared.world(), me)
    }

    fn voice(&self) -> Option<VoiceServer> {
        self.look(|world, _| world.voice.clone())
    }
}

/// A command with all its options is far smaller.
const MAX_BODY: usize = 64 * 1024;
