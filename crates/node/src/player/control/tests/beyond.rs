//! What follows by itself, fades, loudness.

use backline_proto::lavalink::beyond::Fade;

use super::*;

fn start(bench: &mut Bench, title: &str) {
    bench.after(|control, now| control.handle_play(play(title), now));
    heard(bench);
}

fn heard(bench: &mut Bench) {
    let run = bench.run();
    bench.after(|control, now| control.handle_event(run, EventKind::Started, None, now));
}

fn follow(bench: &mut Bench, title: &str) -> Vec<String> {
    bench.after(|control, now| control.handle_next(Some(track(title)), now))
}

fn finish(bench: &mut Bench) -> Vec<String> {
    let run = bench.run();
    bench.after(|control, now| control.handle_event(run, EventKind::Finished, None, now))
}

#[test]
fn what_follows_is_opened_shortly_before_it_is_due() {
    let mut bench = Bench::new();
    start(&mut bench, "a");
    assert_eq!(follow(&mut bench, "b"), [""; 0], "a minute is left");
    let view = bench.control.view(&bench.now);
    assert_eq!(view.next_track.expect("is told").info.title, "b");
    bench.reach(29_900);
    assert!(bench.after(Control::handle_time).is_empty());
    bench.reach(30_100);
    assert_eq!(bench.after(Control::handle_time), ["Prepare"]);
    assert!(bench.after(Control::handle_time).is_empty(), "once");
    assert_eq!(
        bench.after(Control::handle_next_lost),
        ["Prepare"],
        "what was lost is opened again"
    );
}

#[test]
fn what_follows_is_opened_at_once_when_the_end_is_near_or_unknown() {
    let mut bench = Bench::new();
    start(&mut bench, "a");
    bench.reach(50_000);
    assert_eq!(follow(&mut bench, "b"), ["Prepare"]);

    start(&mut bench, "a");
    bench.now.position = None;
    bench.after(|control, now| control.handle_end_time(Some(20_000), now));
    assert_eq!(follow(&mut bench, "b"), ["Prepare"]);

    let mut unknown = play("unknown");
    unknown.track.info.length = i64::MAX;
    bench.after(|control, now| control.handle_play(unknown.clone(), now));
    assert_eq!(follow(&mut bench, "b"), ["Prepare"]);
    unknown.track.info.is_stream = true;
    bench.after(|control, now| control.handle_play(unknown, now));
    assert_eq!(follow(&mut bench, "b"), [""; 0], "a stream may never end");
}

#[test]
fn what_was_ready_follows_in_the_engine_and_is_told_when_it_is_heard() {
    let mut bench = Bench::new();
    start(&mut bench, "a");
    bench.reach(59_000);
    follow(&mut bench, "b");
    let next = bench.control.next().expect("set").1;
    let run = bench.run();
    bench.now.position = Some((next.run, 0));
    assert_eq!(
        bench.after(|control, now| control.handle_event(run, EventKind::Finished, None, now)),
        ["end a@60000 Finished", "start b@0", "Update", "Started"]
    );
    assert_eq!(bench.control.goal(), Some(next));
    assert!(bench.control.next().is_none());
    let run = bench.run();
    assert_eq!(
        bench.after(|control, now| {
            control.handle_event(run, EventKind::Failed, Some(broken()), now);
        })[1],
        "end b@0 Finished",
        "it was heard"
    );
}

#[test]
fn what_was_not_ready_is_opened_when_its_time_has_come() {
    for act in [
        |control: &mut Control, now: &Sight| {
            let run = control.goal().expect("loaded").run;
            control.handle_event(run, EventKind::Finished, None, now);
        },
        |control: &mut Control, now: &Sight| {
            let run = control.goal().expect("loaded").run;
            control.handle_event(run, EventKind::Failed, Some(broken()), now);
        },
        |control: &mut Control, now: &Sight| {
            control.handle_end_time(Some(50_000), now);
            control.handle_seek(55_000, now);
        },
    ] {
        let mut bench = Bench::new();
        start(&mut bench, "a");
        follow(&mut bench, "b");
        bench.reach(10_000);
        let effects = bench.after(act);
        let end = effects.len() - 4;
        assert_eq!(effects[end..], ["Open", "start b@0", "Update", "Started"]);
        assert!(!effects.contains(&"Silence".to_owned()));
    }
}

#[test]
fn stopping_replacing_and_cleaning_up_clear_what_follows() {
    for act in [
        |control: &mut Control, now: &Sight| control.handle_stop(now),
        |control: &mut Control, now: &Sight| control.handle_play(play("c"), now),
        |control: &mut Control, now: &Sight| control.handle_next(None, now),
        |control: &mut Control, now: &Sight| {
            let later = Sight {
                connected: false,
                time_ms: now.time_ms + 100_000,
                ..*now
            };
            control.handle_time(&later);
        },
    ] {
        let mut bench = Bench::new();
        start(&mut bench, "a");
        bench.reach(50_000);
        assert_eq!(follow(&mut bench, "b"), ["Prepare"]);
        assert_eq!(bench.after(act)[0], "Forget");
        assert!(bench.control.next().is_none());
    }
}

#[test]
fn without_a_track_what_follows_starts_at_once() {
    let mut bench = Bench::new();
    assert_eq!(
        follow(&mut bench, "a"),
        ["Open", "start a@0", "Update", "Started"]
    );
    start(&mut bench, "b");
    finish(&mut bench);
    bench.after(|control, now| control.handle_pause(true, now));
    follow(&mut bench, "c");
    assert!(!bench.control.is_playing(), "a paused player stays so");
}

#[test]
fn another_crossfade_is_prepared_anew_and_longer_ones_earlier() {
    let mut bench = Bench::new();
    start(&mut bench, "a");
    let crossfade = |duration| {
        Some(Crossfade {
            enabled: true,
            duration,
        })
    };
    assert!(
        bench
            .after(|control, now| control.handle_crossfade(crossfade(10_000), now))
            .is_empty()
    );
    bench.reach(21_000);
    assert_eq!(follow(&mut bench, "b"), ["Prepare"], "40 s ahead");
    assert_eq!(
        bench.after(|control, now| control.handle_crossfade(crossfade(12_000), now)),
        ["Forget", "Prepare"]
    );
    assert!(
        bench
            .after(|control, now| control.handle_crossfade(crossfade(12_000), now))
            .is_empty()
    );
    assert_eq!(
        bench.after(|control, now| control.handle_crossfade(None, now)),
        ["Forget"],
        "without one there is time"
    );
}

fn fading(ms: u32) -> Fading {
    let fade = Some(Fade { duration: ms });
    Fading {
        enabled: true,
        track_start: fade,
        track_stop: fade,
        pause: fade,
        resume: fade,
    }
}

#[test]
fn a_pause_fades_first_and_stops_then() {
    let mut bench = Bench::new();
    bench.after(|control, _| control.handle_fading(Some(fading(500))));
    start(&mut bench, "a");
    assert_eq!(
        bench.after(|control, now| control.handle_pause(true, now)),
        ["Fade { up: false, ms: 500 }", "Later { ms: 600, turn: 1 }"]
    );
    assert!(!bench.control.is_playing(), "as clients see it, at once");
    assert_eq!(
        bench.after(|control, _| control.handle_later(1)),
        ["Pause(true)"]
    );
    assert!(bench.after(|control, _| control.handle_later(1)).is_empty());
    assert_eq!(
        bench.after(|control, now| control.handle_pause(false, now)),
        ["Fade { up: true, ms: 500 }", "Pause(false)"]
    );
}

#[test]
fn going_on_during_the_fade_turns_it_round() {
    let mut bench = Bench::new();
    bench.after(|control, _| control.handle_fading(Some(fading(500))));
    start(&mut bench, "a");
    bench.after(|control, now| control.handle_pause(true, now));
    assert_eq!(
        bench.after(|control, now| control.handle_pause(false, now)),
        ["Fade { up: true, ms: 500 }", "Pause(false)"]
    );
    assert!(
        bench.after(|control, _| control.handle_later(1)).is_empty(),
        "it is off"
    );
    bench.after(|control, now| control.handle_pause(true, now));
    let paused = Play {
        paused: true,
        ..play("b")
    };
    let effects = bench.after(|control, now| control.handle_play(paused, now));
    assert_eq!(effects[0], "Pause(true)", "the wait was off: {effects:?}");
    assert!(bench.after(|control, _| control.handle_later(2)).is_empty());
}

#[test]
fn what_nobody_hears_does_not_fade() {
    let mut bench = Bench::new();
    bench.after(|control, _| control.handle_fading(Some(fading(500))));
    bench.after(|control, now| control.handle_play(play("a"), now));
    assert_eq!(
        bench.after(|control, now| control.handle_pause(true, now)),
        ["Pause(true)"],
        "nothing was heard yet"
    );
    assert_eq!(
        bench.after(|control, now| control.handle_pause(false, now)),
        ["Pause(false)"]
    );
    heard(&mut bench);
    bench.now.connected = false;
    assert_eq!(
        bench.after(|control, now| control.handle_pause(true, now)),
        ["Pause(true)"]
    );
    assert_eq!(
        bench.after(Control::handle_stop),
        ["end a@0 Stopped", "Silence"]
    );
    let off = Fading {
        enabled: false,
        ..fading(500)
    };
    bench.now.connected = true;
    bench.after(|control, _| control.handle_fading(Some(off)));
    start(&mut bench, "b");
    assert_eq!(
        bench.after(Control::handle_stop),
        ["end b@0 Stopped", "Silence"]
    );
    assert_eq!(bench.control.start_fade_ms(), 0);
}

#[test]
fn stops_and_skips_let_the_old_sound_fade_out() {
    let mut bench = Bench::new();
    bench.after(|control, _| control.handle_fading(Some(fading(800))));
    start(&mut bench, "a");
    assert_eq!(
        bench.after(|control, now| control.handle_play(play("b"), now))[..3],
        ["Leave(800)", "end a@0 Replaced", "Open"]
    );
    assert_eq!(bench.control.start_fade_ms(), 800);
    heard(&mut bench);
    assert_eq!(
        bench.after(Control::handle_stop),
        ["Leave(800)", "end b@0 Stopped", "Silence"]
    );
}

#[test]
fn a_fade_up_after_a_pause_needs_one_down_before_it() {
    let mut bench = Bench::new();
    let only_up = Fading {
        pause: None,
        ..fading(400)
    };
    bench.after(|control, _| control.handle_fading(Some(only_up)));
    start(&mut bench, "a");
    assert_eq!(
        bench.after(|control, now| control.handle_pause(true, now))[0],
        "Fade { up: false, ms: 60 }"
    );
}

#[test]
fn loudness_is_part_of_the_sound() {
    let mut bench = Bench::new();
    for (loudness, target) in [
        (Some(LoudnessNormalizer::Switch(true)), Some(-14.0)),
        (
            Some(LoudnessNormalizer::Target { target: -20.0 }),
            Some(-20.0),
        ),
        (Some(LoudnessNormalizer::Switch(false)), None),
    ] {
        assert_eq!(
            bench.after(|control, _| control.handle_loudness(loudness)),
            ["Sound"]
        );
        let set = bench.control.effects().loudness;
        assert_eq!(set.map(|loudness| loudness.target_lufs), target);
        assert_eq!(bench.control.view(&bench.now).loudness_normalizer, loudness);
    }
    assert!(
        bench
            .after(|control, _| control.handle_loudness(None))
            .is_empty()
    );
}
