//! Sessions come back after a restart.

use super::*;

/// Saves, waits an hour, and restores.
fn restart(guild: &mut Guild) -> Guild {
    let saved = guild.session.snapshot(guild.now);
    let session = Session::restore(saved, SETTINGS, guild.now + 3_600_000).expect("restores");
    let mut restored = Guild::with(session);
    restored.now = guild.now + 3_600_000;
    restored
}

#[test]
fn everything_comes_back_and_the_music_goes_on_where_it_was() {
    let mut guild = Guild::playing("abc");
    guild.ask(Command::Volume { percent: Some(70) });
    guild.ask(Command::Skip { count: 1 });
    guild.started();
    guild.ask(Command::Loop {
        mode: Some(LoopMode::Queue),
    });
    guild.pass(12_345);
    let mut restored = restart(&mut guild);
    assert_eq!(shown(&restored.effects()), "join 10");
    assert_eq!(
        (restored.sounding(), restored.waiting(), restored.played()),
        ("b".into(), "c".into(), "a".into())
    );
    assert_eq!(restored.session.loop_mode, LoopMode::Queue);
    assert_eq!(restored.session.text_channel(), Some(channel(CHAT)));
    assert_eq!(
        restored.connect(),
        "connect, play b from 12345 at 70%, view"
    );
    assert_ne!(
        restored.last_play(),
        guild.last_play(),
        "an old start is not taken for the new one"
    );
    assert_eq!(
        restored.started(),
        "preload c, view",
        "it is not recorded twice"
    );
}

#[test]
fn a_paused_track_stays_paused() {
    let mut guild = Guild::playing("a");
    guild.pass(5_000);
    guild.ask(Command::Pause);
    let mut restored = restart(&mut guild);
    restored.effects();
    assert_eq!(
        restored.connect(),
        "connect, play a from 5000 paused at 100%, view"
    );
    restored.started();
    restored.pass(10_000);
    assert_eq!(restored.position(), 5_000);
}

#[test]
fn a_platform_that_sends_no_server_is_left_and_joined_again() {
    let mut restored = restart(&mut Guild::playing("a"));
    restored.effects();
    restored.tell(Input::VoiceJoined {
        channel: channel(HERE),
    });
    assert_eq!(restored.pass(3_000), "save, leave, join 10, view");
}

#[test]
fn a_session_that_was_away_stays_away() {
    let mut guild = Guild::playing("ab");
    guild.ask(Command::Leave);
    let mut restored = restart(&mut guild);
    assert_eq!(shown(&restored.effects()), "");
    assert!(restored.session.is_dormant());
    assert_eq!(
        (restored.sounding(), restored.waiting()),
        ("a".into(), "b".into())
    );
}

#[test]
fn a_bot_that_waited_in_a_channel_waits_on() {
    let mut restored = restart(&mut Guild::joined());
    assert_eq!(shown(&restored.effects()), "join 10");
    restored.connect();
    assert!(restored.pass(300_000).contains("leave"));
}

#[test]
fn a_position_saved_later_counts() {
    let mut guild = Guild::playing("a");
    let mut saved = guild.session.snapshot(guild.now);
    saved.set_position(50_000);
    let mut restored = Guild::with(Session::restore(saved, SETTINGS, START).expect("restores"));
    restored.effects();
    assert_eq!(
        restored.connect(),
        "connect, play a from 50000 at 100%, view"
    );
    guild.ask(Command::Stop);
    let mut nothing = guild.session.snapshot(guild.now);
    nothing.set_position(50_000);
    assert!(nothing.current.is_none());
}

#[test]
fn a_snapshot_of_the_future_is_refused() {
    let mut saved = Guild::playing("a").session.snapshot(START);
    saved.version = 2;
    assert_eq!(
        Session::restore(saved, SETTINGS, START).err(),
        Some(RestoreError::Version { version: 2 })
    );
}

#[test]
fn numbers_that_nobody_could_have_saved_are_bounded() {
    let mut saved = Guild::playing("a").session.snapshot(START);
    saved.volume = 60_000;
    saved.set_position(u64::MAX);
    saved.history = tracks(&"h".repeat(3 * HISTORY));
    let restored = Guild::with(Session::restore(saved, SETTINGS, START).expect("restores"));
    assert_eq!(
        (restored.session.volume, restored.position()),
        (MAX_VOLUME, LENGTH)
    );
    assert_eq!(restored.session.history.len(), HISTORY);
}

#[test]
fn a_snapshot_of_version_one_is_read_for_ever() {
    let text = r#"{
        "version": 1, "text_channel": "20", "voice_channel": "10",
        "current": {
            "track": {
                "encoded": "QAAA", "title": "a", "author": "b", "length_ms": 1000, "seekable": true,
                "uri": null, "artwork_url": null, "source": "local", "requester": "1"
            },
            "position_ms": 500, "paused": true
        },
        "queue": [], "history": [], "volume": 80, "loop_mode": "track", "autoplay": false, "plays": 3
    }"#;
    let saved: Snapshot = serde_json::from_str(text).expect("reads");
    let written = serde_json::to_value(&saved).expect("writes");
    assert_eq!(
        written,
        serde_json::from_str::<serde_json::Value>(text).expect("is JSON")
    );
    let restored = Guild::with(Session::restore(saved, SETTINGS, START).expect("restores"));
    assert_eq!(
        (restored.sounding(), restored.position()),
        ("a".into(), 500)
    );
}
