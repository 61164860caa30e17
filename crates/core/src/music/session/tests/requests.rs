//! Queries are looked up and added.

use super::*;

fn added(title: &str, count: u32, position: u32, placement: Placement) -> Outcome {
    let track = Track {
        requester: UserId::new(1),
        ..track(title)
    };
    Outcome::Added {
        track,
        count,
        position,
        placement,
    }
}

#[test]
fn tracks_go_where_they_were_asked_to_go() {
    use Placement::{Last, Next, Now};
    for (name, placement, position, sounding, waiting) in [
        ("to the end", Last, 3, "a", "bcxy"),
        ("before the others", Next, 1, "a", "xybc"),
        ("at once", Now, 0, "x", "ybc"),
    ] {
        let mut guild = Guild::playing("abc");
        assert_eq!(
            guild.play("xy", placement),
            added("x", 2, position, placement),
            "{name}"
        );
        assert_eq!(
            (guild.sounding(), guild.waiting()),
            (sounding.into(), waiting.into()),
            "{name}"
        );
    }
    for placement in [Last, Next, Now] {
        let mut guild = Guild::joined();
        assert_eq!(
            guild.play("xy", placement),
            added("x", 2, 0, placement),
            "into silence"
        );
        assert_eq!(
            (guild.sounding(), guild.waiting()),
            ("x".into(), "y".into())
        );
    }
}

#[test]
fn playing_at_once_ends_the_track_as_a_skip_would() {
    for (mode, after, waiting) in [
        (LoopMode::Off, LoopMode::Off, "b"),
        (LoopMode::Track, LoopMode::Off, "b"),
        (LoopMode::Queue, LoopMode::Queue, "ba"),
    ] {
        let mut guild = Guild::playing("ab");
        guild.ask(Command::Loop { mode: Some(mode) });
        guild.play("x", Placement::Now);
        assert_eq!(
            (guild.sounding(), guild.waiting(), guild.played()),
            ("x".into(), waiting.into(), "a".into())
        );
        assert_eq!(guild.session.loop_mode, after);
    }
}

#[test]
fn what_cannot_be_found_is_told_and_adds_nothing() {
    let query = || "x".to_owned();
    for (result, refusal) in [
        (Resolution::Empty, Refusal::NothingFound { query: query() }),
        (
            Resolution::Found(Vec::new()),
            Refusal::NothingFound { query: query() },
        ),
        (
            Resolution::Failed {
                reason: "gone".into(),
            },
            Refusal::LoadFailed {
                query: query(),
                reason: "gone".into(),
            },
        ),
        (Resolution::NoNode, Refusal::NoNode),
    ] {
        let mut guild = Guild::playing("ab");
        let (request, _) = guild.command(
            Some(HERE),
            Command::Play {
                query: query(),
                placement: Placement::Now,
            },
        );
        let effects = guild.tell(Input::Resolved { request, result });
        assert_eq!(
            effects,
            [Effect::Reply {
                request,
                outcome: refused(refusal)
            }]
        );
        assert_eq!(guild.waiting(), "b");
    }
}

#[test]
fn a_flood_of_queries_is_refused_until_some_are_answered() {
    let mut guild = Guild::playing("a");
    let play = || Command::Play {
        query: "sea".into(),
        placement: Placement::Last,
    };
    let asked: Vec<_> = (0..MAX_PENDING)
        .map(|_| guild.command(Some(HERE), play()).0)
        .collect();
    assert_eq!(guild.ask(play()), refused(Refusal::TooManyLookups));
    guild.tell(Input::Resolved {
        request: asked[0],
        result: Resolution::Empty,
    });
    let (request, effects) = guild.command(Some(HERE), play());
    assert_eq!(reply(&effects, request), None, "it is looked up");
}

#[test]
fn a_slow_query_keeps_its_place() {
    let mut guild = Guild::playing("a");
    let play = |query: &str| Command::Play {
        query: query.into(),
        placement: Placement::Last,
    };
    let (slow, _) = guild.command(Some(HERE), play("s"));
    let (fast, _) = guild.command(Some(HERE), play("f"));
    assert_eq!(
        guild.tell(Input::Resolved {
            request: fast,
            result: Resolution::Found(tracks("f"))
        }),
        []
    );
    assert_eq!(
        guild.ask(Command::Pause),
        Outcome::Paused,
        "other commands do not wait"
    );
    let effects = guild.tell(Input::Resolved {
        request: slow,
        result: Resolution::Found(tracks("s")),
    });
    assert_eq!(
        reply(&effects, slow),
        Some(added("s", 1, 1, Placement::Last))
    );
    assert_eq!(
        reply(&effects, fast),
        Some(added("f", 1, 2, Placement::Last))
    );
    assert_eq!(guild.waiting(), "sf");
}

#[test]
fn a_stop_forgets_queries_that_are_still_looked_up() {
    let mut guild = Guild::playing("a");
    let (request, _) = guild.command(
        Some(HERE),
        Command::Play {
            query: "x".into(),
            placement: Placement::Last,
        },
    );
    let (_, effects) = guild.command(Some(HERE), Command::Stop);
    assert_eq!(
        reply(&effects, request),
        Some(Outcome::Stopped { cleared: 0 })
    );
    assert_eq!(
        guild.tell(Input::Resolved {
            request,
            result: Resolution::Found(tracks("x"))
        }),
        []
    );
    assert!(guild.session.is_over());
}

#[test]
fn a_queue_takes_as_much_as_fits() {
    for (name, placement, waiting, count, after) in [
        ("nineteen wait: one more fits", Placement::Last, 19, 1, 20),
        (
            "nineteen wait: one more fits before them",
            Placement::Next,
            19,
            1,
            20,
        ),
        (
            "nineteen wait: what plays at once needs no place",
            Placement::Now,
            19,
            2,
            20,
        ),
        (
            "twenty wait: what plays at once still fits",
            Placement::Now,
            20,
            1,
            20,
        ),
    ] {
        let mut guild = Guild::playing("a");
        guild.play(&"w".repeat(waiting), Placement::Last);
        let outcome = guild.play("xyz", placement);
        assert!(
            matches!(outcome, Outcome::Added { count: c, .. } if c == count),
            "{name}: {outcome:?}"
        );
        assert_eq!(guild.session.queue.len(), after, "{name}");
    }
}

#[test]
fn a_queue_that_filled_up_meanwhile_refuses() {
    let mut guild = Guild::playing("a");
    let play = |query: &str| Command::Play {
        query: query.into(),
        placement: Placement::Last,
    };
    let (first, _) = guild.command(Some(HERE), play("many"));
    let (second, _) = guild.command(Some(HERE), play("more"));
    guild.tell(Input::Resolved {
        request: first,
        result: Resolution::Found(tracks(&"w".repeat(30))),
    });
    let effects = guild.tell(Input::Resolved {
        request: second,
        result: Resolution::Found(tracks("x")),
    });
    assert_eq!(
        reply(&effects, second),
        Some(refused(Refusal::QueueFull { limit: 20 }))
    );
    assert_eq!(guild.session.queue.len(), 20);
}

#[test]
fn an_unknown_answer_is_ignored() {
    let mut guild = Guild::playing("a");
    assert_eq!(
        guild.tell(Input::Resolved {
            request: RequestId(99),
            result: Resolution::Empty
        }),
        []
    );
}
