//! Tracks start, end and fail.

use super::*;

#[test]
fn an_evening_plays_from_the_first_command_to_the_last_track() {
    let mut guild = Guild::new();
    let (request, effects) = guild.command(
        Some(HERE),
        Command::Play {
            query: " ab ".into(),
            placement: Placement::Last,
        },
    );
    assert_eq!(shown(&effects), "save, resolve ab, join 10, view");
    let effects = guild.tell(Input::Resolved {
        request,
        result: Resolution::Found(tracks("ab")),
    });
    assert_eq!(shown(&effects), "save, reply, view");
    assert_eq!(guild.connect(), "connect, play a from 0 at 100%, view");
    assert_eq!(guild.started(), "record a, preload b, view");
    guild.tell(Input::Listeners { people: 2 });
    guild.pass(LENGTH);
    assert_eq!(
        guild.ended(EndReason::Finished),
        "save, play b from 0 at 100%, view"
    );
    assert_eq!(guild.started(), "record b, view");
    guild.pass(LENGTH);
    assert_eq!(guild.ended(EndReason::Finished), "save, view");
    assert_eq!(guild.played(), "ab");
    let view = guild.session.view(guild.now);
    assert_eq!(
        (view.playing, view.queue_length, view.voice_channel),
        (None, 0, Some(channel(HERE)))
    );
    assert_eq!(guild.pass(299_999), "");
    assert_eq!(guild.pass(1), "save, destroy, leave, no view");
    assert!(guild.session.is_over());
    assert!(guild.session.snapshot(guild.now).is_blank());
}

#[test]
fn what_comes_after_the_end_depends_on_the_loop() {
    for (mode, sounding, waiting, played) in [
        (LoopMode::Off, "b", "c", "a"),
        (LoopMode::Track, "a", "bc", ""),
        (LoopMode::Queue, "b", "ca", "a"),
    ] {
        let mut guild = Guild::playing("abc");
        guild.ask(Command::Loop { mode: Some(mode) });
        guild.ended(EndReason::Finished);
        assert_eq!(
            (guild.sounding(), guild.waiting(), guild.played()),
            (sounding.into(), waiting.into(), played.into())
        );
    }
}

#[test]
fn a_repeated_track_is_recorded_once() {
    let mut guild = Guild::playing("a");
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Track),
    });
    assert_eq!(
        guild.ended(EndReason::Finished),
        "save, play a from 0 at 100%, view"
    );
    assert_eq!(guild.started(), "view");
}

#[test]
fn news_about_an_earlier_start_is_ignored() {
    let mut guild = Guild::playing("abc");
    let old = guild.last_play();
    guild.ask(Command::Skip { count: 1 });
    for (name, input) in [
        ("its start", Input::TrackStarted { play: old }),
        (
            "its end",
            Input::TrackEnded {
                play: old,
                reason: EndReason::Finished,
            },
        ),
        (
            "its replacement",
            Input::TrackEnded {
                play: old,
                reason: EndReason::Replaced,
            },
        ),
        (
            "its failure",
            Input::TrackFailed {
                play: old,
                reason: "x".into(),
            },
        ),
        ("its getting stuck", Input::TrackStuck { play: old }),
        (
            "its position",
            Input::Position {
                ms: 77_000,
                at: guild.now,
            },
        ),
    ] {
        assert_eq!(shown(&guild.tell(input)), "", "{name}");
        assert_eq!(
            (guild.sounding(), guild.position()),
            ("b".into(), 0),
            "{name}"
        );
    }
}

#[test]
fn a_stop_by_the_node_does_not_lose_the_track() {
    for reason in [EndReason::Stopped, EndReason::Replaced] {
        let mut guild = Guild::playing("ab");
        guild.pass(5_000);
        assert_eq!(guild.ended(reason), "");
        assert_eq!((guild.sounding(), guild.position()), ("a".into(), 5_000));
    }
}

#[test]
fn a_track_that_the_node_dropped_is_played_again_where_it_was() {
    let mut guild = Guild::playing("ab");
    guild.pass(5_000);
    assert_eq!(guild.ended(EndReason::Cleanup), "play a from 5000 at 100%");
}

#[test]
fn the_position_follows_the_node() {
    let mut guild = Guild::playing("a");
    guild.pass(5_000);
    assert_eq!(
        shown(&guild.tell(Input::Position {
            ms: 4_900,
            at: guild.now
        })),
        "",
        "a small drift is not shown"
    );
    guild.pass(1_000);
    assert_eq!(guild.position(), 5_900);
    assert_eq!(
        shown(&guild.tell(Input::Position {
            ms: 1_000,
            at: guild.now
        })),
        "view",
        "a large one is"
    );
    assert_eq!(guild.session.playing_position(guild.now), Some(1_000));
    guild.ask(Command::Pause);
    assert_eq!(
        guild.session.playing_position(guild.now),
        None,
        "a paused track needs no saving"
    );
    guild.pass(10 * LENGTH);
    guild.ask(Command::Resume);
    guild.pass(10 * LENGTH);
    assert_eq!(guild.position(), LENGTH, "it is never behind the end");
}

#[test]
fn a_track_that_fails_is_told_of_and_the_next_one_plays() {
    type Row = (&'static str, fn(&mut Guild) -> String, &'static str);
    let rows: Vec<Row> = vec![
        (
            "it gives no audio",
            Guild::failed,
            "save, notice a: it is gone, play b from 0 at 100%, view",
        ),
        (
            "it fails midway",
            |guild| {
                let play = guild.last_play();
                guild.tell(Input::TrackFailed {
                    play,
                    reason: "cut".into(),
                });
                guild.ended(EndReason::Finished)
            },
            "save, notice a: cut, play b from 0 at 100%, view",
        ),
        (
            "it fails without a word",
            |guild| guild.ended(EndReason::LoadFailed),
            "save, notice a: the source gave no audio, play b from 0 at 100%, view",
        ),
        (
            "it gets stuck",
            |guild| {
                let play = guild.last_play();
                shown(&guild.tell(Input::TrackStuck { play }))
            },
            "save, notice a: the source stopped giving audio, play b from 0 at 100%, view",
        ),
    ];
    for (name, happen, effects) in rows {
        let mut guild = Guild::playing("ab");
        assert_eq!(happen(&mut guild), effects, "{name}");
        assert_eq!(guild.played(), "", "{name}: what failed was not played");
    }
}

#[test]
fn the_last_track_may_get_stuck_as_well() {
    let mut guild = Guild::playing("a");
    let play = guild.last_play();
    let effects = guild.tell(Input::TrackStuck { play });
    assert_eq!(
        shown(&effects),
        "save, notice a: the source stopped giving audio, stop, view"
    );
}

#[test]
fn failing_tracks_do_not_go_round_for_ever() {
    for (mode, titles, tries, left) in [
        (LoopMode::Track, "ab", 3, "b"),
        (LoopMode::Queue, "ab", 3, "ba"),
        (LoopMode::Queue, "a", 3, "a"),
        (LoopMode::Off, "abcdefghijklmn", 10, "klmn"),
    ] {
        let mut guild = Guild::playing(titles);
        guild.ask(Command::Loop { mode: Some(mode) });
        for attempt in 1..tries {
            assert!(
                guild.failed().contains("play"),
                "{mode:?}: attempt {attempt} goes on"
            );
        }
        assert!(
            !guild.failed().contains("play"),
            "{mode:?}: attempt {tries} was the last"
        );
        assert_eq!(
            (guild.sounding(), guild.waiting()),
            (String::new(), left.into()),
            "{mode:?}"
        );
        let effects = guild.done(Command::Skip { count: 1 });
        assert!(
            effects.contains("play"),
            "{mode:?}: a skip goes on with what is left: {effects}"
        );
    }
}

#[test]
fn a_track_that_plays_forgives_earlier_failures() {
    let mut guild = Guild::playing("ab");
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Queue),
    });
    for round in 0..10 {
        guild.failed();
        guild.failed();
        if round % 2 == 0 {
            guild.ended(EndReason::Finished);
        } else {
            guild.started();
            guild.tell(Input::Position {
                ms: 10_000,
                at: guild.now,
            });
        }
        assert_ne!(guild.sounding(), "", "round {round}");
    }
}

#[test]
fn the_past_is_bounded() {
    let mut guild = Guild::playing("ab");
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Queue),
    });
    for _ in 0..2 * HISTORY {
        guild.ended(EndReason::Finished);
    }
    assert_eq!(guild.session.history.len(), HISTORY);
}

#[test]
fn a_volume_set_in_silence_holds_for_the_next_track() {
    let mut guild = Guild::joined();
    guild.ask(Command::Volume { percent: Some(30) });
    let (request, _) = guild.command(
        Some(HERE),
        Command::Play {
            query: "a".into(),
            placement: Placement::Last,
        },
    );
    let effects = guild.tell(Input::Resolved {
        request,
        result: Resolution::Found(tracks("a")),
    });
    assert_eq!(shown(&effects), "save, play a from 0 at 30%, reply, view");
}
