//! Who may connect, and who is connected.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand::RngExt;
use tokio::sync::broadcast;

use super::{HeardFrame, HeardStats, Listener, SessionSpec, VoiceOptions};

#[derive(Debug)]
pub(super) struct Registry {
    #[expect(dead_code, reason = "read by the gateway")]
    options: VoiceOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rooms: HashMap<u64, Room>,
}

#[derive(Debug)]
struct Room {
    frames: broadcast::Sender<HeardFrame>,
    stats: Arc<Mutex<HeardStats>>,
}

impl Registry {
    pub(super) fn new(options: VoiceOptions) -> Self {
        Self {
            options,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, _spec: SessionSpec) -> String {
        format!("{:016x}", rand::rng().random::<u64>())
    }

    pub(super) fn close(&self, _guild_id: u64, _user_id: u64) {}

    pub(super) fn break_connection(
        &self,
        _guild_id: u64,
        _user_id: u64,
        _code: Option<u16>,
    ) -> bool {
        false
    }

    pub(super) fn participant_joined(&self, _channel_id: u64, _user_id: u64) {}

    pub(super) fn participant_left(&self, _channel_id: u64, _user_id: u64) {}

    pub(super) fn listen(&self, guild_id: u64) -> Listener {
        let mut state = self.state();
        let room = state.rooms.entry(guild_id).or_insert_with(|| Room {
            frames: broadcast::channel(1024).0,
            stats: Arc::default(),
        });
        Listener::new(room.frames.subscribe(), Arc::clone(&room.stats))
    }

    pub(super) fn stats(&self, guild_id: u64) -> HeardStats {
        self.state()
            .rooms
            .get(&guild_id)
            .map_or_else(HeardStats::default, |room| {
                *room.stats.lock().unwrap_or_else(PoisonError::into_inner)
            })
    }

    pub(super) fn total_stats(&self) -> HeardStats {
        HeardStats::default()
    }

    pub(super) fn is_connected(&self, _guild_id: u64, _user_id: u64) -> bool {
        false
    }
}
