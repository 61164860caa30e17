//! The bot leaves when it is not needed.

use super::*;

#[test]
fn the_bot_leaves_a_channel_where_nothing_plays() {
    let mut guild = Guild::joined();
    assert_eq!(guild.pass(299_999), "");
    assert_eq!(guild.pass(1), "save, destroy, leave, no view");
}

#[test]
fn what_starts_to_play_stops_the_clock() {
    let mut guild = Guild::joined();
    guild.pass(299_000);
    guild.play("a", Placement::Last);
    guild.started();
    assert_eq!(guild.pass(3_600_000), "");
}

#[test]
fn a_query_that_is_being_looked_up_stops_the_clock() {
    let mut guild = Guild::joined();
    guild.pass(299_000);
    let (request, _) = guild.command(
        Some(HERE),
        Command::Play {
            query: "x".into(),
            placement: Placement::Last,
        },
    );
    assert_eq!(guild.pass(60_000), "");
    guild.tell(Input::Resolved {
        request,
        result: Resolution::Empty,
    });
    assert_eq!(guild.pass(299_999), "");
    assert_eq!(guild.pass(1), "save, destroy, leave, no view");
}

#[test]
fn a_paused_track_is_not_idle() {
    let mut guild = Guild::playing("a");
    guild.ask(Command::Pause);
    assert_eq!(guild.pass(24 * 3_600_000), "");
}

#[test]
fn the_bot_leaves_when_nobody_listens_and_keeps_what_it_played() {
    let mut guild = Guild::playing("ab");
    guild.pass(5_000);
    guild.tell(Input::Listeners { people: 0 });
    assert_eq!(guild.pass(59_999), "");
    assert_eq!(guild.pass(1), "save, destroy, leave, view");
    assert_eq!(
        (guild.sounding(), guild.position(), guild.waiting()),
        ("a".into(), 65_000, "b".into())
    );
    guild.ask(Command::Join);
    assert_eq!(guild.connect(), "connect, play a from 65000 at 100%, view");
}

#[test]
fn somebody_who_comes_back_in_time_keeps_the_bot() {
    let mut guild = Guild::playing("a");
    for _ in 0..5 {
        guild.tell(Input::Listeners { people: 0 });
        assert_eq!(guild.pass(59_999), "");
        guild.tell(Input::Listeners { people: 1 });
        assert_eq!(guild.pass(59_999), "");
    }
}

#[test]
fn hearing_again_that_nobody_listens_does_not_start_the_clock_anew() {
    let mut guild = Guild::playing("a");
    guild.tell(Input::Listeners { people: 0 });
    guild.pass(59_000);
    guild.tell(Input::Listeners { people: 0 });
    assert_eq!(guild.pass(1_000), "save, destroy, leave, view");
}

#[test]
fn leaving_by_command_keeps_the_queue_and_stopping_does_not() {
    let mut guild = Guild::playing("abc");
    guild.ask(Command::Leave);
    assert_eq!(
        (guild.sounding(), guild.waiting()),
        ("a".into(), "bc".into())
    );
    assert_eq!(
        guild.ask(Command::Stop),
        Outcome::Stopped { cleared: 2 },
        "also when it is away"
    );
    assert!(guild.session.is_over());
    assert_eq!(guild.ask(Command::Stop), refused(Refusal::BotNotInVoice));
}

#[test]
fn the_loop_ends_with_the_evening_and_the_volume_stays() {
    let mut guild = Guild::playing("a");
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Queue),
    });
    guild.ask(Command::Volume { percent: Some(40) });
    guild.ask(Command::Stop);
    let snapshot = guild.session.snapshot(guild.now);
    assert_eq!(
        (snapshot.loop_mode, snapshot.volume, snapshot.is_blank()),
        (LoopMode::Off, 40, false)
    );
}
