//! Markers of several kinds, beside the end time.

use serde_json::json;

use super::*;

fn line(at_ms: u64, text: &str) -> Marker {
    let event = |skipped: bool| {
        json!({"type": "Line", "line": text, "skipped": skipped})
            .as_object()
            .cloned()
    };
    Marker {
        at_ms,
        reached: event(false),
        skipped: event(true),
        jump_ms: None,
    }
}

fn segment(at_ms: u64, end_ms: u64) -> Marker {
    Marker {
        at_ms,
        reached: json!({"type": "Skip"}).as_object().cloned(),
        skipped: None,
        jump_ms: Some(end_ms),
    }
}

fn set(bench: &mut Bench, kind: MarkerKind, markers: Vec<Marker>) -> Vec<String> {
    let load = bench.control.goal().expect("loaded").load;
    bench.after(|control, now| {
        assert!(control.set_markers(load, kind, markers, now));
    })
}

fn reached(bench: &mut Bench, position_ms: u64) -> Vec<String> {
    bench.reach(position_ms);
    let run = bench.run();
    bench.after(|control, now| control.handle_event(run, EventKind::Reached, None, now))
}

#[test]
fn the_engine_wakes_for_the_next_marker_of_any_kind() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let lines = vec![line(1_000, "one"), line(3_000, "two")];
    assert_eq!(
        set(&mut bench, MarkerKind::Lyrics, lines),
        ["Alarm(Some(1000))"]
    );
    assert_eq!(
        set(
            &mut bench,
            MarkerKind::Chapters,
            vec![line(2_000, "chapter")]
        ),
        [""; 0],
        "the alarm stands"
    );
    assert_eq!(
        reached(&mut bench, 1_010),
        ["tell Line one false", "Alarm(Some(2000))"]
    );
    assert_eq!(
        reached(&mut bench, 2_000),
        ["tell Line chapter false", "Alarm(Some(3000))"]
    );
    assert_eq!(
        set(&mut bench, MarkerKind::Lyrics, Vec::new()),
        ["Alarm(None)"]
    );
}

#[test]
fn a_segment_is_jumped_over_and_lines_in_it_count_as_skipped() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    set(
        &mut bench,
        MarkerKind::Segments,
        vec![segment(5_000, 9_000)],
    );
    set(
        &mut bench,
        MarkerKind::Lyrics,
        vec![line(6_000, "sung"), line(9_500, "after")],
    );
    assert_eq!(
        reached(&mut bench, 5_000),
        [
            "tell Skip",
            "Alarm(Some(6000))",
            "Seek",
            "Update",
            "tell Line sung true",
            "Alarm(Some(9500))",
        ]
    );
    assert_eq!(bench.control.goal().expect("loaded").position_ms, 9_000);
}

#[test]
fn a_jump_past_the_end_time_ends_the_track() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    bench.after(|control, now| control.handle_end_time(Some(8_000), now));
    set(
        &mut bench,
        MarkerKind::Segments,
        vec![segment(5_000, 9_000)],
    );
    assert_eq!(
        reached(&mut bench, 5_000),
        ["tell Skip", "end a@5000 Finished", "Silence"]
    );
}

#[test]
fn seeking_tells_what_it_skips_and_going_back_brings_it_back() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    set(
        &mut bench,
        MarkerKind::Lyrics,
        vec![line(1_000, "one"), line(2_000, "two")],
    );
    assert_eq!(
        bench.after(|control, now| control.handle_seek(1_500, now)),
        ["Seek", "Update", "tell Line one true", "Alarm(Some(2000))"]
    );
    assert_eq!(
        bench.after(|control, now| control.handle_seek(0, now)),
        ["Seek", "Update", "Alarm(Some(1000))"]
    );
}

#[test]
fn markers_go_with_their_track_and_late_ones_are_refused() {
    let mut bench = Bench::new();
    bench.after(|control, now| control.handle_play(play("a"), now));
    let load = bench.control.goal().expect("loaded").load;
    set(&mut bench, MarkerKind::Chapters, vec![line(1_000, "one")]);
    let effects = bench.after(|control, now| control.handle_play(play("b"), now));
    assert!(effects.contains(&"Alarm(None)".to_owned()), "{effects:?}");
    bench.after(|control, now| {
        assert!(!control.set_markers(load, MarkerKind::Lyrics, vec![line(1, "x")], now));
    });
    bench.reach(30_000);
    set(
        &mut bench,
        MarkerKind::Lyrics,
        vec![line(1_000, "over"), line(30_000, "now")],
    );
    assert_eq!(reached(&mut bench, 30_020), ["tell Line now false"]);
}
