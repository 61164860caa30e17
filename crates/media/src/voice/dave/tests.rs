//! What can be tried without a call: the rules of falling silent. Groups, peers and faults are
//! tried against the simulated call, in `crates/sim/tests/it/dave_hour.rs`.

use super::*;

const NOW: Duration = Duration::from_secs(50);

fn effects(dave: &mut Dave) -> Vec<String> {
    let effects = std::iter::from_fn(|| dave.poll());
    effects
        .map(|effect| match effect {
            Effect::KeyPackage(_) => "package".to_owned(),
            Effect::CommitWelcome(_) => "commit".to_owned(),
            Effect::TransitionReady(id) => format!("ready {id}"),
            Effect::InvalidCommitWelcome(id) => format!("invalid {id}"),
            Effect::Protect(EndToEnd::Off) => "off".to_owned(),
            Effect::Protect(EndToEnd::Pending) => "pending".to_owned(),
            Effect::Protect(EndToEnd::Keyed(_)) => "keyed".to_owned(),
            Effect::Restart => "restart".to_owned(),
        })
        .collect()
}

/// A member of a call that speaks `version`, told so.
fn described(version: u16) -> Dave {
    let mut dave = Dave::new(1, 2);
    dave.handle(Input::Described { version }, NOW);
    dave
}

fn prepare(dave: &mut Dave, transition_id: u16, version: u16) {
    let input = Input::PrepareTransition {
        transition_id,
        version,
    };
    dave.handle(input, NOW);
}

fn execute(dave: &mut Dave, transition_id: u16) {
    dave.handle(Input::ExecuteTransition { transition_id }, NOW);
}

#[test]
fn an_unencrypted_call_needs_nothing() {
    let mut dave = described(0);
    assert_eq!(dave.mode(), Mode::Off);
    assert_eq!(effects(&mut dave), [""; 0]);
    assert_eq!(dave.deadline(), None);
}

#[test]
fn an_encrypted_call_begins_with_a_key_package_and_silence() {
    let mut dave = described(1);
    assert_eq!(dave.mode(), Mode::Pending);
    assert_eq!(effects(&mut dave), ["package"]);
    assert_eq!(dave.deadline(), None, "alone, there is nothing to wait for");
}

#[test]
fn a_version_that_nobody_knows_stays_silent() {
    let mut dave = described(7);
    assert_eq!((dave.mode(), dave.counts().failures), (Mode::Pending, 1));
    assert_eq!(effects(&mut dave), [""; 0]);
}

#[test]
fn encryption_ends_only_when_its_end_is_executed() {
    let mut dave = described(1);
    effects(&mut dave);
    prepare(&mut dave, 5, 0);
    assert_eq!(effects(&mut dave), ["ready 5"]);
    assert_eq!(dave.mode(), Mode::Pending);
    execute(&mut dave, 6);
    dave.handle_deadline(NOW + Duration::from_hours(1));
    assert_eq!(effects(&mut dave), [""; 0], "another transition, and time");
    execute(&mut dave, 5);
    assert_eq!(effects(&mut dave), ["off"]);
    assert_eq!(dave.mode(), Mode::Off);
    execute(&mut dave, 5);
    assert_eq!(effects(&mut dave), [""; 0], "once is enough");
}

#[test]
fn a_transition_without_a_group_ends_in_silence() {
    let mut dave = described(0);
    prepare(&mut dave, 3, 1);
    execute(&mut dave, 3);
    assert_eq!(effects(&mut dave), ["ready 3", "pending"]);
    prepare(&mut dave, 0, 0);
    assert_eq!(effects(&mut dave), ["off"], "0 means at once");
}

#[test]
fn an_overtaken_transition_is_never_executed() {
    let mut dave = described(1);
    prepare(&mut dave, 1, 0);
    prepare(&mut dave, 2, 1);
    execute(&mut dave, 2);
    effects(&mut dave);
    execute(&mut dave, 1);
    assert_eq!(effects(&mut dave), [""; 0]);
    assert_eq!(dave.mode(), Mode::Pending);
}

#[test]
fn nonsense_changes_nothing_and_never_panics() {
    let nonsense: [Vec<u8>; 5] = [
        vec![],
        vec![0],
        vec![9, 9, 9],
        vec![0, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![0xA5; 3_000],
    ];
    for version in [0, 1] {
        for bytes in &nonsense {
            let mut dave = described(version);
            let before = dave.mode();
            effects(&mut dave);
            for input in [
                Input::ExternalSender(bytes.clone()),
                Input::Proposals(bytes.clone()),
                Input::Commit {
                    transition_id: 0,
                    commit: bytes.clone(),
                },
                Input::PrepareEpoch {
                    version: 9,
                    epoch: 7,
                },
            ] {
                dave.handle(input, NOW);
            }
            assert_eq!(dave.mode(), before);
            assert_eq!(effects(&mut dave), [""; 0]);
        }
    }
}

#[test]
fn a_bad_welcome_is_told_with_a_fresh_key_package_and_bounded() {
    let mut dave = described(1);
    dave.handle(Input::Connected(vec![5]), NOW);
    effects(&mut dave);
    let welcome = |byte| Input::Welcome {
        transition_id: 4,
        welcome: vec![byte; 40],
    };
    dave.handle(welcome(1), NOW);
    assert_eq!(effects(&mut dave), ["invalid 4", "package"]);
    for byte in 2..50 {
        dave.handle(welcome(byte), NOW);
    }
    assert_eq!(effects(&mut dave), [""; 0], "not again within a second");
    let due = dave.deadline().expect("it asks again");
    dave.handle_deadline(due);
    assert_eq!(effects(&mut dave), ["invalid 4", "package"]);
}

#[test]
fn outside_of_a_group_with_others_it_asks_again_and_then_begins_anew() {
    let mut dave = described(1);
    dave.handle(Input::Connected(vec![5]), NOW);
    effects(&mut dave);
    let mut said = Vec::new();
    while let Some(due) = dave.deadline() {
        dave.handle_deadline(due);
        said.append(&mut effects(&mut dave));
    }
    assert_eq!(
        said,
        [
            "invalid 0",
            "package",
            "invalid 0",
            "package",
            "invalid 0",
            "package",
            "restart"
        ]
    );
    // Whoever is alone does not ask.
    let mut alone = described(1);
    alone.handle(Input::Connected(vec![5]), NOW);
    alone.handle(Input::Disconnected(5), NOW);
    effects(&mut alone);
    alone.handle_deadline(NOW + Duration::from_mins(1));
    assert_eq!(effects(&mut alone), [""; 0]);
    assert_eq!(alone.deadline(), None);
}

#[test]
fn a_lost_connection_that_is_back_repeats_what_is_open() {
    let mut dave = described(1);
    prepare(&mut dave, 8, 0);
    effects(&mut dave);
    dave.handle(Input::Resumed, NOW);
    assert_eq!(effects(&mut dave), ["ready 8", "package"]);
}

#[test]
fn the_same_base_secret_is_never_installed_twice() {
    let mut dave = described(1);
    effects(&mut dave);
    dave.apply(Target::Keys([1; 16]), NOW);
    dave.apply(Target::Keys([1; 16]), NOW);
    assert_eq!(effects(&mut dave), ["keyed"], "its nonces go on");
    dave.apply(Target::Keys([2; 16]), NOW);
    dave.apply(Target::Keys([1; 16]), NOW);
    assert_eq!(
        effects(&mut dave),
        ["keyed", "pending"],
        "they would repeat"
    );
}

#[test]
fn a_key_gives_way_to_its_next_generation_in_time() {
    let mut dave = described(1);
    dave.apply(Target::Keys([1; 16]), NOW);
    effects(&mut dave);
    for generation in 1..=3_u32 {
        let due = dave.deadline().expect("keys do not last for ever");
        assert_eq!(due, NOW + GENERATION * generation);
        dave.handle_deadline(due);
        assert_eq!(effects(&mut dave), ["keyed"]);
    }
}
