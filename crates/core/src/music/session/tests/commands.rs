//! What people ask for, row by row.

use super::*;

const TOGGLE: Command = Command::TogglePause;
const SKIP: Command = Command::Skip { count: 1 };

fn paused() -> Guild {
    let mut guild = Guild::playing("abc");
    guild.ask(Command::Pause);
    guild
}

fn left() -> Guild {
    let mut guild = Guild::playing("abc");
    guild.ask(Command::Leave);
    guild
}

fn live() -> Guild {
    let mut guild = Guild::playing("a");
    let current = guild.session.current.as_mut().expect("it plays");
    current.track.length_ms = None;
    guild
}

fn full() -> Guild {
    let mut guild = Guild::playing("a");
    guild.play("bcdefghijklmnopqrstu", Placement::Last);
    guild
}

#[test]
fn everything_that_cannot_be_done_is_refused_with_its_reason() {
    use Refusal as R;
    let play = |query: &str| Command::Play {
        query: query.into(),
        placement: Placement::Last,
    };
    let abc = || Guild::playing("abc");
    type Row = (&'static str, fn() -> Guild, Option<u64>, Command, Refusal);
    let abc: fn() -> Guild = abc;
    let here = Some(HERE);
    let rows: Vec<Row> = vec![
        (
            "playing from no voice channel",
            Guild::new,
            None,
            play("x"),
            R::NotInVoice,
        ),
        (
            "playing from another channel than the bot plays in",
            abc,
            Some(THERE),
            play("x"),
            R::OtherVoiceChannel,
        ),
        ("playing nothing", abc, here, play("  "), R::EmptyQuery),
        (
            "playing into a full queue",
            full,
            here,
            play("x"),
            R::QueueFull { limit: 20 },
        ),
        (
            "pausing from no voice channel",
            abc,
            None,
            Command::Pause,
            R::NotInVoice,
        ),
        (
            "pausing from another channel",
            abc,
            Some(THERE),
            Command::Pause,
            R::OtherVoiceChannel,
        ),
        (
            "pausing what is paused",
            paused,
            here,
            Command::Pause,
            R::AlreadyPaused,
        ),
        (
            "resuming what is not paused",
            abc,
            here,
            Command::Resume,
            R::NotPaused,
        ),
        (
            "pausing nothing",
            Guild::joined,
            here,
            Command::Pause,
            R::NothingPlaying,
        ),
        (
            "pausing nothing when the bot is away",
            Guild::new,
            here,
            TOGGLE,
            R::NothingPlaying,
        ),
        (
            "pausing when the bot is away with its queue",
            left,
            here,
            TOGGLE,
            R::BotNotInVoice,
        ),
        (
            "skipping nothing",
            Guild::joined,
            here,
            SKIP,
            R::NothingPlaying,
        ),
        (
            "skipping when the bot is away with its queue",
            left,
            here,
            SKIP,
            R::BotNotInVoice,
        ),
        (
            "skipping from no voice channel",
            abc,
            None,
            SKIP,
            R::NotInVoice,
        ),
        (
            "stopping when the bot is away",
            Guild::new,
            here,
            Command::Stop,
            R::BotNotInVoice,
        ),
        (
            "stopping from another channel",
            abc,
            Some(THERE),
            Command::Stop,
            R::OtherVoiceChannel,
        ),
        (
            "leaving when the bot is away",
            Guild::new,
            here,
            Command::Leave,
            R::BotNotInVoice,
        ),
        (
            "leaving from another channel",
            abc,
            Some(THERE),
            Command::Leave,
            R::OtherVoiceChannel,
        ),
        (
            "fetching the bot from those who listen",
            abc,
            Some(THERE),
            Command::Join,
            R::OtherVoiceChannel,
        ),
        (
            "fetching the bot to no channel",
            Guild::new,
            None,
            Command::Join,
            R::NotInVoice,
        ),
        (
            "seeking nothing",
            Guild::joined,
            here,
            Command::Seek { to_ms: 0 },
            R::NothingPlaying,
        ),
        (
            "seeking in a live stream",
            live,
            here,
            Command::Seek { to_ms: 0 },
            R::NotSeekable,
        ),
        (
            "stepping in a live stream",
            live,
            here,
            Command::SeekBy { by_ms: 5 },
            R::NotSeekable,
        ),
        (
            "seeking behind the end",
            abc,
            here,
            Command::Seek { to_ms: LENGTH + 1 },
            R::SeekBehindEnd { length_ms: LENGTH },
        ),
        (
            "a volume above 200 %",
            abc,
            here,
            Command::Volume { percent: Some(201) },
            R::VolumeOutOfRange { percent: 201 },
        ),
        (
            "changing the volume from outside",
            abc,
            None,
            Command::Volume { percent: Some(5) },
            R::NotInVoice,
        ),
        (
            "looping from outside",
            abc,
            Some(THERE),
            Command::Loop { mode: None },
            R::OtherVoiceChannel,
        ),
        (
            "shuffling nothing",
            Guild::joined,
            here,
            Command::Shuffle,
            R::QueueEmpty,
        ),
        (
            "clearing nothing",
            Guild::joined,
            here,
            Command::Clear,
            R::QueueEmpty,
        ),
        (
            "removing from nothing",
            Guild::joined,
            here,
            Command::Remove { from: 1, to: 1 },
            R::QueueEmpty,
        ),
        (
            "removing what is not there",
            abc,
            here,
            Command::Remove { from: 3, to: 3 },
            R::NoSuchEntry {
                entry: 3,
                length: 2,
            },
        ),
        (
            "removing backwards",
            abc,
            here,
            Command::Remove { from: 2, to: 1 },
            R::BackwardsRange { from: 2, to: 1 },
        ),
        (
            "moving to where nothing is",
            abc,
            here,
            Command::Move { from: 1, to: 9 },
            R::NoSuchEntry {
                entry: 9,
                length: 2,
            },
        ),
        (
            "showing what plays when nothing does",
            Guild::joined,
            here,
            Command::NowPlaying,
            R::NothingPlaying,
        ),
        (
            "autoplay",
            abc,
            here,
            Command::Autoplay,
            R::NotYet {
                feature: "Autoplay".into(),
            },
        ),
    ];
    for (name, setup, voice, command, refusal) in rows {
        let mut guild = setup();
        let before = (guild.sounding(), guild.waiting(), guild.session.voice);
        assert_eq!(guild.ask_from(voice, command), refused(refusal), "{name}");
        assert_eq!(
            (guild.sounding(), guild.waiting(), guild.session.voice),
            before,
            "{name} changes nothing"
        );
    }
}

#[test]
fn what_is_done_is_saved_first_then_told_then_shown() {
    type Row = (&'static str, fn() -> Guild, Command, &'static str);
    let abc: fn() -> Guild = || Guild::playing("abc");
    let rows: Vec<Row> = vec![
        ("pausing", abc, Command::Pause, "save, pause, reply, view"),
        (
            "resuming",
            paused,
            Command::Resume,
            "save, unpause, reply, view",
        ),
        ("the button pauses", abc, TOGGLE, "save, pause, reply, view"),
        (
            "the button resumes",
            paused,
            TOGGLE,
            "save, unpause, reply, view",
        ),
        (
            "skipping",
            abc,
            SKIP,
            "save, play b from 0 at 100%, reply, view",
        ),
        (
            "skipping the last",
            || Guild::playing("a"),
            SKIP,
            "save, stop, reply, view",
        ),
        (
            "stopping",
            abc,
            Command::Stop,
            "save, destroy, leave, reply, no view",
        ),
        (
            "leaving",
            abc,
            Command::Leave,
            "save, destroy, leave, reply, view",
        ),
        (
            "seeking",
            abc,
            Command::Seek { to_ms: 5_000 },
            "save, seek 5000, reply, view",
        ),
        (
            "setting the volume",
            abc,
            Command::Volume { percent: Some(50) },
            "save, volume 50%, reply, view",
        ),
        (
            "setting the same volume",
            abc,
            Command::Volume { percent: Some(100) },
            "reply",
        ),
        (
            "asking for the volume",
            abc,
            Command::Volume { percent: None },
            "reply",
        ),
        (
            "setting the volume in silence",
            Guild::joined,
            Command::VolumeBy { points: 10 },
            "save, reply, view",
        ),
        (
            "looping",
            abc,
            Command::Loop { mode: None },
            "save, reply, view",
        ),
        ("shuffling", abc, Command::Shuffle, "save, reply, view"),
        (
            "removing",
            abc,
            Command::Remove { from: 1, to: 2 },
            "save, reply, view",
        ),
        (
            "moving",
            abc,
            Command::Move { from: 1, to: 2 },
            "save, reply, view",
        ),
        ("clearing", abc, Command::Clear, "save, reply, view"),
        (
            "looking at the queue",
            abc,
            Command::Queue { page: 1 },
            "reply",
        ),
        (
            "showing what plays",
            abc,
            Command::NowPlaying,
            "reply, view",
        ),
        (
            "joining",
            Guild::new,
            Command::Join,
            "save, join 10, reply, view",
        ),
        ("joining again", abc, Command::Join, "reply"),
        ("asking for autoplay", abc, Command::Autoplay, "reply"),
    ];
    for (name, setup, command, effects) in rows {
        assert_eq!(setup().done(command), effects, "{name}");
    }
}

#[test]
fn answers_say_what_was_done() {
    type Row = (&'static str, Command, Outcome);
    let rows: Vec<Row> = vec![
        ("pausing", Command::Pause, Outcome::Paused),
        (
            "skipping one",
            SKIP,
            Outcome::Skipped {
                count: 1,
                next: Some(track_of("b")),
            },
        ),
        (
            "skipping two",
            Command::Skip { count: 2 },
            Outcome::Skipped {
                count: 2,
                next: Some(track_of("c")),
            },
        ),
        (
            "skipping none is skipping one",
            Command::Skip { count: 0 },
            Outcome::Skipped {
                count: 1,
                next: Some(track_of("b")),
            },
        ),
        (
            "skipping more than there are",
            Command::Skip { count: 9 },
            Outcome::Skipped {
                count: 3,
                next: None,
            },
        ),
        ("stopping", Command::Stop, Outcome::Stopped { cleared: 2 }),
        ("leaving", Command::Leave, Outcome::Left),
        (
            "seeking to the end",
            Command::Seek { to_ms: LENGTH },
            Outcome::Sought { to_ms: LENGTH },
        ),
        (
            "stepping back from the start",
            Command::SeekBy { by_ms: -10_000 },
            Outcome::Sought { to_ms: 0 },
        ),
        (
            "stepping forward",
            Command::SeekBy { by_ms: 10_000 },
            Outcome::Sought { to_ms: 10_000 },
        ),
        (
            "stepping over the end",
            Command::SeekBy { by_ms: 900_000 },
            Outcome::Sought { to_ms: LENGTH },
        ),
        (
            "the loudest",
            Command::VolumeBy { points: 500 },
            Outcome::Volume { percent: 200 },
        ),
        (
            "the quietest",
            Command::VolumeBy { points: -500 },
            Outcome::Volume { percent: 0 },
        ),
        (
            "the loop after off",
            Command::Loop { mode: None },
            Outcome::Loop {
                mode: LoopMode::Track,
            },
        ),
        (
            "a loop by name",
            Command::Loop {
                mode: Some(LoopMode::Queue),
            },
            Outcome::Loop {
                mode: LoopMode::Queue,
            },
        ),
        (
            "shuffling",
            Command::Shuffle,
            Outcome::Shuffled { count: 2 },
        ),
        (
            "removing",
            Command::Remove { from: 1, to: 2 },
            Outcome::Removed {
                track: track_of("b"),
                count: 2,
            },
        ),
        (
            "moving",
            Command::Move { from: 1, to: 2 },
            Outcome::Moved {
                track: track_of("b"),
                to: 2,
            },
        ),
        ("clearing", Command::Clear, Outcome::Cleared { count: 2 }),
        (
            "showing what plays",
            Command::NowPlaying,
            Outcome::NowPlaying,
        ),
    ];
    for (name, command, outcome) in rows {
        assert_eq!(Guild::playing("abc").ask(command), outcome, "{name}");
    }
}

fn track_of(title: &str) -> Track {
    Track {
        requester: UserId::new(1),
        ..track(title)
    }
}

#[test]
fn the_loop_button_goes_round() {
    let mut guild = Guild::playing("a");
    for mode in [LoopMode::Track, LoopMode::Queue, LoopMode::Off] {
        assert_eq!(
            guild.ask(Command::Loop { mode: None }),
            Outcome::Loop { mode }
        );
    }
}

#[test]
fn a_queue_is_shown_in_pages_of_ten() {
    let mut guild = full();
    for (asked, page, first, shown) in [
        (1, 1, 1, "bcdefghijk"),
        (2, 2, 11, "lmnopqrstu"),
        (9, 2, 11, "lmnopqrstu"),
        (0, 1, 1, "bcdefghijk"),
    ] {
        let outcome = guild.ask_from(None, Command::Queue { page: asked });
        let Outcome::Queue {
            playing,
            entries,
            first: f,
            page: p,
            pages,
            length,
            total_ms,
        } = outcome
        else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (titles(&playing), titles(&entries), f, p),
            ("a".into(), shown.into(), first, page)
        );
        assert_eq!((pages, length, total_ms), (2, 20, 20 * LENGTH));
    }
    let empty = Guild::new().ask_from(None, Command::Queue { page: 1 });
    assert!(
        matches!(
            empty,
            Outcome::Queue {
                playing: None,
                pages: 1,
                page: 1,
                length: 0,
                ..
            }
        ),
        "{empty:?}"
    );
}

#[test]
fn now_playing_brings_the_message_to_the_front_of_the_askers_channel() {
    let mut guild = Guild::playing("a");
    guild.now += 1_000;
    guild.session.handle(
        guild.now,
        Input::Command {
            request: RequestId(9),
            user: UserId::new(5).expect("not zero"),
            user_voice: None,
            text_channel: channel(77),
            command: Command::NowPlaying,
            seed: 0,
        },
    );
    let effects = guild.effects();
    assert_eq!(shown(&effects), "save, reply, view");
    let Some(Effect::View(Some(view))) = effects.last() else {
        panic!("{effects:?}")
    };
    assert!(view.bring_to_front);
    assert_eq!(guild.session.text_channel(), Some(channel(77)));
    let playing = view.playing.as_ref().expect("it plays");
    assert_eq!(
        (playing.position_ms, playing.at_ms, playing.paused),
        (1_000, guild.now, false)
    );
}

#[test]
fn a_pause_keeps_the_position_for_as_long_as_it_lasts() {
    let mut guild = Guild::playing("a");
    guild.pass(7_000);
    guild.ask(Command::Pause);
    guild.pass(3_600_000);
    assert_eq!(guild.position(), 7_000);
    guild.ask(Command::Resume);
    guild.pass(500);
    assert_eq!(guild.position(), 7_500);
}

#[test]
fn a_skip_of_a_paused_track_plays_the_next_one() {
    let mut guild = paused();
    assert_eq!(guild.done(SKIP), "save, play b from 0 at 100%, reply, view");
    assert!(!guild.session.current.as_ref().expect("b").paused);
}

#[test]
fn skipping_leaves_the_loop_of_a_track_and_turns_the_loop_of_the_queue() {
    for (mode, after, sounding, waiting) in [
        (LoopMode::Track, LoopMode::Off, "c", "d"),
        (LoopMode::Queue, LoopMode::Queue, "c", "dab"),
    ] {
        let mut guild = Guild::playing("abcd");
        guild.ask(Command::Loop { mode: Some(mode) });
        guild.ask(Command::Skip { count: 2 });
        assert_eq!(
            (guild.sounding(), guild.waiting()),
            (sounding.into(), waiting.into()),
            "{mode:?}"
        );
        assert_eq!(guild.session.loop_mode, after);
    }
}

#[test]
fn skipping_the_only_track_of_a_looped_queue_starts_it_again() {
    let mut guild = Guild::playing("a");
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Queue),
    });
    assert_eq!(guild.done(SKIP), "save, play a from 0 at 100%, reply, view");
}

#[test]
fn a_shuffle_touches_neither_the_playing_track_nor_the_past() {
    let mut guild = Guild::playing("abcdefgh");
    guild.ask(SKIP);
    guild.ask(Command::Shuffle);
    assert_eq!((guild.sounding(), guild.played()), ("b".into(), "a".into()));
    assert_ne!(guild.waiting(), "cdefgh");
    let mut sorted: Vec<_> = guild.waiting().chars().collect();
    sorted.sort_unstable();
    assert_eq!(sorted.into_iter().collect::<String>(), "cdefgh");
}

#[test]
fn seeking_before_the_track_is_on_a_node_decides_where_it_starts() {
    let mut guild = Guild::new();
    guild.play("a", Placement::Last);
    assert_eq!(
        guild.done(Command::Seek { to_ms: 30_000 }),
        "save, reply, view"
    );
    assert!(guild.connect().contains("play a from 30000 at 100%"));
}

#[test]
fn those_whom_nobody_hears_may_be_fetched() {
    type Row = (&'static str, fn(&mut Guild), Command, &'static str);
    let rows: Vec<Row> = vec![
        (
            "joining a bot that plays to nobody",
            |guild| drop(guild.tell(Input::Listeners { people: 0 })),
            Command::Join,
            "save, join 11, reply, view",
        ),
        (
            "playing where the bot plays to nobody",
            |guild| drop(guild.tell(Input::Listeners { people: 0 })),
            Command::Play {
                query: "x".into(),
                placement: Placement::Last,
            },
            "save, resolve x, join 11, view",
        ),
        (
            "joining a bot that plays nothing",
            |guild| drop(guild.ask(SKIP)),
            Command::Join,
            "save, join 11, reply, view",
        ),
    ];
    for (name, setup, command, effects) in rows {
        let mut guild = Guild::playing("a");
        setup(&mut guild);
        let (_, done) = guild.command(Some(THERE), command);
        assert_eq!(shown(&done), effects, "{name}");
    }
}

#[test]
fn a_track_that_plays_goes_on_while_the_bot_moves() {
    let mut guild = Guild::playing("a");
    guild.pass(4_000);
    guild.tell(Input::Listeners { people: 0 });
    guild.command(Some(THERE), Command::Join);
    guild.pass(1_000);
    assert_eq!(shown(&guild.tell(Input::VoiceCredentials)), "connect");
    assert_eq!(shown(&guild.tell(Input::VoiceReady)), "view");
    assert_eq!((guild.sounding(), guild.position()), ("a".into(), 5_000));
    assert_eq!(guild.session.voice.channel(), Some(channel(THERE)));
}
