//! Pausing and going on, at once or with a fade, and fading out what is replaced.

use backline_proto::lavalink::beyond::{Fade, Fading};

use super::{Control, Effect, Sight};

/// What was faded out.
#[derive(Debug, Default)]
pub(super) struct Fades {
    /// What is heard was faded to silence.
    down: bool,
    /// Counts waits, so that one that is off is told apart.
    turn: u64,
    /// The turn after which the engine is to pause.
    pausing: Option<u64>,
}

/// What lies between the order to fade and its first packet, and some more for a slow machine: the
/// engine is paused only when the fade has been heard.
const TAIL_MS: u32 = 100;
/// A fade back up needs one down before it, so that it can start from silence.
const SHORTEST_MS: u32 = 60;

impl Control {
    /// Sets which fades there are.
    pub fn handle_fading(&mut self, fading: Option<Fading>) {
        self.fading = fading;
    }

    /// Returns how long a track that starts fades in, in milliseconds.
    pub fn start_fade_ms(&self) -> u32 {
        self.fade_ms(|fading| fading.track_start)
    }

    /// Pauses or goes on.
    pub fn handle_pause(&mut self, paused: bool, sight: &Sight) {
        if self.paused == paused {
            return;
        }
        let sounds = self.sounds(sight);
        self.paused = paused;
        if self.track.is_some() {
            if paused {
                self.playing.stop(sight);
            } else {
                self.playing.start(sight);
            }
        }
        let up_ms = self.fade_ms(|fading| fading.resume);
        if !paused {
            self.fades.pausing = None;
            self.fade_back(up_ms);
            self.effects.push_back(Effect::Pause(false));
            return;
        }
        let down_ms = self.fade_ms(|fading| fading.pause);
        let down_ms = if up_ms > 0 {
            down_ms.max(SHORTEST_MS)
        } else {
            down_ms
        };
        if !sounds || down_ms == 0 {
            self.effects.push_back(Effect::Pause(true));
            return;
        }
        self.fades.down = true;
        self.fades.turn += 1;
        let turn = self.fades.turn;
        self.fades.pausing = Some(turn);
        self.effects.push_back(Effect::Fade {
            up: false,
            ms: down_ms,
        });
        self.effects.push_back(Effect::Later {
            ms: down_ms + TAIL_MS,
            turn,
        });
    }

    /// Takes the news that a wait is over.
    pub fn handle_later(&mut self, turn: u64) {
        if self.fades.pausing == Some(turn) {
            self.fades.pausing = None;
            self.effects.push_back(Effect::Pause(true));
        }
    }

    /// Pauses or goes on without a fade; for a new track.
    pub(super) fn set_paused_at_once(&mut self, paused: bool) {
        let pausing = self.fades.pausing.take().is_some();
        // What comes is another sound, which has not been faded.
        self.fades.down = false;
        if self.paused != paused || pausing {
            self.paused = paused;
            self.effects.push_back(Effect::Pause(paused));
        }
    }

    /// Lets what is heard fade out before it ends, if it is heard at all.
    pub(super) fn leave(&mut self, sight: &Sight) {
        let ms = self.fade_ms(|fading| fading.track_stop);
        if ms > 0 && self.sounds(sight) && self.fades.pausing.is_none() {
            self.effects.push_back(Effect::Leave(ms));
        }
    }

    fn fade_back(&mut self, ms: u32) {
        if std::mem::take(&mut self.fades.down) {
            self.effects.push_back(Effect::Fade { up: true, ms });
        }
    }

    /// Whether somebody hears the loaded track.
    fn sounds(&self, sight: &Sight) -> bool {
        let heard = self.track.as_ref().is_some_and(|loaded| loaded.heard);
        heard && !self.paused && sight.connected
    }

    fn fade_ms(&self, which: impl Fn(&Fading) -> Option<Fade>) -> u32 {
        let fading = self.fading.filter(|fading| fading.enabled);
        fading
            .and_then(|fading| which(&fading))
            .map_or(0, |fade| fade.duration)
    }
}
