//! What Lavalink does.

use serde_json::json;

use super::*;

#[test]
fn a_track_starts_at_the_request_and_ends_once() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.after(|control, now| control.handle_play(play("a"), now)),
        ["Open", "start a@0", "Update", "Started"]
    );
    let run = bench.run();
    bench.reach(59_980);
    let finished = |control: &mut Control, now: &Sight| {
        control.handle_event(run, EventKind::Finished, None, now);
    };
    assert_eq!(bench.after(finished), ["end a@60000 Finished", "Silence"]);
    assert!(
        bench.after(finished).is_empty(),
        "the second word of it is late news"
    );
    assert_eq!(bench.control.state(&bench.now).position, 0);
}

#[test]
fn replacing_ends_the_old_track_before_the_new_one_starts() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let old = bench.run();
    bench.reach(5_000);
    assert_eq!(
        bench.after(|control, now| control.handle_play(play("b"), now)),
        [
            "end a@5000 Replaced",
            "Open",
            "start b@0",
            "Update",
            "Started"
        ]
    );
    let late = bench.after(|control, now| {
        control.handle_event(old, EventKind::Finished, None, now);
        control.handle_open_failed(old, broken(), now);
    });
    assert!(
        late.is_empty(),
        "the old track is none of our business any more"
    );
    assert_eq!(
        bench
            .control
            .view(&bench.now)
            .track
            .expect("loaded")
            .info
            .position,
        0
    );
}

#[test]
fn playing_unpauses_unless_asked_to_start_paused() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_pause(true, now));
    assert_eq!(
        bench.after(|control, now| control.handle_play(play("a"), now)),
        ["Pause(false)", "Open", "start a@0", "Update", "Started"]
    );
    let paused = Play {
        paused: true,
        ..play("b")
    };
    assert_eq!(
        bench.after(|control, now| control.handle_play(paused, now))[0],
        "Pause(true)".to_owned()
    );
    assert!(!bench.control.is_playing());
}

#[test]
fn a_failure_ends_as_load_failed_only_if_nothing_was_heard() {
    for (heard, reason) in [(false, "LoadFailed"), (true, "Finished")] {
        let mut bench = Bench::new();
        bench.after(|control, now| control.handle_play(play("a"), now));
        let run = bench.run();
        if heard {
            bench.after(|control, now| control.handle_event(run, EventKind::Started, None, now));
        }
        assert_eq!(
            bench.after(|control, now| {
                control.handle_event(run, EventKind::Failed, Some(broken()), now);
            }),
            [
                "exception a@0 broken",
                &format!("end a@0 {reason}"),
                "Silence"
            ]
        );
    }
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let load = bench.control.goal().expect("loaded").load;
    assert_eq!(
        bench.after(|control, now| control.handle_open_failed(load, broken(), now)),
        ["exception a@0 broken", "end a@0 LoadFailed", "Silence"]
    );
}

#[test]
fn a_seek_is_told_at_once_and_makes_news_of_the_old_run_late() {
    let mut bench = Bench::new();
    assert!(
        bench
            .after(|control, now| control.handle_seek(1, now))
            .is_empty(),
        "nothing loaded"
    );
    bench.after(|control, now| control.handle_play(play("a"), now));
    let (load, old) = (bench.control.goal().expect("loaded").load, bench.run());
    bench.reach(1_000);
    assert_eq!(
        bench.after(|control, now| control.handle_seek(30_000, now)),
        ["Seek", "Update"]
    );
    let goal = bench.control.goal().expect("loaded");
    assert_eq!((goal.load, goal.position_ms), (load, 30_000));
    assert_eq!(bench.control.state(&bench.now).position, 30_000);
    let late = bench.after(|control, now| {
        control.handle_event(old, EventKind::Finished, None, now);
    });
    assert!(late.is_empty());
    bench.after(|control, now| control.handle_seek(-5, now));
    assert_eq!(bench.control.goal().expect("loaded").position_ms, 0);
    bench.after(|control, now| control.handle_seek(i64::MAX, now));
    assert_eq!(
        bench.control.goal().expect("loaded").position_ms,
        60_000,
        "clamped to the length"
    );
    let mut stream = play("live");
    stream.track.info.is_seekable = false;
    bench.after(|control, now| control.handle_play(stream, now));
    assert!(
        bench
            .after(|control, now| control.handle_seek(5, now))
            .is_empty()
    );
}

#[test]
fn end_time_does_nothing_behind_and_ends_the_track_when_sought_past() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    bench.reach(10_000);
    assert!(
        bench
            .after(|control, now| control.handle_end_time(Some(10_000), now))
            .is_empty()
    );
    assert_eq!(
        bench.after(|control, now| control.handle_end_time(Some(20_000), now)),
        ["EndAt(Some(20000))"]
    );
    assert_eq!(
        bench.after(|control, now| control.handle_end_time(None, now)),
        ["EndAt(None)"]
    );
    bench.after(|control, now| control.handle_end_time(Some(20_000), now));
    assert_eq!(
        bench.after(|control, now| control.handle_seek(20_000, now)),
        ["end a@10000 Finished", "Silence"]
    );
    let start = Play {
        position_ms: 5_000,
        end_ms: Some(5_000),
        ..play("b")
    };
    bench.after(|control, now| control.handle_play(start, now));
    assert_eq!(
        bench.control.end_ms(),
        None,
        "an end at the start does nothing"
    );
}

#[test]
fn stuck_is_told_once_a_track_and_ends_nothing() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let run = bench.run();
    let stuck = |control: &mut Control, now: &Sight| {
        control.handle_event(run, EventKind::Stuck, None, now);
    };
    assert_eq!(bench.after(stuck), ["stuck a@0 10000", "Update"]);
    assert!(bench.after(stuck).is_empty());
    assert!(bench.control.track().is_some());
}

#[test]
fn a_track_that_nobody_can_hear_is_cleaned_up_after_a_minute() {
    let mut bench = Bench::new();
    bench.now.connected = false;
    bench.after(|control, now| control.handle_play(play("a"), now));
    bench.wait(59_000);
    assert!(bench.after(Control::handle_time).is_empty());
    bench.now.connected = true;
    assert!(bench.after(Control::handle_time).is_empty());
    bench.now.connected = false;
    bench.wait(59_000);
    assert!(
        bench.after(Control::handle_time).is_empty(),
        "a minute from when it could be heard"
    );
    bench.wait(1_000);
    assert_eq!(
        bench.after(Control::handle_time),
        ["end a@0 Cleanup", "Silence"]
    );
}

#[test]
fn volume_is_clamped_and_stands_beside_the_filter() {
    let mut bench = Bench::new();
    for (percent, expected) in [(-5, 0), (50, 50), (1_000, 1_000), (5_000, 1_000)] {
        bench.after(|control, _| control.handle_volume(percent));
        assert_eq!(bench.control.view(&bench.now).volume, expected);
    }
    bench.after(|control, _| control.handle_volume(50));
    let filters = Filters {
        volume: Some(3.0),
        ..Filters::default()
    };
    assert_eq!(
        bench.after(|control, _| control.handle_filters(filters.clone())),
        ["Sound", "Update"]
    );
    let effects = bench.control.effects();
    assert_eq!((effects.gain, effects.filters.volume), (0.5, Some(3.0)));
    assert_eq!(
        bench.after(|control, _| control.handle_filters(filters)),
        ["Update"],
        "packets are not made again for what they are already"
    );
    let flat = Filters {
        volume: Some(1.01),
        ..Filters::default()
    };
    bench.after(|control, _| control.handle_filters(flat));
    bench.after(|control, _| control.handle_volume(100));
    assert!(
        bench.control.effects().is_neutral(),
        "within two percent a filter is none"
    );
}

#[test]
fn frame_counts_mean_something_only_after_a_whole_minute_without_a_gap() {
    let mut bench = Bench::new();
    let start = bench.now.time_ms;
    bench.after(|control, now| control.handle_play(play("a"), now));
    assert!(bench.control.is_usable_since(start));
    assert!(!bench.control.is_usable_since(start - 1));
    bench.wait(10_000);
    bench.after(Control::handle_stop);
    assert!(!bench.control.is_usable_since(start));
    bench.wait(100);
    bench.after(|control, now| control.handle_play(play("b"), now));
    assert!(
        bench.control.is_usable_since(start),
        "a gap of 100 ms is none"
    );
    bench.after(|control, now| control.handle_pause(true, now));
    bench.wait(101);
    bench.after(|control, now| control.handle_pause(false, now));
    assert!(!bench.control.is_usable_since(start));
    assert!(bench.control.is_usable_since(bench.now.time_ms));
}

#[test]
fn user_data_is_in_every_event_of_its_track() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let data = json!({"requester": "7"})
        .as_object()
        .cloned()
        .expect("an object");
    bench.after(|control, _| control.handle_user_data(data.clone()));
    bench.control.handle_stop(&bench.now);
    let Some(Effect::Send(message)) = bench.control.poll() else {
        panic!("no event")
    };
    let Message::Event(Event::TrackEnd { track, .. }) = *message else {
        panic!("no end")
    };
    assert_eq!(track.user_data, data);
}

#[test]
fn state_before_anything_says_so() {
    let mut bench = Bench::new();
    bench.now.connected = false;
    let view = bench.control.view(&bench.now);
    let json = serde_json::to_value(&view).expect("serializes");
    assert_eq!(
        json,
        json!({
            "guildId": "1", "track": null, "volume": 100, "paused": false,
            "state": {"time": 1_000_000, "position": 0, "connected": false, "ping": -1},
            "voice": {"token": "", "endpoint": "", "sessionId": "", "channelId": null},
            "filters": {},
        })
    );
}
