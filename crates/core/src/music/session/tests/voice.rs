//! Voice comes, goes, and fails.

use super::*;

#[test]
fn a_platform_that_does_not_answer_is_asked_three_times() {
    let mut guild = Guild::new();
    guild.play("a", Placement::Last);
    assert_eq!(guild.pass(2_999), "");
    assert_eq!(guild.pass(1), "save, leave, join 10, view");
    assert_eq!(guild.pass(5_000), "save, leave, join 10, view");
    assert_eq!(
        guild.pass(8_000),
        "save, notice Refused { refusal: VoiceFailed }, destroy, leave, view",
        "then it is given up, and the queue is kept"
    );
    assert_eq!(
        (guild.sounding(), guild.session.deadline()),
        ("a".into(), None)
    );
    assert!(guild.session.is_dormant() && !guild.session.is_over());
}

#[test]
fn the_echo_of_leaving_between_attempts_is_no_farewell() {
    let mut guild = Guild::new();
    guild.play("a", Placement::Last);
    guild.pass(3_000);
    assert_eq!(shown(&guild.tell(Input::VoiceLeft)), "");
    assert_eq!(guild.connect(), "connect, play a from 0 at 100%, view");
}

#[test]
fn a_node_that_cannot_connect_gets_fresh_credentials() {
    let mut guild = Guild::new();
    guild.play("a", Placement::Last);
    guild.tell(Input::VoiceCredentials);
    assert_eq!(
        shown(&guild.tell(Input::VoiceFailed)),
        "save, leave, join 10, view"
    );
    guild.tell(Input::VoiceCredentials);
    assert_eq!(
        guild.pass(15_000),
        "save, leave, join 10, view",
        "no answer is a failure too"
    );
    guild.tell(Input::VoiceCredentials);
    let effects = shown(&guild.tell(Input::VoiceFailed));
    assert_eq!(
        effects,
        "save, notice Refused { refusal: VoiceFailed }, destroy, leave, view"
    );
}

#[test]
fn a_connection_that_breaks_at_once_again_and_again_is_given_up() {
    let mut guild = Guild::playing("a");
    let mut rejoined = 0;
    for _ in 0..10 {
        if !shown(&guild.tell(Input::VoiceFailed)).contains("join") {
            break;
        }
        rejoined += 1;
        guild.connect();
    }
    assert_eq!((rejoined, guild.session.voice), (2, Voice::Out));
}

#[test]
fn a_connection_that_held_may_break_any_number_of_times() {
    let mut guild = Guild::playing("a");
    for _ in 0..10 {
        guild.pass(60_000);
        assert_eq!(
            shown(&guild.tell(Input::VoiceFailed)),
            "save, leave, join 10, view"
        );
        guild.connect();
    }
}

#[test]
fn being_disconnected_keeps_the_queue_and_the_position() {
    let mut guild = Guild::playing("abc");
    guild.pass(9_000);
    assert_eq!(shown(&guild.tell(Input::VoiceLeft)), "save, destroy, view");
    assert!(
        guild
            .session
            .view(guild.now)
            .playing
            .expect("it is kept")
            .paused
    );
    guild.pass(3_600_000);
    assert_eq!(guild.done(Command::Join), "save, join 10, reply, view");
    assert_eq!(guild.connect(), "connect, play a from 9000 at 100%, view");
    assert_eq!(guild.waiting(), "bc");
}

#[test]
fn being_moved_is_followed() {
    let mut guild = Guild::playing("a");
    assert_eq!(
        shown(&guild.tell(Input::VoiceJoined {
            channel: channel(THERE)
        })),
        "save, view"
    );
    assert_eq!(
        guild.session.view(guild.now).voice_channel,
        Some(channel(THERE))
    );
    assert_eq!(shown(&guild.tell(Input::VoiceCredentials)), "connect");
    assert_eq!(shown(&guild.tell(Input::VoiceReady)), "");
    assert_eq!(
        shown(&guild.tell(Input::VoiceJoined {
            channel: channel(THERE)
        })),
        "",
        "the same again is no news"
    );
}

#[test]
fn a_lost_node_is_replaced_and_the_track_goes_on_where_it_was_heard_last() {
    let mut guild = Guild::playing("ab");
    guild.pass(30_000);
    let since = guild.now - 2_000;
    assert_eq!(shown(&guild.tell(Input::NodeLost { since })), "view");
    guild.pass(3_600_000);
    assert_eq!(guild.ask(Command::Pause), Outcome::Paused);
    assert_eq!(guild.ask(Command::Resume), Outcome::Resumed);
    assert_eq!(shown(&guild.tell(Input::NodeReady)), "connect");
    assert_eq!(
        shown(&guild.tell(Input::VoiceReady)),
        "play a from 28000 at 100%, view"
    );
    assert_eq!(
        guild.started(),
        "preload b, view",
        "it is not recorded twice"
    );
}

#[test]
fn a_node_may_be_missing_from_the_start() {
    let mut guild = Guild::new();
    guild.play("a", Placement::Last);
    assert_eq!(shown(&guild.tell(Input::VoiceCredentials)), "connect");
    assert_eq!(
        shown(&guild.tell(Input::NodeLost { since: guild.now })),
        "view"
    );
    assert_eq!(guild.pass(60_000), "", "it waits");
    assert_eq!(shown(&guild.tell(Input::NodeReady)), "connect");
    assert_eq!(shown(&guild.tell(Input::NodeReady)), "", "once");
}

#[test]
fn a_session_that_is_out_ignores_the_news_of_voice_and_nodes() {
    for input in [
        Input::VoiceJoined {
            channel: channel(HERE),
        },
        Input::VoiceLeft,
        Input::VoiceCredentials,
        Input::VoiceReady,
        Input::VoiceFailed,
        Input::Listeners { people: 0 },
        Input::NodeLost { since: START },
        Input::NodeReady,
        Input::Tick,
    ] {
        let mut guild = Guild::new();
        let name = format!("{input:?}");
        assert_eq!(shown(&guild.tell(input)), "", "{name}");
        assert_eq!(guild.session.deadline(), None, "{name}");
        assert!(guild.session.is_over(), "{name}");
    }
}

#[test]
fn a_guild_that_removed_the_bot_leaves_nothing_behind() {
    let mut guild = Guild::playing("abc");
    assert_eq!(shown(&guild.tell(Input::Removed)), "save, destroy, no view");
    assert!(guild.session.snapshot(guild.now).is_blank());
}
