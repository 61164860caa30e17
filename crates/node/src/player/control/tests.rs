mod beyond;
mod lavalink;
mod markers;

use backline_proto::lavalink::{Severity, TrackInfo};

use super::*;

struct Bench {
    control: Control,
    now: Sight,
}

fn track(title: &str) -> Track {
    Track {
        encoded: title.to_owned(),
        info: TrackInfo {
            identifier: title.to_owned(),
            is_seekable: true,
            author: "somebody".to_owned(),
            length: 60_000,
            is_stream: false,
            position: 0,
            title: title.to_owned(),
            uri: None,
            source_name: "http".to_owned(),
            artwork_url: None,
            isrc: None,
        },
        plugin_info: Object::new(),
        user_data: Object::new(),
    }
}

fn play(title: &str) -> Play {
    Play {
        track: track(title),
        position_ms: 0,
        end_ms: None,
        paused: false,
    }
}

fn broken() -> Exception {
    Exception {
        message: None,
        severity: Severity::Suspicious,
        cause: "broken".to_owned(),
        cause_stack_trace: String::new(),
    }
}

impl Bench {
    fn new() -> Self {
        let now = Sight {
            time_ms: 1_000_000,
            position: None,
            connected: true,
            ping_ms: Some(7),
        };
        Self {
            control: Control::new(Snowflake(1), 10_000),
            now,
        }
    }

    /// Runs `act` and returns the effects in short words.
    fn after(&mut self, act: impl FnOnce(&mut Control, &Sight)) -> Vec<String> {
        act(&mut self.control, &self.now);
        std::iter::from_fn(|| self.control.poll())
            .map(|effect| short(&effect))
            .collect()
    }

    /// The engine has come to a position of the present run.
    fn reach(&mut self, position_ms: u64) {
        let run = self.control.goal().expect("a track is loaded").run;
        self.now.position = Some((run, position_ms));
    }

    fn wait(&mut self, ms: i64) {
        self.now.time_ms += ms;
    }

    fn run(&self) -> u64 {
        self.control.goal().expect("a track is loaded").run
    }
}

fn short(effect: &Effect) -> String {
    let message = match effect {
        Effect::Send(message) => message,
        Effect::Tell(message) => {
            assert_eq!(
                (&message["op"], &message["guildId"]),
                (&"event".into(), &"1".into())
            );
            let words = ["type", "line", "skipped"].map(|key| message.get(key));
            let words = words
                .iter()
                .flatten()
                .map(|word| word.as_str().map_or(word.to_string(), str::to_owned));
            return format!("tell {}", words.collect::<Vec<_>>().join(" "));
        }
        other => return format!("{other:?}"),
    };
    let at = |track: &Track| format!("{}@{}", track.info.title, track.info.position);
    match message.as_ref() {
        Message::Event(Event::TrackStart { track, .. }) => format!("start {}", at(track)),
        Message::Event(Event::TrackEnd { track, reason, .. }) => {
            format!("end {} {reason:?}", at(track))
        }
        Message::Event(Event::TrackException {
            track, exception, ..
        }) => {
            format!("exception {} {}", at(track), exception.cause)
        }
        Message::Event(Event::TrackStuck {
            track,
            threshold_ms,
            ..
        }) => {
            format!("stuck {} {threshold_ms}", at(track))
        }
        Message::Event(Event::WebSocketClosed { code, .. }) => format!("closed {code}"),
        other => format!("{other:?}"),
    }
}
