use super::super::super::render::now_playing::samples;
use super::*;

/// Drives a panel through a script in which every line is `second: input`, and writes down what
/// it did and when.
struct Script {
    panel: Panel,
    start: Instant,
    second: u64,
    log: Vec<String>,
}

impl Script {
    fn new() -> Self {
        Self {
            panel: Panel::default(),
            start: Instant::now(),
            second: 0,
            log: Vec::new(),
        }
    }

    /// A panel whose message 1 is in channel 60.
    fn with_message() -> Self {
        let mut script = Self::new();
        script
            .now(0, playing("a"))
            .input(0, Input::Loaded(None))
            .input(0, Input::Created(id("1")));
        script.log.clear();
        script
    }

    fn input(&mut self, second: u64, input: Input) -> &mut Self {
        self.until(second);
        let now = self.time();
        self.panel.handle(now, input);
        self.run();
        self
    }

    fn now(&mut self, second: u64, view: Option<View>) -> &mut Self {
        self.input(
            second,
            Input::Now {
                channel: Some(id("60")),
                view: view.map(Box::new),
            },
        )
    }

    /// Lets time pass, waking the panel whenever it asked for it.
    fn until(&mut self, second: u64) -> &mut Self {
        while let Some(at) = self.panel.deadline() {
            let due = at.saturating_duration_since(self.start).as_secs();
            if due > second {
                break;
            }
            self.second = self.second.max(due);
            let before = self.log.len();
            self.run();
            assert!(
                self.panel.deadline().is_none_or(|next| next > at) || self.log.len() > before,
                "a deadline that is over must lead to something"
            );
        }
        self.second = second;
        self.run();
        self
    }

    fn run(&mut self) {
        let now = self.time();
        while let Some(effect) = self.panel.poll(now, Duration::from_secs(12)) {
            let title = |view: &View| {
                view.playing
                    .as_ref()
                    .map_or("-".to_owned(), |playback| playback.track.title.clone())
            };
            let line = match effect {
                Effect::Load => "load".to_owned(),
                Effect::Create { channel, view } => {
                    format!("create in {channel}: {}", title(&view))
                }
                Effect::Edit {
                    channel,
                    message,
                    view,
                } => {
                    let shows = view.map_or("ended".to_owned(), |view| title(&view));
                    format!("edit {message} in {channel}: {shows}")
                }
                Effect::Delete { channel, message } => format!("delete {message} in {channel}"),
                Effect::Save { channel, message } => format!("save {message} in {channel}"),
                Effect::Forget => "forget".to_owned(),
            };
            self.log.push(format!("{:>2}s {line}", self.second));
        }
    }

    fn time(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn log(&self) -> String {
        self.log.join("\n")
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn titled(title: &str) -> View {
    let mut view = samples::view();
    view.playing.as_mut().expect("playing").track.title = title.into();
    view
}

#[expect(clippy::unnecessary_wraps, reason = "what the script takes")]
fn playing(title: &str) -> Option<View> {
    Some(titled(title))
}

#[expect(clippy::unnecessary_wraps, reason = "what the script takes")]
fn paused(title: &str) -> Option<View> {
    let mut view = titled(title);
    view.playing.as_mut().expect("playing").paused = true;
    Some(view)
}

fn to_front(view: Option<View>) -> Option<View> {
    view.map(|view| View {
        bring_to_front: true,
        ..view
    })
}

#[test]
fn the_first_message_is_made_at_once_and_remembered() {
    let mut script = Script::new();
    script
        .now(0, playing("a"))
        .input(0, Input::Loaded(None))
        .input(1, Input::Created(id("1")));
    assert_eq!(
        script.log(),
        " 0s load\n 0s create in 60: a\n 1s save 1 in 60"
    );
}

#[test]
fn a_restart_edits_the_message_of_the_process_before() {
    let mut script = Script::new();
    script
        .now(0, playing("a"))
        .input(0, Input::Loaded(Some((id("60"), id("7")))))
        .input(0, Input::Edited);
    assert_eq!(script.log(), " 0s load\n 0s edit 7 in 60: a");
}

#[test]
fn of_many_views_only_the_latest_is_written() {
    let mut script = Script::with_message();
    script
        .now(0, paused("b"))
        .now(1, paused("c"))
        .now(1, paused("d"))
        .until(2)
        .input(3, Input::Edited);
    assert_eq!(script.log(), " 2s edit 1 in 60: d");
}

#[test]
fn an_edit_after_a_quiet_time_is_made_at_once() {
    let mut script = Script::with_message();
    script.now(5, paused("b"));
    assert_eq!(script.log(), " 5s edit 1 in 60: b");
}

#[test]
fn a_view_that_comes_while_an_edit_is_on_its_way_is_written_after_it() {
    let mut script = Script::with_message();
    script.now(5, paused("b")).now(6, paused("c")).until(9);
    assert_eq!(
        script.log(),
        " 5s edit 1 in 60: b",
        "nothing while one is on its way"
    );
    script.input(9, Input::Edited);
    assert_eq!(script.log(), " 5s edit 1 in 60: b\n 9s edit 1 in 60: c");
}

#[test]
fn the_progress_bar_is_drawn_anew_while_music_plays_and_only_then() {
    let mut script = Script::with_message();
    script
        .until(12)
        .input(12, Input::Edited)
        .until(24)
        .input(24, Input::Edited);
    assert_eq!(script.log(), "12s edit 1 in 60: a\n24s edit 1 in 60: a");
    script
        .now(26, paused("a"))
        .input(26, Input::Edited)
        .until(99);
    assert_eq!(
        script.log(),
        "12s edit 1 in 60: a\n24s edit 1 in 60: a\n26s edit 1 in 60: a"
    );
}

#[test]
fn a_view_that_only_moved_on_by_itself_is_no_edit() {
    let mut script = Script::with_message();
    let mut later = titled("a");
    let playback = later.playing.as_mut().expect("playing");
    playback.at_ms += 5000;
    playback.position_ms += 5200;
    script.now(5, Some(later.clone()));
    assert_eq!(script.log(), "");
    later.playing.as_mut().expect("playing").position_ms += 10_000;
    script.now(6, Some(later));
    assert_eq!(script.log(), " 6s edit 1 in 60: a", "but a seek is");
}

#[test]
fn a_deleted_message_is_made_again() {
    let mut script = Script::with_message();
    script
        .now(5, paused("b"))
        .input(5, Input::Gone)
        .input(6, Input::Created(id("2")));
    assert_eq!(
        script.log(),
        " 5s edit 1 in 60: b\n 5s create in 60: b\n 6s save 2 in 60"
    );
}

#[test]
fn bringing_to_the_front_makes_a_new_message_and_takes_the_old_away() {
    let mut script = Script::with_message();
    script
        .now(5, to_front(paused("a")))
        .now(5, paused("b"))
        .input(6, Input::Created(id("2")))
        .until(7);
    assert_eq!(
        script.log(),
        " 5s create in 60: a\n 6s delete 1 in 60\n 6s save 2 in 60\n 7s edit 2 in 60: b"
    );
}

#[test]
fn a_wish_for_the_front_outlives_a_view_without_it() {
    let mut script = Script::with_message();
    script
        .now(1, to_front(paused("a")))
        .now(1, paused("b"))
        .until(2);
    assert_eq!(script.log(), " 2s create in 60: b");
}

#[test]
fn another_text_channel_moves_the_message() {
    let mut script = Script::with_message();
    let view = paused("a").map(Box::new);
    script
        .input(
            5,
            Input::Now {
                channel: Some(id("61")),
                view,
            },
        )
        .input(5, Input::Created(id("2")));
    assert_eq!(
        script.log(),
        " 5s create in 61: a\n 5s delete 1 in 60\n 5s save 2 in 61"
    );
}

#[test]
fn the_end_is_written_once_and_forgotten() {
    let mut script = Script::with_message();
    script
        .now(5, None)
        .now(5, None)
        .input(6, Input::Edited)
        .until(60);
    assert_eq!(script.log(), " 5s edit 1 in 60: ended\n 6s forget");
    assert!(script.panel.is_over());
    script.now(70, playing("b"));
    assert_eq!(
        script.log(),
        " 5s edit 1 in 60: ended\n 6s forget\n70s create in 60: b"
    );
}

#[test]
fn an_end_without_a_message_writes_nothing() {
    let mut script = Script::new();
    script.now(0, None).input(0, Input::Loaded(None));
    assert_eq!(script.log(), " 0s load\n 0s forget");
    assert!(script.panel.is_over());
}

#[test]
fn where_writing_is_forbidden_it_is_not_tried_until_somebody_asks() {
    let mut script = Script::new();
    script
        .now(0, playing("a"))
        .input(0, Input::Loaded(None))
        .input(0, Input::Forbidden);
    script.now(5, paused("b")).until(60);
    assert_eq!(script.log(), " 0s load\n 0s create in 60: a");
    script.now(61, to_front(paused("b")));
    assert_eq!(
        script.log(),
        " 0s load\n 0s create in 60: a\n61s create in 60: b"
    );
}

#[test]
fn a_failure_is_tried_again_after_a_while() {
    let mut script = Script::with_message();
    script.now(5, paused("b")).input(6, Input::Failed).until(20);
    assert_eq!(script.log(), " 5s edit 1 in 60: b\n11s edit 1 in 60: b");
}

#[test]
fn a_session_without_a_text_channel_has_no_message() {
    let mut script = Script::new();
    let view = playing("a").map(Box::new);
    script
        .input(
            0,
            Input::Now {
                channel: None,
                view,
            },
        )
        .input(0, Input::Loaded(None))
        .until(60);
    assert_eq!(script.log(), " 0s load");
}
