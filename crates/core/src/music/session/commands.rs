//! What people ask for, and who may.

use crate::id::{ChannelId, UserId};
use crate::music::{Command, LoopMode, Outcome, Placement, Refusal};

use super::requests::Pending;
use super::{Effect, MAX_PENDING, MAX_VOLUME, PAGE, RequestId, Session, voice};

/// Who asks, and from where.
pub(super) struct Asker {
    pub(super) request: RequestId,
    pub(super) user: UserId,
    pub(super) voice: Option<ChannelId>,
    pub(super) text_channel: ChannelId,
}

impl Session {
    /// Does what was asked, and returns the answer, unless it comes later.
    pub(super) fn on_command(
        &mut self,
        now: u64,
        asker: &Asker,
        command: Command,
        seed: u64,
    ) -> Option<Outcome> {
        if self.text_channel.is_none() {
            self.text_channel = Some(asker.text_channel);
        }
        match self.obey(now, asker, command, seed) {
            Ok(outcome) => outcome,
            Err(refusal) => Some(Outcome::Refused { refusal }),
        }
    }

    fn obey(
        &mut self,
        now: u64,
        asker: &Asker,
        command: Command,
        seed: u64,
    ) -> Result<Option<Outcome>, Refusal> {
        // Anybody may look.
        let outcome = match command {
            Command::Queue { page } => self.page(page),
            Command::NowPlaying => self.now_playing(asker)?,
            Command::Volume { percent: None } => Outcome::Volume {
                percent: self.volume,
            },
            Command::Join => self.summon(now, asker)?,
            Command::Play { query, placement } => {
                self.play(now, asker, &query, placement)?;
                return Ok(None);
            }
            command => {
                self.permit(asker)?;
                self.control(now, &command, seed)?
            }
        };
        Ok(Some(outcome))
    }

    /// Commands of those who listen.
    fn control(&mut self, now: u64, command: &Command, seed: u64) -> Result<Outcome, Refusal> {
        match *command {
            Command::Pause => self.pause(now, true),
            Command::Resume => self.pause(now, false),
            Command::TogglePause => {
                let paused = self.current.as_ref().is_some_and(|current| current.paused);
                self.pause(now, !paused)
            }
            Command::Skip { count } => self.skip(now, count),
            Command::Stop => self.stop(now),
            Command::Seek { to_ms } => self.seek(now, to_ms),
            Command::SeekBy { by_ms } => self.seek_by(now, by_ms),
            Command::Volume {
                percent: Some(percent),
            } if percent > MAX_VOLUME => Err(Refusal::VolumeOutOfRange { percent }),
            Command::Volume { percent } => Ok(self.set_volume(percent.unwrap_or(self.volume))),
            Command::VolumeBy { points } => {
                Ok(self.set_volume(self.volume.saturating_add_signed(points).min(MAX_VOLUME)))
            }
            Command::Loop { mode } => Ok(self.set_loop(mode)),
            Command::Shuffle => self.shuffle(seed),
            Command::Remove { from, to } => {
                let (track, count) = self.queue.remove(from, to)?;
                self.changed();
                Ok(Outcome::Removed {
                    track,
                    count: count as u32,
                })
            }
            Command::Move { from, to } => {
                let track = self.queue.shift(from, to)?.clone();
                self.changed();
                Ok(Outcome::Moved { track, to })
            }
            Command::Clear => self.clear(),
            Command::Leave => self.dismiss(now),
            // Nothing is switched on that would not happen.
            Command::Autoplay => Err(Refusal::NotYet {
                feature: "Autoplay".to_owned(),
            }),
            // Handled before anybody is asked where they are.
            Command::Queue { .. } | Command::NowPlaying | Command::Join | Command::Play { .. } => {
                Err(Refusal::Internal)
            }
        }
    }

    /// Refuses those who do not listen.
    fn permit(&self, asker: &Asker) -> Result<ChannelId, Refusal> {
        let theirs = asker.voice.ok_or(Refusal::NotInVoice)?;
        match self.voice.channel() {
            Some(ours) if ours != theirs => Err(Refusal::OtherVoiceChannel),
            _ => Ok(theirs),
        }
    }

    /// As [`Self::permit`], but a bot that plays to nobody may be fetched.
    fn permit_fetching(&self, asker: &Asker) -> Result<ChannelId, Refusal> {
        match self.permit(asker) {
            Err(Refusal::OtherVoiceChannel) if self.listeners == Some(0) => {
                asker.voice.ok_or(Refusal::NotInVoice)
            }
            result => result,
        }
    }

    fn play(
        &mut self,
        now: u64,
        asker: &Asker,
        query: &str,
        placement: Placement,
    ) -> Result<(), Refusal> {
        let query = query.trim().to_owned();
        if query.is_empty() {
            return Err(Refusal::EmptyQuery);
        }
        let channel = self.permit_fetching(asker)?;
        if self.queue.room() == 0 && placement != Placement::Now {
            return Err(Refusal::QueueFull {
                limit: self.queue.limit() as u32,
            });
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(Refusal::TooManyLookups);
        }
        self.text_channel = Some(asker.text_channel);
        let request = asker.request;
        self.pending.push_back(Pending {
            request,
            user: asker.user,
            query: query.clone(),
            placement,
            result: None,
        });
        self.effects.push_back(Effect::Resolve { request, query });
        if self.voice.channel() != Some(channel) {
            self.join(now, channel, voice::FIRST_ATTEMPT);
        }
        Ok(())
    }

    fn summon(&mut self, now: u64, asker: &Asker) -> Result<Outcome, Refusal> {
        let channel = match self.permit_fetching(asker) {
            // People who hear nothing lose nothing.
            Err(Refusal::OtherVoiceChannel) if self.current.is_none() => {
                asker.voice.ok_or(Refusal::NotInVoice)?
            }
            result => result?,
        };
        self.text_channel = Some(asker.text_channel);
        if self.voice.channel() != Some(channel) {
            self.join(now, channel, voice::FIRST_ATTEMPT);
        }
        Ok(Outcome::Joined)
    }

    fn dismiss(&mut self, now: u64) -> Result<Outcome, Refusal> {
        if self.voice.is_out() {
            return Err(Refusal::BotNotInVoice);
        }
        self.leave(now);
        Ok(Outcome::Left)
    }

    fn stop(&mut self, now: u64) -> Result<Outcome, Refusal> {
        if self.is_over() {
            return Err(Refusal::BotNotInVoice);
        }
        let cleared = self.queue.clear() as u32;
        self.forget_requests();
        self.current = None;
        self.leave(now);
        Ok(Outcome::Stopped { cleared })
    }

    fn pause(&mut self, now: u64, paused: bool) -> Result<Outcome, Refusal> {
        self.require_playback()?;
        let current = self.current.as_mut().ok_or(Refusal::NothingPlaying)?;
        if current.paused == paused {
            return Err(if paused {
                Refusal::AlreadyPaused
            } else {
                Refusal::NotPaused
            });
        }
        current.set_paused(paused, now);
        if current.is_on_node() {
            self.effects.push_back(Effect::Pause(paused));
        }
        self.changed();
        Ok(if paused {
            Outcome::Paused
        } else {
            Outcome::Resumed
        })
    }

    fn skip(&mut self, now: u64, count: u32) -> Result<Outcome, Refusal> {
        // After too many failures nothing plays though tracks wait: a skip goes on.
        if self.queue.is_empty() || self.voice.is_out() {
            self.require_playback()?;
        }
        let playing = u32::from(self.current.is_some());
        let count = count.max(1).min(playing + self.queue.len() as u32);
        let player = self.player();
        self.leave_track_loop();
        let skipped = self.queue.pop_many(count as usize - 1);
        self.retire();
        if self.loop_mode == LoopMode::Queue {
            self.queue.append(skipped);
        }
        self.failures = 0;
        self.next(now, player);
        let next = self.current.as_ref().map(|current| current.track.clone());
        Ok(Outcome::Skipped { count, next })
    }

    fn seek(&mut self, now: u64, to_ms: u64) -> Result<Outcome, Refusal> {
        self.require_playback()?;
        let current = self.current.as_mut().ok_or(Refusal::NothingPlaying)?;
        let length_ms = current
            .track
            .length_ms
            .filter(|_| current.is_seekable())
            .ok_or(Refusal::NotSeekable)?;
        if to_ms > length_ms {
            return Err(Refusal::SeekBehindEnd { length_ms });
        }
        current.put(to_ms, now);
        if current.is_on_node() {
            self.effects.push_back(Effect::Seek(to_ms));
        }
        self.changed();
        Ok(Outcome::Sought { to_ms })
    }

    fn seek_by(&mut self, now: u64, by_ms: i64) -> Result<Outcome, Refusal> {
        self.require_playback()?;
        let current = self.current.as_ref().ok_or(Refusal::NothingPlaying)?;
        let to_ms = current.position(now).saturating_add_signed(by_ms);
        self.seek(now, to_ms.min(current.track.length_ms.unwrap_or(u64::MAX)))
    }

    fn set_volume(&mut self, percent: u16) -> Outcome {
        if percent != self.volume {
            self.volume = percent;
            if self.player() == super::playback::Player::Sounding {
                self.effects.push_back(Effect::Volume(percent));
            }
            self.changed();
        }
        Outcome::Volume { percent }
    }

    fn set_loop(&mut self, mode: Option<LoopMode>) -> Outcome {
        self.loop_mode = mode.unwrap_or(match self.loop_mode {
            LoopMode::Off => LoopMode::Track,
            LoopMode::Track => LoopMode::Queue,
            LoopMode::Queue => LoopMode::Off,
        });
        self.changed();
        Outcome::Loop {
            mode: self.loop_mode,
        }
    }

    /// A track that is left on purpose does not repeat, and neither does the one after it.
    pub(super) fn leave_track_loop(&mut self) {
        if self.loop_mode == LoopMode::Track && self.current.is_some() {
            self.loop_mode = LoopMode::Off;
        }
    }

    fn shuffle(&mut self, seed: u64) -> Result<Outcome, Refusal> {
        if self.queue.is_empty() {
            return Err(Refusal::QueueEmpty);
        }
        self.queue.shuffle(seed);
        self.changed();
        Ok(Outcome::Shuffled {
            count: self.queue.len() as u32,
        })
    }

    fn clear(&mut self) -> Result<Outcome, Refusal> {
        match self.queue.clear() {
            0 => Err(Refusal::QueueEmpty),
            count => {
                self.changed();
                Ok(Outcome::Cleared {
                    count: count as u32,
                })
            }
        }
    }

    fn page(&self, page: u32) -> Outcome {
        let pages = self.queue.len().div_ceil(PAGE).max(1) as u32;
        let page = page.clamp(1, pages);
        let skipped = (page as usize - 1) * PAGE;
        Outcome::Queue {
            playing: self.current.as_ref().map(|current| current.track.clone()),
            entries: self
                .queue
                .iter()
                .skip(skipped)
                .take(PAGE)
                .cloned()
                .collect(),
            first: skipped as u32 + 1,
            page,
            pages,
            length: self.queue.len() as u32,
            total_ms: self.queue.total_ms(),
        }
    }

    fn now_playing(&mut self, asker: &Asker) -> Result<Outcome, Refusal> {
        if self.current.is_none() {
            return Err(Refusal::NothingPlaying);
        }
        if self.text_channel != Some(asker.text_channel) {
            self.text_channel = Some(asker.text_channel);
            self.changes.save = true;
        }
        self.changes.bring_to_front = true;
        Ok(Outcome::NowPlaying)
    }

    /// Refuses when there is no track to act on, or the bot has taken it with it.
    fn require_playback(&self) -> Result<(), Refusal> {
        match &self.current {
            None => Err(Refusal::NothingPlaying),
            Some(_) if self.voice.is_out() => Err(Refusal::BotNotInVoice),
            Some(_) => Ok(()),
        }
    }
}
