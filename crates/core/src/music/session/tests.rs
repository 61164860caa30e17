//! Every transition of a session, told as short stories.

mod commands;
mod leaving;
mod playback;
mod requests;
mod restore;
mod voice;

use std::fmt::Write as _;

use super::*;
use crate::id::UserId;
use crate::music::{Command, Placement};

/// The channel where the story takes place, and another one.
const HERE: u64 = 10;
const THERE: u64 = 11;
const CHAT: u64 = 20;
const START: u64 = 1_000_000;
const LENGTH: u64 = 200_000;

const SETTINGS: Settings = Settings {
    queue_limit: 20,
    idle_leave_ms: 300_000,
    alone_leave_ms: 60_000,
};

/// A guild, its session, and a world that does what the session asks for only when told to.
struct Guild {
    session: Session,
    now: u64,
    requests: u64,
    /// The last track that a node was told to play.
    play: Option<PlayId>,
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).expect("not zero")
}

fn track(title: &str) -> Track {
    Track {
        encoded: format!("encoded {title}"),
        title: title.into(),
        author: "someone".into(),
        length_ms: Some(LENGTH),
        seekable: true,
        uri: None,
        artwork_url: None,
        source: "local".into(),
        requester: None,
    }
}

/// One track for each letter.
fn tracks(titles: &str) -> Vec<Track> {
    titles
        .chars()
        .map(|title| track(&title.to_string()))
        .collect()
}

fn titles<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> String {
    tracks
        .into_iter()
        .map(|track| track.title.as_str())
        .collect()
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused { refusal }
}

impl Guild {
    fn new() -> Self {
        Self::with(Session::new(SETTINGS))
    }

    fn with(session: Session) -> Self {
        Self {
            session,
            now: START,
            requests: 0,
            play: None,
        }
    }

    /// The bot is in the channel, somebody listens, the first of `titles` plays, the others wait.
    fn playing(titles: &str) -> Self {
        let mut guild = Self::new();
        guild.play(titles, Placement::Last);
        guild.connect();
        guild.tell(Input::Listeners { people: 1 });
        guild.started();
        guild
    }

    /// The bot is in the channel and nothing plays.
    fn joined() -> Self {
        let mut guild = Self::new();
        guild.ask(Command::Join);
        guild.connect();
        guild.tell(Input::Listeners { people: 1 });
        guild
    }

    fn tell(&mut self, input: Input) -> Vec<Effect> {
        self.session.handle(self.now, input);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect> {
        let effects: Vec<_> = std::iter::from_fn(|| self.session.poll()).collect();
        for effect in &effects {
            if let Effect::Play { play, .. } = effect {
                self.play = Some(*play);
            }
        }
        effects
    }

    fn command(&mut self, voice: Option<u64>, command: Command) -> (RequestId, Vec<Effect>) {
        self.requests += 1;
        let request = RequestId(self.requests);
        let effects = self.tell(Input::Command {
            request,
            user: UserId::new(1).expect("not zero"),
            user_voice: voice.map(channel),
            text_channel: channel(CHAT),
            command,
            seed: 42,
        });
        (request, effects)
    }

    /// Somebody asks from a voice channel and is answered at once.
    fn ask_from(&mut self, voice: Option<u64>, command: Command) -> Outcome {
        let (request, effects) = self.command(voice, command);
        reply(&effects, request).expect("an answer at once")
    }

    fn ask(&mut self, command: Command) -> Outcome {
        self.ask_from(Some(HERE), command)
    }

    /// As [`Guild::ask`], for what is to be done rather than said.
    fn done(&mut self, command: Command) -> String {
        let (_, effects) = self.command(Some(HERE), command);
        shown(&effects)
    }

    /// Somebody asks for something, and it is found.
    fn play(&mut self, titles: &str, placement: Placement) -> Outcome {
        let (request, _) = self.command(
            Some(HERE),
            Command::Play {
                query: titles.into(),
                placement,
            },
        );
        let effects = self.tell(Input::Resolved {
            request,
            result: Resolution::Found(tracks(titles)),
        });
        reply(&effects, request).expect("an answer")
    }

    fn connect(&mut self) -> String {
        let mut effects = self.tell(Input::VoiceJoined {
            channel: channel(HERE),
        });
        effects.extend(self.tell(Input::VoiceCredentials));
        effects.extend(self.tell(Input::VoiceReady));
        shown(&effects)
    }

    fn last_play(&self) -> PlayId {
        self.play.expect("something was played")
    }

    fn started(&mut self) -> String {
        let play = self.last_play();
        shown(&self.tell(Input::TrackStarted { play }))
    }

    fn ended(&mut self, reason: EndReason) -> String {
        let play = self.last_play();
        shown(&self.tell(Input::TrackEnded { play, reason }))
    }

    /// The track fails and its end follows; returns what was done about it.
    fn failed(&mut self) -> String {
        let play = self.last_play();
        let mut effects = self.tell(Input::TrackFailed {
            play,
            reason: "it is gone".into(),
        });
        effects.extend(self.tell(Input::TrackEnded {
            play,
            reason: EndReason::LoadFailed,
        }));
        shown(&effects)
    }

    /// Time passes, and the session is woken when it asked to be.
    fn pass(&mut self, ms: u64) -> String {
        let end = self.now + ms;
        let mut effects = Vec::new();
        for _ in 0..100 {
            let Some(due) = self.session.deadline().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            effects.extend(self.tell(Input::Tick));
        }
        self.now = end;
        assert!(
            self.session.deadline().is_none_or(|due| due > end),
            "a deadline is never stuck"
        );
        shown(&effects)
    }

    fn sounding(&self) -> String {
        titles(self.session.current.as_ref().map(|current| &current.track))
    }

    fn waiting(&self) -> String {
        titles(self.session.queue.iter())
    }

    fn played(&self) -> String {
        titles(&self.session.history)
    }

    fn position(&self) -> u64 {
        self.session
            .current
            .as_ref()
            .expect("something plays")
            .position(self.now)
    }
}

fn reply(effects: &[Effect], request: RequestId) -> Option<Outcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reply {
            request: to,
            outcome,
        } if *to == request => Some(outcome.clone()),
        _ => None,
    })
}

/// Effects in few words, so that tables can be read. Replies are looked at elsewhere.
fn shown(effects: &[Effect]) -> String {
    let mut text = String::new();
    for effect in effects {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let _ = match effect {
            Effect::Save => write!(text, "save"),
            Effect::Resolve { query, .. } => write!(text, "resolve {query}"),
            Effect::JoinVoice { channel } => write!(text, "join {channel}"),
            Effect::LeaveVoice => write!(text, "leave"),
            Effect::ConnectVoice => write!(text, "connect"),
            Effect::Play {
                track,
                start_ms,
                paused,
                volume,
                ..
            } => {
                let paused = if *paused { " paused" } else { "" };
                write!(
                    text,
                    "play {} from {start_ms}{paused} at {volume}%",
                    track.title
                )
            }
            Effect::Pause(true) => write!(text, "pause"),
            Effect::Pause(false) => write!(text, "unpause"),
            Effect::Seek(ms) => write!(text, "seek {ms}"),
            Effect::Volume(percent) => write!(text, "volume {percent}%"),
            Effect::StopPlayer => write!(text, "stop"),
            Effect::DestroyPlayer => write!(text, "destroy"),
            Effect::Reply { .. } => write!(text, "reply"),
            Effect::Notice { outcome, .. } => match outcome {
                Outcome::Refused {
                    refusal: Refusal::LoadFailed { query, reason },
                } => {
                    write!(text, "notice {query}: {reason}")
                }
                outcome => write!(text, "notice {outcome:?}"),
            },
            Effect::View(Some(_)) => write!(text, "view"),
            Effect::View(None) => write!(text, "no view"),
            Effect::RecordHistory { track } => write!(text, "record {}", track.title),
            Effect::Preload { track } => write!(text, "preload {}", track.title),
        };
    }
    text
}
