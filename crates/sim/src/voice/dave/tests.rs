use super::*;

const CHANNEL: u64 = 4_000;

/// Members outside of any call that follow the service themselves.
struct Stage {
    service: DeliveryService,
    people: BTreeMap<u64, Attendee>,
    now: Duration,
}

impl Stage {
    fn new() -> Self {
        Self {
            service: DeliveryService::new(CHANNEL),
            people: BTreeMap::new(),
            now: Duration::ZERO,
        }
    }

    fn come(&mut self, user_id: u64) -> u16 {
        let version = self.service.join(user_id, 1, self.now);
        self.people
            .insert(user_id, Attendee::new(user_id, CHANNEL, version));
        self.talk();
        version
    }

    fn go(&mut self, user_id: u64) {
        self.people.remove(&user_id);
        self.service.leave(user_id, self.now);
        self.talk();
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.service.handle_deadline(self.now);
        self.talk();
    }

    fn talk(&mut self) {
        for _ in 0..1_000 {
            let mut quiet = true;
            for (user_id, person) in &mut self.people {
                while let Some(frame) = person.poll() {
                    quiet = false;
                    self.service.handle(*user_id, &frame, self.now);
                }
            }
            while let Some(Delivery { to, frame }) = self.service.poll() {
                quiet = false;
                let present = self.service.state().members;
                if let Some(person) = self.people.get_mut(&to) {
                    person.handle(&frame, &present);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they never stop talking");
    }

    /// Everybody hears everybody.
    #[track_caller]
    fn check(&mut self) {
        let state = self.service.state();
        assert!(state.settled, "{state:?}");
        assert_eq!(state.version, 1, "{state:?}");
        let users: Vec<u64> = self.people.keys().copied().collect();
        for from in &users {
            assert_eq!(self.people[from].epoch(), state.epoch, "{from}");
            let speaker = self.people.get_mut(from).expect("it is there");
            let frame = speaker
                .encrypt(b"\xFCmusic")
                .unwrap_or_else(|| panic!("{from} has no key"));
            for to in &users {
                if to != from {
                    let listener = self.people.get_mut(to).expect("it is there");
                    let heard = listener.decrypt(*from, &frame);
                    assert_eq!(heard.as_deref(), Some(&b"\xFCmusic"[..]), "{from} to {to}");
                }
            }
        }
    }

    fn failures(&self) -> u64 {
        self.people.values().map(Attendee::failures).sum()
    }
}

#[test]
fn those_who_come_and_go_hear_each_other_in_every_epoch() {
    let mut stage = Stage::new();
    assert_eq!(stage.come(1), 1);
    assert!(stage.service.state().settled, "alone");
    assert_eq!(stage.come(2), 1);
    stage.check();
    for user_id in 3..=6 {
        stage.come(user_id);
        stage.check();
    }
    assert_eq!(stage.service.state().epoch, 5);
    for user_id in [1, 4, 6] {
        stage.go(user_id);
        stage.check();
    }
    stage.come(4);
    stage.check();
    let counts = stage.service.state().counts;
    assert_eq!(
        (
            stage.failures(),
            counts.refused,
            counts.flagged,
            counts.impatient
        ),
        (0, 0, 0, 0),
        "{counts:?}"
    );
}

#[test]
fn who_stays_alone_begins_a_new_group() {
    let mut stage = Stage::new();
    for user_id in 1..=3 {
        stage.come(user_id);
    }
    stage.go(1);
    stage.go(3);
    let state = stage.service.state();
    assert_eq!((state.epoch, state.version, state.settled), (0, 1, true));
    assert!(!stage.people[&2].is_ready(), "a group of one has no key");
    stage.come(1);
    stage.check();
    assert_eq!(stage.service.state().epoch, 1);
    assert_eq!(stage.failures(), 0);
}

#[test]
fn a_member_without_dave_leads_out_of_encryption_and_its_leaving_back() {
    let mut stage = Stage::new();
    for user_id in 1..=3 {
        stage.come(user_id);
    }
    assert!(stage.service.demands_encryption(stage.now));
    assert_eq!(stage.service.join(9, 0, stage.now), 0);
    assert!(!stage.service.demands_encryption(stage.now));
    stage.talk();
    let state = stage.service.state();
    assert_eq!((state.version, state.epoch, state.settled), (0, 0, true));
    assert!(stage.people.values().all(|person| !person.is_ready()));
    assert_eq!(stage.come(4), 0, "nobody is encrypted now");

    stage.go(9);
    stage.check();
    assert!(
        !stage.service.demands_encryption(stage.now),
        "some may still be on its way"
    );
    stage.wait(1);
    assert!(stage.service.demands_encryption(stage.now));
    assert_eq!(stage.failures(), 0);
}

#[test]
fn an_upgrade_that_one_waits_for_alone_ends() {
    let mut stage = Stage::new();
    stage.come(1);
    stage.service.join(9, 0, stage.now);
    stage.talk();
    stage.go(9);
    let state = stage.service.state();
    assert_eq!((state.version, state.settled), (1, true));
    stage.come(2);
    stage.check();
}

#[test]
fn what_is_damaged_lost_or_late_is_recovered_from() {
    let corrupt_commit = Opcode::MlsAnnounceCommitTransition;
    let corrupt_welcome = Opcode::MlsWelcome;
    for (name, op, harm, to) in [
        (
            "commit damaged for all",
            corrupt_commit,
            Harm::Corrupt,
            None,
        ),
        (
            "commit damaged for one",
            corrupt_commit,
            Harm::Corrupt,
            Some(2),
        ),
        ("welcome damaged", corrupt_welcome, Harm::Corrupt, Some(3)),
        ("commit twice", corrupt_commit, Harm::Duplicate, Some(1)),
        ("welcome twice", corrupt_welcome, Harm::Duplicate, Some(3)),
        (
            "proposals twice",
            Opcode::MlsProposals,
            Harm::Duplicate,
            Some(1),
        ),
        (
            "welcome late",
            corrupt_welcome,
            Harm::Delay(Duration::from_secs(5)),
            Some(3),
        ),
        (
            "commit late",
            corrupt_commit,
            Harm::Delay(Duration::from_secs(5)),
            Some(2),
        ),
    ] {
        let mut stage = Stage::new();
        stage.come(1);
        stage.come(2);
        stage.service.inject(Fault {
            op,
            to,
            harm,
            times: 2,
        });
        stage.come(3);
        for _ in 0..4 {
            stage.wait(3);
        }
        let state = stage.service.state();
        assert!(state.settled, "{name}: {state:?}");
        stage.come(4);
        stage.wait(6);
        assert!(stage.service.state().settled, "{name}");
        stage.check();
    }
}

#[test]
fn a_transition_does_not_wait_for_ever() {
    let mut stage = Stage::new();
    stage.come(1);
    stage.come(2);
    let sleeper = stage.people.remove(&2).expect("it is there");
    stage.come(3);
    assert!(!stage.service.state().settled);
    assert_eq!(
        stage.service.deadline(),
        Some(stage.now + Duration::from_secs(2))
    );
    stage.wait(2);
    assert_eq!(stage.service.state().counts.impatient, 1);
    assert!(stage.service.state().settled);
    drop(sleeper);
}

#[test]
fn what_is_not_valid_is_refused() {
    let mut stage = Stage::new();
    stage.come(1);
    stage.come(2);
    let before = stage.service.state();
    let mut foreign = Attendee::new(7, CHANNEL, 1);
    let package = foreign.poll().expect("a key package");
    let now = stage.now;
    for (name, frame) in [
        ("another user's key package", package),
        (
            "a key package of noise",
            Frame::binary(Opcode::MlsKeyPackage, vec![0xFF; 300]),
        ),
        (
            "a commit of noise",
            Frame::binary(Opcode::MlsCommitWelcome, vec![0; 300]),
        ),
        (
            "an empty commit",
            Frame::binary(Opcode::MlsCommitWelcome, Vec::new()),
        ),
        (
            "what servers say",
            Frame::binary(Opcode::MlsProposals, vec![0, 0]),
        ),
        (
            "a transition without id",
            Frame::Text {
                op: Opcode::DaveTransitionReady,
                body: serde_json::json!({}),
            },
        ),
    ] {
        let refused = stage.service.state().counts.refused;
        stage.service.handle(1, &frame, now);
        assert_eq!(stage.service.state().counts.refused, refused + 1, "{name}");
    }
    stage.talk();
    let after = stage.service.state();
    assert_eq!((after.epoch, after.group), (before.epoch, before.group));
    stage.check();
}

#[test]
fn a_call_hears_through_its_simulated_members() {
    let now = Duration::ZERO;
    let mut call = Call::new(CHANNEL);
    call.attend(1, 1, now);
    let version = call.join(2, 1, now);
    let mut real = Attendee::new(2, CHANNEL, version);
    for _ in 0..10 {
        while let Some(frame) = real.poll() {
            call.handle(2, &frame, now);
        }
        while let Some(delivery) = call.poll() {
            assert_eq!(delivery.to, 2);
            real.handle(&delivery.frame, &[1, 2]);
        }
    }
    let media = real.encrypt(b"\xFCmusic").expect("it has a key");
    assert_eq!(
        call.open(2, &media, now),
        Opened::Encrypted(b"\xFCmusic".to_vec())
    );
    assert_eq!(call.open(2, &media, now), Opened::Undecryptable, "replayed");
    assert_eq!(call.open(2, b"\xFCmusic", now), Opened::Plaintext);
    assert_eq!(call.open(2, &[0xF8, 0xFF, 0xFE], now), Opened::Plain);
    call.attend(3, 0, now);
    assert_eq!(call.open(2, b"\xFCmusic", now), Opened::Plain);
}
