//! When one guild's Now Playing message is made, edited, moved and taken away.
//!
//! Pure: views and results come in, effects go out, `deadline` says when to look again. The
//! latest view wins; at most one write every [`GAP`]; the first is made at once.

use std::time::{Duration, Instant};

use backline_core::id::{ChannelId, MessageId};
use backline_core::music::View;

use super::super::render::now_playing::position;

/// What the panel is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// How the session looks, and where its message belongs; no view once it ended.
    Now {
        /// The text channel.
        channel: Option<ChannelId>,
        /// The session.
        view: Option<Box<View>>,
    },
    /// Where the message of an earlier process is, as asked for with [`Effect::Load`].
    Loaded(Option<(ChannelId, MessageId)>),
    /// The message was made.
    Created(MessageId),
    /// The message was edited.
    Edited,
    /// The message does not exist any more.
    Gone,
    /// The bot may not write there.
    Forbidden,
    /// Something else went wrong; it may work later.
    Failed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look up where the message is; answered by [`Input::Loaded`].
    Load,
    /// Make the message; answered by `Created`, `Forbidden` or `Failed`.
    Create {
        /// Where.
        channel: ChannelId,
        /// What it shows.
        view: Box<View>,
    },
    /// Edit the message; answered by `Edited`, `Gone`, `Forbidden` or `Failed`.
    Edit {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
        /// What it shows; no view once the session ended.
        view: Option<Box<View>>,
    },
    /// Take a message away that another replaced; not answered.
    Delete {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
    },
    /// Keep where the message is; not answered.
    Save {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
    },
    /// Forget where the message is; not answered.
    Forget,
}

/// One guild's Now Playing message.
#[derive(Debug)]
pub struct Panel {
    loading: Loading,
    /// Where the message is.
    message: Option<(ChannelId, MessageId)>,
    /// Where it belongs.
    channel: Option<ChannelId>,
    /// What it should show.
    wanted: Wanted,
    /// What it shows, as far as we know.
    shown: Option<Box<View>>,
    /// A new message at the bottom of the channel is wanted.
    front: bool,
    /// What it shows is not what it should.
    dirty: bool,
    /// An effect was not answered yet.
    busy: Option<Doing>,
    /// No write before this.
    not_before: Option<Instant>,
    /// The progress bar is drawn anew then.
    refresh_at: Option<Instant>,
    /// The bot may not write there.
    forbidden: Option<ChannelId>,
    /// Effects that are not answered, in order.
    ready: Vec<Effect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    NotYet,
    Asked,
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Nothing,
    Session(Box<View>),
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Create(ChannelId),
    Edit,
    End,
}

impl Default for Panel {
    fn default() -> Self {
        Self {
            loading: Loading::NotYet,
            message: None,
            channel: None,
            wanted: Wanted::Nothing,
            shown: None,
            front: false,
            dirty: false,
            busy: None,
            not_before: None,
            refresh_at: None,
            forbidden: None,
            ready: Vec::new(),
        }
    }
}

impl Panel {
    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Now { channel, view } => self.handle_now(channel, view),
            Input::Loaded(message) => {
                self.loading = Loading::Done;
                self.message = message;
                self.dirty = true;
            }
            Input::Created(message) => {
                let Some(Doing::Create(channel)) = self.busy.take() else {
                    return;
                };
                if let Some((channel, message)) = self.message.replace((channel, message)) {
                    self.ready.push(Effect::Delete { channel, message });
                }
                self.ready.push(Effect::Save { channel, message });
                self.forbidden = None;
            }
            Input::Edited => {
                if self.busy.take() == Some(Doing::End) {
                    self.forget();
                }
            }
            Input::Gone => {
                if self.busy.take() == Some(Doing::End) {
                    self.forget();
                } else {
                    self.message = None;
                    self.dirty = true;
                    // Somebody deleted it: the new one comes at once.
                    self.not_before = None;
                }
            }
            Input::Forbidden => match self.busy.take() {
                Some(Doing::Create(channel)) => self.forbidden = Some(channel),
                Some(Doing::Edit) => {
                    self.forbidden = self.message.take().map(|(channel, _)| channel);
                    self.ready.push(Effect::Forget);
                }
                Some(Doing::End) => self.forget(),
                None => {}
            },
            Input::Failed => {
                if self.busy.take().is_some() {
                    self.dirty = true;
                    self.not_before = Some(now + RETRY);
                }
            }
        }
    }

    /// Returns the next thing to do, if any. `refresh` is how often the progress bar is drawn.
    pub fn poll(&mut self, now: Instant, refresh: Duration) -> Option<Effect> {
        if !self.ready.is_empty() {
            return Some(self.ready.remove(0));
        }
        match self.loading {
            Loading::NotYet if self.wanted == Wanted::Nothing => return None,
            Loading::NotYet => {
                self.loading = Loading::Asked;
                return Some(Effect::Load);
            }
            Loading::Asked => return None,
            Loading::Done => {}
        }
        if self.busy.is_some() || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let due = self.refresh_at.is_some_and(|at| now >= at);
        if !(self.dirty || self.front || due) {
            return None;
        }
        match self.wanted.clone() {
            Wanted::Nothing => None,
            Wanted::Ended => {
                self.dirty = false;
                self.front = false;
                self.refresh_at = None;
                let Some((channel, message)) = self.message else {
                    self.forget();
                    return self.ready.pop();
                };
                self.busy = Some(Doing::End);
                Some(Effect::Edit {
                    channel,
                    message,
                    view: None,
                })
            }
            Wanted::Session(view) => self.write(now, refresh, view),
        }
    }

    /// Returns when to poll again, if nothing is told before.
    pub fn deadline(&self) -> Option<Instant> {
        if self.busy.is_some() || self.loading != Loading::Done || self.wanted == Wanted::Nothing {
            return None;
        }
        if self.dirty || self.front {
            return self.not_before;
        }
        self.refresh_at
            .max(self.not_before.filter(|_| self.refresh_at.is_some()))
    }

    /// Returns whether nothing is left to do or to remember.
    pub fn is_over(&self) -> bool {
        self.wanted == Wanted::Ended
            && self.loading == Loading::Done
            && self.message.is_none()
            && self.busy.is_none()
            && self.ready.is_empty()
            && !self.dirty
    }

    /// Returns whether its progress bar moves.
    pub fn is_moving(&self) -> bool {
        matches!(&self.wanted, Wanted::Session(view) if moves(view))
    }

    fn handle_now(&mut self, channel: Option<ChannelId>, view: Option<Box<View>>) {
        if channel.is_some() {
            self.channel = channel;
        }
        let Some(mut view) = view else {
            self.dirty = self.dirty || self.wanted != Wanted::Ended;
            self.wanted = Wanted::Ended;
            self.front = false;
            return;
        };
        // Asked for once; a later view that does not ask does not take it back.
        if std::mem::take(&mut view.bring_to_front) {
            self.front = true;
            self.forbidden = None;
        }
        let same = self
            .shown
            .as_deref()
            .is_some_and(|shown| looks_the_same(shown, &view));
        self.dirty = self.dirty || !same || self.wanted == Wanted::Ended;
        self.wanted = Wanted::Session(view);
    }

    fn write(&mut self, now: Instant, refresh: Duration, view: Box<View>) -> Option<Effect> {
        let channel = self.channel.or(self.message.map(|(channel, _)| channel));
        let Some(channel) = channel else {
            self.dirty = false;
            self.front = false;
            return None;
        };
        let effect = match self.message {
            Some((there, message)) if there == channel && !self.front => {
                self.busy = Some(Doing::Edit);
                Effect::Edit {
                    channel,
                    message,
                    view: Some(view.clone()),
                }
            }
            _ if self.forbidden == Some(channel) => {
                self.dirty = false;
                self.refresh_at = None;
                return None;
            }
            _ => {
                self.busy = Some(Doing::Create(channel));
                Effect::Create {
                    channel,
                    view: view.clone(),
                }
            }
        };
        self.dirty = false;
        self.front = false;
        self.not_before = Some(now + GAP);
        self.refresh_at = moves(&view).then(|| now + refresh);
        self.shown = Some(view);
        Some(effect)
    }

    fn forget(&mut self) {
        self.message = None;
        self.shown = None;
        self.refresh_at = None;
        self.ready.push(Effect::Forget);
    }
}

/// Whether a view's progress bar moves by itself.
fn moves(view: &View) -> bool {
    view.playing
        .as_ref()
        .is_some_and(|playback| !playback.paused && playback.track.length_ms.is_some())
}

/// Whether two views draw the same message, apart from the progress bar moving on by itself.
fn looks_the_same(shown: &View, view: &View) -> bool {
    let still = |view: &View| {
        let mut view = view.clone();
        if let Some(playback) = &mut view.playing {
            playback.position_ms = 0;
            playback.at_ms = 0;
        }
        view
    };
    let on_time = match (&shown.playing, &view.playing) {
        (Some(shown), Some(playback)) => {
            position(shown, playback.at_ms).abs_diff(playback.position_ms) < DRIFT_MS
        }
        _ => true,
    };
    on_time && still(shown) == still(view)
}

/// At most one write in this time.
pub const GAP: Duration = Duration::from_secs(2);

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A position this far from the expected one was sought.
const DRIFT_MS: u64 = 1500;

#[cfg(test)]
mod tests;
